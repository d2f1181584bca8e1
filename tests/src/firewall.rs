//! What rules of a firewall have counted: as the firewall says it, and as dtraf says it.
//!
//! Read by iptables itself, so that dtraf's figures are held against something that dtraf has not written.

use std::net::IpAddr;
use std::ops::{Add, Sub};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::deadline::{Patience, eventually};
use crate::dtraf::{Dtraf, Running};
use crate::place::Place;
use crate::report::Both;

/// How long dtraf may take to follow.
const LIMIT: Duration = Duration::from_secs(20);

/// Packets as a rule counts them: one for each skb, bytes from the IP header on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Tally {
    #[serde(rename = "skbs")]
    pub packets: u64,
    #[serde(rename = "skb_ip_bytes")]
    pub bytes: u64,
}

/// A rule as `iptables-save --counters` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub chain: String,
    /// Without the counter and without `-A CHAIN`.
    pub spec: String,
    pub tally: Tally,
}

/// The rules of the filter table, in their order.
pub fn rules(host: &Place, program: &str) -> Result<Vec<Rule>> {
    table(host, program, "filter")
}

fn table(host: &Place, program: &str, table: &str) -> Result<Vec<Rule>> {
    let saved = host.run(&format!("{program}-save"), &["-c", "-t", table])?;
    saved.lines().filter(|line| line.starts_with('[')).map(rule).collect()
}

/// A witness: rules of the test's own that see every packet that is forwarded, in a table that nobody else uses.
#[derive(Debug)]
pub struct Witness {
    host: Place,
    program: &'static str,
    spec: [String; 2],
}

impl Witness {
    /// Sees what goes to and comes from an address or a network, and with `port` only to and from that port there.
    pub fn of(host: &Place, network: &str, port: Option<(&str, u16)>) -> Result<Self> {
        let program = if network.contains(':') { "ip6tables" } else { "iptables" };
        let matched = |side: &str, direction: &str| match port {
            Some((protocol, port)) => {
                format!("{side} {network} -p {protocol} -m {protocol} --{direction} {port}")
            }
            None => format!("{side} {network}"),
        };
        let spec = [matched("-d", "dport"), matched("-s", "sport")];
        for spec in &spec {
            let words = ["-w", "-t", "mangle", "-A", "FORWARD"].into_iter().chain(spec.split(' '));
            host.run(program, &words.collect::<Vec<_>>())?;
        }
        Ok(Self { host: host.clone(), program, spec })
    }

    /// Sees everything for and from an address.
    pub fn of_address(host: &Place, address: IpAddr) -> Result<Self> {
        Self::of(host, &network_of(address), None)
    }

    /// What it has seen, in the view of whoever has the address.
    pub fn seen(&self) -> Result<Both<Tally>> {
        let rules = table(&self.host, self.program, "mangle")?;
        Ok(Both { rx: only(&rules, &self.spec[0])?, tx: only(&rules, &self.spec[1])? })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for spec in &self.spec {
            let words = ["-w", "-t", "mangle", "-D", "FORWARD"].into_iter().chain(spec.split(' '));
            // A lab that is going down takes the rule with it.
            drop(self.host.run(self.program, &words.collect::<Vec<_>>()));
        }
    }
}

fn rule(line: &str) -> Result<Rule> {
    let parsed = || {
        let (counter, rest) = line.strip_prefix('[')?.split_once("] -A ")?;
        let (packets, bytes) = counter.split_once(':')?;
        let (chain, spec) = rest.split_once(' ')?;
        let tally = Tally { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? };
        Some(Rule { chain: chain.to_owned(), spec: spec.to_owned(), tally })
    };
    parsed().with_context(|| format!("read `{line}` of iptables-save"))
}

/// What is left of `iptables-save` without counters, times of day, and the counters of chains.
pub fn shape(host: &Place) -> Result<String> {
    let mut text = String::new();
    for program in ["iptables-save", "ip6tables-save"] {
        let saved = host.run(program, &[])?;
        for line in saved.lines().filter(|line| !line.starts_with('#')) {
            text += line.split(" [").next().unwrap_or_default();
            text.push('\n');
        }
    }
    Ok(text)
}

/// What dtraf reports of containers, in the figures that every backend knows.
#[derive(Debug, Clone, Deserialize)]
pub struct Ruled {
    pub backend: String,
    pub unit: String,
    pub refused: Vec<Refused>,
    pub blind_spots: Vec<BlindSpot>,
    containers: Vec<RuledContainer>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Refused {
    pub backend: String,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BlindSpot {
    pub kind: String,
}

#[derive(Debug, Clone, Deserialize)]
struct RuledContainer {
    name: String,
    rx: Option<Tally>,
    tx: Option<Tally>,
    ports: Option<Vec<RuledPort>>,
}

#[derive(Debug, Clone, Deserialize)]
struct RuledPort {
    protocol: String,
    port: Option<u16>,
    role: String,
    family: String,
    rx: Tally,
    tx: Tally,
}

impl Ruled {
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("read dtraf's report {text:?}"))
    }

    fn container(&self, name: &str) -> Result<&RuledContainer> {
        let found = self.containers.iter().rfind(|container| container.name == name);
        found.with_context(|| format!("dtraf's report does not name {name}"))
    }

    /// Everything counted for a container; `None` where nothing is.
    pub fn total(&self, name: &str) -> Result<Option<Both<Tally>>> {
        let container = self.container(name)?;
        Ok(container.rx.zip(container.tx).map(|(rx, tx)| Both { rx, tx }))
    }

    /// What was counted for a port that the container serves, over all scopes.
    pub fn port(&self, name: &str, family: &str, protocol: &str, port: u16) -> Result<Both<Tally>> {
        let ports = self.container(name)?.ports.iter().flatten();
        let wanted = ports.filter(|it| {
            it.role == "server" && it.family == family && it.protocol == protocol && it.port == Some(port)
        });
        Ok(wanted.fold(Both::default(), |sum, it| Both { rx: sum.rx + it.rx, tx: sum.tx + it.tx }))
    }
}

/// Starts `dtraf run` by rules; its first report is there when this returns.
pub fn ruling(dtraf: &Dtraf<'_>, backend: &str, options: &[&str]) -> Result<(Running, Ruled)> {
    // Another dtraf may count by programs beside it, and a ledger has one writer.
    let run =
        ["run", "--backend", backend, "--format=json", "--interval=200ms", "--db=/var/lib/dtraf/rules.db"];
    let mut running = dtraf.start(&[&run, options].concat())?;
    let report = running.ruled()?;
    Ok((running, report))
}

/// Waits until dtraf's rules of iptables are there for each of `addresses`.
pub fn wait_for_rules(host: &Place, addresses: &[IpAddr]) -> Result<()> {
    eventually("rules for an address", LIMIT, || {
        for address in addresses {
            let program = if address.is_ipv4() { "iptables" } else { "ip6tables" };
            let spec = format!("-d {} -m comment --comment \"dtraf rx all", network_of(*address));
            let is_its = |rule: &Rule| rule.spec.starts_with(&spec) && rule.chain != "DTRAF-RETIRED";
            if !rules(host, program)?.iter().any(is_its) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
}

/// An address as a rule names it.
fn network_of(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

impl Running {
    /// The next report.
    pub fn ruled(&mut self) -> Result<Ruled> {
        Ruled::read(&self.process.line(LIMIT)?)
    }

    /// Everything counted for a container, in the next report that says so. Some that were made before it was there may still
    /// be waiting to be read.
    pub fn total_of(&mut self, name: &str) -> Result<Both<Tally>> {
        let patience = Patience::of(LIMIT);
        while patience.left().is_some() {
            if let Ok(Some(total)) = self.ruled()?.total(name) {
                return Ok(total);
            }
        }
        bail!("{name} was never counted")
    }

    /// Reads reports until the total of a container is what a witness has seen, and that stands still.
    pub fn agrees(&mut self, name: &str, seen: impl Fn() -> Result<Both<Tally>>) -> Result<Both<Tally>> {
        let mut last = String::new();
        let agreed = eventually("dtraf's total to be what the firewall saw", LIMIT, || {
            let before = seen()?;
            let said = self.total_of(name)?;
            last = format!("dtraf {said:?}, the witness {before:?}");
            Ok((said == before && seen()? == before).then_some(said))
        });
        agreed.context(last)
    }
}

/// What a firewall has and what dtraf says, taken at a moment when the former stood still.
pub fn at_rest<T: PartialEq>(
    dtraf: &Dtraf<'_>,
    backend: &str,
    mut kernel: impl FnMut() -> Result<T>,
) -> Result<(T, Ruled)> {
    eventually("a moment in which nothing is counted", LIMIT, || {
        let before = kernel()?;
        let said = dtraf.run(&["stats", "--format=json", "--backend", backend])?;
        if kernel()? != before {
            return Ok(None);
        }
        Ok(Some((before, Ruled::read(&said)?)))
    })
}

/// The one rule whose specification is exactly this.
pub fn only(rules: &[Rule], spec: &str) -> Result<Tally> {
    let found: Vec<&Rule> = rules.iter().filter(|rule| rule.spec == spec).collect();
    match found[..] {
        [rule] => Ok(rule.tally),
        _ => bail!("{} rules are `{spec}`: {rules:#?}", found.len()),
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { packets: self.packets - other.packets, bytes: self.bytes - other.bytes }
    }
}

impl Both<Tally> {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { rx: self.rx + other.rx, tx: self.tx + other.tx }
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { rx: self.rx - earlier.rx, tx: self.tx - earlier.tx }
    }
}
