//! What accounts may use, beside a process that writes counts.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;

use super::*;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::Counts;
use crate::accounting::bill::quota::{Quota, Standing};
use crate::accounting::kept::Kept;
use crate::accounting::statement::period::CycleDay;

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
        Archive::open(&self.path()).unwrap().standings(None, &BTreeMap::new(), now, &TimeZone::UTC).unwrap()
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
        archive.kept(CycleDay::FIRST, &BTreeMap::new(), now, &TimeZone::UTC).unwrap()
    };
    let shown = |kept: &Kept, number| {
        let account = kept.of(id(number)).unwrap();
        let skbs = |amounts: PerDirection<Amount>| (amounts.rx.skbs, amounts.tx.skbs);
        (skbs(account.today), skbs(account.cycle), account.quota_percent)
    };
    assert_eq!(shown(&kept(day(1)), 1), ((5, 1), (8, 2), Some(80)));
    // Nothing was counted, which is known.
    assert_eq!(shown(&kept(day(1)), 2), ((0, 0), (0, 0), None));
    // Another month.
    assert_eq!(shown(&kept(day(30)), 1), ((0, 0), (0, 0), Some(0)));
    assert!(kept(day(1)).of(id(3)).is_none());
}

#[test]
fn what_is_declared_goes_before_what_was_set() {
    let mut bench = Bench::new();
    bench.inventory = inventory([container(1, "web"), container(2, "db")]);
    bench.count(&web(), 3, 1);
    bench.flush(day(0));
    bench.set("web", &quota(1));
    Editor::open(&bench.path()).unwrap().rename("web", "customer 7").unwrap();
    let declared: BTreeMap<_, _> =
        [("web", 5), ("db", 6), ("unknown", 7)].map(|(key, bytes)| (key.to_owned(), quota(bytes))).into();
    let archive = Archive::open(&bench.path()).unwrap();
    let shown = |accounts: &[&str]| {
        let names: Vec<_> = accounts.iter().map(|&name| name.to_owned()).collect();
        let chosen = archive.accounts(&names).unwrap();
        let standings = archive.standings(chosen.as_deref(), &declared, day(0), &TimeZone::UTC).unwrap();
        standings.into_iter().map(|standing| (standing.account, standing.quota.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]), [("customer 7".to_owned(), 5), ("db".to_owned(), 6)]);
    assert_eq!(shown(&["db"]), [("db".to_owned(), 6)]);
}
