//! Containers beside the host's network cards: what is left is what nobody's container had.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::ledger::Ledger;

use dtraf_tests::{Counters, Dtraf, Lab, Outside, eventually};
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// A host whose only way out is a link that has no device behind it.
struct Host<'a> {
    lab: &'a Lab,
    dtraf: Dtraf<'a>,
    ledger: Ledger,
    backend: &'static str,
}

impl Host<'_> {
    fn reconciled(&self) -> Result<Value> {
        let text = self.dtraf.run(&["report", "--reconcile", "--format=json", &self.ledger.option()])?;
        serde_json::from_str(&text).with_context(|| format!("read {text}"))
    }

    /// Writes all that was counted, and says what the ledger has then and what the link's own counters say; taken while nothing
    /// passed there.
    fn settled(&self) -> Result<(Counters, Value)> {
        eventually("the way out to be quiet", LIMIT, || {
            let before = self.lab.uplink()?;
            self.dtraf.run(&["run", "--once", self.backend, &self.ledger.option()])?;
            let report = self.reconciled()?;
            Ok((self.lab.uplink()? == before).then_some((before, report)))
        })
    }
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("a number: {value}"))
}

fn signed(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("a number: {value}"))
}

/// Demands that the one card has carried between two moments what the link's own counters say of the time between them. Those
/// are named from within a container: what it receives, the card has received.
fn is_of_link((before, earlier): &(Counters, Value), (now, later): &(Counters, Value)) -> Result<()> {
    let cards = later["reconciliation"]["cards"].as_array().context("cards")?;
    ensure!(cards.len() == 1 && cards[0]["name"] == Outside::HOST_LINK, "{later}");
    let passed = now.since(before);
    for (direction, side) in [("tx", passed.received), ("rx", passed.transmitted)] {
        for place in ["/reconciliation/cards/0", "/reconciliation/carried"] {
            let of = |report: &Value, counter| {
                let pointer = format!("{place}/{direction}/{counter}");
                number(report.pointer(&pointer).with_context(|| pointer.clone())?)
            };
            let carried = |counter| Ok::<_, anyhow::Error>(of(later, counter)? - of(earlier, counter)?);
            let carried = (carried("bytes")?, carried("packets")?);
            ensure!(carried == (side.bytes, side.packets), "{direction}: {passed:?} {earlier} {later}");
        }
    }
    Ok(())
}

#[test]
fn what_is_left_is_what_the_host_itself_has_had() -> Result<()> {
    const DOWN: u64 = 3_000_000;
    const UP: u64 = 400_000;
    const OWN: u64 = 1_500_000;
    const AMONG: u64 = 5_000_000;
    let lab = Lab::start()?;
    let host =
        Host { lab: &lab, dtraf: Dtraf::new(&lab)?, ledger: Ledger::new()?, backend: "--backend=ebpf" };
    // Without a way out there is no card, which is told.
    host.dtraf.run(&["run", "--once", &host.ledger.option()])?;
    let report = host.reconciled()?;
    ensure!(report["reconciliation"]["unattributed"].is_null(), "{report}");
    lab.host().run("ip", &["route", "add", "default", "via", &Outside::V4.to_string()])?;

    let host = Host { ledger: Ledger::new()?, ..host };
    let (web, _server) = lab.served("web", (7000, 7000))?;
    let other = lab.container("other").start()?;
    let first = host.settled()?;
    let published = SocketAddr::new(Outside::HOST_V4, 7000);
    lab.outside().place().tcp(published, UP, DOWN)?;
    other.place()?.tcp(SocketAddr::new(web.address("bridge")?, 7000), 1_000, AMONG)?;
    let _beyond = lab.outside().place().serve_tcp(9000)?;
    lab.host().tcp(SocketAddr::new(Outside::V4, 9000), 1_000, OWN)?;

    let now = host.settled()?;
    is_of_link(&first, &now)?;
    let (_, report) = now;
    is_difference(&report)?;
    let left = &report["reconciliation"]["unattributed"];
    // The host's own transfer with its headers, and what a quiet link carries of its own accord.
    let own = signed(&left["rx"]["skb_bytes"])?;
    ensure!((i64::try_from(OWN)?..i64::try_from(OWN + OWN / 10)?).contains(&own), "{left}");
    ensure!((1_000..200_000).contains(&signed(&left["tx"]["skb_bytes"])?), "{left}");

    // A dtraf that is killed in the middle of it, and one that is not there.
    let mut running = host.dtraf.start(&["run", "--headless", "--flush=100ms", &host.ledger.option()])?;
    for _ in 0..5 {
        lab.outside().place().tcp(published, UP, DOWN)?;
    }
    running.process.stop(Signal::KILL, LIMIT)?;
    lab.outside().place().tcp(published, UP, DOWN)?;
    let last = host.settled()?;
    is_of_link(&first, &last)?;
    let (_, report) = last;
    is_difference(&report)?;
    let again = signed(&report["reconciliation"]["unattributed"]["rx"]["skb_bytes"])?;
    ensure!((own..own + 50_000).contains(&again), "what containers had is not the host's: {own} {again}");

    let table = host.dtraf.run(&["report", "--reconcile", &host.ledger.option()])?;
    ensure!(table.contains("UNATTRIBUTED, skb bytes") && table.contains(Outside::HOST_LINK), "{table}");
    for (options, words) in [
        (&["--format=csv"][..], "--reconcile has no CSV"),
        (&["web"], "cannot be used"),
        (&["--daily"], "cannot be used"),
    ] {
        let refused =
            host.dtraf.end(&[&["report", "--reconcile", &host.ledger.option()], options].concat())?;
        ensure!(
            refused.status.code() == Some(2) && refused.errors.contains(words),
            "{options:?}: {refused:?}"
        );
    }
    Ok(())
}

/// Demands that what is left is what cards have less what containers had with the internet, as the lines say.
fn is_difference(report: &Value) -> Result<()> {
    let lines = report["lines"].as_array().context("lines")?;
    let internet = lines.iter().find(|line| line["name"] == "internet").context("a line of the internet")?;
    ensure!(lines.iter().all(|line| line["name"] != "lan"), "nobody has had anything with a lan: {report}");
    for direction in ["rx", "tx"] {
        let (had, of) = (&internet[direction], &report["reconciliation"]);
        let (carried, left) = (&of["carried"][direction], &of["unattributed"][direction]);
        ensure!(of["containers"][direction] == *had, "{report}");
        for (unit, counter) in
            [("wire_bytes", "bytes"), ("skb_bytes", "bytes"), ("packets", "packets"), ("skbs", "packets")]
        {
            let rest = i64::try_from(number(&carried[counter])?)? - i64::try_from(number(&had[unit])?)?;
            ensure!(signed(&left[unit])? == rest, "{direction} {unit}: {report}");
        }
    }
    Ok(())
}

#[test]
fn cards_are_in_the_ledger_whoever_counts() -> Result<()> {
    let lab = Lab::start()?;
    lab.host().run("ip", &["route", "add", "default", "via", &Outside::V4.to_string()])?;
    let (_web, _server) = lab.served("web", (7000, 7000))?;
    for backend in ["--backend=iptables", "--backend=nft"] {
        let host = Host { lab: &lab, dtraf: Dtraf::new(&lab)?, ledger: Ledger::new()?, backend };
        let first = host.settled()?;
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 7000), 1_000, 1_000_000)?;
        let last = host.settled()?;
        is_of_link(&first, &last)?;
        let (_, report) = last;
        // Rules do not look who the other end is.
        let reconciled = &report["reconciliation"];
        ensure!(reconciled["containers"].is_null() && reconciled["unattributed"].is_null(), "{report}");
        host.dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}
