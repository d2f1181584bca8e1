//! dtraf is killed again and again while interfaces come and go: what it counted and what it says it has missed is what each
//! interface has carried.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::conserved;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::report::{Amount, Meter, Report, Shortfall};
use dtraf_tests::{Counters, Dtraf, Outside, Place, Shared, Side, Veth, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_mins(1);
const KILLS: u32 = 60;
/// Containers that come and go one after another, in as many rows as stand here.
const ROWS: u32 = 3;
const LONGEST_LIFE_MS: u64 = 1_500;

/// Numbers that look like chance and are the same in each run (Marsaglia, "Xorshift RNGs", 2003).
fn below(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % limit
}

/// A container's interface when it can carry nothing more.
struct Ended {
    container: String,
    interface: String,
    carried: Counters,
}

fn docker(host: &Place, args: &[&str]) -> Result<String> {
    host.run("docker", args)
}

/// Starts a container that talks to the outside without a pause, and ends it once some dtraf has seen it.
fn come_and_go(host: &Place, dtraf: &Dtraf<'_>, name: &str) -> Result<Ended> {
    let talk = format!("while :; do ping -c 20 -i 0.01 -s 900 {} >/dev/null; done", Outside::V4);
    let id = docker(
        host,
        &["run", "--detach", "--stop-signal=KILL", "--name", name, "dtraf-lab:latest", "sh", "-c", &talk],
    )?;
    eventually("the container to be counted", LIMIT, || {
        let report = dtraf.stats().ok();
        let container = report.as_ref().and_then(|report| report.container(name).ok());
        Ok(container.filter(|container| !container.is_uncounted()).map(drop))
    })?;
    let pid = docker(host, &["inspect", "--format={{.State.Pid}}", id.trim()])?;
    let inside = host.network_of(pid.trim().parse()?);
    let veth = Veth::only(host, &inside)?;
    inside.run("ip", &["link", "set", &veth.inside, "down"])?;
    // What the bridge would still send to it does not pass the program, either.
    host.run("ip", &["link", "set", &veth.name, "down"])?;
    let carried = eventually("the last packet", LIMIT, || {
        let before = veth.counters()?;
        std::thread::sleep(Duration::from_millis(20));
        Ok((veth.counters()? == before).then_some(before))
    })?;
    // It stays known to Docker, and its counts in the kernel.
    docker(host, &["stop", name])?;
    Ok(Ended { container: name.to_owned(), interface: veth.name, carried })
}

/// Kills dtraf at any instant of its first moments, until all is over.
fn kill_again_and_again(
    dtraf: &Dtraf<'_>,
    db: &str,
    kills: &AtomicU32,
    is_over: &impl Fn() -> bool,
) -> Result<()> {
    let mut chance = 0x9e37_79b9_7f4a_7c15;
    while !is_over() {
        let mut running = dtraf.start(&["run", "--headless", "--backend=ebpf", "--flush=200ms", db])?;
        std::thread::sleep(Duration::from_millis(below(&mut chance, LONGEST_LIFE_MS)));
        running.process.stop(Signal::KILL, LIMIT)?;
        kills.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Demands that what was counted and what was missed is what was carried. Frames that the host's end has dropped, behind the
/// program, are in the first.
fn is_carried(counted: Amount, missed: Shortfall, carried: Side) -> Result<()> {
    let (bytes, packets) = (counted.skb_bytes + missed.skb_bytes, counted.skbs + missed.skbs);
    let surplus = packets.checked_sub(carried.packets).context("less than was carried")?;
    ensure!(surplus <= carried.dropped, "more than was carried");
    ensure!(surplus > 0 || bytes == carried.bytes, "other bytes than were carried");
    Ok(())
}

fn meters(report: &Report) -> Result<BTreeMap<String, Vec<(String, Meter)>>> {
    let mut meters = BTreeMap::<String, Vec<_>>::new();
    for container in report.containers.iter().filter(|container| !container.is_uncounted()) {
        for meter in container.figures()?.meters {
            meters.entry(meter.interface.clone()).or_default().push((container.name.clone(), meter));
        }
    }
    Ok(meters)
}

#[test]
fn counted_and_missed_is_what_each_interface_has_carried_whenever_dtraf_is_killed() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let (kills, failed) = (AtomicU32::new(0), AtomicBool::new(false));
    let is_over = || kills.load(Ordering::Relaxed) >= KILLS || failed.load(Ordering::Relaxed);
    let ended = std::thread::scope(|scope| -> Result<Vec<Ended>> {
        let rows: Vec<_> = (0..ROWS)
            .map(|row| {
                let (host, dtraf, failed, is_over) = (lab.host(), &dtraf, &failed, &is_over);
                scope.spawn(move || -> Result<Vec<Ended>> {
                    let mut ended = Vec::new();
                    while !is_over() {
                        let name = format!("row{row}-{}", ended.len());
                        let one = come_and_go(host, dtraf, &name);
                        failed.fetch_or(one.is_err(), Ordering::Relaxed);
                        ended.push(one.with_context(|| name)?);
                    }
                    Ok(ended)
                })
            })
            .collect();
        let killed = kill_again_and_again(&dtraf, &db, &kills, &is_over);
        failed.fetch_or(killed.is_err(), Ordering::Relaxed);
        killed?;
        // The last ones wait to be counted.
        let running = dtraf.start(&["run", "--headless", "--backend=ebpf", "--flush=200ms", &db])?;
        let mut ended = Vec::new();
        for row in rows {
            ended.extend(row.join().expect("a row does not panic")?);
        }
        running.stop(Signal::TERM)?;
        Ok(ended)
    })?;
    let report = dtraf.stats()?;
    conserved(&report)?;
    let meters = meters(&report)?;
    let mut sums = (0, 0);
    for Ended { container, interface, carried } in &ended {
        let found = meters.get(interface).map_or(&[][..], Vec::as_slice);
        let [(name, meter)] = found else { anyhow::bail!("{interface} of {container} has {found:#?}") };
        assert_eq!(name, container);
        let said = || format!("{interface} of {container}: {meter:?}, and it has carried {carried:?}");
        is_carried(meter.rx, meter.shortfall.rx, carried.received).with_context(said)?;
        is_carried(meter.tx, meter.shortfall.tx, carried.transmitted).with_context(said)?;
        let booked = ledger.total(container)?;
        assert_eq!((booked.rx, booked.tx), (meter.rx, meter.tx), "the ledger's and the kernel's {container}");
        let missed = meter.shortfall.rx.skbs + meter.shortfall.tx.skbs;
        sums = (sums.0 + meter.rx.skbs + meter.tx.skbs, sums.1 + missed);
    }
    assert_eq!(meters.len(), ended.len(), "interfaces that nobody has made: {meters:#?}");
    let nobodys = "SELECT count(*) FROM traffic JOIN holder ON holder.id = holder WHERE account IS NULL";
    assert_eq!(ledger.number(nobodys)?, 0, "rows that belong to nobody");
    println!("{KILLS} kills, {} interfaces: {} packets counted, {} missed", ended.len(), sums.0, sums.1);
    for Ended { container, .. } in &ended {
        lab.docker(&["rm", container])?;
    }
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}
