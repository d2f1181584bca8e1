//! Figures of somebody else, beside what the ledger has of the same time, scopes and direction.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;

use super::period::Range;
use super::{Circumstances, Sum, second};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::bill::{Counts, Terms};
use crate::accounting::history::key::Key;

/// What somebody else has counted: a provider's panel, a router. Never part of any sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calibration {
    pub(crate) number: i64,
    pub(crate) range: Range,
    pub(crate) counts: Counts,
    /// Traffic with these scopes is in the figure. `None`: whatever the host is billed for.
    pub(crate) scopes: Option<BTreeSet<Scope>>,
    pub(crate) bytes: u64,
    /// Who says so.
    pub(crate) note: String,
    pub(crate) counted: Option<Counted>,
}

/// What the ledger has of a calibration's time and scopes, in its direction and in the unit of all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) bytes: u64,
    /// Part of the calibration's time that something was counted in.
    pub(crate) range: Range,
}

impl Calibration {
    /// Scopes to compare it with: its own, or those that the host is billed for.
    pub(crate) fn scopes<'a>(&'a self, host: &'a Terms) -> Option<&'a BTreeSet<Scope>> {
        self.scopes.as_ref().or(host.scopes.as_ref())
    }

    /// Compares it with sums by scope, which are all of its time. `None` where it is not known who the other ends were, and
    /// that matters.
    pub(crate) fn compare(
        &self,
        host: &Terms,
        sums: &[Sum<Key>],
        circumstances: &Circumstances,
    ) -> Option<Counted> {
        let Circumstances { since, written_at, .. } = circumstances;
        let range = Range {
            from: self.range.from.max(second((*since)?)),
            to: self.range.to.min(second((*written_at)?).saturating_add(1)),
        };
        if range.from >= range.to {
            return None;
        }
        let scopes = self.scopes(host);
        let mut total = PerDirection::<Amount>::default();
        for sum in sums {
            match (scopes, sum.of) {
                (None, _) => total += sum.amounts,
                (Some(wanted), Key::Scope(Some(scope))) if wanted.contains(&scope) => total += sum.amounts,
                (Some(_), Key::Scope(Some(_))) => {}
                (Some(_), _) if sum.amounts.rx.is_zero() && sum.amounts.tx.is_zero() => {}
                (Some(_), _) => return None,
            }
        }
        let is_known = total.rx.frames.is_some() && total.tx.frames.is_some();
        let unit = if is_known { Unit::Wire } else { Unit::SkbIp };
        let bytes = PerDirection::from_fn(|direction| unit.bytes(total.get(direction)).unwrap_or_default());
        Some(Counted { bytes: self.counts.of(&bytes), range })
    }
}
