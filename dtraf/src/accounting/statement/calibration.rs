//! Figures of somebody else, beside what the ledger has of the same time, scopes and direction.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;

use super::period::Range;
use super::{Circumstances, Sum, second};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::bill::{BILLABLE, Counts, Terms};
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
            let Key::Scope(scope) = sum.of else { continue };
            let is_wanted = match (scopes, scope) {
                (_, Some(scope)) if !BILLABLE.contains(&scope) => false,
                (None, _) => true,
                (Some(wanted), Some(scope)) => wanted.contains(&scope),
                (Some(_), None) if sum.amounts.rx.is_zero() && sum.amounts.tx.is_zero() => false,
                (Some(_), None) => return None,
            };
            if is_wanted {
                total += sum.amounts;
            }
        }
        let is_known = total.rx.frames.is_some() && total.tx.frames.is_some();
        let unit = if is_known { Unit::Wire } else { Unit::SkbIp };
        let bytes = PerDirection::from_fn(|direction| unit.bytes(total.get(direction)).unwrap_or_default());
        Some(Counted { bytes: self.counts.of(&bytes), range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{at, packets};

    fn sum(scope: Option<Scope>, tx: u64) -> Sum<Key> {
        Sum { start: 0, of: Key::Scope(scope), amounts: PerDirection { rx: packets(1), tx: packets(tx) } }
    }

    fn said(scopes: Option<&[Scope]>, from: i64, to: i64) -> Calibration {
        Calibration {
            number: 1,
            range: Range { from, to },
            counts: Counts::Tx,
            scopes: scopes.map(|scopes| scopes.iter().copied().collect()),
            bytes: 1,
            note: "The panel".to_owned(),
            counted: None,
        }
    }

    #[test]
    fn a_calibration_is_compared_with_what_the_host_is_billed_for() {
        let (begin, end) = (second(at(0)), second(at(1000)));
        let circumstances =
            Circumstances { since: Some(at(0)), written_at: Some(at(999)), ..Circumstances::default() };
        let host =
            |scopes: &[Scope]| Terms { scopes: Some(scopes.iter().copied().collect()), ..Terms::default() };
        let sums = &[sum(Some(Scope::Internet), 10), sum(Some(Scope::Container), 500)];
        let compare =
            |said: Calibration, host: &Terms, sums: &[Sum<Key>]| said.compare(host, sums, &circumstances);
        let bytes = |counted: Option<Counted>| counted.map(|counted| counted.bytes);
        let internet = host(&[Scope::Internet]);
        assert_eq!(bytes(compare(said(None, begin, end), &Terms::default(), sums)), Some(510_000));
        assert_eq!(bytes(compare(said(None, begin, end), &internet, sums)), Some(10_000));
        assert_eq!(
            bytes(compare(said(Some(&[Scope::Container]), begin, end), &internet, sums)),
            Some(500_000)
        );
        // Flooded frames are in no bill.
        let flooded = [sum(Some(Scope::Internet), 10), sum(Some(Scope::Flooded), 7)];
        assert_eq!(bytes(compare(said(None, begin, end), &Terms::default(), &flooded)), Some(10_000));
        assert_eq!(bytes(compare(said(Some(&[Scope::Flooded]), begin, end), &internet, &flooded)), Some(0));
        // Nobody looked who the other end was.
        let ruled = [sum(Some(Scope::Internet), 10), sum(None, 3)];
        assert_eq!(compare(said(None, begin, end), &internet, &ruled), None);
        assert_eq!(bytes(compare(said(None, begin, end), &Terms::default(), &ruled)), Some(13_000));
    }

    #[test]
    fn only_the_time_that_was_counted_is_compared() {
        let circumstances =
            Circumstances { since: Some(at(100)), written_at: Some(at(200)), ..Circumstances::default() };
        let (begin, end) = (second(at(100)), second(at(200)) + 1);
        let counted = |from: i64, to: i64| {
            let counted = said(None, begin + from, end + to).compare(&Terms::default(), &[], &circumstances);
            counted.map(|counted| (counted.range.from - begin, counted.range.to - end))
        };
        assert_eq!(counted(-50, 50), Some((0, 0)));
        assert_eq!(counted(10, -10), Some((10, -10)));
        assert_eq!(counted(-500, -400), None);
    }
}
