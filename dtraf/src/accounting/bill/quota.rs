//! What an account may use in a billing cycle, and how much of it is used.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;

use super::{Bill, Billed, Counts, Tariff, Terms};
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::{CycleDay, PeriodError, Range, cycle};
use crate::accounting::statement::plan::Plan;
use crate::accounting::statement::{By, Circumstances, Found, Question, Sum};

/// Per cent at which people are told, unless they say otherwise.
pub(crate) const THRESHOLDS: [u32; 2] = [80, 100];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Of a cycle.
    pub(crate) bytes: u64,
    pub(crate) counts: Counts,
    /// All when `None`.
    pub(crate) scopes: Option<BTreeSet<Scope>>,
    pub(crate) cycle_day: CycleDay,
    /// Per cent.
    pub(crate) thresholds: BTreeSet<u32>,
    /// A program and its arguments.
    pub(crate) hook: Option<Vec<String>>,
}

/// Who says what a quota is. Each goes before those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `dtraf quota set`.
    Set,
    Config,
    Label,
}

/// A quota in the cycle that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) account: String,
    pub(crate) quota: Quota,
    pub(crate) source: Source,
    pub(crate) cycle: Range,
    /// Billable bytes. `None` where the cycle is not wholly kept, and where it is not known who the other ends were and the
    /// quota asks.
    pub(crate) used: Option<u64>,
}

impl Quota {
    pub(crate) fn cycle(&self, now: Timestamp, zones: &Zones) -> Result<Range, PeriodError> {
        cycle(self.cycle_day, now, zones)
    }

    /// What of these sums, which are all of the account's in the cycle, counts.
    pub(crate) fn used(&self, cycle: Range, sums: Vec<Sum<Billed>>) -> Option<u64> {
        let Self { counts, scopes, .. } = self;
        let host = Terms { counts: Some(*counts), scopes: scopes.clone(), ..Terms::default() };
        let tariff = Tariff { host, ..Tariff::default() };
        let Range { from, to } = cycle;
        let question =
            Question { range: cycle, step: None, boundaries: vec![from, to], by: By::Account, top: None };
        if sums.is_empty() {
            // An account without any traffic has no line.
            return Some(0);
        }
        let found = Found { plan: Plan::default(), sums, around: Vec::new() };
        let bill = Bill::new(&question, &tariff, found, &Circumstances::default());
        bill.totals.first()?.due.map(|due| due.billable)
    }
}

impl Standing {
    /// Whole per cent that are used, rounded down: 100 is not said before all is used.
    pub(crate) fn percent(&self) -> Option<u64> {
        let used = u128::from(self.used?) * 100;
        // Of nothing, anything is all.
        let percent = used.checked_div(u128::from(self.quota.bytes)).unwrap_or(100);
        Some(u64::try_from(percent).unwrap_or(u64::MAX))
    }

    /// Thresholds that it has come to.
    pub(crate) fn passed(&self) -> impl Iterator<Item = u32> + '_ {
        let percent = self.percent();
        self.quota.thresholds.iter().copied().filter(move |at| percent.is_some_and(|it| it >= u64::from(*at)))
    }

    /// More is used than there is.
    pub(crate) fn is_over(&self) -> bool {
        self.used.is_some_and(|used| used > self.quota.bytes)
    }

    pub(crate) fn left(&self) -> Option<u64> {
        self.used.map(|used| self.quota.bytes.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(bytes: u64, used: Option<u64>) -> Standing {
        let quota = Quota {
            bytes,
            counts: Counts::Sum,
            scopes: None,
            cycle_day: CycleDay::FIRST,
            thresholds: BTreeSet::from([80, 100]),
            hook: None,
        };
        Standing {
            account: "web".to_owned(),
            quota,
            source: Source::Set,
            cycle: Range { from: 0, to: 1 },
            used,
        }
    }

    #[test]
    fn a_threshold_is_passed_when_all_of_it_is_used() {
        for (used, passed, over) in [
            (0, vec![], false),
            (799, vec![], false),
            (800, vec![80], false),
            (999, vec![80], false),
            (1_000, vec![80, 100], false),
            (1_001, vec![80, 100], true),
        ] {
            let standing = standing(1_000, Some(used));
            assert_eq!((standing.passed().collect::<Vec<_>>(), standing.is_over()), (passed, over), "{used}");
        }
        assert_eq!(standing(u64::MAX, Some(u64::MAX)).percent(), Some(100));
        assert_eq!(standing(1, Some(u64::MAX)).percent(), Some(u64::MAX));
    }

    #[test]
    fn what_is_not_known_passes_nothing_and_is_not_over() {
        let unknown = standing(1_000, None);
        assert_eq!((unknown.passed().count(), unknown.is_over(), unknown.left()), (0, false, None));
    }
}
