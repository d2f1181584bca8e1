//! Which spans of the ledger answer a question, and which of its steps have no answer.
//!
//! A step is answered by the coarsest tier whose spans make it up exactly and are all kept. Where no tier does, nothing is said of
//! the step: what is left of its spans is not its sum.

use std::collections::BTreeMap;

use super::period::Range;
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;

/// The tables of spans that expire on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Series {
    Traffic(Part),
    /// What network cards have carried.
    Cards,
}

impl Series {
    pub(crate) const ALL: [Self; 3] = [Self::Traffic(Part::Scopes), Self::Traffic(Part::Ports), Self::Cards];

    /// As the ledger numbers them.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Traffic(part) => part.number(),
            Self::Cards => 2,
        }
    }
}

/// What the ledger still has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Second of the last batch: nothing is booked after it.
    pub(crate) written: Option<i64>,
    /// Spans that begin before this second were dropped.
    pub(crate) dropped: BTreeMap<(Tier, Series), i64>,
}

/// Spans to add up for some of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) tier: Tier,
    pub(crate) range: Range,
}

/// A step that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) range: Range,
    pub(crate) why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Spans that would make it up were dropped, or begin elsewhere. Steps like it are answered from this second on.
    NotKept { since: i64 },
    /// It ended before the ledger began.
    NotCounted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of time, no two of the same step.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) gaps: Vec<Gap>,
}

/// Tiers in the order of preference: few rows before many.
const COARSEST_FIRST: [Tier; 4] = [Tier::Month, Tier::Day, Tier::Hour, Tier::FiveMinutes];

impl Plan {
    /// Plans the steps between these boundaries, which may be of any zone, from a ledger that is cut in `zones`.
    ///
    /// `starts` gives the seconds that spans of a tier begin at within a range. Those that the ledger's zones do not explain were
    /// cut in another one, so their end is not known: the tier answers nothing near them.
    pub(crate) fn new<E>(
        boundaries: &[i64],
        zones: &Zones,
        extent: &Extent,
        series: &[Series],
        mut starts: impl FnMut(Tier, Range) -> Result<Vec<i64>, E>,
    ) -> Result<Self, E> {
        let (Some(first), Some(last)) = (boundaries.first(), boundaries.last()) else {
            return Ok(Self::default());
        };
        let mut strays = BTreeMap::<Tier, Vec<i64>>::new();
        let mut plan = Self::default();
        for step in boundaries.windows(2) {
            let step = Range { from: step[0], to: step[1] };
            let mut since = i64::MAX;
            let mut found = None;
            for tier in COARSEST_FIRST {
                let begins = |second| extent.is_beyond(second) || zones.begins(tier, second);
                if !(begins(step.from) && begins(step.to)) {
                    continue;
                }
                let kept = extent.kept_since(tier, series, zones);
                let strays = match strays.entry(tier) {
                    std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::btree_map::Entry::Vacant(new) => {
                        let from = first.saturating_sub(tier.longest());
                        let mut found = starts(tier, Range { from, to: *last })?;
                        found.retain(|start| !zones.begins(tier, *start));
                        new.insert(found)
                    }
                };
                let ends = strays.iter().map(|start| (*start, start.saturating_add(tier.longest())));
                let mut near = ends.filter(|(start, end)| *start < step.to && step.from < *end);
                let stray = near.next_back().map(|(_, end)| end);
                if kept.is_none_or(|kept| kept <= step.from) && stray.is_none() {
                    found = Some(tier);
                    break;
                }
                since = since.min([kept, stray].into_iter().flatten().max().unwrap_or(i64::MAX));
            }
            match found {
                Some(tier) => plan.add(Piece { tier, range: step }),
                None => plan.gaps.push(Gap { range: step, why: Why::NotKept { since } }),
            }
        }
        Ok(plan)
    }

    /// Joins it to the one before where both are one range.
    fn add(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            Some(last) if last.tier == piece.tier && last.range.to == piece.range.from => {
                last.range.to = piece.range.to;
            }
            _ => self.pieces.push(piece),
        }
    }

    /// Says of what lies wholly before the ledger's beginning that it was not counted.
    #[must_use]
    pub(crate) fn counted_since(mut self, since: Option<i64>) -> Self {
        for gap in &mut self.gaps {
            if since.is_none_or(|since| gap.range.to <= since) {
                gap.why = Why::NotCounted;
            }
        }
        self
    }

    /// Returns the second that all steps like these are answered from, if some of them are not.
    pub(crate) fn kept_since(&self) -> Option<i64> {
        let since = |gap: &Gap| match gap.why {
            Why::NotKept { since } => Some(since),
            Why::NotCounted => None,
        };
        self.gaps.iter().filter_map(since).max()
    }

    /// Returns true if every step is answered, or has nothing in it.
    pub(crate) fn is_whole(&self) -> bool {
        self.kept_since().is_none()
    }
}

impl Extent {
    /// Nothing is booked at or after this second.
    fn is_beyond(&self, second: i64) -> bool {
        self.written.is_none_or(|written| second > written)
    }

    /// Returns the second that all spans of the tier are there from; `None` if none was dropped.
    fn kept_since(&self, tier: Tier, series: &[Series], zones: &Zones) -> Option<i64> {
        let dropped = series.iter().filter_map(|series| self.dropped.get(&(tier, *series))).max()?;
        // A span that began before is gone whole.
        let end = |second| zones.span(tier, second).map(|span| span.to);
        Some(if zones.begins(tier, *dropped) { *dropped } else { end(*dropped).unwrap_or(*dropped) })
    }
}

#[cfg(test)]
mod tests;
