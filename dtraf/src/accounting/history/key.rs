//! What an amount was counted under.

use std::collections::BTreeMap;

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::snapshot::{Bucket, MeterReading, Port};
use dtraf_common::abi::{Direction, Scope};

/// One of the things that a meter's total is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// By who the other end was. All of them together are the total.
    Scope(Option<Scope>),
    /// Without a port. Together with the ports they are the total once more.
    Bucket(Bucket),
    Port(Port),
}

/// A total is kept twice: divided in one way, and in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Scopes,
    Ports,
}

impl Part {
    /// As the ledger numbers them.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Scopes => 0,
            Self::Ports => 1,
        }
    }
}

impl Key {
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Scope(_) => Part::Scopes,
            Self::Bucket(_) | Self::Port(_) => Part::Ports,
        }
    }
}

/// What a meter says, by key. What no rule names a port for is left out: nothing counts it. It is what the total has more than
/// the ports, and whoever has both can tell.
pub(crate) fn amounts(reading: &MeterReading) -> BTreeMap<Key, PerDirection<Amount>> {
    divided(&reading.scopes, &reading.buckets, reading.ports.iter())
}

pub(crate) fn divided<'a>(
    scopes: &PerDirection<BTreeMap<Option<Scope>, Amount>>,
    buckets: &PerDirection<BTreeMap<Bucket, Amount>>,
    ports: impl Iterator<Item = (&'a Port, &'a PerDirection<Amount>)>,
) -> BTreeMap<Key, PerDirection<Amount>> {
    let mut amounts: BTreeMap<Key, PerDirection<Amount>> =
        ports.map(|(port, amounts)| (Key::Port(*port), *amounts)).collect();
    let mut set = |key, direction, amount| {
        *amounts.entry(key).or_default().get_mut(direction) = amount;
    };
    for direction in Direction::ALL {
        for (scope, amount) in scopes.get(direction) {
            set(Key::Scope(*scope), direction, *amount);
        }
        for (bucket, amount) in buckets.get(direction) {
            if *bucket != Bucket::NoRule {
                set(Key::Bucket(*bucket), direction, *amount);
            }
        }
    }
    amounts
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi;

    use super::*;
    use crate::accounting::fixtures::{meter, packets, reading};

    #[test]
    fn everything_that_counts_has_a_key() {
        let mut reading = reading(meter(1), 3, 2);
        reading.buckets.tx.insert(Bucket::Program(abi::Bucket::L2), packets(4));
        reading.buckets.rx.insert(Bucket::NoRule, packets(5));
        let amounts = amounts(&reading);
        let total: PerDirection<Amount> =
            amounts.iter().filter(|(key, _)| key.part() == Part::Scopes).map(|(_, amounts)| *amounts).sum();
        assert_eq!(total, reading.total());
        let l2 = Key::Bucket(Bucket::Program(abi::Bucket::L2));
        assert_eq!(amounts[&l2], PerDirection { rx: Amount::default(), tx: packets(4) });
        assert!(!amounts.contains_key(&Key::Bucket(Bucket::NoRule)));
    }
}
