//! What the ledger has of those who are counted now: beside a report, which has what counters say.

use std::collections::BTreeMap;

use super::amount::{Amount, PerDirection};
use super::identity::ContainerId;

/// Up to the last batch that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    accounts: Vec<KeptAccount>,
    /// Whose account is which.
    places: BTreeMap<ContainerId, usize>,
}

/// What an account has, in all of its containers that are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptAccount {
    /// Since midnight; `None` where that is not wholly kept.
    pub(crate) today: Option<PerDirection<Amount>>,
    /// In the billing cycle that is under way; `None` where that is not wholly kept.
    pub(crate) cycle: Option<PerDirection<Amount>>,
    /// How much of its quota is used; `None` without one, and where that is not known.
    pub(crate) quota_percent: Option<u64>,
}

impl Kept {
    pub(crate) fn new(accounts: impl IntoIterator<Item = (Vec<ContainerId>, KeptAccount)>) -> Self {
        let mut kept = Self::default();
        for (containers, account) in accounts {
            kept.places.extend(containers.into_iter().map(|container| (container, kept.accounts.len())));
            kept.accounts.push(account);
        }
        kept
    }

    pub(crate) fn of(&self, container: ContainerId) -> Option<&KeptAccount> {
        self.accounts.get(*self.places.get(&container)?)
    }
}
