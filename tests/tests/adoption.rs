//! dtraf comes and goes, by force or not: the counting does not.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, conserved, counting, since};
use dtraf_tests::report::Report;
use dtraf_tests::{Container, Dtraf, Kernel, Outside, Process, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);

fn served<'a>(lab: &'a Shared, name: &str, host_port: u16) -> Result<(Container<'a>, Process)> {
    let container = lab.container(name).publish(&format!("{host_port}:80")).start()?;
    let server = container.place()?.serve_tcp(80)?;
    Ok((container, server))
}

/// Runs `meanwhile` while transfers follow each other without a pause; the number of them.
fn under_traffic(
    lab: &Shared,
    host_port: u16,
    meanwhile: impl FnOnce(&AtomicU64) -> Result<()>,
) -> Result<u64> {
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let outside = lab.outside().place();
    std::thread::scope(|scope| -> Result<()> {
        let traffic = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                outside.tcp(SocketAddr::new(Outside::HOST_V4, host_port), 20_000, 200_000)?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let result = meanwhile(&done);
        over.store(true, Ordering::Relaxed);
        traffic.join().expect("traffic does not panic")?;
        result
    })?;
    Ok(done.into_inner())
}

/// Waits until something was transferred after now.
fn more(done: &AtomicU64) -> Result<()> {
    let before = done.load(Ordering::Relaxed);
    eventually("more traffic", LIMIT, || Ok((done.load(Ordering::Relaxed) > before + 1).then_some(())))
}

fn killed_again_and_again(lab: &Shared, name: &str, host_port: u16, attach: &str) -> Result<()> {
    let dtraf = Dtraf::new(lab)?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    let option = format!("--attach={attach}");
    let (container, _server) = served(lab, name, host_port)?;
    let veth = container.veth()?;
    let running = counting(&dtraf, &[&option])?;
    let before = audited(&dtraf, &container)?;
    drop(running);
    assert_eq!(before.meters[0].hook, attach);

    let transfers = under_traffic(lab, host_port, |done| {
        for _ in 0..5 {
            let mut running = counting(&dtraf, &[&option])?;
            more(done)?;
            running.process.stop(Signal::KILL, LIMIT)?;
            more(done)?;
        }
        Ok(())
    })?;
    // With nobody running, and read by the next one.
    let orphaned = audited(&dtraf, &container)?;
    let mut running = counting(&dtraf, &[&option])?;
    let after = audited(&dtraf, &container)?;
    // Of the total, only what bridges and hosts send on their own account may have moved.
    assert_eq!(orphaned.ports, after.ports);
    assert_eq!(after.shortfall, before.shortfall, "what was missed was missed before the first one");
    assert_eq!(after.meters.len(), 1);
    let moved = since(&before, &after);
    ensure!(
        moved.rx.wire_bytes >= transfers * 20_016 && moved.tx.wire_bytes >= transfers * 200_000,
        "{transfers} transfers, {moved:?}"
    );

    // One program of ours on each hook, and no older one anywhere.
    running.process.stop(Signal::KILL, LIMIT)?;
    eventually("the older programs to go", LIMIT, || {
        let names: Vec<String> = Kernel::of(lab.host())?.programs.into_iter().map(|(_, name)| name).collect();
        Ok((names.len() == 2 && names[0] != names[1]).then_some(()))
    })?;
    let kernel = Kernel::of(lab.host())?;
    if attach == "tcx" {
        assert_eq!(kernel.links.len(), 2, "{kernel:?}");
        let programs: Vec<u32> = kernel.links.iter().map(|(_, program)| *program).collect();
        assert_ne!(programs[0], programs[1], "{kernel:?}");
    } else {
        assert_eq!(kernel.links.len(), 0, "{kernel:?}");
        for direction in ["ingress", "egress"] {
            let filters = lab.host().run("tc", &["filter", "show", "dev", &veth.name, direction])?;
            let ours = filters.lines().filter(|line| line.contains(&format!("dtraf_{direction}")));
            assert_eq!(ours.count(), 1, "{filters}");
        }
    }
    container.remove()?;
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn killed_again_and_again_under_traffic_it_misses_nothing_with_tcx() -> Result<()> {
    killed_again_and_again(&Shared::lab()?, "tcx", 8080, "tcx")
}

#[test]
fn killed_again_and_again_under_traffic_it_misses_nothing_with_clsact() -> Result<()> {
    killed_again_and_again(&Shared::lab()?, "clsact", 8081, "clsact")
}

/// A second run that asks for the other hook must not count twice.
#[test]
fn a_run_that_asks_for_the_other_hook_counts_nothing_twice() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, _server) = served(&lab, "both", 8085)?;
    for attach in ["tcx", "clsact", "tcx"] {
        let _running = counting(&dtraf, &[&format!("--attach={attach}")])?;
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8085), 10_000, 50_000)?;
        audited(&dtraf, &container)?;
    }
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

fn a_signal_ends_it(signal: Signal, name: &str, host_port: u16) -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, _server) = served(&lab, name, host_port)?;
    let to = SocketAddr::new(Outside::HOST_V4, host_port);
    let running = counting(&dtraf, &[])?;
    let before = audited(&dtraf, &container)?;
    drop(running);
    let (counted, last) = eventually("an end at which nobody else speaks", LIMIT, || {
        let mut running = dtraf.start(&["run", "--format=json", "--interval=1h"])?;
        running.report()?;
        lab.outside().place().tcp(to, 1_000, 300_000)?;
        let counted = audited(&dtraf, &container)?;
        let ended = running.stop(signal)?;
        let [last] = &ended.lines[..] else { anyhow::bail!("one last reading: {:?}", ended.lines) };
        // A bridge and IPv6 say something now and then.
        let is_still = counted.audit(&container.veth()?.counters()?).is_ok();
        Ok(is_still.then_some((counted, Report::read(last)?)))
    })?;
    conserved(&last)?;
    assert_eq!(
        last.container(name)?.figures()?.total,
        counted.total,
        "it has what came since the one before"
    );
    ensure!(since(&before, &counted).tx.wire_bytes > 300_000);

    lab.outside().place().tcp(to, 1_000, 300_000)?;
    let after = audited(&dtraf, &container)?;
    ensure!(since(&counted, &after).tx.wire_bytes > 300_000, "counting goes on");
    container.remove()
}

#[test]
fn sigint_prints_a_last_reading_and_counting_goes_on() -> Result<()> {
    a_signal_ends_it(Signal::INT, "interrupted", 8082)
}

#[test]
fn sigterm_prints_a_last_reading_and_counting_goes_on() -> Result<()> {
    a_signal_ends_it(Signal::TERM, "terminated", 8083)
}

#[test]
fn what_starts_and_ends_while_no_dtraf_runs_does_no_harm() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let gone = lab.container("gone").start()?;
    let (stays, _server) = served(&lab, "stays", 8084)?;
    let running = counting(&dtraf, &[])?;
    let before = audited(&dtraf, &gone)?;
    drop(running);
    gone.remove()?;
    let (new, _new) = served(&lab, "new", 8086)?;
    let outside = lab.outside().place();
    outside.tcp(SocketAddr::new(Outside::HOST_V4, 8084), 1_000, 100_000)?;
    outside.tcp(SocketAddr::new(Outside::HOST_V4, 8086), 1_000, 100_000)?;

    let mut running = counting(&dtraf, &[])?;
    let left = eventually("the counts of the removed one", LIMIT, || {
        let report = running.report()?;
        conserved(&report)?;
        Ok(report.container("gone").is_ok().then_some(report))
    })?;
    let left = left.container("gone")?.figures().context("gone")?;
    ensure!(left.total.rx.skb_bytes >= before.total.rx.skb_bytes, "{left:?}");
    audited(&dtraf, &stays)?;
    let figures = audited(&dtraf, &new)?;
    ensure!(
        figures.shortfall.tx.skb_bytes > 100_000,
        "what nobody counted is known: {:?}",
        figures.shortfall
    );
    Ok(())
}

/// The pins of links that are there now.
fn pinned_links(lab: &Shared) -> Result<usize> {
    let listing = format!("ls {}/links 2>/dev/null || true", Kernel::PINS);
    Ok(lab.host().run("sh", &["-c", &listing])?.lines().count())
}

#[test]
fn killed_in_the_midst_of_attaching_it_is_completed_by_the_next_one() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    let containers: Vec<Container<'_>> =
        (0..6).map(|number| lab.container(&format!("half{number}")).start()).collect::<Result<_>>()?;
    for wanted in [1, 2, 5, 8] {
        let mut running = dtraf.start(&["run", "--format=json"])?;
        eventually("some links", LIMIT, || Ok((pinned_links(&lab)? >= wanted).then_some(())))?;
        running.process.stop(Signal::KILL, LIMIT)?;
    }
    let running = counting(&dtraf, &[])?;
    for container in &containers {
        let _server = container.place()?.serve_tcp(80)?;
        lab.host().tcp(SocketAddr::new(container.address("bridge")?, 80), 1_000, 50_000)?;
        let figures = audited(&dtraf, container)?;
        assert_eq!(figures.meters.len(), 1, "{}: {:?}", container.name(), figures.meters);
    }
    drop(running);
    assert_eq!(pinned_links(&lab)?, 2 * containers.len());
    let kernel = Kernel::of(lab.host())?;
    assert_eq!(kernel.links.len(), 2 * containers.len(), "{kernel:?}");

    // Pins of interfaces that have gone while nobody looked go with the next run.
    drop(containers);
    let _running = counting(&dtraf, &[])?;
    eventually("no links", LIMIT, || Ok((pinned_links(&lab)? == 0).then_some(())))
}
