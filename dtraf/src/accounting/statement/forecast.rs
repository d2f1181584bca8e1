//! What a cycle that is under way comes to if it goes on as it has begun.

use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// Bytes at the end of the cycle.
    pub(crate) bytes: u64,
    /// Whole days that are left of it.
    pub(crate) days_left: u64,
}

/// In proportion to the time that was counted: from the beginning of the cycle, or of counting where that is later. `None`
/// outside of the cycle, and in its first hour, when nothing can be said yet.
pub(crate) fn forecast(used: u64, cycle: Range, since: Timestamp, now: Timestamp) -> Option<Forecast> {
    let second = |at: Timestamp| i64::try_from(at.0.as_secs()).ok();
    let (now, since) = (second(now)?, second(since)?);
    let begin = cycle.from.max(since);
    let (passed, whole) = (now - begin, cycle.to - begin);
    if passed < 3600 || now >= cycle.to {
        return None;
    }
    let bytes = u128::from(used) * u128::try_from(whole).ok()? / u128::try_from(passed).ok()?;
    Some(Forecast {
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        days_left: u64::try_from((cycle.to - now) / 86_400).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp(std::time::Duration::from_secs(second))
    }

    #[test]
    fn a_forecast_is_in_proportion_to_the_time_that_was_counted() {
        let day = 86_400;
        let cycle = Range { from: 0, to: 30 * day };
        let told = |used, since, now| forecast(used, cycle, at(since), at(now));
        let days = |days: u64| days * 86_400;
        assert_eq!(told(100, 0, days(10)), Some(Forecast { bytes: 300, days_left: 20 }));
        assert_eq!(told(100, days(5), days(10)), Some(Forecast { bytes: 500, days_left: 20 }));
        assert_eq!((told(100, 0, 60), told(100, 0, days(30))), (None, None));
        assert_eq!(told(u64::MAX, 0, days(1)).unwrap().bytes, u64::MAX);
    }
}
