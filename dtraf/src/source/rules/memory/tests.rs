use dtraf_common::abi::{Direction, Family};
use proptest::prelude::*;

use super::*;
use crate::accounting::fixtures::{at, id};
use crate::accounting::inventory::PortNumber;

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

fn port(packets: u64) -> Counted {
    let matched = Matched::Port(PortNumber { protocol: 6, port: 80 });
    Counted { key: CounterKey { matched, ..key(1) }, ..counter(1, packets) }
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

#[test]
fn a_packet_that_is_in_the_total_before_it_is_in_its_port_is_never_counted_as_no_ports() {
    let mut memory = Memory::default();
    // The port and the total as they were read, and the total that is certain: never less than before, nor more than there was.
    for (at_port, all, certain) in [(5, 8, 5), (9, 9, 9), (9, 10, 9), (9, 10, 10), (12, 15, 13), (14, 15, 15)]
    {
        assert_eq!(memory.take(vec![port(at_port), counter(1, all)], at(1)), []);
        assert_eq!(booked(&memory, 1), certain, "{at_port} of {all}");
    }
}

#[test]
fn what_a_port_counts_while_it_is_not_believed_is_not_counted_twice() {
    let mut memory = Memory::default();
    memory.take(vec![port(10), counter(1, 12)], at(1));
    memory.take(vec![port(10), counter(1, 12)], at(2));
    assert_eq!(booked(&memory, 1), 12);
    // Set back: it has counted four since when it is believed to have been.
    for (at_port, all) in [(2, 14), (3, 15), (4, 16), (4, 16)] {
        memory.take(vec![port(at_port), counter(1, all)], at(3));
    }
    assert_eq!(booked(&memory, 1), 16);
}

#[test]
fn a_container_without_ports_has_its_total_at_once() {
    let mut memory = Memory::default();
    memory.take(vec![counter(1, 7)], at(1));
    assert_eq!(booked(&memory, 1), 7);
}

/// What happens between two readings.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    at_port: u64,
    others: u64,
    /// Packets for the port after it was read, and before the total is.
    late: u64,
    /// Somebody edits rules of iptables-legacy just now: no counter is back yet.
    edited: bool,
    /// Somebody has set the port's rule to zero.
    zeroed: bool,
    /// dtraf is killed when it has written down what is booked, and another goes on.
    killed: bool,
}

fn traffic() -> impl Strategy<Value = Traffic> {
    let rare = || prop::bool::weighted(0.15);
    (0..20_u64, 0..20_u64, 0..5_u64, rare(), rare(), rare()).prop_map(
        |(at_port, others, late, edited, zeroed, killed)| Traffic {
            at_port,
            others,
            late,
            edited,
            zeroed,
            killed,
        },
    )
}

proptest! {
    #[test]
    fn the_rest_of_a_total_never_shrinks_and_is_exact_in_the_end(
        readings in prop::collection::vec(traffic(), 1..30),
        zeroes in any::<bool>(),
    ) {
        let mut memory = Memory::default();
        let rest = |memory: &Memory| memory.rests.get(&key(1)).map_or(0, |rest| rest.packets);
        // Of a counter that is at zero, nobody can say whether it is low.
        let (mut at_port, mut all, mut last, mut is_low) = (1, 1, 0, false);
        memory.take(vec![port(at_port), counter(1, all)], at(1));
        // What the ledger has, and up to where it has it of the process that runs.
        let (mut written, mut cursor) = (0, 0);
        for it in readings {
            // One after the other: both at once are not told apart. And no reader catches an edit every time.
            at_port = if it.zeroed && zeroes { 0 } else { at_port };
            is_low = it.edited && !zeroes && !is_low;
            at_port += it.at_port;
            all += it.at_port + it.others;
            let read = if is_low { port(0) } else { port(at_port) };
            at_port += it.late;
            all += it.late;
            memory.take(vec![read, if is_low { counter(1, 0) } else { counter(1, all) }], at(1));
            prop_assert!(rest(&memory) >= last);
            last = rest(&memory);
            prop_assert!(booked(&memory, 1) >= cursor);
            prop_assert!(written + booked(&memory, 1) - cursor <= all);
            if it.killed {
                written += booked(&memory, 1) - cursor;
                let saved: BTreeMap<_, _> = memory.booked().collect();
                memory = Memory::default();
                memory.resume(&saved);
                cursor = saved[&key(1)].packets.max(saved[&port(0).key].packets);
                prop_assert_eq!(booked(&memory, 1), cursor);
                last = rest(&memory);
            }
        }
        for _ in 0..=PATIENCE {
            memory.take(vec![port(at_port), counter(1, all)], at(2));
        }
        prop_assert_eq!(written + booked(&memory, 1) - cursor, all);
    }
}
