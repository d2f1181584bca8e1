//! What people say of accounts, beside a process that writes counts.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::history::register::SinceReset;
use crate::accounting::statement::period::Range;

const ACCOUNT: &str = "SELECT count(*) FROM account";

impl Bench {
    pub(super) fn editor(&self) -> Editor {
        Editor::open(&self.path()).unwrap()
    }

    pub(super) fn archive(&self) -> Archive {
        Archive::open(&self.path()).unwrap()
    }

    /// Packets received and transmitted since the last reset, by account.
    fn since_reset(&self) -> Vec<(String, u64, u64)> {
        let sums = self.archive().since_reset(None).unwrap();
        let skbs = |sum: SinceReset| {
            let amounts = sum.amounts.unwrap();
            (sum.account, amounts.rx.skbs, amounts.tx.skbs)
        };
        sums.into_iter().map(skbs).collect()
    }
}

fn said(account: &str, rx: u64, tx: u64) -> (String, u64, u64) {
    (account.to_owned(), rx, tx)
}

#[test]
fn a_rename_beside_a_writer_lasts() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.editor().rename("web", "customer 7").unwrap();
    bench.count(&web(), 5, 1);
    bench.flush(at(60));
    // Made anew under the old name, and one that is called by the new one.
    bench.inventory = inventory([container(2, "web"), container(3, "customer 7")]);
    bench.flush(at(120));
    assert_eq!(accounts(&bench.store), ["customer 7"]);
    let registered = bench.archive().register().unwrap();
    assert_eq!(registered[0].keys, ["customer 7", "web"]);
    assert_eq!(registered[0].containers.len(), 3);
    assert_eq!(bench.since_reset(), [said("customer 7", 5, 1)]);
    // And back.
    bench.editor().rename("customer 7", "web").unwrap();
    assert_eq!(accounts(&bench.store), ["web"]);
}

#[test]
fn a_merge_beside_a_writer_lasts() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db")]);
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.editor().merge("web", "db").unwrap();
    bench.count(&web(), 5, 2);
    bench.flush(at(60));
    bench.inventory = inventory([container(1, "web"), container(2, "db"), container(3, "web")]);
    bench.flush(at(120));
    assert_eq!(accounts(&bench.store), ["db"]);
    assert_eq!(bench.since_reset(), [said("db", 5, 2)]);
    assert_eq!(bench.archive().register().unwrap()[0].containers.len(), 3);
}

/// The label of a container of which only the name was known becomes known after somebody has said whose it is.
#[test]
fn labels_that_come_later_undo_nothing() {
    for merged in [false, true] {
        let mut bench = Bench::new();
        bench.inventory = inventory([]);
        bench.count(&web(), 3, 1);
        bench.flush(at(0));
        let mut editor = bench.editor();
        if merged {
            bench.inventory = inventory([container(2, "db")]);
            bench.flush(at(30));
            editor.merge("web", "db").unwrap();
        } else {
            editor.rename("web", "db").unwrap();
        }
        let labels = BTreeMap::from([("dtraf.account".to_owned(), "customer 7".to_owned())]);
        bench.inventory = inventory([Container { labels, ..container(1, "web") }]);
        bench.flush(at(60));
        assert_eq!(
            (accounts(&bench.store), bench.since_reset()),
            (vec!["db".to_owned()], vec![said("db", 3, 1)])
        );
        assert_eq!(bench.archive().register().unwrap()[0].keys, ["customer 7", "db", "web"]);
    }
}

#[test]
fn a_baseline_goes_with_its_container_to_the_account_that_its_label_says() {
    let mut bench = Bench::new();
    bench.inventory = inventory([]);
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.editor().reset(&[], at(10)).unwrap();
    let labels = BTreeMap::from([("dtraf.account".to_owned(), "customer 7".to_owned())]);
    bench.inventory = inventory([Container { labels, ..container(1, "web") }]);
    bench.count(&web(), 4, 1);
    bench.flush(at(60));
    assert_eq!(bench.since_reset(), [said("customer 7", 1, 0)]);
    let baselines = bench.archive().baselines(None).unwrap();
    assert_eq!((baselines[0].name.as_str(), baselines[0].account.as_str()), ("web", "customer 7"));
}

#[test]
fn a_reset_has_what_the_last_batch_had() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db")]);
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    // Counted, and not written.
    bench.count(&web(), 5, 1);
    assert_eq!(bench.editor().reset(&["web".to_owned(), "web".to_owned()], at(7)).unwrap(), 1);
    let archive = bench.archive();
    let [baseline] = &archive.baselines(None).unwrap()[..] else { panic!("one was made") };
    assert_eq!(baseline.amounts, PerDirection { rx: packets(3), tx: packets(1) });
    assert_eq!((baseline.made_at, baseline.written_at), (at(7), at(0)));
    bench.flush(at(60));
    assert_eq!(bench.since_reset(), [said("db", 0, 0), said("web", 2, 0)]);
    // History stays.
    assert_eq!(totals(&bench.store), all(5, 1));
    let sums = bench.archive().since_reset(None).unwrap();
    assert_eq!([sums[0].was_reset, sums[1].was_reset], [false, true]);
    assert_eq!(sums[1].since, at(0));
    assert_eq!(bench.editor().reset(&[], at(70)).unwrap(), 2);
    assert_eq!(bench.since_reset(), [said("db", 0, 0), said("web", 0, 0)]);
    assert_eq!(bench.archive().baselines(None).unwrap().len(), 3);
}

#[test]
fn errors_say_what_there_is() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db")]);
    bench.flush(at(0));
    let mut editor = bench.editor();
    let error = |result: Result<(), StoreError>| result.unwrap_err().to_string();
    assert_eq!(error(editor.rename("mail", "post")), "no account is called `mail`; there are `db`, `web`");
    assert_eq!(error(editor.reset(&["mail".to_owned()], at(0)).map(drop)), error(editor.merge("mail", "db")));
    assert!(error(editor.rename("db", "web")).starts_with("`web` leads to the account `web`, and no two"));
    assert_eq!(error(editor.merge("db", "db")), "`db` and `db` are the same account, `db`");
    let missing = Editor::open(&bench.directory.path().join("none.db")).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
}

/// A writer of counts does not wait for ever for one who says something, nor lose what it has.
#[test]
fn what_is_said_waits_for_a_batch_that_is_being_written() {
    let mut bench = Bench::new();
    bench.count(&web(), 3, 1);
    bench.flush(at(0));
    bench.store.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let path = bench.path();
    let renamed = std::thread::spawn(move || Editor::open(&path).unwrap().rename("web", "site"));
    bench.store.connection.execute_batch("UPDATE account SET since_ns = 7; COMMIT").unwrap();
    renamed.join().unwrap().unwrap();
    assert_eq!(accounts(&bench.store), ["site"]);
    assert_eq!(number(&bench.store, "SELECT since_ns FROM account"), 7);
}

#[test]
fn who_had_an_address_when() {
    let mut bench = Bench::new();
    bench.flush(at(0));
    let moved = Container { endpoints: container(9, "web").endpoints, ..container(1, "web") };
    let other = Container { endpoints: container(1, "web").endpoints, ..container(2, "db") };
    bench.inventory = inventory([moved, other]);
    bench.flush(at(3600));
    let archive = bench.archive();
    let address: IpAddr = [172, 17, 0, 1].into();
    let who = |from: u64, to: u64| -> Vec<String> {
        let second = |after| i64::try_from(at(after).0.as_secs()).unwrap();
        let time = Range { from: second(from), to: second(to) };
        archive.tenants(address, time).unwrap().into_iter().map(|tenant| tenant.account).collect()
    };
    assert_eq!(who(10, 11), ["web"]);
    assert_eq!(who(3600, 3601), ["db"]);
    assert_eq!(who(0, 7200), ["web", "db"]);
    let registered = archive.register().unwrap();
    let [web] = &registered[1].containers[..] else { panic!("{registered:?}") };
    assert!(web.is_there && web.until.is_none());
    let addresses: Vec<_> = web.addresses.iter().map(|lease| (lease.address.as_str(), lease.until)).collect();
    assert_eq!(addresses, [("172.17.0.1", Some(at(3600))), ("172.17.0.9", None)]);
}

/// What may happen to accounts, by whoever writes.
#[derive(Clone, Debug)]
enum Event {
    Rename(usize, usize),
    Merge(usize, usize),
    Reset(Vec<usize>),
    /// So many more packets at container 1.
    Count(u64),
    /// A container of this name and number.
    Start(u8, usize),
}

const NAMES: [&str; 5] = ["web", "db", "shop/web", "customer 7", "x\u{1b}[2J"];

fn event() -> impl Strategy<Value = Event> {
    let name = 0..NAMES.len();
    prop_oneof![
        (name.clone(), name.clone()).prop_map(|(old, new)| Event::Rename(old, new)),
        (name.clone(), name.clone()).prop_map(|(from, into)| Event::Merge(from, into)),
        proptest::collection::vec(name.clone(), 0..3).prop_map(Event::Reset),
        (1..9_u64).prop_map(Event::Count),
        (2..9_u8, name).prop_map(|(number, name)| Event::Start(number, name)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is said: every name and key means one account, the sum of all stays what was counted, and what came since the
    /// last reset and what was before it are the total.
    #[test]
    fn names_stay_unique_and_sums_whole(events in proptest::collection::vec(event(), 1..14)) {
        let mut bench = Bench::new();
        let mut counted = 1;
        let mut flushes = 1;
        bench.count(&web(), counted, 0);
        bench.flush(at(0));
        for event in events {
            let mut editor = bench.editor();
            match event {
                Event::Rename(old, new) => drop(editor.rename(NAMES[old], NAMES[new])),
                Event::Merge(from, into) => {
                    let total = |name: &str| {
                        let archive = bench.archive();
                        let row = archive.account(name).ok()?;
                        Some(archive.since_reset(Some(&[row])).unwrap()[0].amounts.unwrap().rx)
                    };
                    let parts = total(NAMES[from]).zip(total(NAMES[into]));
                    if editor.merge(NAMES[from], NAMES[into]).is_ok() {
                        let (one, other) = parts.unwrap();
                        prop_assert_eq!(total(NAMES[into]), Some(one + other));
                        prop_assert_eq!(total(NAMES[from]), Some(one + other));
                    }
                }
                Event::Reset(names) => {
                    let names: Vec<_> = names.into_iter().map(|name| NAMES[name].to_owned()).collect();
                    if editor.reset(&names, at(1)).is_ok() {
                        let archive = bench.archive();
                        let chosen = archive.accounts(&names).unwrap();
                        let left = archive.since_reset(chosen.as_deref()).unwrap();
                        prop_assert!(left.iter().all(|sum| sum.was_reset && sum.amounts.unwrap().rx.is_zero()));
                    }
                }
                Event::Count(more) => {
                    counted += more;
                    bench.count(&web(), counted, 0);
                    flushes += 1;
                    bench.flush(at(60 * flushes));
                }
                Event::Start(number, name) => {
                    let more = container(number, NAMES[name]);
                    bench.inventory.containers.insert(more.id, more);
                    counted += 1;
                    bench.count(&web(), counted, 0);
                    flushes += 1;
                    bench.flush(at(60 * flushes));
                }
            }
            let store = &bench.store;
            let names = accounts(store);
            let mut unique = names.clone();
            unique.dedup();
            prop_assert_eq!(&names, &unique);
            let archive = bench.archive();
            for account in archive.register().unwrap() {
                prop_assert!(account.keys.contains(&account.name), "{account:?}");
                prop_assert!(!account.containers.is_empty(), "{account:?}");
            }
            let expected = i64::try_from(counted).unwrap();
            prop_assert_eq!(totals(store), all(expected, 0));
            let total = "SELECT sum(rx_skbs) FROM readable WHERE tier = 3 AND part = 0 AND account IS NOT NULL";
            prop_assert_eq!(number(store, total), expected);
            prop_assert_eq!(number(store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
            prop_assert!(number(store, ACCOUNT) >= 1);
        }
    }
}
