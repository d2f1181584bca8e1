//! dtraf's books held against the kernel's: every test compares by the same few functions.

use std::collections::BTreeMap;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::capture::{Capture, Captured};
use crate::container::Container;
use crate::deadline::eventually;
use crate::dtraf::{Dtraf, Running};
use crate::lab::Lab;
use crate::link::{Counters, Side, Veth};
use crate::outside::Outside;
use crate::place::Place;
use crate::report::{Amount, Both, Figures, Meter, Report, Shortfall};

/// How long dtraf may take to have found an interface and to know its shortfall exactly.
const LIMIT: Duration = Duration::from_secs(20);

/// Makes the lab's link to the outside a wire: no super-packet passes it, each frame is a segment.
pub fn wire(lab: &Lab) -> Result<()> {
    let cutting = ["tso", "off", "gso", "off", "tx-udp-segmentation", "off", "gro", "off"];
    lab.host().offloads(Outside::HOST_LINK, &cutting)?;
    lab.outside().place().offloads(Outside::LINK, &cutting)
}

/// Starts `dtraf run` with `options`; it has taken stock when this returns.
pub fn counting(dtraf: &Dtraf<'_>, options: &[&str]) -> Result<Running> {
    let mut running = dtraf.start(&[&["run", "--format=json", "--interval=200ms"], options].concat())?;
    running.report().context("dtraf's first report")?;
    Ok(running)
}

/// The laws that every report obeys, whatever passed: what is counted balances, what is not has no figures.
pub fn conserved(report: &Report) -> Result<()> {
    for container in &report.containers {
        let name = &container.name;
        if container.is_uncounted() {
            let kind = container.coverage.kind.as_str();
            ensure!(matches!(kind, "not_counted" | "shared"), "{name} is {kind}, but has no figures");
            continue;
        }
        // Ports and buckets make the total, and so do scopes.
        let figures = container.figures()?;
        let totals = [("rx", figures.total.rx), ("tx", figures.total.tx)];
        for (direction, amount) in totals {
            plausible(&amount).with_context(|| format!("{name}'s {direction}"))?;
        }
        let met = figures.meters.iter().fold(Both::<Amount>::default(), |sum, meter| Both {
            rx: sum.rx + meter.rx,
            tx: sum.tx + meter.tx,
        });
        for (whole, part) in [(figures.total.rx, met.rx), (figures.total.tx, met.tx)] {
            ensure!(part.is_part_of(&whole), "{name}'s meters have {part:?} of a total of {whole:?}");
        }
    }
    let orphans = report.orphans.unwrap_or_default();
    ensure!(orphans == Both::default(), "counted for no interface: {orphans:?}");
    Ok(())
}

/// What one amount says about itself: a wire carries no less than the host, each packet a header at the least.
fn plausible(amount: &Amount) -> Result<()> {
    let Amount { wire_bytes, packets, ip_bytes, skb_bytes, skb_ip_bytes, skbs } = *amount;
    ensure!(ip_bytes >= skb_ip_bytes && skb_bytes >= skb_ip_bytes, "too many bytes of IP: {amount:?}");
    ensure!(wire_bytes >= skb_bytes && packets >= skbs, "less on the wire than on the host: {amount:?}");
    ensure!(wire_bytes >= ip_bytes && wire_bytes >= 14 * packets, "too few Ethernet headers: {amount:?}");
    Ok(())
}

/// A container's figures, read while its interfaces stood still and found to be, for each of them and with the known
/// shortfall, what the kernel's own counters say.
pub fn audited(dtraf: &Dtraf<'_>, container: &Container<'_>) -> Result<Figures> {
    let veths = container.veths()?;
    ensure!(!veths.is_empty(), "{} has no interface", container.name());
    let mut reason = anyhow!("its interfaces never stood still");
    let figures = eventually("a complete reading", LIMIT, || {
        let before = all(&veths)?;
        let report = dtraf.stats()?;
        if all(&veths)? != before {
            return Ok(None);
        }
        conserved(&report)?;
        match of(&report, container.name(), &veths, &before) {
            Ok(figures) => Ok(Some(figures)),
            Err(Unequal::NotYet(error)) => {
                reason = error;
                Ok(None)
            }
            Err(Unequal::Wrong(error)) => Err(error),
        }
    });
    figures.with_context(|| format!("audit {}: {reason:#}", container.name()))
}

/// Why dtraf's figures are not the kernel's.
#[derive(Debug)]
enum Unequal {
    /// dtraf has not found, or not yet settled, all of it.
    NotYet(anyhow::Error),
    Wrong(anyhow::Error),
}

fn of(report: &Report, name: &str, veths: &[Veth], kernel: &[Counters]) -> Result<Figures, Unequal> {
    let container = report.container(name).map_err(Unequal::NotYet)?;
    let figures = container.figures().map_err(Unequal::NotYet)?;
    for (veth, counters) in veths.iter().zip(kernel) {
        let meter = figures.meters.iter().find(|meter| meter.interface == veth.name && meter.life == "live");
        let meter = meter.with_context(|| format!("no meter for {}", veth.name)).map_err(Unequal::NotYet)?;
        let Both { rx, tx } = meter.shortfall;
        if !(rx.settled && tx.settled) {
            return Err(Unequal::NotYet(anyhow!("the shortfall of {} is not settled", veth.name)));
        }
        equal(meter, counters).with_context(|| format!("{name}'s {}", veth.name)).map_err(Unequal::Wrong)?;
    }
    Ok(figures)
}

/// Demands that a meter and its shortfall are the interface's own counters, both directions, bytes and packets.
fn equal(meter: &Meter, kernel: &Counters) -> Result<()> {
    for (direction, counted, missing, side) in [
        ("received", meter.rx, meter.shortfall.rx, kernel.received),
        ("transmitted", meter.tx, meter.shortfall.tx, kernel.transmitted),
    ] {
        let Side { bytes, packets, dropped } = side;
        ensure!(
            (counted.skb_bytes + missing.skb_bytes, counted.skbs + missing.skbs) == (bytes, packets),
            "{direction}: the kernel has {bytes} bytes in {packets} packets ({dropped} dropped), dtraf counted {} in \
             {} and missed {} in {}",
            counted.skb_bytes,
            counted.skbs,
            missing.skb_bytes,
            missing.skbs
        );
    }
    Ok(())
}

fn all(veths: &[Veth]) -> Result<Vec<Counters>> {
    veths.iter().map(Veth::counters).collect()
}

/// What was counted for a port between two readings, and that nothing but it and what is not IP was counted at all.
pub fn only_port(
    before: &Figures,
    after: &Figures,
    protocol: &str,
    port: u16,
    role: &str,
) -> Result<Both<Amount>> {
    let moved = port_since(before, after, protocol, port, role);
    let others = Both {
        rx: noise_since(&before.buckets.rx, &after.buckets.rx),
        tx: noise_since(&before.buckets.tx, &after.buckets.tx),
    };
    let total = since(before, after);
    ensure!(
        total == (Both { rx: moved.rx + others.rx, tx: moved.tx + others.tx }),
        "{protocol} {port} ({role}) got {moved:?} and ARP and groups {others:?} of {total:?}: {:?}",
        after.ports
    );
    Ok(moved)
}

/// What bridges and hosts send on their own account.
fn noise_since(before: &BTreeMap<String, Amount>, after: &BTreeMap<String, Amount>) -> Amount {
    let [one, other] = ["l2", "multicast"].map(|bucket| after[bucket] - before[bucket]);
    one + other
}

/// What was counted in all between two readings.
pub fn since(before: &Figures, after: &Figures) -> Both<Amount> {
    Both { rx: after.total.rx - before.total.rx, tx: after.total.tx - before.total.tx }
}

/// What was counted for a port between two readings.
pub fn port_since(before: &Figures, after: &Figures, protocol: &str, port: u16, role: &str) -> Both<Amount> {
    let (before, after) = (before.port(protocol, port, role), after.port(protocol, port, role));
    Both { rx: after.rx - before.rx, tx: after.tx - before.tx }
}

/// What was counted in a scope between two readings.
pub fn scope_since(before: &Figures, after: &Figures, scope: &str) -> Both<Amount> {
    Both {
        rx: after.scopes.rx[scope] - before.scopes.rx[scope],
        tx: after.scopes.tx[scope] - before.scopes.tx[scope],
    }
}

/// What was counted in a bucket between two readings.
pub fn bucket_since(before: &Figures, after: &Figures, bucket: &str) -> Both<Amount> {
    Both {
        rx: after.buckets.rx[bucket] - before.buckets.rx[bucket],
        tx: after.buckets.tx[bucket] - before.buckets.tx[bucket],
    }
}

/// Two captures on one link, one for each direction of a container's conversations.
#[derive(Debug)]
pub struct Tap {
    received: Capture,
    transmitted: Capture,
}

impl Tap {
    /// Captures what is for a server's port, and what comes from it.
    pub fn server(place: &Place, link: &str, port: u16) -> Result<Self> {
        Self::start(place, link, &format!("dst port {port}"), &format!("src port {port}"))
    }

    /// Captures what comes from the port that a client has asked, and what goes there.
    pub fn client(place: &Place, link: &str, port: u16) -> Result<Self> {
        Self::start(place, link, &format!("src port {port}"), &format!("dst port {port}"))
    }

    fn start(place: &Place, link: &str, received: &str, transmitted: &str) -> Result<Self> {
        Ok(Self {
            received: Capture::start(place, link, received)?,
            transmitted: Capture::start(place, link, transmitted)?,
        })
    }

    pub fn finish(self) -> Result<Both<Captured>> {
        Ok(Both { rx: self.received.finish()?, tx: self.transmitted.finish()? })
    }
}

/// Demands that what was counted as skbs is what a capture on the container's own interface shows.
pub fn is_skbs_of(counted: &Both<Amount>, captured: &Both<Captured>) -> Result<()> {
    for (direction, counted, captured) in
        [("received", counted.rx, captured.rx), ("transmitted", counted.tx, captured.tx)]
    {
        ensure!(
            (counted.skb_bytes, counted.skbs) == (captured.bytes, captured.frames),
            "{direction}: captured {captured:?}, counted {counted:?}"
        );
    }
    Ok(())
}

/// Demands that what was counted as wire bytes is what a capture behind a link that cuts super-packets shows.
pub fn is_wire_of(counted: &Both<Amount>, captured: &Both<Captured>) -> Result<()> {
    for (direction, counted, captured) in
        [("received", counted.rx, captured.rx), ("transmitted", counted.tx, captured.tx)]
    {
        ensure!(captured.super_packets == 0, "{direction}: the capture has super-packets: {captured:?}");
        ensure!(
            (counted.wire_bytes, counted.packets) == (captured.bytes, captured.frames),
            "{direction}: captured {captured:?}, counted {counted:?}"
        );
        ensure!(
            counted.ip_bytes == captured.bytes - 14 * captured.frames,
            "{direction}: captured {captured:?}, counted {counted:?}"
        );
    }
    Ok(())
}

/// Demands that what was counted for TCP transfers is their payload and headers of the usual size. What was sent again
/// on the way may come on top: how much, only a capture can say.
pub fn carries(counted: Amount, payload: u64) -> Result<()> {
    // Ethernet, IPv4 and TCP without options; IPv6 and a SYN's options.
    let (least, most) = (14 + 20 + 20, 14 + 40 + 40);
    let Amount { wire_bytes, packets, .. } = counted;
    if !(payload + least * packets..=payload + payload / 4 + most * packets).contains(&wire_bytes) {
        bail!("{counted:?} carries {payload} bytes");
    }
    Ok(())
}

impl Both<Shortfall> {
    /// Nothing was missed, and that is certain.
    pub fn is_none(&self) -> bool {
        [self.rx, self.tx].iter().all(|side| *side == Shortfall { settled: true, ..Shortfall::default() })
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            wire_bytes: self.wire_bytes - other.wire_bytes,
            packets: self.packets - other.packets,
            ip_bytes: self.ip_bytes - other.ip_bytes,
            skb_bytes: self.skb_bytes - other.skb_bytes,
            skb_ip_bytes: self.skb_ip_bytes - other.skb_ip_bytes,
            skbs: self.skbs - other.skbs,
        }
    }
}
