//! What accounts may use, beside a process that writes counts.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;

use super::*;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::declared::{AccountTerms, Declared};
use crate::accounting::bill::quota::{Quota, Source, Standing};
use crate::accounting::bill::{Counts, Terms};
use crate::accounting::kept::Kept;
use crate::accounting::statement::period::CycleDay;
use crate::config::labels::Labels;

fn quota(bytes: u64) -> Quota {
    Quota {
        bytes,
        counts: Counts::Rx,
        scopes: None,
        cycle_day: CycleDay::new(7).unwrap(),
        thresholds: BTreeSet::from([80, 100]),
        hook: Some(vec!["/bin/tell".to_owned(), "it's \"so\"".to_owned()]),
    }
}

impl Bench {
    fn set(&self, account: &str, quota: &Quota) {
        Editor::open(&self.path()).unwrap().set_quota(account, quota).unwrap();
    }

    fn standings(&self, now: Timestamp) -> Vec<Standing> {
        Archive::open(&self.path())
            .unwrap()
            .standings(None, &Declared::default(), now, &TimeZone::UTC.into())
            .unwrap()
    }

    /// Thresholds that are passed for the first time.
    fn crossed(&self, now: Timestamp) -> Vec<u32> {
        let mut first = Vec::new();
        let told = Archive::open(&self.path()).unwrap().crossings().unwrap();
        for standing in self.standings(now) {
            for percent in standing.passed() {
                let is_first = Editor::open(&self.path()).unwrap().cross(&standing, percent, now).unwrap();
                let was_told = told.contains(&(standing.account.clone(), standing.cycle.from, percent));
                assert_eq!(is_first, !was_told);
                if is_first {
                    first.push(percent);
                }
            }
        }
        first
    }
}

fn wire_bytes(count: u64) -> u64 {
    packets(count).frames.unwrap().wire_bytes
}

/// Days after the tests' beginning, which is the 21st of September.
fn day(number: u64) -> Timestamp {
    at(number * 86_400)
}

#[test]
fn a_threshold_is_passed_once_in_a_cycle_whatever_process_looks() {
    let mut bench = Bench::new();
    bench.count(&web(), 7, 1_000);
    bench.flush(day(0));
    bench.set("web", &quota(wire_bytes(10)));
    assert!(bench.crossed(day(0)).is_empty());
    bench.count(&web(), 8, 1_000);
    bench.flush(day(1));
    assert_eq!((bench.crossed(day(1)), bench.crossed(day(1))), (vec![80], vec![]));
    // The tx bytes, of which there are many, do not count.
    bench.count(&web(), 10, 2_000);
    bench.flush(day(2));
    let standing = bench.standings(day(2)).remove(0);
    assert_eq!((standing.used, standing.is_over()), (Some(wire_bytes(10)), false));
    assert_eq!((bench.crossed(day(2)), bench.crossed(day(2))), (vec![100], vec![]));
    // The next cycle begins on the 7th of October, with nothing.
    let next = bench.standings(day(20)).remove(0);
    assert_eq!((next.used, bench.crossed(day(20))), (Some(0), vec![]));
    bench.count(&web(), 30, 2_000);
    bench.flush(day(20));
    assert_eq!(bench.crossed(day(20)), [80, 100]);
    assert!(bench.standings(day(20))[0].is_over());
}

#[test]
fn a_quota_is_read_as_it_was_set_and_another_takes_its_place() {
    let mut bench = Bench::new();
    bench.count(&web(), 10, 0);
    bench.flush(day(0));
    let asked = Quota { scopes: Some(BTreeSet::from([Scope::Internet, Scope::Lan])), ..quota(10) };
    bench.set("web", &asked);
    assert_eq!(bench.standings(day(0))[0].quota, asked);
    bench.set("web", &quota(wire_bytes(10)));
    assert_eq!(bench.standings(day(0))[0].quota, quota(wire_bytes(10)));
    assert_eq!(bench.crossed(day(0)), [80, 100]);
    // Another allowance is another matter.
    bench.set("web", &quota(wire_bytes(11)));
    assert_eq!(bench.crossed(day(0)), [80]);
    let mut editor = Editor::open(&bench.path()).unwrap();
    assert_eq!((editor.remove_quota("web").unwrap(), editor.remove_quota("web").unwrap()), (true, false));
    assert!(matches!(editor.set_quota("nobody", &quota(1)), Err(StoreError::NoAccount { .. })));
    assert!(bench.standings(day(0)).is_empty());
}

#[test]
fn a_quota_goes_with_its_account_and_the_heirs_own_stays() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db"), container(3, "cache")]);
    bench.count(&web(), 3, 1);
    bench.flush(day(0));
    bench.set("web", &quota(1));
    bench.set("db", &quota(2));
    let mut editor = Editor::open(&bench.path()).unwrap();
    editor.rename("web", "customer 7").unwrap();
    editor.merge("db", "customer 7").unwrap();
    let standings = bench.standings(day(0));
    assert_eq!(standings.len(), 1);
    assert_eq!((standings[0].account.as_str(), standings[0].quota.bytes), ("customer 7", 1));
    editor.merge("customer 7", "cache").unwrap();
    assert_eq!(bench.standings(day(0))[0].account, "cache");
}

#[test]
fn the_live_view_has_today_and_the_cycle_of_whole_accounts() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db")]);
    bench.count(&web(), 3, 1);
    bench.flush(day(0));
    bench.set("web", &quota(wire_bytes(10)));
    bench.count(&web(), 8, 2);
    bench.flush(day(1));
    let kept = |now| {
        let archive = Archive::open(&bench.path()).unwrap();
        archive.kept(&Declared::default(), now, &TimeZone::UTC.into()).unwrap()
    };
    let shown = |kept: &Kept, number| {
        let account = kept.of(id(number)).unwrap();
        let skbs = |amounts: Option<PerDirection<Amount>>| {
            let amounts = amounts.unwrap();
            (amounts.rx.skbs, amounts.tx.skbs)
        };
        (skbs(account.today), skbs(account.cycle), account.quota_percent)
    };
    assert_eq!(shown(&kept(day(1)), 1), ((5, 1), (8, 2), Some(80)));
    // Nothing was counted, which is known.
    assert_eq!(shown(&kept(day(1)), 2), ((0, 0), (0, 0), None));
    // Another month.
    assert_eq!(shown(&kept(day(30)), 1), ((0, 0), (0, 0), Some(0)));
    assert!(kept(day(1)).of(id(3)).is_none());
}

fn terms(quota: u64) -> AccountTerms {
    AccountTerms { quota: Some(quota), ..AccountTerms::default() }
}

fn labelled(number: u8, name: &str, labels: &[(&str, &str)]) -> Container {
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
    Container { labels: labels.collect(), ..container(number, name) }
}

impl Bench {
    /// Accounts with quotas, of how many bytes, and who says so.
    fn quotas(&self, declared: &Declared, accounts: &[&str]) -> Vec<(String, u64, Source)> {
        let archive = Archive::open(&self.path()).unwrap();
        let names: Vec<_> = accounts.iter().map(|&name| name.to_owned()).collect();
        let chosen = archive.accounts(&names).unwrap();
        let standings =
            archive.standings(chosen.as_deref(), declared, day(0), &TimeZone::UTC.into()).unwrap();
        standings
            .into_iter()
            .map(|standing| (standing.account, standing.quota.bytes, standing.source))
            .collect()
    }

    fn labels(&self) -> Labels {
        let terms = Archive::open(&self.path()).unwrap().terms(&Declared::default()).unwrap();
        Labels { accounts: terms.accounts, troubles: terms.troubles }
    }
}

#[test]
fn what_was_set_goes_before_what_is_declared_and_that_before_what_labels_say() {
    let mut bench = Bench::new();
    let quota_of = |bytes| [("dtraf.quota", bytes)];
    bench.inventory = inventory([
        labelled(1, "web", &quota_of("3B")),
        labelled(2, "db", &quota_of("4B")),
        labelled(3, "cache", &quota_of("5B")),
    ]);
    bench.count(&web(), 3, 1);
    bench.flush(day(0));
    assert!(Archive::open(&bench.path()).unwrap().has_quotas().unwrap());
    bench.set("web", &quota(1));
    Editor::open(&bench.path()).unwrap().rename("web", "customer 7").unwrap();
    let accounts = [("web", 5), ("db", 6), ("unknown", 7)].map(|(key, bytes)| (key.to_owned(), terms(bytes)));
    let declared = Declared { accounts: accounts.into(), ..Declared::default() };
    let expected = |name: &str, bytes, source| (name.to_owned(), bytes, source);
    let all = [
        expected("cache", 5, Source::Label),
        expected("customer 7", 1, Source::Set),
        expected("db", 6, Source::Config),
    ];
    assert_eq!(bench.quotas(&declared, &[]), all);
    assert_eq!(bench.quotas(&declared, &["db"]), all[2..]);
    assert!(Editor::open(&bench.path()).unwrap().remove_quota("customer 7").unwrap());
    assert_eq!(bench.quotas(&declared, &["web"]), [expected("customer 7", 5, Source::Config)]);
    assert_eq!(bench.quotas(&Declared::default(), &["web"]), [expected("customer 7", 3, Source::Label)]);
    let strangers = Archive::open(&bench.path()).unwrap().terms(&declared).unwrap().strangers;
    assert_eq!(strangers, ["unknown"]);
}

#[test]
fn each_key_is_said_by_itself() {
    let mut bench = Bench::new();
    let labels =
        [("dtraf.quota", "1GB"), ("dtraf.counts", "tx"), ("dtraf.price", "0.5"), ("dtraf.quota-at", "70")];
    bench.inventory = inventory([labelled(1, "web", &labels)]);
    bench.flush(day(0));
    let hook = Some(vec!["tell".to_owned()]);
    let written = AccountTerms {
        terms: Terms { counts: Some(Counts::Rx), ..Terms::default() },
        quota_hook: hook.clone(),
        ..AccountTerms::default()
    };
    let host = Terms { scopes: Some(BTreeSet::from([Scope::Internet])), ..Terms::default() };
    let accounts = BTreeMap::from([("web".to_owned(), written)]);
    let declared = Declared { cycle_day: Some(CycleDay::new(7).unwrap()), host, accounts };
    let archive = Archive::open(&bench.path()).unwrap();
    let standing = archive.standings(None, &declared, day(0), &TimeZone::UTC.into()).unwrap().remove(0);
    let expected = Quota {
        bytes: 1_000_000_000,
        counts: Counts::Rx,
        scopes: Some(BTreeSet::from([Scope::Internet])),
        cycle_day: CycleDay::new(7).unwrap(),
        thresholds: BTreeSet::from([70]),
        hook,
    };
    assert_eq!((standing.quota, standing.source), (expected, Source::Label));
    assert_eq!(archive.terms(&declared).unwrap().accounts["web"].terms.price, "0.5".parse().ok());
}

#[test]
fn a_label_outlives_its_container_until_that_is_made_anew() {
    let mut bench = Bench::new();
    let customer = ("dtraf.account", "customer 7");
    let quota = |bytes: &'static str| ("dtraf.quota", bytes);
    bench.inventory =
        inventory([labelled(1, "web", &[customer, quota("1GB")]), labelled(2, "db", &[customer])]);
    bench.flush(day(0));
    let held = |bench: &Bench| bench.labels().accounts.get("customer 7").and_then(|terms| terms.quota);
    assert_eq!(held(&bench), Some(1_000_000_000));
    // It is gone, and another of the account is there.
    bench.inventory = inventory([labelled(2, "db", &[customer])]);
    bench.flush(day(1));
    assert_eq!(held(&bench), Some(1_000_000_000));
    // Made anew it says something else, or nothing.
    bench.inventory =
        inventory([labelled(3, "web", &[customer, quota("2GB")]), labelled(2, "db", &[customer])]);
    bench.flush(day(2));
    assert_eq!((held(&bench), bench.labels().troubles), (Some(2_000_000_000), vec![]));
    bench.inventory = inventory([labelled(4, "web", &[customer]), labelled(2, "db", &[customer])]);
    bench.flush(day(3));
    assert_eq!(held(&bench), None);
    // Two that differ.
    bench.inventory = inventory([
        labelled(4, "web", &[customer]),
        labelled(5, "one", &[customer, quota("5GB")]),
        labelled(6, "two", &[customer, quota("6GB"), ("dtraf.price", "much")]),
    ]);
    bench.flush(day(4));
    assert_eq!((held(&bench), bench.labels().troubles.len()), (Some(6_000_000_000), 2));
    // What is said goes with the container to whatever account has it.
    Editor::open(&bench.path()).unwrap().merge("customer 7", "db").unwrap_err();
    Editor::open(&bench.path()).unwrap().rename("customer 7", "customer 8").unwrap();
    assert_eq!(bench.labels().accounts["customer 8"].quota, Some(6_000_000_000));
}
