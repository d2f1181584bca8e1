//! Times as people say them, in the calendar of a time zone.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};

use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;

/// From the first second up to, and not with, the last one. Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What a range is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Hour,
    Day,
    /// From that day of a month to the same of the next; where a month is shorter, from its last.
    Cycle(CycleDay),
}

/// Day of the month that a billing cycle begins on: 1 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CycleDay(i8);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeriodError {
    #[error(
        "`{0}` is no time that dtraf knows: write 2026-11-25, 2026-11, 2026-11-25T14:00, today, yesterday, this month or last month"
    )]
    Unknown(String),
    #[error("the time ends before it begins: from {from} to {to}")]
    Backwards { from: String, to: String },
    #[error("the calendar does not go that far")]
    Beyond,
    #[error(
        "the time has more than {MOST_STEPS} of these steps; give it a later beginning (--from), or longer steps"
    )]
    TooManySteps,
    #[error("a month has days from 1 to 31")]
    CycleDay,
}

/// Upper bound of a report's steps.
const MOST_STEPS: usize = 1_000_000;

impl From<jiff::Error> for PeriodError {
    fn from(_: jiff::Error) -> Self {
        Self::Beyond
    }
}

impl CycleDay {
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn new(day: u8) -> Result<Self, PeriodError> {
        match i8::try_from(day) {
            Ok(day @ 1..=31) => Ok(Self(day)),
            _ => Err(PeriodError::CycleDay),
        }
    }

    /// From 1 to 31.
    pub(crate) fn day(self) -> i8 {
        self.0
    }

    /// The first day of the cycle that begins in this month.
    fn in_month(self, month: Date) -> Result<Date, jiff::Error> {
        month.with().day(self.0.min(month.days_in_month())).build()
    }

    /// The cycle that has `day` in it: its first day, and that of the next.
    fn around(self, day: Date) -> Result<(Date, Date), jiff::Error> {
        let begin = self.in_month(day)?;
        if day < begin {
            let before = day.first_of_month().checked_sub(1.month())?;
            return Ok((self.in_month(before)?, begin));
        }
        let next = day.first_of_month().checked_add(1.month())?;
        Ok((begin, self.in_month(next)?))
    }
}

/// The cycle that is under way at `now`.
pub(crate) fn cycle(day: CycleDay, now: Timestamp, zones: &Zones) -> Result<Range, PeriodError> {
    let (begin, end) = day.around(today(now, zones)?)?;
    Ok(Range { from: midnight(begin, zones)?, to: midnight(end, zones)? })
}

/// From the beginning of what `from` says to the end of what `to` says. Without `to` up to now, and without `from` from the
/// beginning of the cycle that is under way.
pub(crate) fn range(
    from: Option<&str>,
    to: Option<&str>,
    day: CycleDay,
    now: Timestamp,
    zones: &Zones,
) -> Result<Range, PeriodError> {
    let running = cycle(day, now, zones)?;
    let begin = match from {
        Some(text) => named(text, day, now, zones)?.from,
        None => running.from,
    };
    let end = match (from, to) {
        (_, Some(text)) => named(text, day, now, zones)?.to,
        (Some(_), None) => seconds(now)? + 1,
        (None, None) => running.to,
    };
    if begin >= end {
        let said = |text: Option<&str>| text.unwrap_or("now").to_owned();
        return Err(PeriodError::Backwards { from: said(from), to: said(to) });
    }
    Ok(Range { from: begin, to: end })
}

/// The time that `text` says: a moment is a second long.
pub(crate) fn time(text: &str, now: Timestamp, zones: &Zones) -> Result<Range, PeriodError> {
    let Range { from, to } = named(text, CycleDay::FIRST, now, zones)?;
    Ok(Range { from, to: to.max(from + 1) })
}

fn named(text: &str, day: CycleDay, now: Timestamp, zones: &Zones) -> Result<Range, PeriodError> {
    let today = today(now, zones)?;
    let days = |first: Date, next: Date| -> Result<Range, PeriodError> {
        Ok(Range { from: midnight(first, zones)?, to: midnight(next, zones)? })
    };
    let month = |first: Date| -> Result<Range, PeriodError> { days(first, first.checked_add(1.month())?) };
    let text = text.trim();
    match text {
        "now" => {
            let now = seconds(now)?;
            return Ok(Range { from: now, to: now + 1 });
        }
        "today" => return days(today, today.tomorrow()?),
        "yesterday" => return days(today.yesterday()?, today),
        "this month" => return month(today.first_of_month()),
        "last month" => return month(today.first_of_month().checked_sub(1.month())?),
        "this cycle" => return cycle(day, now, zones),
        "last cycle" => {
            let (begin, _) = day.around(today)?;
            let (first, next) = day.around(begin.yesterday()?)?;
            return days(first, next);
        }
        _ => {}
    }
    if let Some(first) = whole_month(text) {
        return month(first);
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        // With an offset, which tells two hours of the same name apart.
        return Ok(Range { from: moment.as_second(), to: moment.as_second() });
    }
    if text.len() > "2026-11-25".len()
        && let Ok(moment) = text.parse::<DateTime>()
    {
        let from = zones.second(moment).ok_or(PeriodError::Beyond)?;
        return Ok(Range { from, to: from });
    }
    match text.parse::<Date>() {
        Ok(date) => days(date, date.tomorrow()?),
        Err(_) => Err(PeriodError::Unknown(text.to_owned())),
    }
}

/// `2026-11`
fn whole_month(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-')?;
    (year.len() == 4 && month.len() == 2).then_some(())?;
    Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
}

/// Where the steps of a range begin, the first with the range, and where the range ends.
pub(crate) fn boundaries(range: Range, step: Option<Step>, zones: &Zones) -> Result<Vec<i64>, PeriodError> {
    let mut boundaries = vec![range.from];
    if let Some(step) = step {
        let mut next = after(range.from, step, zones)?;
        while next < range.to {
            if boundaries.len() >= MOST_STEPS {
                return Err(PeriodError::TooManySteps);
            }
            boundaries.push(next);
            next = after(next, step, zones)?;
        }
    }
    boundaries.push(range.to);
    Ok(boundaries)
}

/// Where the step ends that has this second in it.
fn after(second: i64, step: Step, zones: &Zones) -> Result<i64, PeriodError> {
    let date = || zones.day(second).ok_or(PeriodError::Beyond);
    match step {
        Step::Hour => Ok(zones.span(Tier::Hour, second).ok_or(PeriodError::Beyond)?.to),
        Step::Day => midnight(date()?.tomorrow()?, zones),
        Step::Cycle(day) => midnight(day.around(date()?)?.1, zones),
    }
}

/// The date that it is.
pub(crate) fn today(now: Timestamp, zones: &Zones) -> Result<Date, PeriodError> {
    zones.day(seconds(now)?).ok_or(PeriodError::Beyond)
}

fn midnight(date: Date, zones: &Zones) -> Result<i64, PeriodError> {
    zones.midnight(date).ok_or(PeriodError::Beyond)
}

fn seconds(at: Timestamp) -> Result<i64, PeriodError> {
    i64::try_from(at.0.as_secs()).ok().ok_or(PeriodError::Beyond)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp(std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap()))
    }

    fn shown(range: Range) -> [String; 2] {
        [range.from, range.to].map(|second| jiff::Timestamp::from_second(second).unwrap().to_string())
    }

    fn day(number: u8) -> CycleDay {
        CycleDay::new(number).unwrap()
    }

    const NOW: &str = "2028-03-10T12:34:56Z";

    #[test]
    fn times_are_what_people_mean() {
        let zone = Zones::from(TimeZone::UTC);
        for (from, to, begin, end) in [
            (None, None, "2028-03-01T00:00:00Z", "2028-04-01T00:00:00Z"),
            (Some("today"), None, "2028-03-10T00:00:00Z", "2028-03-10T12:34:57Z"),
            (Some("yesterday"), Some("yesterday"), "2028-03-09T00:00:00Z", "2028-03-10T00:00:00Z"),
            (Some("last month"), Some("last month"), "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Some("2028-02"), Some("2028-02"), "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Some("2028-02-28"), Some("2028-02-29"), "2028-02-28T00:00:00Z", "2028-03-01T00:00:00Z"),
            (
                Some("2028-02-28T10:00"),
                Some("2028-02-28T11:30"),
                "2028-02-28T10:00:00Z",
                "2028-02-28T11:30:00Z",
            ),
            (None, Some("2028-03-04"), "2028-03-01T00:00:00Z", "2028-03-05T00:00:00Z"),
        ] {
            let range = range(from, to, CycleDay::FIRST, at(NOW), &zone).unwrap();
            assert_eq!(shown(range), [begin, end], "{from:?} to {to:?}");
        }
        for text in ["", "tomorrow", "2027-02-29", "2028-13", "28-03", "2028-3", "x"] {
            assert_eq!(
                range(Some(text), None, CycleDay::FIRST, at(NOW), &zone),
                Err(PeriodError::Unknown(text.to_owned()))
            );
        }
        assert!(matches!(
            range(Some("today"), Some("yesterday"), CycleDay::FIRST, at(NOW), &zone),
            Err(PeriodError::Backwards { .. })
        ));
    }

    #[test]
    fn a_cycle_begins_on_the_last_day_of_a_month_that_is_too_short() {
        for (number, now, begin, end) in [
            (31, "2027-02-15T00:00:00Z", "2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z"),
            (31, "2027-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z"),
            (30, "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"),
            (15, "2028-01-01T00:00:00Z", "2027-12-15T00:00:00Z", "2028-01-15T00:00:00Z"),
            (1, "2028-12-31T23:59:59Z", "2028-12-01T00:00:00Z", "2029-01-01T00:00:00Z"),
        ] {
            let cycle = cycle(day(number), at(now), &TimeZone::UTC.into()).unwrap();
            assert_eq!(shown(cycle), [begin, end], "{number} at {now}");
        }
        assert_eq!(
            (CycleDay::new(0), CycleDay::new(32)),
            (Err(PeriodError::CycleDay), Err(PeriodError::CycleDay))
        );
    }

    #[test]
    fn steps_follow_the_calendar() {
        let zone = Zones::from(TimeZone::get("Europe/Berlin").unwrap());
        let weekend =
            range(Some("2026-10-24"), Some("2026-10-26"), CycleDay::FIRST, at("2026-11-25T00:00:00Z"), &zone);
        let weekend = weekend.unwrap();
        let lengths = |step| -> Vec<i64> {
            boundaries(weekend, Some(step), &zone).unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
        };
        assert_eq!(lengths(Step::Day), [86_400, 90_000, 86_400]);
        assert_eq!(lengths(Step::Hour), [3600; 73]);
        assert_eq!(lengths(Step::Cycle(day(25))), [86_400, 90_000 + 86_400]);
        assert_eq!(boundaries(weekend, None, &zone).unwrap(), [weekend.from, weekend.to]);
    }
}
