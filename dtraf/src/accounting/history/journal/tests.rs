use super::*;
use crate::accounting::attribution::{Attributed, AttributedSnapshot};
use crate::accounting::fixtures::{at, container, id, inventory, meter, packets, reading};
use crate::accounting::ledger::Ledger;
use crate::accounting::snapshot::ContainerName;

fn owner() -> Owner {
    Owner::Container(ContainerName { id: id(1), name: "web".to_owned() })
}

fn post(ledger: &mut Ledger, rx: u64, tx: u64) {
    let attributed = Attributed { reading: reading(meter(1), rx, tx), owner: owner(), network: None };
    let posted = ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
    assert_eq!(posted.refused, []);
}

/// What a batch adds to scopes: the total.
fn total(batch: &Batch) -> (u64, u64) {
    let counts = batch.meters.iter().flat_map(|posting| &posting.counts);
    let scopes = counts.filter(|count| matches!(count.key, Key::Scope(_)));
    scopes.fold((0, 0), |(rx, tx), count| (rx + count.added.rx.0.skbs, tx + count.added.tx.0.skbs))
}

fn batch(journal: &mut Journal, ledger: &Ledger) -> Option<Batch> {
    journal.batch(ledger.open(), &inventory([container(1, "web")]), Vec::new(), at(2))
}

#[test]
fn what_was_counted_is_booked_once() {
    let (mut ledger, mut journal) = (Ledger::default(), Journal::default());
    post(&mut ledger, 3, 1);
    let first = batch(&mut journal, &ledger).unwrap();
    assert_eq!((first.sequence, total(&first)), (Sequence(1), (3, 1)));
    assert_eq!(first.containers[0].key.as_str(), "web");
    journal.settle(Sequence(1)).unwrap();
    assert!(batch(&mut journal, &ledger).is_none());
    post(&mut ledger, 5, 1);
    assert_eq!(total(&batch(&mut journal, &ledger).unwrap()), (2, 0));
}

#[test]
fn a_batch_that_was_not_written_comes_again_with_what_followed_it() {
    let (mut ledger, mut journal) = (Ledger::default(), Journal::default());
    post(&mut ledger, 3, 1);
    batch(&mut journal, &ledger).unwrap();
    journal.settle(Sequence(0)).unwrap();
    post(&mut ledger, 5, 4);
    let second = batch(&mut journal, &ledger).unwrap();
    assert_eq!((second.sequence, total(&second)), (Sequence(1), (5, 4)));
    let error = journal.settle(Sequence(7)).unwrap_err();
    assert_eq!(error.to_string(), "the ledger's last batch is number 7, and 0 was the last of this process");
}

#[test]
fn another_process_goes_on_from_the_cursor() {
    let cursor = amounts(&reading(meter(1), 3, 1));
    let cursors = BTreeMap::from([(meter(1).id, cursor)]);
    let mut journal = Journal::default();
    journal.resume(Resumed { sequence: Sequence(9), cursors, ..Resumed::default() });
    let mut ledger = Ledger::default();
    post(&mut ledger, 4, 1);
    let batch = batch(&mut journal, &ledger).unwrap();
    assert_eq!((batch.sequence, total(&batch)), (Sequence(10), (1, 0)));
    assert_eq!(batch.meters[0].counts[0].counted.rx, packets(4));
}

#[test]
fn what_is_not_known_to_be_booked_is_not_booked() {
    let mut journal = Journal::default();
    journal.resume(Resumed { start: Start::NextReading, ..Resumed::default() });
    let mut ledger = Ledger::default();
    post(&mut ledger, 4, 1);
    let first = batch(&mut journal, &ledger).unwrap();
    assert_eq!((first.sequence, total(&first)), (Sequence(1), (0, 0)));
    assert_eq!(first.meters[0].counts[0].counted.rx, packets(4));
    // It was not written; what has come since the reading that was taken for booked is booked.
    journal.settle(Sequence(0)).unwrap();
    post(&mut ledger, 6, 1);
    let second = batch(&mut journal, &ledger).unwrap();
    assert_eq!(total(&second), (2, 0));
    assert!(second.meters[0].counts.iter().all(|count| count.counted.tx == packets(1)));
    journal.settle(Sequence(1)).unwrap();
    assert!(batch(&mut journal, &ledger).is_none());
    post(&mut ledger, 6, 3);
    assert_eq!(total(&batch(&mut journal, &ledger).unwrap()), (0, 2));
}

#[test]
fn a_meter_that_is_gone_is_kept_until_it_is_on_disk() {
    let (mut ledger, mut journal) = (Ledger::default(), Journal::default());
    post(&mut ledger, 3, 1);
    let (meter, entry) = ledger.open().next().unwrap();
    assert!(!journal.is_written(&entry.reading));
    journal.end(meter, entry);
    ledger.close(meter, at(2));
    let first = batch(&mut journal, &ledger).unwrap();
    assert_eq!((first.meters.len(), first.meters[0].ended, total(&first)), (1, true, (3, 1)));
    journal.settle(Sequence(0)).unwrap();
    assert_eq!(total(&batch(&mut journal, &ledger).unwrap()), (3, 1));
    journal.settle(Sequence(1)).unwrap();
    assert!(batch(&mut journal, &ledger).is_none());
}

#[test]
fn what_is_written_may_be_freed() {
    let (mut ledger, mut journal) = (Ledger::default(), Journal::default());
    post(&mut ledger, 3, 1);
    batch(&mut journal, &ledger).unwrap();
    journal.settle(Sequence(1)).unwrap();
    assert!(journal.is_written(&ledger.open().next().unwrap().1.reading));
    post(&mut ledger, 3, 2);
    assert!(!journal.is_written(&ledger.open().next().unwrap().1.reading));
}

#[test]
fn a_counter_that_went_down_gives_nothing_until_it_is_above() {
    let down = count(
        Key::Scope(None),
        PerDirection { rx: packets(5), tx: packets(1) },
        PerDirection { rx: packets(4), tx: packets(3) },
    );
    assert_eq!((down.added.rx, down.added.tx), (Delta(Amount::default()), Delta(packets(2))));
    assert_eq!((down.counted.rx, down.counted.tx), (packets(5), packets(3)));
}
