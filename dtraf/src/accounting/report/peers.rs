//! Who sent to whom, among the containers of this host.

use std::collections::BTreeMap;

use dtraf_common::abi::{Direction, Scope};

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::ledger::{Account, Book, Holder, Ledger};

/// What one holder and others sent straight to each other. With [`Self::elsewhere`] it is all that the holder received in
/// [`Scope::Container`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peers {
    /// In the holder's view. What it transmitted is what has reached the other one.
    pub(crate) each: BTreeMap<Holder, PerDirection<Amount>>,
    /// Of no pair: by way of another network, with containers that are gone, without room for the pair, or lost on the way.
    pub(crate) elsewhere: PerDirection<Amount>,
}

/// Of every holder that has a meter.
pub(super) type Exchanges = BTreeMap<Holder, BTreeMap<Holder, PerDirection<Amount>>>;

/// Joins what each meter says that it received from others.
pub(super) fn exchanges(ledger: &Ledger) -> Exchanges {
    let mut exchanges = Exchanges::new();
    for (_, entry) in ledger.open() {
        let to = Holder::from(&entry.owner);
        for (from, amount) in entry.reading.origins.iter().flatten() {
            let Some(sender) = ledger.entry(*from) else { continue };
            let from = Holder::from(&sender.owner);
            exchanges.entry(to).or_default().entry(from).or_default().rx += *amount;
            exchanges.entry(from).or_default().entry(to).or_default().tx += *amount;
        }
    }
    exchanges
}

impl Peers {
    /// `None` where nobody looked.
    pub(super) fn of(
        account: &Account<'_>,
        book: &Book,
        each: BTreeMap<Holder, PerDirection<Amount>>,
    ) -> Option<Self> {
        let has_looked = account.open.iter().all(|entry| entry.reading.origins.is_some());
        let is_known = |direction| !book.scopes.get(direction).contains_key(&None);
        if !has_looked || !Direction::ALL.into_iter().all(is_known) {
            return None;
        }
        let pairs: PerDirection<Amount> = each.values().copied().sum();
        let elsewhere = |direction| {
            let scope = book.scopes.get(direction).get(&Some(Scope::Container)).copied().unwrap_or_default();
            // A container that forwards for others has received more than was sent to containers.
            scope.since(pairs.get(direction)).map(|rest| rest.0).unwrap_or_default()
        };
        Some(Self { elsewhere: PerDirection::from_fn(elsewhere), each })
    }
}
