//! The time zones of a ledger: which one cuts its days and months, from when on.
//!
//! A change of zone is like a clock that is set: every date begins once, in the zone before up to and with the date of the change,
//! in the new one from the next date on. So hours, days and months partition time over any number of changes.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, ToSpan as _, ZonedDateTime};

use super::tier::Tier;
use crate::accounting::statement::period::Range;

/// One zone after another. Seconds are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zones {
    first: TimeZone,
    /// In the order of time.
    changes: Vec<Change>,
}

/// A zone that is in force from a second on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    from: i64,
    /// The date that has this second in it: it began in the zone before.
    date: Date,
    zone: TimeZone,
}

/// A change that is closer than this to an hour leads to clock times that may be there twice.
const SEAM: i64 = 26 * 3600;

impl From<TimeZone> for Zones {
    fn from(first: TimeZone) -> Self {
        Self { first, changes: Vec::new() }
    }
}

impl Zones {
    /// Adds a change. It is ignored where the calendar does not reach, or does not come after the others.
    #[must_use]
    pub(crate) fn with_change(mut self, from: i64, zone: TimeZone) -> Self {
        let is_next = self.changes.last().is_none_or(|last| last.from < from);
        if let Some(date) = self.day(from).filter(|_| is_next) {
            self.changes.push(Change { from, date, zone });
        }
        self
    }

    /// Returns the zone that is in force at a second.
    pub(crate) fn at(&self, second: i64) -> &TimeZone {
        self.era(second).0
    }

    /// Returns the zones that are in force within a range, each with the second that it comes into force at, which is `None`
    /// for the first one.
    pub(crate) fn within(&self, range: Range) -> Vec<(Option<i64>, &TimeZone)> {
        let mut zones = vec![(None, self.at(range.from))];
        let later = self.changes.iter().filter(|change| range.from < change.from && change.from < range.to);
        zones.extend(later.map(|change| (Some(change.from), &change.zone)));
        zones
    }

    /// Returns the whole history.
    pub(crate) fn all(&self) -> Vec<(Option<i64>, &TimeZone)> {
        self.within(Range { from: i64::MIN, to: i64::MAX })
    }

    /// Returns these zones without the changes after a second.
    #[must_use]
    pub(crate) fn until(&self, second: i64) -> Self {
        let changes = self.changes.iter().filter(|change| change.from <= second).cloned().collect();
        Self { first: self.first.clone(), changes }
    }

    /// Zone in force at a second, and the range in which it is.
    fn era(&self, second: i64) -> (&TimeZone, Range) {
        let after = self.changes.partition_point(|change| change.from <= second);
        let to = self.changes.get(after).map_or(i64::MAX, |change| change.from);
        match after.checked_sub(1).and_then(|at| self.changes.get(at)) {
            Some(change) => (&change.zone, Range { from: change.from, to }),
            None => (&self.first, Range { from: i64::MIN, to }),
        }
    }

    pub(crate) fn offset(&self, second: i64) -> Option<Offset> {
        Some(self.at(second).to_offset(jiff::Timestamp::from_second(second).ok()?))
    }

    /// `2026-11-25T00:00:00+01:00`
    pub(crate) fn rfc3339(&self, second: i64) -> String {
        let shown =
            || Some(jiff::Timestamp::from_second(second).ok()?.display_with_offset(self.offset(second)?));
        shown().map_or_else(|| second.to_string(), |shown| shown.to_string())
    }

    pub(crate) fn local(&self, second: i64) -> Option<ZonedDateTime> {
        Some(jiff::Timestamp::from_second(second).ok()?.to_zoned_datetime(self.at(second).clone()))
    }

    /// Returns true if clocks show the time of this second twice.
    pub(crate) fn is_ambiguous(&self, second: i64) -> bool {
        let is_near = |change: &Change| (second - change.from).abs() < SEAM;
        let is_set_back = || {
            let local = self.local(second)?;
            Some(self.at(second).to_ambiguous_timestamp(local.datetime()).is_ambiguous())
        };
        self.changes.iter().any(is_near) || is_set_back().unwrap_or_default()
    }

    /// Returns the second that a date begins at: its first, where midnight is left out or comes twice.
    pub(crate) fn midnight(&self, date: Date) -> Option<i64> {
        let before = self.changes.partition_point(|change| change.date < date);
        let midnight = |zone: &TimeZone| -> Option<i64> {
            let begin = date.to_zoned_datetime(zone.clone()).ok()?.start_of_day().ok()?;
            Some(begin.timestamp().as_second())
        };
        match before.checked_sub(1).and_then(|at| self.changes.get(at)) {
            // Where the new zone's clocks are a day ahead, a date has no time.
            Some(change) => Some(midnight(&change.zone)?.max(change.from)),
            None => midnight(&self.first),
        }
    }

    /// Returns the first second at which clocks show this time, or the one at which they jump over it.
    pub(crate) fn second(&self, time: DateTime) -> Option<i64> {
        let mut second = None;
        for (from, zone) in self.all() {
            let shown = time.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_second();
            let from = from.unwrap_or(i64::MIN);
            second = Some(shown.max(from));
            if shown < self.era(from).1.to {
                break;
            }
        }
        second
    }

    /// Returns the date that a second is in.
    pub(crate) fn day(&self, second: i64) -> Option<Date> {
        let mut date = self.local(second)?.date();
        // Clocks that are set back over midnight show a date again that has ended.
        while self.midnight(date.tomorrow().ok()?)? <= second {
            date = date.tomorrow().ok()?;
        }
        while self.midnight(date)? > second {
            date = date.yesterday().ok()?;
        }
        Some(date)
    }

    /// Returns the span of a tier that a second is in. `None` where the calendar does not reach.
    pub(crate) fn span(&self, tier: Tier, second: i64) -> Option<Range> {
        let (_, era) = self.era(second);
        let (from, to) = match tier {
            Tier::FiveMinutes => {
                let from = second - second.rem_euclid(300);
                (from, from.checked_add(300)?)
            }
            Tier::Hour => self.hour(second)?,
            Tier::Day => {
                let day = self.day(second)?;
                (self.midnight(day)?, self.midnight(day.tomorrow().ok()?)?)
            }
            Tier::Month => {
                let first = self.day(second)?.first_of_month();
                (self.midnight(first)?, self.midnight(first.checked_add(1.month()).ok()?)?)
            }
        };
        Some(Range { from: from.max(era.from), to: to.min(era.to) })
    }

    /// Returns true if a span of the tier begins at this second.
    pub(crate) fn begins(&self, tier: Tier, second: i64) -> bool {
        self.span(tier, second).is_some_and(|span| span.from == second)
    }

    /// The hour on the clock; where clocks are set within it, the part before or after that.
    fn hour(&self, second: i64) -> Option<(i64, i64)> {
        let zone = self.at(second);
        let instant = jiff::Timestamp::from_second(second).ok()?;
        let local = instant.to_zoned_datetime(zone.clone());
        let passed = i64::from(local.minute()) * 60 + i64::from(local.second());
        let offset = |at: jiff::Timestamp| zone.to_offset(at);
        let mut begin = instant.checked_sub(SignedDuration::from_secs(passed)).ok()?;
        if offset(begin) != offset(instant) {
            let mut set = zone.preceding(instant.checked_add(SignedDuration::from_secs(1)).ok()?);
            begin = set.next()?.timestamp();
        }
        let mut end = instant.checked_add(SignedDuration::from_secs(3600 - passed)).ok()?;
        let last = end.checked_sub(SignedDuration::from_secs(1)).ok()?;
        if offset(last) != offset(instant) {
            end = zone.following(instant).next()?.timestamp();
        }
        Some((begin.as_second(), end.as_second()))
    }
}

#[cfg(test)]
mod tests;
