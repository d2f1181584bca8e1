//! Ledgers of earlier layouts.

use rusqlite::Connection;

use super::*;
use crate::accounting::history::tier::Tier;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::{HolderName, Sum};

/// What each layout added.
const LAYOUTS: [&str; 3] =
    [include_str!("../schema-1.sql"), include_str!("../schema-2.sql"), include_str!("../schema-3.sql")];

/// Makes this a ledger of an earlier layout, with all that is in it.
pub(super) fn to_layout(path: &Path, layout: usize) {
    let old = path.with_extension("old");
    let connection = Connection::open(&old).unwrap();
    connection.execute_batch(&LAYOUTS[..layout].concat()).unwrap();
    connection.execute_batch("DELETE FROM progress").unwrap();
    connection.execute("ATTACH ? AS new", [path.to_str().unwrap()]).unwrap();
    let names = |text: &str, parameters: &[&str]| -> Vec<String> {
        let mut statement = connection.prepare(text).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(0));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY rowid", &[]) {
        let columns = names("SELECT name FROM pragma_table_info(?, 'main')", &[&table]).join(", ");
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}");
        connection.execute_batch(&copy).unwrap();
    }
    connection.execute_batch("DETACH new").unwrap();
    connection.pragma_update(None, "user_version", layout).unwrap();
    drop(connection);
    for suffix in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{suffix}", path.display()));
        if beside.exists() {
            fs::remove_file(beside).unwrap();
        }
    }
    fs::rename(old, path).unwrap();
}

#[test]
fn a_ledger_of_the_first_layout_goes_on() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    let path = bench.path();
    let Bench { directory, store, .. } = bench;
    drop(store);
    to_layout(&path, 1);
    let error = Archive::open(&path).unwrap_err();
    assert!(error.to_string().contains("`dtraf run` of this release"), "{error}");
    let store = open(&path, 1);
    assert_eq!(totals(&store), all(3, 1));
    assert_eq!(store.resume().unwrap().cursors[&meter(1).id], amounts(&reading(meter(1), 3, 1)));
    assert_eq!(Editor::open(&path).unwrap().reset(&[], at(60)).unwrap(), 1);
    drop(directory);
}

#[test]
fn a_ledger_of_the_second_layout_goes_on() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    Editor::open(&bench.path()).unwrap().reset(&[], at(60)).unwrap();
    let path = bench.path();
    let Bench { directory, store, .. } = bench;
    drop(store);
    to_layout(&path, 2);
    assert!(matches!(Archive::open(&path), Err(StoreError::OldLayout { found: 2, known: 5, .. })));
    let store = open(&path, 1);
    assert_eq!(totals(&store), all(3, 1));
    assert_eq!(store.resume().unwrap().cursors[&meter(1).id], amounts(&reading(meter(1), 3, 1)));
    let archive = Archive::open(&path).unwrap();
    assert_eq!(archive.baselines(None).unwrap().len(), 1);
    drop(directory);
}

/// Packets received of each account, or for each reason, in a tier.
fn received(path: &Path, tier: Tier) -> Vec<(HolderName, u64)> {
    let selection = Selection { tier, range: Range { from: 0, to: i64::MAX }, accounts: None };
    let archive = Archive::open(path).unwrap();
    let sums = |sums: Vec<Sum<HolderName>>| {
        let mut accounts = BTreeMap::<String, (HolderName, u64)>::new();
        for sum in sums {
            let account = match sum.of {
                HolderName::Container { account, .. } | HolderName::Former { account, .. } => {
                    HolderName::Account { account }
                }
                name => name,
            };
            accounts.entry(format!("{account:?}")).or_insert((account, 0)).1 += sum.amounts.rx.skbs;
        }
        accounts.into_values().collect::<Vec<_>>()
    };
    let by_account = sums(archive.by_account(&selection).unwrap());
    assert_eq!(sums(archive.by_container(&selection).unwrap()), by_account);
    by_account
}

fn third_layout(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&LAYOUTS.concat()).unwrap();
    connection.execute_batch(include_str!("layout-3.sql")).unwrap();
    connection.pragma_update(None, "user_version", 3).unwrap();
}

fn account(name: &str) -> HolderName {
    HolderName::Account { account: name.to_owned() }
}

fn nobody() -> HolderName {
    HolderName::Nobody { reason: "no_container".to_owned() }
}

#[test]
fn ledger_of_the_third_layout_says_the_same_and_goes_on() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    third_layout(&path);
    let mut store = open(&path, 1);
    assert_eq!(totals(&store).len(), 8);
    for tier in Tier::ALL {
        assert_eq!(received(&path, tier), [(account("db"), 2), (account("web"), 11), (nobody(), 1)]);
    }
    let archive = Archive::open(&path).unwrap();
    let since = archive.since_reset(None).unwrap();
    let since: Vec<_> =
        since.iter().map(|sum| (sum.account.as_str(), sum.amounts.unwrap().rx.skbs)).collect();
    assert_eq!(since, [("db", 2), ("web", 5)]);
    let circumstances = archive.circumstances(Range { from: 0, to: i64::MAX / 1_000_000_000 }).unwrap();
    assert_eq!((circumstances.backends, circumstances.since), (vec!["ebpf".to_owned()], Some(at(0))));
    assert_eq!(circumstances.missed.unwrap().rx.skb_bytes, 500);
    drop(archive);

    // It goes on from its cursors, and is the account's from now on.
    let mut journal = Journal::default();
    journal.resume(store.resume().unwrap());
    let mut ledger = Ledger::default();
    let attributed = Attributed { reading: reading(meter(1), 8, 1), owner: web(), network: None };
    ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
    let there = inventory([container(1, "web"), container(5, "db")]);
    let mut flush = |journal: &mut Journal, seconds| {
        let batch = journal.any_batch(ledger.open(), &there, Vec::new(), at(seconds));
        let sequence = store.write(&batch, Calendar::Trusted).unwrap();
        journal.settle(sequence).unwrap();
    };
    flush(&mut journal, 3_900);
    assert_eq!(received(&path, Tier::Month), [(account("db"), 2), (account("web"), 16), (nobody(), 1)]);
    // The one that is gone is folded in the end.
    flush(&mut journal, 200 * 86_400);
    assert_eq!(received(&path, Tier::Month), [(account("db"), 2), (account("web"), 16), (nobody(), 1)]);
    let folded = "SELECT sum(folded) FROM holder";
    assert_eq!(number(&store, folded), 1);
    assert_eq!(number(&store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

#[test]
fn damaged_ledger_of_the_third_layout_is_recovered_into_the_fourth() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    third_layout(&path);
    let root = {
        let connection = Connection::open(&path).unwrap();
        let text = "SELECT rootpage FROM sqlite_schema WHERE name = 'attribute_by_value'";
        connection.query_row(text, [], |row| row.get::<_, usize>(0)).unwrap()
    };
    let mut bytes = fs::read(&path).unwrap();
    bytes[(root - 1) * 4096..root * 4096].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let Recovery::Recovered(found) = recover(&path, at(10_000)).unwrap() else { panic!("it is damaged") };
    assert_eq!(found.goes_on, GoesOn::FromCursors, "{found:?}");
    assert_eq!(received(&path, Tier::Day), [(account("db"), 2), (account("web"), 11), (nobody(), 1)]);
    assert_eq!(open(&path, 1).resume().unwrap().cursors.len(), 2);
}
