//! What is left of a ledger that was damaged.

use std::collections::BTreeSet;

use super::*;
use crate::accounting::history::journal::Start;

const CONTAINERS: u32 = 40;
const PAGE: usize = 4096;

/// Many containers' books, of which each has counted `rx` packets.
fn books(rx: u64) -> Ledger {
    let mut ledger = Ledger::default();
    let meters = (1..=CONTAINERS).map(|number| {
        let byte = u8::try_from(number).unwrap();
        let owner = Owner::Container(ContainerName { id: id(byte), name: format!("web{number}") });
        Attributed { reading: reading(meter(u16::from(byte)), rx, 1), owner, network: None }
    });
    ledger.post(AttributedSnapshot { taken_at: at(1), meters: meters.collect() });
    ledger
}

fn everybody() -> Inventory {
    inventory(
        (1..=CONTAINERS).map(|number| container(u8::try_from(number).unwrap(), &format!("web{number}"))),
    )
}

fn flush(store: &mut Store, journal: &mut Journal, ledger: &Ledger, at: Timestamp) {
    let batch = journal.batch(ledger.open(), &everybody(), Vec::new(), at).unwrap();
    let sequence = store.write(&batch, Calendar::Trusted).unwrap();
    journal.settle(sequence).unwrap();
}

/// A ledger of many pages, all of them in the one file.
fn large() -> TempDir {
    let directory = tempdir().unwrap();
    let mut store = open(&directory.path().join("ledger.db"), 1);
    let mut journal = Journal::default();
    for step in 1..=8 {
        flush(&mut store, &mut journal, &books(step), at(600 * step));
    }
    assert_eq!(totals(&store), all(8 * i64::from(CONTAINERS), i64::from(CONTAINERS)));
    directory
}

fn recovered(path: &Path) -> Recovered {
    match recover(path, at(10_000)).unwrap() {
        Recovery::Recovered(recovered) => recovered,
        other => panic!("{other:?}"),
    }
}

fn received(store: &Store) -> Vec<i64> {
    let packets = "SELECT coalesce(sum(rx_skbs), 0) FROM traffic WHERE tier =";
    (0..8).map(|at| number(store, &format!("{packets} {} AND part = {}", at / 2, at % 2))).collect()
}

#[test]
fn a_ledger_that_is_whole_is_left_alone() {
    let directory = large();
    let path = directory.path().join("ledger.db");
    let before = fs::read(&path).unwrap();
    assert!(matches!(recover(&path, at(1)).unwrap(), Recovery::Intact));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(matches!(recover(&directory.path().join("other.db"), at(1)).unwrap(), Recovery::Missing));
    let _store = open(&path, 1);
    assert!(matches!(recover(&path, at(1)), Err(StoreError::InUse { .. })));
}

#[test]
fn a_newer_ledger_is_left_alone_whatever_is_wrong_with_it() {
    let directory = large();
    let path = directory.path().join("ledger.db");
    open(&path, 1).connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(recover(&path, at(1)), Err(StoreError::Layout { found: 99, .. })));
}

#[test]
fn a_file_that_is_no_ledger_is_put_aside() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let text = "not a database, but long enough to be taken for one".repeat(100);
    fs::write(&path, &text).unwrap();
    let found = recovered(&path);
    assert_eq!(found.aside, directory.path().join("ledger.db.damaged-20260921T170000Z"));
    assert_eq!(fs::read_to_string(&found.aside).unwrap(), text);
    assert!(found.tables.iter().all(|table| table.saved == 0), "{found:?}");
    let store = open(&path, 1);
    let resumed = store.resume().unwrap();
    assert_eq!((resumed.sequence, resumed.start), (Sequence(0), Start::NextReading));
    drop(store);
    remove(&path).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Whatever page is damaged, and however: nothing is booked twice, what is read is kept, and what comes later is booked.
#[test]
fn a_damaged_page_books_nothing_twice() {
    let whole = large();
    let image = fs::read(whole.path().join("ledger.db")).unwrap();
    let pages = image.len() / PAGE;
    assert!(pages > 30, "{pages}");
    let all = 8 * i64::from(CONTAINERS);
    let (mut outcomes, mut kept) = (BTreeSet::new(), 0);
    for page in 0..pages {
        let filling = [0x00, 0xff, 0x5a][page % 3];
        let directory = tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let mut damaged = image.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(filling);
        fs::write(&path, &damaged).unwrap();
        let what = format!("page {page} of {pages} is all {filling:#x}");
        let found = match recover(&path, at(10_000)).unwrap() {
            // One that is free.
            Recovery::Intact => continue,
            Recovery::Recovered(found) => found,
            Recovery::Missing => panic!("{what}"),
        };
        assert_eq!(fs::read(&found.aside).unwrap(), damaged, "{what}");
        assert!(matches!(recover(&path, at(1)).unwrap(), Recovery::Intact), "{what}");
        let mut store = open(&path, 1);
        let saved = received(&store);
        assert!(saved.iter().all(|saved| *saved <= all), "{what}: {saved:?}");
        kept += saved[6];
        let mut journal = Journal::default();
        journal.resume(store.resume().unwrap());
        let came = i64::from(CONTAINERS);
        match found.goes_on {
            GoesOn::FromCursors => {
                assert_eq!(saved, [all; 8], "{what}");
                flush(&mut store, &mut journal, &books(9), at(12_000));
            }
            GoesOn::FromNextReading { .. } => {
                // What had come before the reading that booking begins with is not booked.
                flush(&mut store, &mut journal, &books(20), at(12_000));
                assert_eq!(received(&store), saved, "{what}");
                flush(&mut store, &mut journal, &books(21), at(12_600));
                assert!(
                    number(&store, "SELECT count(*) FROM absence") == 1 || saved[0] == 0,
                    "{what}: {found:?}"
                );
            }
        }
        let expected: Vec<_> = saved.iter().map(|saved| saved + came).collect();
        assert_eq!(received(&store), expected, "{what}");
        drop(store);
        // And the process after that goes on from there.
        let mut store = open(&path, 1);
        let mut journal = Journal::default();
        journal.resume(store.resume().unwrap());
        flush(&mut store, &mut journal, &books(22), at(13_000));
        let more = if found.goes_on == GoesOn::FromCursors { 13 } else { 1 };
        let expected: Vec<_> = expected.iter().map(|before| before + more * came).collect();
        assert_eq!(received(&store), expected, "{what}");
        outcomes.insert(found.goes_on == GoesOn::FromCursors);
    }
    assert_eq!(outcomes, BTreeSet::from([false, true]));
    let average = kept / i64::try_from(pages).unwrap();
    assert!(average > all / 2, "of {all} packets {average} are kept on average");
}

#[test]
fn what_is_in_the_log_is_saved_too() {
    let directory = large();
    let path = directory.path().join("ledger.db");
    let (aside, log) = (directory.path().join("copy.db"), directory.path().join("copy.db-wal"));
    let mut store = open(&path, 1);
    let mut journal = Journal::default();
    journal.resume(store.resume().unwrap());
    flush(&mut store, &mut journal, &books(9), at(9_000));
    // As a process that was killed leaves them.
    fs::copy(&path, &aside).unwrap();
    fs::copy(directory.path().join("ledger.db-wal"), &log).unwrap();
    let mut file = fs::read(&aside).unwrap();
    let root = number(&store, "SELECT rootpage FROM sqlite_schema WHERE name = 'attribute_by_name'");
    let page = usize::try_from(root - 1).unwrap() * PAGE;
    file[page..page + PAGE].fill(0xff);
    fs::write(&aside, file).unwrap();
    let found = recovered(&aside);
    assert_eq!(found.goes_on, GoesOn::FromCursors, "{found:?}");
    assert!(!log.exists());
    assert_eq!(totals(&open(&aside, 1)), all(9 * i64::from(CONTAINERS), i64::from(CONTAINERS)));
}

#[test]
fn amounts_whose_holder_is_lost_stay_in_the_total() {
    let directory = large();
    let path = directory.path().join("ledger.db");
    let mut file = fs::read(&path).unwrap();
    let root = {
        let store = open(&path, 1);
        number(&store, "SELECT rootpage FROM sqlite_schema WHERE name = 'holder'")
    };
    let page = usize::try_from(root - 1).unwrap() * PAGE;
    file[page..page + PAGE].fill(0xff);
    fs::write(&path, file).unwrap();
    let found = recovered(&path);
    let told: Vec<_> = found.tables.iter().map(ToString::to_string).collect();
    assert!(told.contains(&"holder: 0 rows saved, 80 lost".to_owned()), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("traffic: all ")), "{told:#?}");
    assert_eq!(found.goes_on, GoesOn::FromNextReading { last: Some(at(4_800)) });
    let store = open(&path, 1);
    assert_eq!(received(&store), [8 * i64::from(CONTAINERS); 8]);
    assert_eq!(
        number(&store, "SELECT count(*) FROM holder WHERE reason = 'damaged'"),
        2 * i64::from(CONTAINERS)
    );
}

#[test]
fn a_ledger_of_the_first_layout_has_lost_nothing_that_it_never_had() {
    let directory = large();
    let path = directory.path().join("ledger.db");
    layouts::to_layout(&path, 1);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - PAGE;
    bytes[last..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let tables = recovered(&path).tables;
    assert!(tables.iter().any(|table| table.to_string().contains("lost")), "{tables:?}");
    assert!(!tables.iter().any(|table| table.table == "baseline"), "{tables:?}");
    open(&path, 1);
}
