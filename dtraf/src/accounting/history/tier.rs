//! The spans of time that amounts are kept for: fine ones for a while, days and months for ever.
//!
//! An amount goes into one span of each tier at once. So each tier has all of it, as far back as it is kept, and nothing is
//! ever carried from one to another.

use super::zones::Zones;
use crate::accounting::identity::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    FiveMinutes,
    Hour,
    Day,
    Month,
}

/// No moment that the calendar knows: years go from -9999 to 9999.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the calendar has no {0:?} with the moment {1:?}")]
pub(crate) struct BeyondCalendar(Tier, Timestamp);

impl Tier {
    pub(crate) const ALL: [Self; 4] = [Self::FiveMinutes, Self::Hour, Self::Day, Self::Month];

    /// As the ledger numbers them.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::FiveMinutes => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Month => 3,
        }
    }

    /// Upper bound of a span's length in seconds, in any zone: days and months may be longer where a ledger changes its zone.
    pub(crate) fn longest(self) -> i64 {
        match self {
            Self::FiveMinutes => 300,
            Self::Hour => 2 * 3600,
            Self::Day => 50 * 3600,
            Self::Month => 34 * 86_400,
        }
    }

    /// When the span began that `at` is in, in seconds since the Unix epoch. Hours, days and months are those of the ledger's
    /// zone: a day may have 23 hours, or 25.
    pub(crate) fn start(self, at: Timestamp, zones: &Zones) -> Result<i64, BeyondCalendar> {
        let second = i64::try_from(at.0.as_secs()).ok();
        let span = second.and_then(|second| zones.span(self, second));
        Ok(span.ok_or(BeyondCalendar(self, at))?.from)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn start(tier: Tier, zone: &str, at: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        let at = Timestamp(std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap()));
        let start = tier.start(at, &zone.into()).unwrap();
        jiff::Timestamp::from_second(start).unwrap().to_string()
    }

    #[test]
    fn spans_begin_when_the_calendar_says() {
        for (tier, zone, at, begin) in [
            (Tier::FiveMinutes, "UTC", "2028-02-29T23:59:59Z", "2028-02-29T23:55:00Z"),
            (Tier::Hour, "UTC", "2028-02-29T23:59:59Z", "2028-02-29T23:00:00Z"),
            (Tier::Day, "UTC", "2028-02-29T23:59:59Z", "2028-02-29T00:00:00Z"),
            (Tier::Month, "UTC", "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z"),
            // Half past is a full hour in India.
            (Tier::Hour, "Asia/Kolkata", "2026-11-25T10:40:00Z", "2026-11-25T10:30:00Z"),
            (Tier::Day, "Asia/Kolkata", "2026-11-25T18:40:00Z", "2026-11-25T18:30:00Z"),
            (Tier::Hour, "Asia/Kathmandu", "2026-11-25T10:20:00Z", "2026-11-25T10:15:00Z"),
            // Clocks are set back at 01:00 UTC: two hours are called 2 o'clock, and the day has 25 of them.
            (Tier::Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z"),
            (Tier::Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z"),
            (Tier::Day, "Europe/Berlin", "2026-10-25T22:59:00Z", "2026-10-24T22:00:00Z"),
            (Tier::Day, "Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-25T23:00:00Z"),
            // Clocks are set back by half an hour at 15:00 UTC: the hour from half past one has thirty minutes.
            (Tier::Hour, "Australia/Lord_Howe", "2026-04-04T14:59:00Z", "2026-04-04T14:00:00Z"),
            (Tier::Hour, "Australia/Lord_Howe", "2026-04-04T15:29:00Z", "2026-04-04T15:00:00Z"),
            (Tier::Hour, "Australia/Lord_Howe", "2026-04-04T15:31:00Z", "2026-04-04T15:30:00Z"),
            // Midnight does not exist there on that day.
            (Tier::Day, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z"),
            (Tier::Month, "Europe/Berlin", "2026-03-31T21:59:00Z", "2026-02-28T23:00:00Z"),
        ] {
            assert_eq!(start(tier, zone, at), begin, "{tier:?} of {at} in {zone}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_an_error() {
        assert!(Tier::Day.start(Timestamp(std::time::Duration::MAX), &TimeZone::UTC.into()).is_err());
    }
}
