//! Who is who in the ledger: accounts, what they have had, and their resets.

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{ContainerId, Timestamp};

/// For whom totals are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) since: Timestamp,
    /// Labels and names that lead to it.
    pub(crate) keys: Vec<String>,
    /// Those that are there, and those that were.
    pub(crate) containers: Vec<Held>,
    /// Number of containers that were removed so long ago that they are not kept one by one.
    pub(crate) former: u64,
}

/// A container that counts, or has counted, for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: ContainerId,
    /// `None` where it was gone before anything was heard of it.
    pub(crate) name: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// When the ledger was last written.
    pub(crate) is_there: bool,
    pub(crate) addresses: Vec<Lease>,
}

/// An address of a container's, and when it was seen with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: String,
    pub(crate) network: String,
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// Who had an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) lease: Lease,
    pub(crate) id: ContainerId,
    pub(crate) account: String,
    pub(crate) name: Option<String>,
}

/// A reset: what an account had then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// Of the account, then.
    pub(crate) name: String,
    /// What it is called now, or what it was merged into.
    pub(crate) account: String,
    pub(crate) made_at: Timestamp,
    /// Of the last batch then: it has what was counted up to there.
    pub(crate) written_at: Timestamp,
    pub(crate) amounts: PerDirection<Amount>,
}

/// What an account has counted since it was last reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinceReset {
    pub(crate) account: String,
    pub(crate) was_reset: bool,
    /// Where the earliest of its containers begins: its own last reset, or else its own first count.
    pub(crate) since: Timestamp,
    /// `None` where the ledger has less than there was at a reset: some of it was lost.
    pub(crate) amounts: Option<PerDirection<Amount>>,
}
