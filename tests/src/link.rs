//! Links and what the kernel counts on them: the numbers that dtraf's are held against.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::deadline::eventually;
use crate::place::Place;

/// One interface of a container.
#[derive(Debug, Clone)]
pub struct Veth {
    /// Its name in the container.
    pub inside: String,
    /// The name and the number of its other end, on the host.
    pub name: String,
    pub ifindex: u32,
    host: Place,
}

/// One direction, from the container's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Side {
    pub bytes: u64,
    pub packets: u64,
    pub dropped: u64,
}

/// An interface's counters, from the container's view: the host end receives what the container transmits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    pub received: Side,
    pub transmitted: Side,
}

impl Counters {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let side = |now: Side, then: Side| Side {
            bytes: now.bytes - then.bytes,
            packets: now.packets - then.packets,
            dropped: now.dropped - then.dropped,
        };
        Self {
            received: side(self.received, earlier.received),
            transmitted: side(self.transmitted, earlier.transmitted),
        }
    }
}

impl Veth {
    /// The one interface of the network `inside` whose other end is in `host`.
    pub fn only(host: &Place, inside: &Place) -> Result<Self> {
        veths(host, inside)?.into_iter().next().context("there is no interface")
    }

    pub fn counters(&self) -> Result<Counters> {
        counters(&self.host, &self.name)
    }

    /// Takes a reading of something else at an instant when this interface's counters stood still, and gives both.
    ///
    /// Two counters can be compared only when nothing moved between the one reading and the other.
    pub fn while_still<T>(&self, mut reading: impl FnMut() -> Result<T>) -> Result<(Counters, T)> {
        eventually(&format!("{} to be quiet", self.name), Duration::from_secs(20), || {
            let before = self.counters()?;
            let read = reading()?;
            Ok((self.counters()? == before).then_some((before, read)))
        })
    }
}

/// The counters of a host's end of a container's interface.
pub(crate) fn counters(place: &Place, name: &str) -> Result<Counters> {
    let links: Vec<Link> = read(place, &["-statistics", "link", "show", "dev", name])?;
    let stats = links.into_iter().next().and_then(|link| link.stats64);
    let stats = stats.with_context(|| format!("{name} has no counters"))?;
    Ok(Counters { received: stats.tx, transmitted: stats.rx })
}

/// The interfaces of the network `inside` whose other ends are in `host`.
pub(crate) fn veths(host: &Place, inside: &Place) -> Result<Vec<Veth>> {
    let ends: Vec<Link> = read(host, &["link", "show", "type", "veth"])?;
    let mut own: Vec<Link> = read(inside, &["link", "show", "type", "veth"])?;
    own.sort_by(|one, other| one.ifname.cmp(&other.ifname));
    own.into_iter()
        .map(|link| {
            let end = ends.iter().find(|end| Some(end.ifindex) == link.other_end);
            let end = end.with_context(|| format!("find the host's end of {}", link.ifname))?;
            Ok(Veth {
                inside: link.ifname,
                name: end.ifname.clone(),
                ifindex: end.ifindex,
                host: host.clone(),
            })
        })
        .collect()
}

#[derive(Debug, Deserialize)]
struct Link {
    ifindex: u32,
    ifname: String,
    /// The other end, by its number in the network where that is.
    #[serde(rename = "link_index")]
    other_end: Option<u32>,
    stats64: Option<Stats>,
}

#[derive(Debug, Deserialize)]
struct Stats {
    rx: Side,
    tx: Side,
}

fn read(place: &Place, args: &[&str]) -> Result<Vec<Link>> {
    let text = place.run("ip", &[&["-json"], args].concat())?;
    // With nothing to list, some releases print nothing at all.
    let text = if text.trim().is_empty() { "[]" } else { text.trim() };
    serde_json::from_str(text).with_context(|| format!("read `ip {}`", args.join(" ")))
}
