//! A kernel's tables as far as dtraf's scripts can change it, with the kernel's ways to refuse.

use std::collections::BTreeMap;

use dtraf_common::abi::Family;
use serde_json::{Value, json};

use crate::source::nft::listing;
use crate::source::nft::plan::Plan;
use crate::source::nft::skeleton::family_word;
use crate::source::nft::standing::Standing;
use crate::source::rules::Tally;

#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    /// By family, as `nft` calls it.
    pub(super) tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) counters: BTreeMap<String, Tally>,
    /// Place and counter of each element, as written.
    pub(super) maps: BTreeMap<String, BTreeMap<String, String>>,
    /// How many elements each of them may have.
    pub(super) sizes: BTreeMap<String, Option<usize>>,
    /// Where it is, and its rules.
    pub(super) chain: Option<(String, Vec<String>)>,
}

impl Kernel {
    /// As a whole, or not at all.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        let mut changed = self.clone();
        for line in plan.script().lines() {
            changed.carry_out_line(line).unwrap_or_else(|| panic!("refused: {line}\n{}", plan.script()));
        }
        *self = changed;
    }

    fn carry_out_line(&mut self, line: &str) -> Option<()> {
        let (before, rest) = line.split_once(" dtraf").expect("every command is about a table of dtraf's");
        let (command, family) = before.rsplit_once(' ').expect("it says which");
        let rest = rest.trim_start();
        if command == "add table" {
            self.tables.entry(family.to_owned()).or_default();
            return Some(());
        }
        let table = self.tables.get_mut(family)?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let braced = || rest.strip_prefix("{ ").and_then(|rest| rest.strip_suffix(" }"));
        match command {
            "add map" => {
                let size = braced()?.split_once("size ").and_then(|(_, size)| size.strip_suffix(';'));
                table.sizes.insert(name.to_owned(), size.map(|size| size.parse().unwrap()));
                table.maps.entry(name.to_owned()).or_default();
            }
            "delete map" => {
                let is_used = table.chain.as_ref().is_some_and(|(_, rules)| !rules.is_empty());
                table.maps.remove(name).filter(|_| !is_used)?;
            }
            "add chain" if table.chain.is_none() => table.chain = Some((braced()?.to_owned(), Vec::new())),
            "add chain" => assert_eq!(table.chain.as_ref()?.0, braced()?),
            "flush chain" => table.chain.as_mut()?.1.clear(),
            "delete chain" => drop(table.chain.take()?),
            "add rule" => table.chain.as_mut()?.1.push(rest.to_owned()),
            "add counter" => {
                let words: Vec<&str> = braced()?.trim_end_matches(';').split(' ').collect();
                let ["packets", packets, "bytes", bytes] = words[..] else { return None };
                let tally = Tally { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? };
                table.counters.entry(name.to_owned()).or_insert(tally);
            }
            "delete counter" => {
                let is_used = table.maps.values().any(|map| map.values().any(|counter| counter == name));
                table.counters.remove(name).filter(|_| !is_used)?;
            }
            "delete element" => {
                let map = table.maps.get_mut(name)?;
                for place in braced()?.split(", ") {
                    map.remove(place)?;
                }
            }
            "add element" => {
                let map = table.maps.get_mut(name)?;
                for element in braced()?.split(", ") {
                    let (place, counter) = element.split_once(" : ")?;
                    let counter = counter.trim_matches('"').to_owned();
                    table.counters.get(&counter)?;
                    if *map.entry(place.to_owned()).or_insert_with(|| counter.clone()) != counter {
                        return None;
                    }
                }
                let size = table.sizes.get(name).copied().flatten();
                size.is_none_or(|size| map.len() <= size).then_some(())?;
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn read(&self) -> Standing {
        let mut standing = Standing::default();
        for family in Family::ALL {
            if let Some(table) = self.tables.get(family_word(family)) {
                let listing = json!({ "nftables": table.items() }).to_string();
                listing::parse(family, listing.as_bytes(), &mut standing).unwrap();
            }
        }
        standing
    }
}

impl Table {
    fn items(&self) -> Vec<Value> {
        let mut items = vec![json!({"table": {"name": "dtraf"}})];
        for (name, tally) in &self.counters {
            let (packets, bytes) = (tally.packets, tally.bytes);
            items.push(json!({"counter": {"name": name, "packets": packets, "bytes": bytes}}));
        }
        for (name, elements) in &self.maps {
            let elem: Vec<Value> =
                elements.iter().map(|(place, counter)| json!([key(place), counter])).collect();
            items.push(json!({"map": {"name": name, "elem": elem, "size": self.sizes[name]}}));
        }
        if let Some((at, rules)) = &self.chain {
            let prio = if at.contains("priority -1;") { -1 } else { 0 };
            let place = json!({"name": "forward", "type": "filter", "hook": "forward", "prio": prio, "policy": "accept"});
            items.push(json!({ "chain": place }));
            for rule in rules {
                let comment = rule.split('"').nth(1);
                items.push(json!({"rule": {"chain": "forward", "comment": comment}}));
            }
        }
        items
    }
}

/// Numbers as numbers, several parts as a `concat`.
fn key(place: &str) -> Value {
    let part = |part: &str| part.parse::<u32>().map_or_else(|_| json!(part), |number| json!(number));
    match place.split(" . ").collect::<Vec<_>>()[..] {
        [address] => json!(address),
        ref parts => json!({"concat": parts.iter().map(|it| part(it)).collect::<Vec<_>>()}),
    }
}
