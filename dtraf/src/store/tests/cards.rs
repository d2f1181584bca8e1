//! What network cards have carried, once.

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::card::{Card, CardReading, Carried, First};
use crate::accounting::fixtures::ifindex;
use crate::accounting::history::tier::Tier;
use crate::accounting::statement::period::Range;

fn carried(packets: u64) -> PerDirection<Carried> {
    let carried = |packets| Carried { bytes: packets * 1000, packets };
    PerDirection { rx: carried(packets), tx: carried(10 * packets) }
}

/// A card's counters, of which this process has read `first` packets first.
fn card(name: &str, index: u32, first: u64, now: u64) -> CardReading {
    let first = First { at: at(0), carried: carried(first) };
    CardReading { name: name.to_owned(), ifindex: ifindex(index), carried: carried(now), first }
}

impl Bench {
    /// Writes a batch that cards are read for.
    fn flush_with(&mut self, at: Timestamp, cards: Vec<CardReading>) {
        let batch = self.journal.any_batch(self.ledger.open(), &self.inventory, Vec::new(), at);
        let sequence = self.store.write(&Batch { cards, ..batch }, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
    }

    fn reopen(&mut self, epoch: Epoch) {
        let path = self.path();
        // It has its claim until it is dropped.
        let aside = self.directory.path().join("aside.db");
        self.store = open(&aside, 1);
        self.store = Store::open(&path, epoch, TimeZone::UTC, Retention::default()).unwrap();
        self.journal = Journal::default();
        self.journal.resume(self.store.resume().unwrap());
    }
}

/// Packets that cards have received, by name; in every tier the same.
fn received(path: &Path) -> Vec<(String, u64)> {
    let archive = Archive::open(path).unwrap();
    let all = Tier::ALL.map(|tier| {
        let cards = archive.cards(tier, Range { from: 0, to: i64::MAX }).unwrap();
        cards
            .into_iter()
            .map(|Card { name, carried: it, since }| {
                assert_eq!((it, since), (carried(it.rx.packets), at(0)));
                (name, it.rx.packets)
            })
            .collect::<Vec<_>>()
    });
    assert!(all.iter().all(|tier| *tier == all[0]), "{all:?}");
    all[0].clone()
}

fn owned(cards: &[(&str, u64)]) -> Vec<(String, u64)> {
    cards.iter().map(|(name, packets)| ((*name).to_owned(), *packets)).collect()
}

#[test]
fn a_card_is_booked_from_this_process_first_look_on_and_the_next_one_goes_on() {
    let mut bench = Bench::new();
    bench.flush_with(at(0), vec![card("eth0", 2, 100, 103), card("eth1", 3, 7, 7)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 3), ("eth1", 0)]));
    // Nothing else is new, and what cards carry is written.
    bench.flush_with(at(300), vec![card("eth0", 2, 100, 110), card("eth1", 3, 7, 8)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 10), ("eth1", 1)]));
    // A dtraf was away: its own first look says nothing of that time, and the ledger does. Nor does it matter who counts.
    bench.reopen(Epoch::rules("boot", Backend::Nft));
    bench.flush_with(at(7_200), vec![card("eth0", 2, 150, 155)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 55), ("eth1", 1)]));
    // One that is called otherwise is the same.
    bench.flush_with(at(7_500), vec![card("wan", 2, 150, 156), card("eth1", 3, 9, 9)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 55), ("eth1", 2), ("wan", 1)]));
}

#[test]
fn counters_of_another_boot_or_interface_and_such_as_went_down_are_a_new_base() {
    let mut bench = Bench::new();
    bench.flush_with(at(0), vec![card("eth0", 2, 100, 103)]);
    bench.reopen(Epoch::maps("another boot", 7));
    bench.flush_with(at(600), vec![card("eth0", 2, 200, 204)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 7)]));
    bench.flush_with(at(900), vec![card("eth0", 5, 1_000, 1_001)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 8)]));
    bench.flush_with(at(1_200), vec![card("eth0", 5, 1_000, 20)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 8)]));
    bench.flush_with(at(1_500), vec![card("eth0", 5, 1_000, 21)]);
    assert_eq!(received(&bench.path()), owned(&[("eth0", 9)]));
}

#[test]
fn a_batch_that_comes_again_books_no_card_twice() {
    let mut bench = Bench::new();
    bench.flush_with(at(0), vec![card("eth0", 2, 0, 0)]);
    bench.count(&web(), 3, 1);
    let batch = Batch { cards: vec![card("eth0", 2, 0, 5)], ..bench.batch(at(600)) };
    bench.store.connection.commit_hook(Some(|| true)).unwrap();
    bench.store.write(&batch, Calendar::Trusted).unwrap_err();
    bench.store.connection.commit_hook(None::<fn() -> bool>).unwrap();
    assert_eq!(received(&bench.path()), owned(&[("eth0", 0)]));
    for _ in 0..2 {
        assert_eq!(bench.store.write(&batch, Calendar::Trusted).unwrap(), Sequence(2));
        assert_eq!(received(&bench.path()), owned(&[("eth0", 5)]));
    }
}

#[test]
fn what_cards_have_carried_is_dropped_from_the_fine_tiers_with_age() {
    let mut bench = Bench::new();
    let week = 7 * 86_400;
    for number in 0..4 {
        bench.flush_with(at(number * week), vec![card("eth0", 2, 0, number)]);
    }
    let archive = Archive::open(&bench.path()).unwrap();
    let kept = |tier| archive.cards(tier, Range { from: 0, to: i64::MAX }).unwrap()[0].carried.rx.packets;
    assert_eq!(Tier::ALL.map(kept), [1, 1, 3, 3]);
}

#[test]
fn a_damaged_ledger_books_no_card_twice() {
    for (table, is_known) in [("attribute_by_name", true), ("card_traffic", false), ("card_cursor", false)] {
        let mut bench = Bench::new();
        bench.count(&web(), 3, 1);
        bench.flush_with(at(0), vec![card("eth0", 2, 0, 5)]);
        let root =
            number(&bench.store, &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"));
        let path = bench.path();
        let Bench { directory, store, .. } = bench;
        drop(store);
        let mut file = fs::read(&path).unwrap();
        let page = usize::try_from(root - 1).unwrap() * 4096;
        file[page..page + 4096].fill(0xff);
        fs::write(&path, file).unwrap();
        let Recovery::Recovered(found) = recover(&path, at(100)).unwrap() else { panic!("{table}") };
        assert_eq!(found.goes_on, GoesOn::FromCursors, "{table}: {found:?}");
        let saved = if table == "card_traffic" { 0 } else { 5 };
        assert_eq!(received(&path), owned(&[("eth0", saved)]), "{table}");
        let mut store = open(&path, 1);
        let mut journal = Journal::default();
        journal.resume(store.resume().unwrap());
        let batch = journal.any_batch(Ledger::default().open(), &inventory([]), Vec::new(), at(600));
        store.write(&Batch { cards: vec![card("eth0", 2, 8, 9)], ..batch }, Calendar::Trusted).unwrap();
        let added = if is_known { 4 } else { 1 };
        assert_eq!(received(&path), owned(&[("eth0", saved + added)]), "{table}");
        drop(directory);
    }
}
