//! Labels by which containers say what their account is billed, and may use.

use std::collections::BTreeMap;

use crate::accounting::identity::{ContainerId, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TermLabel {
    Quota,
    QuotaAt,
    /// Never obeyed: whoever makes a container must not choose what is run here.
    QuotaHook,
    Price,
    Counts,
    Scopes,
    Allowance,
}

/// A container's label as the ledger has it. Hostile input: names and values may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenLabel {
    pub(crate) account: String,
    pub(crate) id: ContainerId,
    pub(crate) container: String,
    pub(crate) label: TermLabel,
    pub(crate) value: String,
    /// It was first seen there.
    pub(crate) since: Timestamp,
    /// The container was seen no more; `None` while it is there.
    pub(crate) until: Option<Timestamp>,
}

/// Nothing that can be read is longer.
const LONGEST: usize = 200;

impl SeenLabel {
    pub(crate) fn is_there(&self) -> bool {
        self.until.is_none()
    }
}

impl TermLabel {
    pub(crate) const ALL: [Self; 7] = [
        Self::Quota,
        Self::QuotaAt,
        Self::QuotaHook,
        Self::Price,
        Self::Counts,
        Self::Scopes,
        Self::Allowance,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quota => "dtraf.quota",
            Self::QuotaAt => "dtraf.quota-at",
            Self::QuotaHook => "dtraf.quota-hook",
            Self::Price => "dtraf.price",
            Self::Counts => "dtraf.counts",
            Self::Scopes => "dtraf.scopes",
            Self::Allowance => "dtraf.allowance",
        }
    }

    /// Those of them that a container has.
    pub(crate) fn among(labels: &BTreeMap<String, String>) -> Vec<(Self, String)> {
        let shortened = |value: &String| value.chars().take(LONGEST).collect();
        let all = Self::ALL.into_iter();
        all.filter_map(|label| labels.get(label.name()).map(|value| (label, shortened(value)))).collect()
    }
}
