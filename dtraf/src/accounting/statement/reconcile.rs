//! What containers have had beside what the host's network cards have carried.

use dtraf_common::abi::{Direction, Scope};

use super::{Group, Line, Statement};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::card::{Card, Carried};
use crate::accounting::statement::period::Range;

/// Where the other end is beyond a card: what passes between containers, and between them and the host, never comes to one.
pub(crate) const BEYOND: [Scope; 2] = [Scope::Internet, Scope::Lan];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reconciliation {
    pub(crate) cards: Vec<Card>,
    /// All cards together; `None` where the time is not wholly kept.
    pub(crate) carried: Option<PerDirection<Carried>>,
    /// Of all containers, with [`BEYOND`]; `None` where nobody looked who the other end was, or the time is not wholly kept.
    pub(crate) containers: Option<PerDirection<Amount>>,
    pub(crate) rest: Result<PerDirection<Rest>, Unknown>,
}

/// What cards have carried more than containers have had. A card's driver counts either frames as they are on the wire, or
/// what the kernel hands on: one of the two is the card's. Less than nothing where something never came to a card, or is
/// counted in the other unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) wire_bytes: i128,
    pub(crate) packets: i128,
    pub(crate) skb_bytes: i128,
    pub(crate) skbs: i128,
}

/// Why nobody can say what the rest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    NoCard,
    /// Rules have counted, which do not look who the other end is.
    Scopes,
    /// Containers were counted before cards were.
    LateCards,
    /// The time is not wholly kept, or was not counted.
    NotKept,
}

impl Statement {
    /// By scope, and of all accounts.
    pub(crate) fn reconcile(&self, cards: Vec<Card>) -> Reconciliation {
        let is_beyond =
            |line: &&Line| matches!(line.group, Group::Scope(Some(scope)) if BEYOND.contains(&scope));
        if self.total.is_none() {
            // What is left of the cards' spans is not what they carried.
            return Reconciliation {
                cards: Vec::new(),
                carried: None,
                containers: None,
                rest: Err(Unknown::NotKept),
            };
        }
        let is_unknown = |line: &Line| {
            let is_nothing = |both: PerDirection<Amount>| both.rx.is_zero() && both.tx.is_zero();
            line.group == Group::Scope(None) && !line.amounts.is_some_and(is_nothing)
        };
        let is_known = !self.lines.iter().any(is_unknown);
        let containers: Option<PerDirection<Amount>> =
            is_known.then(|| self.lines.iter().filter(is_beyond).filter_map(|line| line.amounts).sum());
        let carried: PerDirection<Carried> = cards.iter().map(|card| card.carried).sum();
        let rest = match (self.uncounted(&cards), &containers) {
            (Some(unknown), _) => Err(unknown),
            (None, Some(containers)) => rest(&carried, containers),
            (None, None) => Err(Unknown::Scopes),
        };
        Reconciliation { cards, carried: Some(carried), containers, rest }
    }

    /// Why cards say nothing of the whole time.
    fn uncounted(&self, cards: &[Card]) -> Option<Unknown> {
        let Some(first) = cards.iter().map(|card| card.since).min() else { return Some(Unknown::NoCard) };
        let Range { from, .. } = self.range;
        let begin = i64::try_from(first.0.as_secs()).unwrap_or(i64::MAX);
        let is_late = begin > from && self.circumstances.since.is_some_and(|since| since < first);
        is_late.then_some(Unknown::LateCards)
    }
}

fn rest(
    carried: &PerDirection<Carried>,
    containers: &PerDirection<Amount>,
) -> Result<PerDirection<Rest>, Unknown> {
    let rest = |direction: Direction| {
        let Carried { bytes, packets } = *carried.get(direction);
        let amount = containers.get(direction);
        let frames = amount.frames.ok_or(Unknown::Scopes)?;
        let less = |whole: u64, part: u64| i128::from(whole) - i128::from(part);
        Ok(Rest {
            wire_bytes: less(bytes, frames.wire_bytes),
            packets: less(packets, frames.packets),
            skb_bytes: less(bytes, frames.skb_bytes),
            skbs: less(packets, amount.skbs),
        })
    };
    Ok(PerDirection { rx: rest(Direction::Received)?, tx: rest(Direction::Transmitted)? })
}

#[cfg(test)]
mod tests {
    use crate::accounting::fixtures::{at, packets};
    use crate::accounting::history::key::Key;
    use crate::accounting::statement::plan::Plan;
    use crate::accounting::statement::{By, Circumstances, Found, Question, Sum, Sums};

    use super::*;

    /// Of the day that the tests begin on.
    fn statement(sums: &[(Option<Scope>, u64, u64)]) -> Statement {
        let from = 1_790_000_000 - 1_790_000_000 % 86_400;
        let range = Range { from, to: from + 86_400 };
        let question =
            Question { range, step: None, boundaries: vec![range.from, range.to], by: By::Scope, top: None };
        let sum = |(scope, rx, tx): &(Option<Scope>, u64, u64)| Sum {
            start: from,
            of: Key::Scope(*scope),
            amounts: PerDirection { rx: packets(*rx), tx: packets(*tx) },
        };
        let circumstances = Circumstances { since: Some(at(10)), ..Circumstances::default() };
        let sums = Sums::Scopes(sums.iter().map(sum).collect());
        let found = Found { plan: Plan::default(), sums, around: Vec::new() };
        Statement::new(&question, found, circumstances)
    }

    fn card(name: &str, since: u64, rx: u64, tx: u64) -> Card {
        let carried = |packets| Carried { bytes: packets * 1000, packets };
        Card {
            name: name.to_owned(),
            since: at(since),
            carried: PerDirection { rx: carried(rx), tx: carried(tx) },
        }
    }

    #[test]
    fn the_rest_is_what_cards_have_more_than_containers_with_those_beyond() {
        let scopes = [
            (Some(Scope::Internet), 7, 2),
            (Some(Scope::Lan), 1, 5),
            (Some(Scope::Container), 100, 100),
            (Some(Scope::Host), 100, 100),
            (None, 0, 0),
        ];
        let reconciled = statement(&scopes).reconcile(vec![card("eth0", 0, 9, 4), card("eth1", 20, 1, 1)]);
        assert_eq!(reconciled.containers, Some(PerDirection { rx: packets(8), tx: packets(7) }));
        let carried = reconciled.carried.unwrap();
        assert_eq!((carried.rx.packets, carried.tx.bytes), (10, 5000));
        let rest = reconciled.rest.unwrap();
        let of = |packets: i128| Rest {
            wire_bytes: packets * 1000,
            packets,
            skb_bytes: packets * 1000,
            skbs: packets,
        };
        assert_eq!(rest, PerDirection { rx: of(2), tx: of(-2) });
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let counted = statement(&[(Some(Scope::Internet), 1, 1)]);
        assert_eq!(counted.reconcile(Vec::new()).rest, Err(Unknown::NoCard));
        assert_eq!(counted.reconcile(vec![card("eth0", 11, 1, 1)]).rest, Err(Unknown::LateCards));
        assert!(counted.reconcile(vec![card("eth0", 10, 1, 1)]).rest.is_ok());
        let ruled = statement(&[(None, 1, 0)]);
        let reconciled = ruled.reconcile(vec![card("eth0", 0, 1, 1)]);
        assert_eq!((reconciled.containers, reconciled.rest), (None, Err(Unknown::Scopes)));
    }
}
