//! Containers that talk to very many ports: their own traffic keeps its name, and what shares an entry loses no byte.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, bucket_since, counting, port_since, scope_since};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::statements::{Statement, agreeing};
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Capture, Container, Dtraf, Outside, Place, Process, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);
/// Folding waits until entries have been idle for a while, of which nothing is said here.
const FOLDING: Duration = Duration::from_mins(3);

/// One server of the outside behind very many of its ports.
struct ManyPorts<'a> {
    outside: &'a Place,
    _servers: [Process; 2],
}

impl<'a> ManyPorts<'a> {
    const SERVER: u16 = 20_000;

    fn serve(lab: &'a Shared) -> Result<Self> {
        let outside = lab.outside().place();
        let servers = [outside.serve_tcp(Self::SERVER)?, outside.serve_udp(Self::SERVER)?];
        let to = Self::SERVER.to_string();
        for ports in ["2000:4999", "33000:64999"] {
            for protocol in ["tcp", "udp"] {
                let rule = ["-p", protocol, "--dport", ports, "-j", "REDIRECT", "--to-ports", &to];
                let list = [&["-w", "-t", "nat", "-A", "PREROUTING"], &rule[..]].concat();
                outside.run("iptables", &list)?;
            }
        }
        Ok(Self { outside, _servers: servers })
    }

    /// Fetches `bytes` from each of these ports.
    fn fetch(place: &Place, ports: RangeInclusive<u16>, bytes: u64) -> Result<()> {
        let mut ports = ports;
        ports.try_for_each(|port| place.tcp(SocketAddr::new(Outside::V4, port), 10, bytes).map(drop))
    }
}

impl Drop for ManyPorts<'_> {
    fn drop(&mut self) {
        drop(self.outside.run("iptables", &["-w", "-t", "nat", "-F", "PREROUTING"]));
    }
}

/// What the entries of a protocol and role make together.
fn role(figures: &Figures, protocol: &str, role: &str) -> Both<Amount> {
    let entries = figures.ports.iter().filter(|entry| entry.protocol == protocol && entry.role == role);
    entries.fold(Both::default(), |sum, entry| sum + Both { rx: entry.rx, tx: entry.tx })
}

/// What the entries for other ports make: those that no port of their own is kept for.
fn shared(figures: &Figures, protocol: &str) -> Option<Both<Amount>> {
    let is_shared = |entry: &&dtraf_tests::report::Port| {
        entry.protocol == protocol && entry.role == "client" && entry.port.is_none()
    };
    let mut entries = figures.ports.iter().filter(is_shared).peekable();
    entries.peek()?;
    Some(entries.fold(Both::default(), |sum, entry| sum + Both { rx: entry.rx, tx: entry.tx }))
}

/// How many entries name an ephemeral port of the other end.
fn ephemeral(figures: &Figures) -> usize {
    let is_one = |entry: &&dtraf_tests::report::Port| {
        entry.role == "client" && entry.port.is_some_and(|port| port >= 32_768)
    };
    figures.ports.iter().filter(is_one).count()
}

#[test]
fn downloads_from_three_hundred_ephemeral_ports_share_an_entry_and_none_is_unsolicited() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let _many = ManyPorts::serve(&lab)?;
    let container = lab.container("torrent").start()?;
    let before = audited(&dtraf, &container)?;
    // The container's own ports may lie in that range, too.
    let from = format!("src host {} and src portrange 33000-33299", Outside::V4);
    let capture = Capture::start(&container.place()?, "eth0", &from)?;
    ManyPorts::fetch(&container.place()?, 33_000..=33_299, 35_000)?;
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(3, 900) };
    for port in 33_000..=33_299 {
        container.place()?.udp(SocketAddr::new(Outside::V4, port), &datagrams)?;
    }
    let between = audited(&dtraf, &container)?;
    let captured = capture.finish()?;
    for bucket in ["unsolicited", "over_quota"] {
        let moved = bucket_since(&before, &between, bucket);
        ensure!(moved == Both::default(), "{bucket}: {moved:?} of {captured:?}");
    }
    let mut received = Amount::default();
    for protocol in ["tcp", "udp"] {
        let moved = role(&between, protocol, "client").rx - role(&before, protocol, "client").rx;
        received = received + moved;
        let others =
            shared(&between, protocol).with_context(|| format!("no entry for other {protocol} ports"))?;
        ensure!(others.rx.skbs > 0 && others.tx.skbs > 0, "{protocol}: {others:?}");
    }
    ensure!(
        (received.skb_bytes, received.skbs) == (captured.bytes, captured.frames),
        "{received:?}, {captured:?}"
    );

    let _server = lab.outside().place().serve_tcp(443)?;
    container.place()?.tcp(SocketAddr::new(Outside::V4, 443), 0, 1_000_000)?;
    let after = audited(&dtraf, &container)?;
    let moved = port_since(&between, &after, "tcp", 443, "client").rx;
    ensure!(moved.wire_bytes > 1_000_000, "from 443: {moved:?}");
    Ok(())
}

#[test]
fn what_finds_no_entry_is_over_the_quota_in_both_directions() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let _many = ManyPorts::serve(&lab)?;
    let container = lab.container("many-ports").start()?;
    let before = audited(&dtraf, &container)?;
    let place = container.place()?;
    let inbound = Capture::start(&place, "eth0", "tcp and src portrange 2000-2399")?;
    let outbound = Capture::start(&place, "eth0", "tcp and dst portrange 2000-2399")?;
    ManyPorts::fetch(&container.place()?, 2_000..=2_399, 10_000)?;
    let after = audited(&dtraf, &container)?;
    let (inbound, outbound) = (inbound.finish()?, outbound.finish()?);
    let unsolicited = bucket_since(&before, &after, "unsolicited");
    let over = bucket_since(&before, &after, "over_quota");
    let entries = role(&after, "tcp", "client");
    ensure!(unsolicited == Both::default(), "unsolicited: {unsolicited:?}, over the quota: {over:?}");
    ensure!(over.rx.skbs > 0 && over.tx.skbs > 0, "over the quota: {over:?}");
    for (amount, captured) in [(entries.rx + over.rx, inbound), (entries.tx + over.tx, outbound)] {
        ensure!(
            (amount.skb_bytes, amount.skbs) == (captured.bytes, captured.frames),
            "{amount:?}, {captured:?}"
        );
    }
    Ok(())
}

#[test]
fn a_client_from_a_port_that_once_answered_is_a_client_once_nothing_listens_there() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("once-served").start()?;
    let place = container.place()?;
    let server = place.serve_tcp(2_222)?;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, 2_222), 1_000, 1_000)?;
    drop(server);
    let before = audited(&dtraf, &container)?;
    ensure!(before.port("tcp", 2_222, "server").tx.skbs > 0, "its answer: {:?}", before.ports);
    // Its first answer has made it known as a server, which is to end when nothing listens there for so long.
    std::thread::sleep(Duration::from_secs(18));
    let _server = lab.outside().place().serve_tcp(443)?;
    let capture = Capture::start(&place, "eth0", "tcp and src port 2222 and dst port 443")?;
    place.tcp_from(2_222, SocketAddr::new(Outside::V4, 443), 1_000, 100_000)?;
    let after = audited(&dtraf, &container)?;
    let captured = capture.finish()?;
    let client = port_since(&before, &after, "tcp", 443, "client");
    let as_server = port_since(&before, &after, "tcp", 2_222, "server");
    ensure!(
        (client.tx.skb_bytes, client.tx.skbs) == (captured.bytes, captured.frames)
            && client.tx.skbs >= 2
            && as_server == Both::default(),
        "captured {captured:?}, as a client of 443 {client:?}, as a server at 2222 {as_server:?}"
    );
    Ok(())
}

#[test]
fn idle_entries_of_a_container_that_needs_room_are_folded_and_sums_stay() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let mut running = counting(&dtraf, &[&ledger.option(), "--flush=1s", "--ports-per-container=64"])?;
    let _many = ManyPorts::serve(&lab)?;
    let container = lab.container("folded").start()?;
    ManyPorts::fetch(&container.place()?, 34_000..=34_031, 5_000)?;
    let before = audited(&dtraf, &container)?;
    ensure!(ephemeral(&before) > 16, "too few entries to be folded: {}", ephemeral(&before));
    // More than half of its room is used now: what is new shares an entry, and what is idle goes there.
    ManyPorts::fetch(&container.place()?, 34_040..=34_045, 5_000)?;
    let busy = audited(&dtraf, &container)?;
    let folded = eventually("idle entries to be folded", FOLDING, || {
        let figures = audited(&dtraf, &container)?;
        Ok((ephemeral(&figures) == 0 && shared(&figures, "tcp").is_some()).then_some(figures))
    })?;
    // The bridge's groups may have been spoken to meanwhile.
    for scope in ["internet", "lan", "host", "container"] {
        let added = scope_since(&busy, &folded, scope);
        ensure!(added == Both::default(), "{scope}: {added:?} has come with folding");
    }
    let (then, now) = (role(&busy, "tcp", "client"), role(&folded, "tcp", "client"));
    ensure!(then == now, "client entries had {then:?}, and have {now:?}");
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    ledger_has(&dtraf, &ledger, &container, &folded)
}

/// Demands that the ledger has what the container's figures have, also of what it was a client for.
fn ledger_has(
    dtraf: &Dtraf<'_>,
    ledger: &Ledger,
    container: &Container<'_>,
    figures: &Figures,
) -> Result<()> {
    agreeing(dtraf, ledger)?;
    let booked = ledger.total(container.name())?;
    ensure!(booked == figures.total, "the ledger has {booked:?} of {:?}", figures.total);
    let statement = Statement::of(dtraf, ledger, &["--by=port", container.name()])?;
    let lines = statement.lines.iter().filter(|line| line.role.as_deref() == Some("client"));
    let lines = lines.fold(Both::default(), |sum, line| sum + Both { rx: line.rx, tx: line.tx });
    let entries = role(figures, "tcp", "client") + role(figures, "udp", "client");
    ensure!(lines == entries, "the ledger has {lines:?} of client entries with {entries:?}");
    Ok(())
}

#[test]
fn folding_loses_and_doubles_no_byte_over_twenty_kills() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let run = |more: &[&'static str]| [&["run", &db, "--ports-per-container=64"], more].concat();
    // It is counted from its first packet on: what an interface carried before may not be its own.
    let mut first = counting(&dtraf, &[&db, "--flush=100ms", "--ports-per-container=64"])?;
    let container = lab.container("killed-folds").start()?;
    let _many = ManyPorts::serve(&lab)?;
    audited(&dtraf, &container)?;
    first.process.stop(Signal::KILL, LIMIT)?;
    let place = container.place()?;
    let (done, next) = (AtomicBool::new(false), AtomicU16::new(35_000));
    std::thread::scope(|scope| -> Result<()> {
        let traffic = scope.spawn(|| -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                let port = next.fetch_add(1, Ordering::Relaxed);
                ManyPorts::fetch(&place, port..=port, 3_000)?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        });
        let killed = (|| -> Result<()> {
            // Looks like chance, and is the same in each run.
            let mut number = 0x9e37_79b9_u64;
            for _ in 0..20 {
                let mut running = dtraf.start(&run(&["--headless", "--flush=100ms"]))?;
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                std::thread::sleep(Duration::from_millis((number >> 33) % 6_000));
                running.process.stop(Signal::KILL, LIMIT)?;
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        traffic.join().expect("traffic does not panic")?;
        killed
    })?;
    let mut running = dtraf.start(&run(&["--headless", "--flush=100ms"]))?;
    let unsettled = audited(&dtraf, &container)?;
    let folded = eventually("idle entries to be folded", FOLDING, || {
        let figures = audited(&dtraf, &container)?;
        Ok(shared(&figures, "tcp").is_some().then_some(figures))
    });
    let folded = folded.with_context(|| format!("{} entries", unsettled.ports.len()))?;
    let unsolicited = folded.buckets.rx["unsolicited"];
    ensure!(unsolicited == Amount::default(), "unsolicited: {unsolicited:?}");
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    dtraf.end(&run(&["--once"]))?.success()?;
    ledger_has(&dtraf, &ledger, &container, &audited(&dtraf, &container)?)
}
