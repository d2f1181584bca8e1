//! What of dtraf is in the kernel: programs, links and maps, whoever may look at them.
//!
//! They belong to no namespace, so the lab's are told from another lab's by the maps that the programs use.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::place::Place;

/// Objects by the numbers that the kernel knows them by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// By number and name.
    pub programs: BTreeSet<(u32, String)>,
    /// By number and that of their program.
    pub links: BTreeSet<(u32, u32)>,
    pub maps: BTreeSet<u32>,
}

#[derive(Debug, Deserialize)]
struct Program {
    id: u32,
    #[serde(default)]
    name: String,
    #[serde(default)]
    map_ids: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct Link {
    id: u32,
    prog_id: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Map {
    id: u32,
}

impl Kernel {
    /// Where dtraf pins its maps. The number is the maps' layout.
    pub const PINS: &str = "/sys/fs/bpf/dtraf/5";

    /// What belongs to the maps that are pinned.
    pub fn of(host: &Place) -> Result<Self> {
        let mut maps = BTreeSet::new();
        for path in host.run("find", &[Self::PINS, "-maxdepth", "1", "-type", "f"])?.lines() {
            let map: Map = read(host, &["map", "show", "pinned", path])?;
            maps.insert(map.id);
        }
        let programs: Vec<Program> = read(host, &["prog", "list"])?;
        let programs: BTreeSet<(u32, String)> = programs
            .into_iter()
            .filter(|program| program.map_ids.iter().any(|map| maps.contains(map)))
            .map(|program| (program.id, program.name))
            .collect();
        let links: Vec<Link> = read(host, &["link", "list"])?;
        let links = links
            .into_iter()
            .filter_map(|link| Some((link.id, link.prog_id?)))
            .filter(|(_, owner)| programs.iter().any(|(id, _)| id == owner))
            .collect();
        Ok(Self { programs, links, maps })
    }

    /// What of it is still there. Numbers are not used again.
    pub fn left(&self, host: &Place) -> Result<Self> {
        let programs: Vec<Program> = read(host, &["prog", "list"])?;
        let links: Vec<Link> = read(host, &["link", "list"])?;
        let maps: Vec<Map> = read(host, &["map", "list"])?;
        Ok(Self {
            programs: self
                .programs
                .iter()
                .filter(|(id, _)| programs.iter().any(|program| program.id == *id))
                .cloned()
                .collect(),
            links: self
                .links
                .iter()
                .filter(|(id, _)| links.iter().any(|link| link.id == *id))
                .copied()
                .collect(),
            maps: self.maps.iter().filter(|id| maps.iter().any(|map| map.id == **id)).copied().collect(),
        })
    }
}

fn read<T: DeserializeOwned>(host: &Place, args: &[&str]) -> Result<T> {
    let text = host.run("bpftool", &[&["-j"], args].concat())?;
    serde_json::from_str(&text).with_context(|| format!("read `bpftool {}`", args.join(" ")))
}
