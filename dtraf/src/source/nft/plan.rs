//! What stands and what is to stand -> the one transaction that leads from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use dtraf_common::abi::Family;

use super::arrange::{Arrangement, arrange};
use super::name::CounterName;
use super::place::{Map, Place};
use super::skeleton::{Fitting, Needed, Skeleton, TABLE, family_word};
use super::standing::Standing;
use crate::source::rules::{Tally, Target};

/// A change of dtraf's tables. It happens as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    script: String,
}

/// Leads to what the target wants, by its laws.
pub(crate) fn plan(standing: &Standing, target: &Target<'_>) -> Plan {
    let mut script = String::new();
    write(standing, &arrange(standing, target), &mut script).expect("a String takes any text");
    Plan { script }
}

impl Plan {
    /// Nothing is to be changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.script.is_empty()
    }

    /// What `nft -f` is to read.
    pub(crate) fn script(&self) -> &str {
        &self.script
    }
}

/// Whatever goes is gone before something comes: places are left before others take them, and counters are deleted when
/// nothing points to them any more.
fn write(standing: &Standing, arrangement: &Arrangement, script: &mut String) -> fmt::Result {
    let leaves = |(place, name): (&Place, &Option<CounterName>)| {
        let stays = name.is_some() && arrangement.places.get(place) == name.as_ref();
        (!stays).then(|| (place.map(), place.to_string()))
    };
    elements("delete", standing.places.iter().filter_map(leaves), script)?;
    for name in standing.counters.keys().filter(|name| !arrangement.counters.contains_key(name)) {
        writeln!(script, "delete counter {} {TABLE} {name}", family_word(name.key.family))?;
    }
    let mut needed = Needed::new();
    for place in arrangement.places.keys() {
        *needed.entry(place.map()).or_default() += 1;
    }
    for family in Family::ALL {
        Skeleton::complete(standing.skeletons.get(&family), family, TABLE, &needed, script)?;
    }
    for (name, tally) in arrangement.counters.iter().filter(|(name, _)| !standing.counters.contains_key(name))
    {
        let Tally { packets, bytes } = tally;
        let family = family_word(name.key.family);
        writeln!(script, "add counter {family} {TABLE} {name} {{ packets {packets} bytes {bytes}; }}")?;
    }
    let is_new = |map: Map| {
        let skeleton = standing.skeletons.get(&map.family);
        skeleton.is_some_and(|it| it.fitting(map, &needed) == Fitting::Grows)
    };
    let grown: BTreeSet<Map> = Map::all().filter(|map| is_new(*map)).collect();
    let comes = |(place, name): (&Place, &CounterName)| {
        let stands = standing.places.get(place).is_some_and(|it| it.as_ref() == Some(name));
        (!stands || grown.contains(&place.map())).then(|| (place.map(), format!("{place} : \"{name}\"")))
    };
    elements("add", arrangement.places.iter().filter_map(comes), script)
}

/// One command for each map: `nft` takes thousands of elements in one as fast as hundreds.
fn elements(verb: &str, elements: impl Iterator<Item = (Map, String)>, script: &mut String) -> fmt::Result {
    let mut maps = BTreeMap::<Map, Vec<String>>::new();
    for (map, element) in elements {
        maps.entry(map).or_default().push(element);
    }
    for (map, elements) in maps {
        let family = family_word(map.family);
        writeln!(script, "{verb} element {family} {TABLE} {map} {{ {} }}", elements.join(", "))?;
    }
    Ok(())
}
