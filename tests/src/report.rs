//! dtraf's JSON report, as a reader knows it from `docs/json.md`, and the laws that every report obeys.
//!
//! Typed on its own and not by dtraf's types: what is promised in the document is what programs rely on.

use std::collections::BTreeMap;
use std::ops::Add;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::link::{Counters, Side};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Report {
    pub version: u32,
    pub backend: String,
    pub taken_at_unix_ns: u64,
    pub containers: Vec<ContainerReport>,
    pub unattributed: Vec<Unattributed>,
    pub orphans: Option<Both<Amount>>,
}

/// A value for each direction, from the container's view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Both<T> {
    pub rx: T,
    pub tx: T,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Amount {
    pub wire_bytes: u64,
    pub packets: u64,
    pub ip_bytes: u64,
    pub skb_bytes: u64,
    pub skb_ip_bytes: u64,
    pub skbs: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Shortfall {
    pub skb_bytes: u64,
    pub skbs: u64,
    pub settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ContainerReport {
    pub id: String,
    pub name: String,
    /// `None` where Docker did not answer.
    pub state: Option<String>,
    pub networks: Vec<String>,
    pub coverage: Coverage,
    /// All null where nothing is counted; [`Self::figures`] demands them.
    #[serde(flatten)]
    nullable: Nullable,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Coverage {
    pub kind: String,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unattributed {
    pub reason: String,
    pub rx: Amount,
    pub tx: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Nullable {
    rx: Option<Amount>,
    tx: Option<Amount>,
    shortfall: Option<Both<Shortfall>>,
    scopes: Option<Both<BTreeMap<String, Amount>>>,
    buckets: Option<Both<BTreeMap<String, Amount>>>,
    ports: Option<Vec<Port>>,
    meters: Option<Vec<Meter>>,
    peers: Option<Vec<Peer>>,
}

/// What was counted for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub total: Both<Amount>,
    pub shortfall: Both<Shortfall>,
    pub scopes: Both<BTreeMap<String, Amount>>,
    pub buckets: Both<BTreeMap<String, Amount>>,
    pub ports: Vec<Port>,
    pub meters: Vec<Meter>,
    /// The last one is what belongs to no pair.
    pub peers: Vec<Peer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Peer {
    pub kind: String,
    pub id: Option<String>,
    pub name: Option<String>,
    pub rx: Amount,
    pub tx: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Port {
    pub protocol: String,
    pub port: Option<u16>,
    pub role: String,
    pub family: String,
    pub scope: String,
    pub mappings: Vec<String>,
    pub rx: Amount,
    pub tx: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Meter {
    pub interface: String,
    pub network: Option<String>,
    pub life: String,
    pub hook: String,
    pub shortfall: Both<Shortfall>,
    pub rx: Amount,
    pub tx: Amount,
}

impl Report {
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("read dtraf's report {text:?}"))
    }

    /// The container of that name; of several (removed ones among them), the last.
    pub fn container(&self, name: &str) -> Result<&ContainerReport> {
        let found = self.containers.iter().rfind(|container| container.name == name);
        found.with_context(|| format!("dtraf's report does not name {name}"))
    }
}

impl ContainerReport {
    /// What was counted, with the laws checked that hold whatever passed; an error where nothing is counted.
    pub fn figures(&self) -> Result<Figures> {
        let given = self.nullable.clone();
        let figures = (|| {
            Some(Figures {
                total: Both { rx: given.rx?, tx: given.tx? },
                shortfall: given.shortfall?,
                scopes: given.scopes?,
                buckets: given.buckets?,
                ports: given.ports?,
                meters: given.meters?,
                peers: given.peers?,
            })
        })();
        let figures =
            figures.with_context(|| format!("{} is not counted: {:?}", self.name, self.coverage))?;
        figures.balance().with_context(|| format!("dtraf's books for {}", self.name))?;
        Ok(figures)
    }

    /// Whether every figure is null.
    pub fn is_uncounted(&self) -> bool {
        let Nullable { rx, tx, shortfall, scopes, buckets, ports, meters, peers } = &self.nullable;
        rx.is_none()
            && tx.is_none()
            && shortfall.is_none()
            && scopes.is_none()
            && buckets.is_none()
            && ports.is_none()
            && meters.is_none()
            && peers.is_none()
    }
}

impl Figures {
    /// What was counted for a port, over all families and scopes.
    pub fn port(&self, protocol: &str, port: u16, role: &str) -> Both<Amount> {
        let wanted =
            |entry: &&Port| entry.protocol == protocol && entry.port == Some(port) && entry.role == role;
        self.ports
            .iter()
            .filter(wanted)
            .fold(Both::default(), |sum, entry| Both { rx: sum.rx + entry.rx, tx: sum.tx + entry.tx })
    }

    /// What was exchanged with a container straight; nothing where there is no such pair.
    pub fn peer(&self, name: &str) -> Both<Amount> {
        let found = self.peers.iter().find(|peer| peer.name.as_deref() == Some(name));
        found.map_or_else(Both::default, |peer| Both { rx: peer.rx, tx: peer.tx })
    }

    /// What was exchanged with containers, and belongs to no pair.
    pub fn elsewhere(&self) -> Both<Amount> {
        let last = self.peers.last().map(|peer| Both { rx: peer.rx, tx: peer.tx });
        last.unwrap_or_default()
    }

    /// Demands that the interface's own counters are what was counted and what is known to be missing, to the byte.
    pub fn audit(&self, counters: &Counters) -> Result<()> {
        for (direction, counted, missing, kernel) in [
            ("received", self.total.rx, self.shortfall.rx, counters.received),
            ("transmitted", self.total.tx, self.shortfall.tx, counters.transmitted),
        ] {
            let Side { bytes, packets, .. } = kernel;
            let sum = (counted.skb_bytes + missing.skb_bytes, counted.skbs + missing.skbs);
            ensure!(
                sum == (bytes, packets),
                "{direction}: the kernel has {bytes} bytes in {packets} packets, dtraf {} in {} ({} in {} of them \
                 from before it was attached)",
                sum.0,
                sum.1,
                missing.skb_bytes,
                missing.skbs
            );
        }
        Ok(())
    }

    /// In every unit, ports and buckets make the total, and so do scopes. The scope `other` holds nothing that is IP.
    fn balance(&self) -> Result<()> {
        let rx: Amount = self.ports.iter().map(|port| &port.rx).chain(self.buckets.rx.values()).sum();
        let tx: Amount = self.ports.iter().map(|port| &port.tx).chain(self.buckets.tx.values()).sum();
        ensure!(
            Both { rx, tx } == self.total,
            "ports and buckets make {rx:?} and {tx:?}, not {:?}",
            self.total
        );
        let scopes = Both { rx: self.scopes.rx.values().sum(), tx: self.scopes.tx.values().sum() };
        ensure!(scopes == self.total, "the scopes make {scopes:?}, not {:?}", self.total);
        for (direction, scopes, buckets) in
            [("rx", &self.scopes.rx, &self.buckets.rx), ("tx", &self.scopes.tx, &self.buckets.tx)]
        {
            let (other, not_ip) = (scopes["other"], buckets["l2"] + buckets["unparsed"]);
            ensure!(
                (other.ip_bytes, other.skb_ip_bytes) == (0, 0) && other.is_part_of(&not_ip),
                "{direction}: the scope other has {other:?}, of which only {not_ip:?} can be no IP"
            );
        }
        let received: Amount = self.peers.iter().map(|peer| &peer.rx).sum();
        let from_containers = self.scopes.rx["container"];
        ensure!(received == from_containers, "the peers make {received:?}, not {from_containers:?}");
        Ok(())
    }
}

impl Amount {
    /// Whether it is at most `whole`, in every unit.
    pub fn is_part_of(&self, whole: &Self) -> bool {
        let units = |amount: &Self| {
            let Self { wire_bytes, packets, ip_bytes, skb_bytes, skb_ip_bytes, skbs } = *amount;
            [wire_bytes, packets, ip_bytes, skb_bytes, skb_ip_bytes, skbs]
        };
        units(self).into_iter().zip(units(whole)).all(|(part, whole)| part <= whole)
    }
}

impl<T: Add<Output = T>> Add for Both<T> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { rx: self.rx + other.rx, tx: self.tx + other.tx }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wire_bytes: self.wire_bytes + other.wire_bytes,
            packets: self.packets + other.packets,
            ip_bytes: self.ip_bytes + other.ip_bytes,
            skb_bytes: self.skb_bytes + other.skb_bytes,
            skb_ip_bytes: self.skb_ip_bytes + other.skb_ip_bytes,
            skbs: self.skbs + other.skbs,
        }
    }
}

impl<'a> std::iter::Sum<&'a Self> for Amount {
    fn sum<I: Iterator<Item = &'a Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |sum, amount| sum + *amount)
    }
}
