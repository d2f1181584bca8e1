//! The ledger on disks that are full, cannot be written to, are locked by others or have damaged it: counting goes on, nothing is
//! booked twice, and what can be written later is.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::audited;
use dtraf_tests::firewall::Witness;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::report::{Amount, Both};
use dtraf_tests::{Container, Dtraf, Ended, Lab, Process, Running, Shared, eventually};
use rustix::process::Signal;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// A file system of the lab's own, with a ledger in it.
struct Small<'a> {
    lab: &'a Lab,
    at: TempDir,
}

impl<'a> Small<'a> {
    fn mount(lab: &'a Lab) -> Result<Self> {
        let at = tempfile::tempdir().context("make a place to mount at")?;
        let small = Self { lab, at };
        lab.host().run("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", &small.directory()])?;
        Ok(small)
    }

    fn directory(&self) -> String {
        self.at.path().display().to_string()
    }

    fn option(&self) -> String {
        format!("--db={}/ledger.db", self.directory())
    }

    fn fill(&self) -> Result<()> {
        let script = format!("! dd if=/dev/zero of={}/filling bs=4096 2>/dev/null", self.directory());
        self.lab.host().run("sh", &["-c", &script]).map(drop)
    }

    fn free(&self) -> Result<()> {
        self.lab.host().run("rm", &[&format!("{}/filling", self.directory())]).map(drop)
    }

    fn remount(&self, how: &str) -> Result<()> {
        let options = format!("remount,{how}");
        self.lab.host().run("mount", &["-o", &options, &self.directory()]).map(drop)
    }

    /// As its files are now.
    fn ledger(&self) -> Result<Ledger> {
        Ledger::copied(&self.lab.path(&format!("{}/ledger.db", self.directory())))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        drop(self.lab.host().run("umount", &["--lazy", &self.directory()]));
    }
}

/// A container with a server, and what is asked of it.
struct Served<'a> {
    lab: &'a Lab,
    dtraf: &'a Dtraf<'a>,
    container: Container<'a>,
    _server: Process,
    address: SocketAddr,
}

impl<'a> Served<'a> {
    fn start(lab: &'a Lab, dtraf: &'a Dtraf<'a>, name: &str) -> Result<Self> {
        let container = lab.container(name).start()?;
        let server = container.place()?.serve_tcp(7000)?;
        let address = SocketAddr::new(container.address("bridge")?, 7000);
        // A transfer before dtraf was attached would be in the interface's shortfall.
        eventually("it to be counted", LIMIT, || Ok(audited(dtraf, &container).ok().map(drop)))?;
        Ok(Self { lab, dtraf, container, _server: server, address })
    }

    fn traffic(&self) -> Result<()> {
        for _ in 0..4 {
            self.lab.host().tcp(self.address, 20_000, 30_000)?;
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    }

    /// What the kernel has.
    fn kernel(&self) -> Result<Both<Amount>> {
        Ok(audited(self.dtraf, &self.container)?.total)
    }

    /// Waits until the ledger that a dtraf writes has what the kernel has.
    fn caught_up(&self, ledger: impl Fn() -> Result<Ledger>) -> Result<()> {
        let what = format!("the ledger to have all of {}", self.container.name());
        eventually(&what, LIMIT, || {
            let kernel = self.kernel()?;
            // Not there yet, or copied in the middle of a write.
            let booked = ledger().and_then(|ledger| ledger.total(self.container.name()));
            Ok(booked.ok().filter(|booked| *booked == kernel).map(drop))
        })
    }
}

fn headless(dtraf: &Dtraf<'_>, db: &str, more: &[&str]) -> Result<Running> {
    dtraf.start(&[&["run", "--headless", "--backend=ebpf", "--flush=200ms", db], more].concat())
}

fn end(mut running: Running) -> Result<Ended> {
    running.process.stop(Signal::TERM, LIMIT)
}

/// Demands that these were logged, in this order.
fn told(ended: &Ended, words: &[&str]) -> Result<()> {
    let mut rest = ended.errors.as_str();
    for word in words {
        let found = rest.find(word).with_context(|| format!("`{word}` was not told: {}", ended.errors))?;
        rest = &rest[found + word.len()..];
    }
    Ok(())
}

#[test]
fn a_full_disk_is_told_and_caught_up_with() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let small = Small::mount(&lab)?;
    let running = headless(&dtraf, &small.option(), &[])?;
    let served = Served::start(&lab, &dtraf, "full")?;
    served.traffic()?;
    served.caught_up(|| small.ledger())?;
    small.fill()?;
    let before = small.ledger()?.total("full")?;
    for _ in 0..3 {
        served.traffic()?;
    }
    let (kernel, booked) = (served.kernel()?, small.ledger()?.total("full")?);
    ensure!(kernel.rx.wire_bytes >= before.rx.wire_bytes + 12 * 20_000, "nothing was counted: {kernel:?}");
    ensure!(booked.rx.wire_bytes < kernel.rx.wire_bytes, "the disk was not full: {booked:?}");
    small.free()?;
    served.caught_up(|| small.ledger())?;
    served.traffic()?;
    served.caught_up(|| small.ledger())?;
    told(&end(running)?.success()?, &["is not written", "make room", "is written again"])
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told_and_caught_up_with() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let small = Small::mount(&lab)?;
    small.fill()?;
    let running = headless(&dtraf, &small.option(), &[])?;
    let served = Served::start(&lab, &dtraf, "crowded")?;
    served.traffic()?;
    served.kernel()?;
    small.free()?;
    served.caught_up(|| small.ledger())?;
    told(&end(running)?.success()?, &["is not written", "is written again"])
}

/// The kernel refuses to make a file system read-only while somebody has a file open for writing. So it is between two runs.
#[test]
fn a_file_system_that_cannot_be_written_to_is_told_and_caught_up_with() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let small = Small::mount(&lab)?;
    let running = headless(&dtraf, &small.option(), &[])?;
    let served = Served::start(&lab, &dtraf, "readonly")?;
    served.traffic()?;
    served.caught_up(|| small.ledger())?;
    drop(running);
    small.remount("ro")?;
    let before = small.ledger()?.total("readonly")?;
    let running = headless(&dtraf, &small.option(), &[])?;
    served.traffic()?;
    let kernel = served.kernel()?;
    ensure!(kernel.rx.wire_bytes > before.rx.wire_bytes, "nothing was counted: {kernel:?}");
    assert_eq!(small.ledger()?.total("readonly")?, before);
    small.remount("rw")?;
    served.caught_up(|| small.ledger())?;
    told(&end(running)?.success()?, &["is not written", "Read-only file system", "is written again"])?;
    // One that ends before it could write leaves its counts in the kernel, and says so.
    small.remount("ro")?;
    let running = headless(&dtraf, &small.option(), &[])?;
    served.traffic()?;
    let ended = end(running)?;
    ensure!(!ended.status.success(), "{ended:?}");
    told(&ended, &["the last counts are not in the ledger"])?;
    small.remount("rw")?;
    let running = headless(&dtraf, &small.option(), &[])?;
    served.caught_up(|| small.ledger())?;
    end(running)?.success().map(drop)
}

#[test]
fn a_ledger_that_somebody_locks_is_told_and_caught_up_with() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let ledger = Ledger::new()?;
    let running = headless(&dtraf, &ledger.option(), &[])?;
    let served = Served::start(&lab, &dtraf, "locked")?;
    served.traffic()?;
    served.caught_up(|| Ledger::copied(ledger.path().as_ref()))?;
    let before = ledger.total("locked")?;
    let held = ledger.hold()?;
    // Twice as long as dtraf waits for a lock.
    for _ in 0..10 {
        served.traffic()?;
    }
    let kernel = served.kernel()?;
    ensure!(kernel.rx.wire_bytes > before.rx.wire_bytes, "nothing was counted: {kernel:?}");
    assert_eq!(ledger.total("locked")?, before);
    drop(held);
    served.caught_up(|| Ledger::copied(ledger.path().as_ref()))?;
    told(&end(running)?.success()?, &["is not written", "locked", "is written again"])
}

/// A ledger that is damaged at the root of `what`, recovered. So many received bytes are `missing` in it then. Returns what is
/// to be printed of it.
fn damaged(what: &str, missing: RangeInclusive<u64>) -> Result<String> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let ledger = Ledger::new()?;
    let db = ledger.option();
    let is_vital = what != "attribute_by_name";
    let name = format!("damaged-{}", what.replace('_', "-"));
    let running = headless(&dtraf, &db, &[])?;
    let served = Served::start(&lab, &dtraf, &name)?;
    served.traffic()?;
    served.caught_up(|| Ledger::copied(ledger.path().as_ref()))?;
    end(running)?.success()?;
    ledger.damage(what)?;

    // It is told, and left as it is.
    let running = headless(&dtraf, &db, &[])?;
    served.traffic()?;
    let counted = served.kernel()?;
    let ended = end(running)?;
    if is_vital {
        told(&ended, &["is not written", "which is damaged: `dtraf run --recover`"])?;
        ensure!(!ended.status.success(), "{ended:?}");
    }
    assert_eq!(ledger.beside(".damaged-")?, 0);

    let running = headless(&dtraf, &db, &["--recover"])?;
    eventually("a batch in the new ledger", LIMIT, || {
        if (ledger.beside(".damaged-")?, ledger.beside(".recovering")?) != (1, 0) {
            return Ok(None);
        }
        Ok(ledger.number("SELECT sum(sequence) FROM progress").ok().filter(|batches| *batches > 0))
    })?;
    let (begin, saved) = (served.kernel()?, ledger.total(&name)?);
    served.traffic()?;
    let came = served.kernel()?;
    let ended = end(running)?.success()?;
    told(&ended, &["was damaged (", "saved from the damaged ledger: account: all"])?;
    let (booked, kernel) = (ledger.total(&name)?, served.kernel()?);
    let figures = format!("{what}: kernel {kernel:?}\nledger {booked:?}\n{}", ended.errors);
    for (booked, saved, begin, came, counted, kernel) in [
        (booked.rx, saved.rx, begin.rx, came.rx, counted.rx, kernel.rx),
        (booked.tx, saved.tx, begin.tx, came.tx, counted.tx, kernel.tx),
    ] {
        ensure!(booked.wire_bytes <= kernel.wire_bytes, "more than the kernel has: {booked:?}");
        // What came after the recovery is there; a frame of the host's own may have come while it was under way.
        let came = came.wire_bytes - begin.wire_bytes;
        let passed = if is_vital { kernel.wire_bytes - counted.wire_bytes } else { kernel.wire_bytes };
        let at_most = saved.wire_bytes + passed;
        ensure!(
            (saved.wire_bytes + came..=at_most).contains(&booked.wire_bytes),
            "{booked:?} of {kernel:?}, saved {saved:?}"
        );
    }

    // One that is whole is left alone.
    let ended = dtraf.end(&["run", "--once", "--backend=ebpf", "--recover", &db])?.success()?;
    told(&ended, &["is intact: --recover has nothing to do"])?;
    assert_eq!((ledger.beside(".damaged-")?, ledger.beside(".recovering")?), (1, 0));
    let running = headless(&dtraf, &db, &[])?;
    // What is missing stays missing, and no more.
    eventually("the ledger to go on", LIMIT, || {
        let (booked, kernel) = (ledger.total(&name)?.rx.wire_bytes, served.kernel()?.rx.wire_bytes);
        ensure!(booked <= kernel, "{booked} bytes, more than the {kernel} of the kernel");
        Ok(missing.contains(&(kernel - booked)).then_some(()))
    })?;
    end(running)?.success()?;
    Ok(figures)
}

#[test]
fn a_ledger_whose_amounts_are_lost_books_nothing_twice() -> Result<()> {
    println!("{}", damaged("traffic", 8 * 20_000..=12 * 20_000)?);
    Ok(())
}

#[test]
fn a_ledger_whose_readings_are_lost_books_nothing_twice() -> Result<()> {
    // What was counted between the last write and the recovery.
    println!("{}", damaged("cursor", 4 * 20_000..=6 * 20_000)?);
    Ok(())
}

#[test]
fn a_ledger_that_only_an_index_is_damaged_of_has_everything() -> Result<()> {
    println!("{}", damaged("attribute_by_name", 0..=0)?);
    Ok(())
}

#[test]
fn a_damaged_ledger_of_rules_books_nothing_twice() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let once =
        |more: &[&str]| dtraf.end(&[&["run", "--once", "--backend=iptables", &db], more].concat())?.success();
    let witness = Witness::of(lab.host(), "172.17.0.0/16", None)?;
    let container = lab.container("ruled").publish("7000:7000").start()?;
    let _server = container.place()?.serve_tcp(7000)?;
    once(&[])?;
    let client = lab.outside().place();
    let address = SocketAddr::new(dtraf_tests::Outside::HOST_V4, 7000);
    client.tcp(address, 20_000, 30_000)?;
    once(&[])?;
    once(&[])?;
    let before = witness.seen()?;
    assert_eq!(ledger.tally("ruled")?, before);
    ledger.damage("raw")?;
    told(&dtraf.end(&["run", "--once", "--backend=iptables", &db])?, &["which is damaged"])?;
    client.tcp(address, 20_000, 30_000)?;
    let lost = witness.seen()?;
    told(&once(&["--recover"])?, &["was damaged (", "raw: 0 rows saved", "to book nothing twice"])?;
    // Nothing has come since the last write that was not lost; what comes now is booked.
    assert_eq!(ledger.tally("ruled")?, before);
    client.tcp(address, 20_000, 30_000)?;
    once(&[])?;
    once(&[])?;
    let (kernel, booked) = (witness.seen()?, ledger.tally("ruled")?);
    println!("kernel {kernel:?}, of which {lost:?} before the recovery; ledger {booked:?}");
    for (booked, before, lost, kernel) in
        [(booked.rx, before.rx, lost.rx, kernel.rx), (booked.tx, before.tx, lost.tx, kernel.tx)]
    {
        assert_eq!(booked.bytes, before.bytes + kernel.bytes - lost.bytes);
        assert_eq!(booked.packets, before.packets + kernel.packets - lost.packets);
    }
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    Ok(())
}
