use dtraf_common::abi::{Direction, Family};
use proptest::prelude::*;

use super::*;
use crate::accounting::fixtures::{at, id};
use crate::source::rules::Matched;

fn counter(container: u8, packets: u64) -> Counted {
    Counted {
        key: key(container),
        name: "web".to_owned(),
        address: IpAddr::from([172, 17, 0, container]),
        since: at(0),
        life: Life::Live,
        tally: Tally { packets, bytes: 100 * packets },
    }
}

fn key(container: u8) -> CounterKey {
    CounterKey {
        container: id(container),
        family: Family::V4,
        direction: Direction::Received,
        matched: Matched::All,
    }
}

fn booked(memory: &Memory, container: u8) -> u64 {
    memory.amounts().get(&key(container)).map_or(0, |tally| tally.packets)
}

#[test]
fn a_counter_that_is_low_for_a_moment_was_not_set_back() {
    let mut memory = Memory::default();
    for packets in [10, 4, 5, 12, 3, 13] {
        assert_eq!(memory.take(vec![counter(1, packets)], at(1)), []);
    }
    assert_eq!(booked(&memory, 1), 13);
}

#[test]
fn a_counter_that_stays_low_was_set_back_and_counts_on_from_there() {
    let mut memory = Memory::default();
    memory.take(vec![counter(1, 10)], at(1));
    assert_eq!(memory.take(vec![counter(1, 1)], at(2)), []);
    assert_eq!(memory.take(vec![counter(1, 2)], at(3)), []);
    assert_eq!(booked(&memory, 1), 10);
    let told = memory.take(vec![counter(1, 3)], at(4));
    assert_eq!((told[0].from.packets, told[0].to.packets), (10, 3));
    assert_eq!(booked(&memory, 1), 13);
    memory.take(vec![counter(1, 9)], at(5));
    assert_eq!(booked(&memory, 1), 19);
}

#[test]
fn what_is_missing_is_named_with_the_time_it_was_last_seen() {
    let mut memory = Memory::default();
    memory.take(vec![counter(1, 10), counter(2, 5)], at(1));
    let missing = memory.missing(&[counter(2, 6)]);
    assert_eq!((missing.len(), missing[0].container.id, missing[0].last_seen), (1, id(1), at(1)));
    assert_eq!(missing[0].addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["172.17.0.1"]);
    memory.take(vec![counter(2, 6)], at(2));
    assert_eq!((booked(&memory, 1), booked(&memory, 2)), (10, 6));
}

#[test]
fn a_container_that_is_forgotten_is_not_missing() {
    let mut memory = Memory::default();
    memory.take(vec![counter(1, 10)], at(1));
    memory.forget(id(1));
    assert_eq!(memory.missing(&[]), []);
    assert_eq!(memory.amounts(), BTreeMap::new());
}

#[test]
fn what_has_gone_to_another_address_is_not_counted_twice() {
    let mut memory = Memory::default();
    let moved = |packets| Counted { address: IpAddr::from([172, 17, 0, 99]), ..counter(1, packets) };
    memory.take(vec![counter(1, 10), counter(2, 5)], at(1));
    // The other one could not be put back.
    assert_eq!(memory.take_changed(vec![moved(11)], at(2)), []);
    assert_eq!((booked(&memory, 1), booked(&memory, 2)), (11, 5));
    assert_eq!(memory.missing(&[moved(11), counter(2, 5)]), []);
    assert_eq!(memory.missing(&[moved(11)]).len(), 1);
    memory.take(vec![moved(12)], at(3));
    assert_eq!((booked(&memory, 1), booked(&memory, 2)), (12, 5));
}

#[test]
fn a_counter_that_stands_twice_counts_once() {
    let mut memory = Memory::default();
    memory.take(vec![counter(1, 4), counter(1, 10)], at(1));
    assert_eq!(booked(&memory, 1), 10);
}

proptest! {
    #[test]
    fn what_is_booked_never_goes_down(readings in prop::collection::vec(prop::option::of(0..50_u64), 1..40)) {
        let mut memory = Memory::default();
        let mut last = 0;
        for packets in readings {
            let counted: Vec<_> = packets.map(|packets| counter(1, packets)).into_iter().collect();
            memory.take(counted, at(1));
            prop_assert!(booked(&memory, 1) >= last);
            last = booked(&memory, 1);
        }
    }
}
