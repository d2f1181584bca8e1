mod accounts;
mod brief;
mod cards;
mod faults;
mod fold;
mod folded;
mod layouts;
mod ports;
mod quotas;
mod recovery;
pub(super) mod statements;
mod time;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::accounting::attribution::{Attributed, AttributedSnapshot, Owner, Reason};
use crate::accounting::fixtures::{at, container, id, inventory, meter, packets, reading};
use crate::accounting::history::journal::{Batch, Journal, Sequence, Start};
use crate::accounting::history::key::amounts;
use crate::accounting::identity::Timestamp;
use crate::accounting::inventory::{Container, Inventory};
use crate::accounting::ledger::Ledger;
use crate::accounting::report::Backend;
use crate::accounting::snapshot::ContainerName;

/// A ledger on a disk, and the books of a process that keeps it.
struct Bench {
    directory: TempDir,
    store: Store,
    journal: Journal,
    ledger: Ledger,
    inventory: Inventory,
}

fn epoch(number: u64) -> Epoch {
    Epoch::maps("boot", number)
}

fn open(path: &Path, number: u64) -> Store {
    Store::open(path, epoch(number), TimeZone::UTC, Retention::default()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let store = open(&directory.path().join("ledger.db"), 1);
        let inventory = inventory([container(1, "web")]);
        Self { directory, store, journal: Journal::default(), ledger: Ledger::default(), inventory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// Meter 1 has counted so many packets by now.
    fn count(&mut self, owner: &Owner, rx: u64, tx: u64) {
        let attributed =
            Attributed { reading: reading(meter(1), rx, tx), owner: owner.clone(), network: None };
        let posted = self.ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
        assert_eq!(posted.refused, []);
    }

    fn batch(&mut self, at: Timestamp) -> Batch {
        self.journal.batch(self.ledger.open(), &self.inventory, Vec::new(), at).unwrap()
    }

    fn flush(&mut self, at: Timestamp) -> Sequence {
        let batch = self.batch(at);
        let sequence = self.store.write(&batch, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
        sequence
    }
}

fn web() -> Owner {
    Owner::Container(ContainerName { id: id(1), name: "web".to_owned() })
}

fn number(store: &Store, text: &str) -> i64 {
    store.connection.query_row(text, [], |row| row.get(0)).unwrap()
}

/// Received and transmitted packets in each tier, by scope, and by port.
fn totals(store: &Store) -> Vec<(i64, i64, i64, i64)> {
    let text = "SELECT tier, part, sum(rx_packets), sum(tx_packets) FROM readable GROUP BY tier, part";
    let mut statement = store.connection.prepare(text).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn all(rx: i64, tx: i64) -> Vec<(i64, i64, i64, i64)> {
    (0..4).flat_map(|tier| (0..2).map(move |part| (tier, part, rx, tx))).collect()
}

#[test]
fn every_tier_has_all_of_it_and_the_next_process_goes_on() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    assert_eq!(bench.flush(at(0)), Sequence(1));
    bench.count(&web(), 5, 1);
    assert_eq!(bench.flush(at(3600)), Sequence(2));
    assert_eq!(totals(&bench.store), all(5, 1));
    let spans = |tier| {
        number(&bench.store, &format!("SELECT count(DISTINCT start) FROM traffic WHERE tier = {tier}"))
    };
    assert_eq!([0, 1, 2, 3].map(spans), [2, 2, 1, 1]);

    let path = bench.path();
    drop(bench.store);
    let resumed = open(&path, 1).resume().unwrap();
    assert_eq!(resumed.sequence, Sequence(2));
    assert_eq!(resumed.cursors, BTreeMap::from([(meter(1).id, amounts(&reading(meter(1), 5, 1)))]));
}

#[test]
fn counters_of_another_boot_begin_anew() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    let path = bench.path();
    drop(bench.store);
    bench.store = open(&path, 2);
    let resumed = bench.store.resume().unwrap();
    assert_eq!(resumed.cursors, BTreeMap::new());
    (bench.journal, bench.ledger) = (Journal::default(), Ledger::default());
    bench.journal.resume(resumed);
    bench.count(&web(), 2, 2);
    bench.flush(at(600));
    assert_eq!(totals(&bench.store), all(5, 3));
    assert_eq!(number(&bench.store, "SELECT count(*) FROM meter WHERE until_ns IS NULL"), 1);
    assert_eq!(number(&bench.store, "SELECT to_ns - from_ns FROM absence"), 600_000_000_000);
}

#[test]
fn what_another_backend_has_booked_is_not_booked_again() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    let path = bench.path();
    drop(bench.store);
    // Rules see the same packets from then on, and then the program's counters are read again.
    bench.store =
        Store::open(&path, Epoch::rules("boot", Backend::Nft), TimeZone::UTC, Retention::default()).unwrap();
    assert_eq!(bench.store.resume().unwrap().start, Start::NextReading);
    (bench.journal, bench.ledger) = (Journal::default(), Ledger::default());
    bench.journal.resume(bench.store.resume().unwrap());
    bench.count(&web(), 0, 0);
    bench.flush(at(60));
    bench.count(&web(), 2, 2);
    bench.flush(at(120));
    assert_eq!(totals(&bench.store), all(5, 3));
    drop(bench.store);
    bench.store = open(&path, 1);
    (bench.journal, bench.ledger) = (Journal::default(), Ledger::default());
    bench.journal.resume(bench.store.resume().unwrap());
    bench.count(&web(), 5, 3);
    bench.flush(at(180));
    assert_eq!(totals(&bench.store), all(5, 3));
    drop(bench.store);
    // Once it has written, it goes on from there.
    bench.store = open(&path, 1);
    assert_eq!(bench.store.resume().unwrap().start, Start::Cursors);
}

#[test]
fn only_the_batch_that_follows_is_written() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    let batch = bench.batch(at(0));
    assert_eq!(
        bench.store.write(&Batch { sequence: Sequence(2), ..batch.clone() }, Calendar::Trusted).unwrap(),
        Sequence(0)
    );
    assert_eq!(totals(&bench.store), []);
    assert_eq!(bench.store.write(&batch, Calendar::Trusted).unwrap(), Sequence(1));
    assert_eq!(bench.store.write(&batch, Calendar::Trusted).unwrap(), Sequence(1));
    assert_eq!(totals(&bench.store), all(3, 1));
}

#[test]
fn a_ledger_has_one_writer() {
    let bench = Bench::new();
    let path = bench.path();
    let error = Store::open(&path, epoch(1), TimeZone::UTC, Retention::default()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

/// What is on the disk at every instant of a write, as a process that is killed then leaves it.
#[test]
fn a_process_that_is_killed_leaves_all_of_a_batch_or_nothing() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.count(&web(), 8, 2);
    let batch = bench.batch(at(600));
    let images = Arc::new(Mutex::new(Vec::new()));
    let picture = {
        let (directory, images) = (bench.directory.path().to_owned(), Arc::clone(&images));
        move || {
            let image = tempdir().unwrap();
            for file in ["ledger.db", "ledger.db-wal"] {
                fs::copy(directory.join(file), image.path().join(file)).unwrap();
            }
            images.lock().unwrap().push(image);
        }
    };
    picture();
    let during = picture.clone();
    let instants = Some(move || {
        during();
        false
    });
    // After every so many instructions of SQLite's virtual machine.
    bench.store.connection.progress_handler(10, instants).unwrap();
    let before_commit = picture.clone();
    bench
        .store
        .connection
        .commit_hook(Some(move || {
            before_commit();
            false
        }))
        .unwrap();
    bench.store.write(&batch, Calendar::Trusted).unwrap();
    bench.store.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    picture();

    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 50, "{}", images.len());
    let mut whole = 0;
    for image in &images {
        let mut store = open(&image.path().join("ledger.db"), 1);
        let resumed = store.resume().unwrap();
        let counted = |rx, tx| BTreeMap::from([(meter(1).id, amounts(&reading(meter(1), rx, tx)))]);
        if resumed.sequence == Sequence(2) {
            whole += 1;
            assert_eq!((resumed.cursors, totals(&store)), (counted(8, 2), all(8, 2)));
            continue;
        }
        assert_eq!((resumed.cursors, totals(&store)), (counted(3, 1), all(3, 1)));
        store.write(&batch, Calendar::Trusted).unwrap();
        assert_eq!(totals(&store), all(8, 2));
    }
    assert_eq!(whole, 1, "the last one, after the commit");
}

#[test]
fn a_write_that_fails_leaves_nothing_and_comes_again() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.count(&web(), 8, 2);
    for _ in 0..2 {
        let batch = bench.batch(at(600));
        bench.store.connection.commit_hook(Some(|| true)).unwrap();
        bench.store.write(&batch, Calendar::Trusted).unwrap_err();
        let on_disk = bench.store.sequence().unwrap();
        bench.journal.settle(on_disk).unwrap();
        assert_eq!(totals(&bench.store), all(3, 1));
    }
    bench.store.connection.commit_hook(None::<fn() -> bool>).unwrap();
    bench.count(&web(), 9, 2);
    bench.flush(at(1200));
    assert_eq!(totals(&bench.store), all(9, 2));
}

#[test]
fn what_nobody_had_goes_to_whom_it_belonged() {
    let mut bench = Bench::new();
    bench.count(&Owner::Unattributed(Reason::NoContainer), 3, 1);
    bench.flush(at(0));
    let owned =
        "SELECT coalesce(sum(rx_packets), 0) FROM readable WHERE account = 'web' AND tier = 3 AND part = 0";
    assert_eq!(number(&bench.store, owned), 0);
    bench.count(&web(), 3, 1);
    bench.flush(at(600));
    assert_eq!(number(&bench.store, owned), 3);
    bench.count(&web(), 5, 1);
    bench.flush(at(1200));
    assert_eq!((number(&bench.store, owned), totals(&bench.store)), (5, all(5, 1)));
}

#[test]
fn what_nobody_has_when_it_ends_is_one_sum() {
    let mut bench = Bench::new();
    bench.count(&Owner::Unattributed(Reason::NoContainer), 3, 1);
    bench.flush(at(0));
    let (id, entry) = bench.ledger.open().next().unwrap();
    bench.journal.end(id, entry);
    bench.ledger.close(id, at(2));
    bench.flush(at(600));
    let nobody = "SELECT sum(rx_skbs) FROM traffic JOIN holder ON holder.id = holder WHERE reason = 'no_container' AND tier = \
                  2 AND part = 1";
    assert_eq!((number(&bench.store, nobody), totals(&bench.store)), (3, all(3, 1)));
    assert_eq!(number(&bench.store, "SELECT count(*) FROM cursor"), 0);
}

/// The names of accounts, of what they have, and since when.
fn accounts(store: &Store) -> Vec<String> {
    let mut statement = store.connection.prepare("SELECT name FROM account ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_account_outlives_its_container() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    // Made anew, with another id and address, and then renamed.
    let again = Container { name: "web".to_owned(), ..container(2, "web") };
    bench.inventory = inventory([again.clone()]);
    bench.flush(at(60));
    bench.inventory = inventory([Container { name: "site".to_owned(), ..again }]);
    bench.flush(at(120));
    assert_eq!(accounts(&bench.store), ["web"]);
    let who = "SELECT hex(container) FROM attribute JOIN holder ON holder.id = holder WHERE kind = 'address' AND value = \
               '172.17.0.1' AND since_ns <= ?1 AND (until_ns IS NULL OR until_ns > ?1)";
    let had: Vec<String> = bench
        .store
        .connection
        .prepare(who)
        .unwrap()
        .query_map([at(30).unix_ns()], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(had, ["01".repeat(32)]);
}

#[test]
fn what_a_label_says_goes_before_a_name_that_was_all_that_was_known() {
    let mut bench = Bench::new();
    bench.inventory = inventory([]);
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    assert_eq!(accounts(&bench.store), ["web"]);
    let labels = BTreeMap::from([("dtraf.account".to_owned(), "customer 7".to_owned())]);
    bench.inventory = inventory([Container { labels, ..container(1, "web") }]);
    bench.flush(at(60));
    assert_eq!(accounts(&bench.store), ["customer 7"]);
}

#[test]
fn what_is_old_is_dropped_from_the_fine_tiers_alone() {
    let mut bench = Bench::new();
    let day = 86_400;
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    for week in 1..4 {
        bench.count(&web(), 3 + week, 1);
        bench.flush(at(week * 7 * day + 3600));
    }
    let kept = totals(&bench.store);
    assert_eq!(kept[6..], [(3, 0, 6, 1), (3, 1, 6, 1)]);
    assert_eq!(kept[4..6], [(2, 0, 6, 1), (2, 1, 6, 1)]);
    assert!(kept[0].2 < 6 && kept[2].2 < 6, "{kept:?}");
}

#[test]
fn nothing_is_dropped_while_the_clock_is_in_doubt() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.count(&web(), 4, 1);
    // Ten years ahead, and back.
    let batch = bench.batch(Timestamp(at(0).0 + Duration::from_hours(24 * 3650)));
    let sequence = bench.store.write(&batch, Calendar::Doubtful).unwrap();
    bench.journal.settle(sequence).unwrap();
    assert_eq!(totals(&bench.store), all(4, 1));
    bench.count(&web(), 4, 2);
    bench.flush(at(60));
    assert_eq!(totals(&bench.store), all(4, 2));
}

#[test]
fn a_file_that_is_no_ledger_is_told_of() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    fs::write(&path, "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    let error = Store::open(&path, epoch(1), TimeZone::UTC, Retention::default()).unwrap_err();
    assert!(error.to_string().contains("--recover"), "{error}");
    assert!(!error.is_final());
}

#[test]
fn a_newer_layout_is_left_alone() {
    let bench = Bench::new();
    bench.store.connection.pragma_update(None, "user_version", 99).unwrap();
    let path = bench.path();
    drop(bench.store);
    let error = Store::open(&path, epoch(1), TimeZone::UTC, Retention::default()).unwrap_err();
    assert!(matches!(error, StoreError::Layout { found: 99, .. }), "{error}");
}

#[test]
fn packets_are_not_counted_in_bytes() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 0);
    bench.flush(at(0));
    let wire = number(&bench.store, "SELECT rx_wire_bytes FROM readable WHERE tier = 0 AND part = 0");
    assert_eq!(u64::try_from(wire).unwrap(), packets(3).frames.unwrap().wire_bytes);
}

#[test]
fn a_ledger_is_removed_with_all_that_is_beside_it() {
    let directory = tempdir().unwrap();
    let own = directory.path().join("dtraf");
    let path = own.join("ledger.db");
    let store = open(&path, 1);
    assert!(matches!(remove(&path), Err(StoreError::InUse { .. })));
    assert!(path.exists());
    drop(store);
    remove(&path).unwrap();
    assert!(!own.exists() && directory.path().exists());
}
