//! What `nft -n -j list table` says -> [`Standing`]. Whatever is not dtraf's own way to write is passed over.

use dtraf_common::abi::Family;
use serde::Deserialize;
use serde_json::Value;

use super::name::{CounterName, protocol_number};
use super::place::{Held, Map, Place};
use super::skeleton::{CHAIN, Chain, HOOK, PRIORITY, Skeleton, TABLE};
use super::standing::Standing;
use crate::accounting::inventory::PortNumber;
use crate::source::rules::{Matched, Tally, family_of};

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

/// Of all kinds of things that are listed, each item is one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    table: Option<Named>,
    counter: Option<Counter>,
    map: Option<Elements>,
    chain: Option<Listed>,
    rule: Option<Statement>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Counter {
    name: String,
    // JSON from `nft` is signed: beyond 2^63 - 1 it goes on with negative numbers.
    packets: i64,
    bytes: i64,
}

#[derive(Deserialize)]
struct Elements {
    name: String,
    size: Option<usize>,
    /// Pairs of a place and a counter's name.
    #[serde(default)]
    elem: Vec<Value>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    hook: Option<String>,
    prio: Option<i64>,
    policy: Option<String>,
}

#[derive(Deserialize)]
struct Statement {
    chain: String,
    #[serde(default)]
    comment: String,
}

/// Takes a listing of one family's table into what stands.
pub(super) fn parse(family: Family, text: &[u8], standing: &mut Standing) -> Result<(), serde_json::Error> {
    let listing: Listing = serde_json::from_slice(text)?;
    let mut skeleton = None::<Skeleton>;
    let mut rules = Vec::new();
    for item in listing.nftables {
        if item.table.is_some_and(|table| table.name == TABLE) {
            skeleton.get_or_insert_default();
        } else if let Some(counter) = item.counter {
            add_counter(standing, &counter);
        } else if let Some(map) = item.map {
            add_map(standing, skeleton.get_or_insert_default(), family, map);
        } else if let Some(chain) = item.chain.filter(|chain| chain.name == CHAIN) {
            let chain = Chain { is_placed: chain.is_placed(), rules: Vec::new() };
            skeleton.get_or_insert_default().chain = Some(chain);
        } else if let Some(rule) = item.rule.filter(|rule| rule.chain == CHAIN) {
            rules.push(rule.comment);
        }
    }
    if let Some(chain) = skeleton.as_mut().and_then(|skeleton| skeleton.chain.as_mut()) {
        chain.rules = rules;
    }
    standing.skeletons.extend(skeleton.map(|skeleton| (family, skeleton)));
    Ok(())
}

impl Listed {
    fn is_placed(&self) -> bool {
        let text = (self.kind.as_deref(), self.hook.as_deref(), self.policy.as_deref());
        text == (Some("filter"), Some(HOOK), Some("accept")) && self.prio == Some(PRIORITY)
    }
}

fn add_counter(standing: &mut Standing, counter: &Counter) {
    if let Ok(name) = counter.name.parse() {
        let tally = Tally { packets: counter.packets.cast_unsigned(), bytes: counter.bytes.cast_unsigned() };
        standing.counters.insert(name, tally);
    }
}

fn add_map(standing: &mut Standing, skeleton: &mut Skeleton, family: Family, elements: Elements) {
    let maps = || Map::all().filter(|map| map.family == family);
    let Some(map) = maps().find(|map| map.to_string() == elements.name) else {
        return;
    };
    for element in &elements.elem {
        let Some([key, counter]) = element.as_array().map(Vec::as_slice) else {
            continue;
        };
        if let Some(place) = place(map, key) {
            let counter = counter.as_str().and_then(|text| text.parse::<CounterName>().ok());
            standing.places.insert(place, counter);
        }
    }
    skeleton.maps.insert(elements.name, elements.size);
}

fn place(map: Map, key: &Value) -> Option<Place> {
    let parts = match key.get("concat") {
        Some(parts) => parts.as_array()?.iter().collect(),
        None => vec![key],
    };
    let address = parts.first()?.as_str()?.parse().ok()?;
    let place = match (map.held, &parts[1..]) {
        (Held::Address(direction), []) => Place::Live { direction, matched: Matched::All, address },
        (Held::Port(direction), [protocol, port]) => {
            let protocol = match protocol {
                Value::String(name) => protocol_number(name)?,
                number => u8::try_from(number.as_u64()?).ok()?,
            };
            let port = u16::try_from(port.as_u64()?).ok()?;
            Place::Live { direction, matched: Matched::Port(PortNumber { protocol, port }), address }
        }
        (Held::Retired, [number]) => {
            Place::Retired { address, number: u32::try_from(number.as_u64()?).ok()? }
        }
        _ => return None,
    };
    (family_of(address) == map.family).then_some(place)
}
