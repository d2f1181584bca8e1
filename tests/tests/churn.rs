//! A hundred containers come and go while traffic runs.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{Tap, audited, conserved, counting, wire};
use dtraf_tests::report::{Amount, Both, Report, Shortfall};
use dtraf_tests::{Dtraf, Kernel, Outside, Place, Shared, eventually};
use rustix::process::Signal;

const CONTAINERS: usize = 100;
const BATCH: usize = 5;
const PAYLOAD: u64 = 100_000;
/// A request of the lab's TCP server for that many bytes, by one that then lives for half a second.
const FETCH: &str =
    r"printf '\0\0\0\0\0\0\0\0\240\206\1\0\0\0\0\0' | nc 198.51.100.2 9000 | wc -c; sleep 0.5";

fn links(host: &Place) -> Result<Vec<String>> {
    let pinned = format!("{}/links", Kernel::PINS);
    Ok(host.run("ls", &[&pinned])?.lines().map(str::to_owned).collect())
}

#[test]
fn a_hundred_containers_come_and_go_under_traffic_and_nothing_is_missing_or_left() -> Result<()> {
    let lab = Shared::lab()?;
    let (host, outside) = (lab.host(), lab.outside().place());
    wire(&lab)?;
    let _server = outside.serve_tcp(9000)?;
    let dtraf = Dtraf::new(&lab)?;
    let running = counting(&dtraf, &[])?;
    let busy = lab.container("busy").publish("8080:80").start()?;
    let _busy = busy.place()?.serve_tcp(80)?;
    audited(&dtraf, &busy)?;
    let before = links(host)?;
    let qdiscs = host.run("tc", &["qdisc", "show"])?;

    let tap = Tap::client(outside, Outside::LINK, 9000)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let traffic = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                outside.tcp(SocketAddr::new(Outside::HOST_V4, 8080), 10_000, 100_000)?;
            }
            Ok(())
        });
        let result = churn(&lab);
        over.store(true, Ordering::Relaxed);
        traffic.join().expect("traffic does not panic")?;
        result
    })?;
    let captured = tap.finish()?;
    audited(&dtraf, &busy).context("the one that stayed")?;
    only_slots_of(&dtraf, "busy")?;
    assert_eq!(links(host)?, before, "links of interfaces that are gone");
    assert_eq!(host.run("tc", &["qdisc", "show"])?, qdiscs);

    let last = last_report(&running.stop(Signal::TERM)?.lines)?;
    conserved(&last)?;
    let mut sum = Both::<Amount>::default();
    let mut missed = Shortfall::default();
    let mut missing = Vec::new();
    for number in 0..CONTAINERS {
        let name = format!("brief{number}");
        let Ok(container) = last.container(&name) else {
            missing.push(name);
            continue;
        };
        let figures = container.figures().with_context(|| name.clone())?;
        assert_eq!(container.state.as_deref(), Some("removed"), "{name}");
        // With several starting at a time a bridge may flood a group's packet to one that is not attached to yet, and its first
        // answers may pass between the one program and the other; but what the container itself sends is complete.
        let Both { rx, tx } = figures.shortfall;
        ensure!(tx == Shortfall { settled: true, ..Shortfall::default() }, "{name}: {tx:?}");
        ensure!(rx.skbs < 10, "{name}: {rx:?}");
        missed.skbs += rx.skbs;
        missed.skb_bytes += rx.skb_bytes;
        let moved = figures.port("tcp", 9000, "client");
        ensure!(moved.rx.wire_bytes > PAYLOAD, "{name}: {moved:?}");
        sum = Both { rx: sum.rx + moved.rx, tx: sum.tx + moved.tx };
    }
    for unattributed in &last.unattributed {
        println!("counted for nobody: {unattributed:?}");
    }
    assert_eq!(missing, Vec::<String>::new(), "not in the report; {:?}", last.unattributed);
    assert_eq!(last.unattributed, [], "all of it has an owner");
    assert_eq!(
        (sum.tx.wire_bytes, sum.tx.packets),
        (captured.tx.bytes, captured.tx.frames),
        "sent by all of them, as captured outside"
    );
    // Nothing is cut or put together on the way: what is missing is known as a shortfall.
    let without = |seen: u64, counted: u64, missed: u64| (counted..=counted + missed).contains(&seen);
    ensure!(
        without(captured.rx.bytes, sum.rx.wire_bytes, missed.skb_bytes)
            && without(captured.rx.frames, sum.rx.packets, missed.skbs),
        "received by all of them: {:?}; captured outside: {:?}; known to be missing: {missed:?}",
        sum.rx,
        captured.rx
    );

    busy.remove()?;
    let _running = counting(&dtraf, &[])?;
    eventually("the last slot to be freed", Duration::from_secs(20), || {
        Ok((dtraf.stats()?.containers.is_empty() && links(host)?.is_empty()).then_some(()))
    })
}

/// Starts and removes all of them, in batches, each with a transfer of its own.
fn churn(lab: &Shared) -> Result<()> {
    for first in (0..CONTAINERS).step_by(BATCH) {
        // A batch at the same time. Whether each has started shows in the report.
        let script = format!(
            "for i in $(seq {first} {}); do docker run --rm --name brief$i --detach dtraf-lab:latest \
             sh -c \"{}\" >/dev/null & done; wait",
            first + BATCH - 1,
            FETCH.replace('\\', "\\\\")
        );
        lab.host().run("sh", &["-c", &script])?;
    }
    eventually("the last of them to be removed", Duration::from_secs(30), || {
        Ok((!lab.docker(&["ps", "--all", "--format={{.Names}}"])?.contains("brief")).then_some(()))
    })
}

/// Waits until dtraf keeps nothing in the kernel but what the container of that name has.
fn only_slots_of(dtraf: &Dtraf<'_>, name: &str) -> Result<()> {
    eventually("the slots of removed containers to be freed", Duration::from_secs(20), || {
        let report = dtraf.stats()?;
        conserved(&report)?;
        let others = report.containers.iter().filter(|container| container.name != name).count();
        Ok((others == 0 && report.unattributed.is_empty()).then_some(()))
    })
}

fn last_report(lines: &[String]) -> Result<Report> {
    Report::read(lines.last().context("a last report")?)
}
