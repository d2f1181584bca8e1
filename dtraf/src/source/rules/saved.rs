//! What rules had counted when it was last written down, as the ledger keeps it for the next process.

use std::collections::BTreeMap;

use dtraf_common::abi::{Direction, Family};

use super::{CounterKey, Matched, Tally};
use crate::accounting::history::journal::RawCounter;
use crate::accounting::inventory::PortNumber;
use crate::view::names;

/// As the ledger has it. A counter that was never touched is not worth a row.
pub(crate) fn save(seen: impl Iterator<Item = (CounterKey, Tally)>) -> Vec<RawCounter> {
    let used = seen.filter(|(_, tally)| *tally != Tally::default());
    used.map(|(key, Tally { packets, bytes })| RawCounter { place: place(&key), packets, bytes }).collect()
}

/// `None` for what another release may have written.
pub(crate) fn restore(saved: &[RawCounter]) -> BTreeMap<CounterKey, Tally> {
    let counter =
        |raw: &RawCounter| Some((key(&raw.place)?, Tally { packets: raw.packets, bytes: raw.bytes }));
    saved.iter().filter_map(counter).collect()
}

/// `<container>/ipv4/rx/6/80`, or `<container>/ipv4/rx` for all of an address's packets.
fn place(key: &CounterKey) -> String {
    let CounterKey { container, family, direction, matched } = key;
    let (family, direction) = (names::family(*family), names::direction(*direction));
    match matched {
        Matched::All => format!("{container}/{family}/{direction}"),
        Matched::Port(PortNumber { protocol, port }) => {
            format!("{container}/{family}/{direction}/{protocol}/{port}")
        }
    }
}

fn key(place: &str) -> Option<CounterKey> {
    let words: Vec<&str> = place.split('/').collect();
    let (first, matched) = match words[..] {
        [container, family, direction] => ([container, family, direction], Matched::All),
        [container, family, direction, protocol, port] => {
            let number = PortNumber { protocol: protocol.parse().ok()?, port: port.parse().ok()? };
            ([container, family, direction], Matched::Port(number))
        }
        _ => return None,
    };
    let [container, family, direction] = first;
    Some(CounterKey {
        container: container.parse().ok()?,
        family: Family::ALL.into_iter().find(|it| names::family(*it) == family)?,
        direction: Direction::ALL.into_iter().find(|it| names::direction(*it) == direction)?,
        matched,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::id;

    #[test]
    fn what_was_saved_is_restored() {
        let port = Matched::Port(PortNumber { protocol: 132, port: 65_535 });
        let keys = [(Direction::Received, Matched::All), (Direction::Transmitted, port)];
        let counters = keys.map(|(direction, matched)| {
            let key = CounterKey { container: id(7), family: Family::V6, direction, matched };
            (key, Tally { packets: 3, bytes: 400 })
        });
        assert_eq!(restore(&save(counters.into_iter())), BTreeMap::from(counters));
        let strange = ["", "x", "a/b/c", "a/b/c/d/e", "a/b/c/d/e/f"];
        let strange = strange.map(|place| RawCounter { place: place.to_owned(), packets: 1, bytes: 1 });
        assert_eq!(restore(&strange), BTreeMap::new());
    }

    #[test]
    fn what_was_never_touched_is_not_saved() {
        let key = CounterKey {
            container: id(7),
            family: Family::V4,
            direction: Direction::Received,
            matched: Matched::All,
        };
        assert_eq!(save([(key, Tally::default())].into_iter()), []);
    }
}
