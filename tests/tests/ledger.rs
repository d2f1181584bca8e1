//! The ledger on disk: what the kernel has counted, once, whatever happens to dtraf.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting};
use dtraf_tests::firewall::Witness;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::statements::agreeing;
use dtraf_tests::{Container, Dtraf, Outside, Patience, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);

/// Numbers that look like chance and are the same in each run (Marsaglia, "Xorshift RNGs", 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Kills dtraf again and again under traffic, at any instant from its start on. Then the ledger must have what `counted` says,
/// which reads the kernel's counters.
fn killed<T: PartialEq + Debug>(
    lab: &Shared,
    kills: u32,
    name: &str,
    options: &[&str],
    counted: impl Fn(&Dtraf<'_>, &Container<'_>) -> Result<T>,
    booked: impl Fn(&Ledger) -> Result<T>,
) -> Result<String> {
    let (dtraf, ledger) = (Dtraf::new(lab)?, Ledger::new()?);
    let db = ledger.option();
    let run = |more: &[&'static str]| [&["run", &db], options, more].concat();
    let container = lab.container(name).publish("7000:7000").start()?;
    let _server = container.place()?.serve_tcp(7000)?;
    let address = SocketAddr::new(Outside::HOST_V4, 7000);
    // It is there before the first packet that counts.
    let running = dtraf.start(&run(&["--headless"]))?;
    eventually("a ledger", LIMIT, || {
        Ok(ledger.number("SELECT sequence FROM progress").ok().filter(|it| *it > 0))
    })?;
    counted(&dtraf, &container)?;
    drop(running);
    let longest = 2 * first_batch(&dtraf, &ledger, &run(&["--headless"]))?;
    let done = AtomicBool::new(false);
    let client = lab.outside().place();
    std::thread::scope(|scope| -> Result<()> {
        let traffic = scope.spawn(|| -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                client.tcp(address, 3_000, 40_000)?;
            }
            Ok(())
        });
        let killed = (|| -> Result<()> {
            let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
            for _ in 0..kills {
                let mut running = dtraf.start(&run(&["--headless", "--flush=100ms"]))?;
                std::thread::sleep(Duration::from_millis(chance.below(longest)));
                running.process.stop(Signal::KILL, LIMIT)?;
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        traffic.join().expect("traffic does not panic")?;
        killed
    })?;
    let batches = ledger.number("SELECT sequence FROM progress")?;
    dtraf.end(&run(&["--once"]))?.success()?;
    let kernel = counted(&dtraf, &container)?;
    // Something may have passed since: the last word is the ledger's when both stand still.
    dtraf.end(&run(&["--once"]))?.success()?;
    let booked = booked(&ledger)?;
    ensure!(batches > u64::from(kills) / 5, "too few batches were written between the kills: {batches}");
    assert_eq!(booked, kernel);
    container.remove()?;
    Ok(format!("{name}: {kills} kills, {batches} batches\nkernel {kernel:?}\nledger {booked:?}"))
}

/// Milliseconds from a process's start to its first batch.
fn first_batch(dtraf: &Dtraf<'_>, ledger: &Ledger, run: &[&str]) -> Result<u64> {
    let batches = || ledger.number("SELECT sequence FROM progress");
    let before = batches()?;
    let patience = Patience::of(LIMIT);
    let _running = dtraf.start(run)?;
    while batches()? == before {
        ensure!(patience.left().is_some(), "no batch was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = LIMIT.saturating_sub(patience.left().unwrap_or_default());
    Ok(u64::try_from(took.as_millis())?)
}

#[test]
fn a_ledger_has_what_the_kernel_has_after_five_hundred_kills() -> Result<()> {
    let lab = Shared::lab()?;
    let counted = |dtraf: &Dtraf<'_>, container: &Container<'_>| Ok(audited(dtraf, container)?.total);
    let booked = |ledger: &Ledger| ledger.total("killed");
    println!("{}", killed(&lab, 500, "killed", &["--backend=ebpf"], counted, booked)?);
    Ok(())
}

#[test]
fn a_ledger_has_what_rules_have_counted_after_kills() -> Result<()> {
    let lab = Shared::lab()?;
    for (name, backend) in [("ruled", "iptables"), ("tabled", "nft")] {
        let witness = Witness::of(lab.host(), "172.17.0.0/16", None)?;
        let counted = |_: &Dtraf<'_>, _: &Container<'_>| witness.seen();
        let booked = |ledger: &Ledger| ledger.tally(name);
        println!("{}", killed(&lab, 50, name, &[&format!("--backend={backend}")], counted, booked)?);
        Dtraf::new(&lab)?.end(&["uninstall", "--yes"])?.success()?;
    }
    Ok(())
}

/// Programs and rules that were once made count whoever runs: what one backend books the other has counted as well.
#[test]
fn backends_that_take_turns_book_every_packet_once() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let container = lab.container("turns").publish("7000:7000").start()?;
    let _server = container.place()?.serve_tcp(7000)?;
    let address = container.address("bridge")?;
    let witness = Witness::of(lab.host(), &format!("{address}/32"), Some(("tcp", 7000)))?;
    for backend in ["ebpf", "nft", "ebpf", "iptables", "nft", "ebpf"] {
        let option = format!("--backend={backend}");
        let once = || dtraf.end(&["run", "--once", &option, &db])?.success();
        once()?;
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 7000), 200_000, 300_000)?;
        once()?;
        assert_eq!(ledger.served("turns", 7000)?, witness.seen()?, "{backend}");
    }
    drop(witness);
    container.remove()?;
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn the_last_bytes_of_a_container_are_booked_after_it_is_gone() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let mut running = dtraf.start(&["run", "--headless", &db, "--flush=1s"])?;
    let container = lab.container("brief").start()?;
    let server = container.place()?.serve_tcp(7000)?;
    let address = SocketAddr::new(container.address("bridge")?, 7000);
    lab.host().tcp(address, 1_000_000, 2_000_000)?;
    drop(server);
    let kernel = audited(&dtraf, &container)?.total;
    container.remove()?;
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    agreeing(&dtraf, &ledger)?;
    let booked = ledger.total("brief")?;
    // Taking it down may have cost a packet more.
    ensure!(
        booked.rx.wire_bytes >= kernel.rx.wire_bytes && booked.tx.wire_bytes >= kernel.tx.wire_bytes,
        "{booked:?}"
    );
    ensure!(booked.rx.wire_bytes < kernel.rx.wire_bytes + 1_000, "{booked:?} of {kernel:?}");
    Ok(())
}

#[test]
fn a_container_made_ten_times_is_one_account() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let mut running = dtraf.start(&["run", "--headless", &db, "--flush=200ms"])?;
    let (mut sum, mut before) = ((0, 0), 0);
    for round in 0..10 {
        // Somebody else has the address that this one had.
        let squatter = lab.container(&format!("squatter{round}")).start()?;
        let container = lab.container("anew").start()?;
        let server = container.place()?.serve_tcp(7000)?;
        lab.host().tcp(SocketAddr::new(container.address("bridge")?, 7000), 10_000, 20_000)?;
        drop(server);
        let kernel = audited(&dtraf, &container)?.total;
        sum = (sum.0 + kernel.rx.wire_bytes, sum.1 + kernel.tx.wire_bytes);
        container.remove()?;
        squatter.remove()?;
        std::thread::sleep(Duration::from_millis(300));
        let booked = ledger.total("anew")?.rx.wire_bytes;
        ensure!(booked >= before, "the total went down: {before}, {booked}");
        before = booked;
    }
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    agreeing(&dtraf, &ledger)?;
    let booked = ledger.total("anew")?;
    println!("the veths had {sum:?}, the ledger has {booked:?}");
    assert_eq!(ledger.number("SELECT count(*) FROM account WHERE name = 'anew'")?, 1);
    // A last packet may pass while a container is taken down.
    for (booked, counted) in [(booked.rx.wire_bytes, sum.0), (booked.tx.wire_bytes, sum.1)] {
        ensure!((counted..counted + 2_000).contains(&booked), "{booked} of {counted}");
    }
    let holders = "SELECT count(*) FROM holder JOIN account ON account.id = account WHERE name = 'anew' AND container IS \
                   NOT NULL";
    assert_eq!(ledger.number(holders)?, 10);
    Ok(())
}

#[test]
fn a_second_dtraf_on_one_ledger_is_refused() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let _running = counting(&dtraf, &[&db])?;
    let ended = dtraf.end(&["run", "--once", "--backend=nft", &db]).context("the second one")?;
    ensure!(ended.errors.contains("is written by another dtraf"), "{ended:?}");
    Ok(())
}
