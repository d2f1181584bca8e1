//! Disks that are full, ledgers that are locked, clocks that are set.

use rusqlite::{Connection, ErrorCode};

use super::*;

fn code(error: &StoreError) -> Option<ErrorCode> {
    match error {
        StoreError::Sqlite { source, .. } => source.sqlite_error_code(),
        _ => None,
    }
}

/// Writes that fail, and then one that does not: all of it is there, once.
fn catches_up(bench: &mut Bench, expected: ErrorCode, advice: &str, end: impl FnOnce(&Store)) {
    for seconds in 1..4 {
        bench.count(&web(), 3 + seconds, 1);
        let batch = bench.batch(at(600 * seconds));
        let error = bench.store.write(&batch, Calendar::Trusted).unwrap_err();
        assert_eq!(code(&error), Some(expected), "{error}");
        assert!(error.to_string().contains(advice) && !error.is_final(), "{error}");
        let on_disk = bench.store.sequence().unwrap();
        bench.journal.settle(on_disk).unwrap();
        assert_eq!(totals(&bench.store), all(3, 1));
    }
    end(&bench.store);
    bench.count(&web(), 9, 2);
    bench.flush(at(2400));
    assert_eq!(totals(&bench.store), all(9, 2));
}

fn begun() -> Bench {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench
}

#[test]
fn a_full_disk_loses_nothing() {
    let mut bench = begun();
    let pages = number(&bench.store, "PRAGMA page_count");
    // Room for no further page: what a disk says that is full.
    let limit = |store: &Store, pages: i64| {
        store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(&bench.store, pages);
    // A description that needs a page of its own.
    bench.inventory = inventory([Container { name: "x".repeat(10_000), ..container(1, "web") }]);
    catches_up(&mut bench, ErrorCode::DiskFull, "make room", |store| limit(store, 1_000_000));
}

#[test]
fn a_ledger_that_cannot_be_written_to_loses_nothing() {
    let mut bench = begun();
    let read_only = |store: &Store, on: bool| store.connection.pragma_update(None, "query_only", on).unwrap();
    read_only(&bench.store, true);
    catches_up(&mut bench, ErrorCode::ReadOnly, "cannot be written to", |store| read_only(store, false));
}

#[test]
fn a_ledger_that_somebody_locks_loses_nothing() {
    let mut bench = begun();
    bench.store.connection.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(bench.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    catches_up(&mut bench, ErrorCode::DatabaseBusy, "", |_| other.execute_batch("ROLLBACK").unwrap());
}

#[test]
fn a_clock_that_is_set_moves_and_doubles_nothing() {
    let mut bench = Bench::new();
    let day = 86_400;
    for (seconds, rx) in [(2 * day, 3), (day, 4), (4 * day, 6), (2 * day, 9)] {
        bench.count(&web(), rx, 1);
        let batch = bench.batch(at(seconds));
        let sequence = bench.store.write(&batch, Calendar::Doubtful).unwrap();
        bench.journal.settle(sequence).unwrap();
    }
    assert_eq!(totals(&bench.store), all(9, 1));
    let days = "SELECT sum(rx_skbs) FROM traffic WHERE tier = 2 AND part = 0 GROUP BY start ORDER BY start";
    let mut statement = bench.store.connection.prepare(days).unwrap();
    let days: Vec<i64> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(days, [1, 6, 2]);
    assert_eq!(number(&bench.store, "SELECT count(*) FROM absence"), 0);
}
