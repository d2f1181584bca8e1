//! What stands in dtraf's tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_common::abi::Family;

use super::name::CounterName;
use super::place::Place;
use super::skeleton::Skeleton;
use crate::accounting::snapshot::Life;
use crate::source::rules::{Counted, Tally};

/// The tables as they were when they were last looked at. That there is none is one way to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Of each family's table that is there.
    pub(super) skeletons: BTreeMap<Family, Skeleton>,
    /// Counters of others' making are not among them.
    pub(super) counters: BTreeMap<CounterName, Tally>,
    /// Who stands where; `None` for a counter of others' making.
    pub(super) places: BTreeMap<Place, Option<CounterName>>,
}

impl Standing {
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let at = self.by_counter();
        let counted = self.counters.iter().map(|(name, tally)| {
            let place = at.get(name).copied();
            let (life, address) = match place {
                Some(place @ Place::Live { .. }) => (Life::Live, place.address()),
                Some(place @ Place::Retired { .. }) => (Life::Retired, place.address()),
                None => (Life::Retired, unspecified(name.key.family)),
            };
            let name_text = name.container().to_owned();
            Counted { key: name.key, name: name_text, address, since: name.since(), life, tally: *tally }
        });
        counted.collect()
    }

    /// Where each counter stands. Of several places, which dtraf never makes, the first.
    pub(super) fn by_counter(&self) -> BTreeMap<&CounterName, Place> {
        let mut places = BTreeMap::new();
        for (place, name) in &self.places {
            if let Some(name) = name.as_ref().filter(|name| place.is_of(name.key)) {
                places.entry(name).or_insert(*place);
            }
        }
        places
    }
}

/// Of a counter that nothing points to, as only others leave it.
fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}
