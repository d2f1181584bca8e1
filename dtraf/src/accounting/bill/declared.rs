//! What is said of accounts: written down in the configuration, or by labels of their containers.

use std::collections::{BTreeMap, BTreeSet};

use super::Terms;
use super::quota::{Quota, THRESHOLDS};
use crate::accounting::statement::period::CycleDay;

/// What is said of one. `None` is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountTerms {
    pub(crate) terms: Terms,
    /// Bytes of a cycle.
    pub(crate) quota: Option<u64>,
    /// Per cent.
    pub(crate) quota_at: Option<BTreeSet<u32>>,
    /// A program and its arguments.
    pub(crate) quota_hook: Option<Vec<String>>,
}

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) cycle_day: Option<CycleDay>,
    pub(crate) host: Terms,
    /// By name, or by one of an account's keys.
    pub(crate) accounts: BTreeMap<String, AccountTerms>,
}

impl Terms {
    /// What is not said here is as `other` says.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            counts: self.counts.or(other.counts),
            scopes: self.scopes.or(other.scopes),
            price: self.price.or(other.price),
            allowance: self.allowance.or(other.allowance),
        }
    }
}

impl AccountTerms {
    /// What is not said here is as `other` says.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            terms: self.terms.or(other.terms),
            quota: self.quota.or(other.quota),
            quota_at: self.quota_at.or(other.quota_at),
            quota_hook: self.quota_hook.or(other.quota_hook),
        }
    }

    /// It counts what is billed, in the same cycles.
    pub(crate) fn quota(&self, host: &Terms, cycle_day: Option<CycleDay>) -> Option<Quota> {
        let Self { terms, quota, quota_at, quota_hook } = self;
        Some(Quota {
            bytes: (*quota)?,
            counts: terms.counts.or(host.counts).unwrap_or_default(),
            scopes: terms.scopes.clone().or_else(|| host.scopes.clone()),
            cycle_day: cycle_day.unwrap_or(CycleDay::FIRST),
            thresholds: quota_at.clone().unwrap_or_else(|| BTreeSet::from(THRESHOLDS)),
            hook: quota_hook.clone(),
        })
    }
}

impl Declared {
    pub(crate) fn has_quotas(&self) -> bool {
        self.accounts.values().any(|terms| terms.quota.is_some())
    }
}
