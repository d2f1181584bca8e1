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

/// In proportion to the time that was counted: from the beginning of the cycle, or of counting where that is later, up to the last
/// batch. `None` outside of the cycle, and where less than an hour of it was counted: nothing can be said yet.
pub(crate) fn forecast(
    used: u64,
    cycle: Range,
    since: Timestamp,
    written_at: Timestamp,
    now: Timestamp,
) -> Option<Forecast> {
    let second = |at: Timestamp| i64::try_from(at.0.as_secs()).ok();
    let (now, since, written) = (second(now)?, second(since)?, second(written_at)?);
    let begin = cycle.from.max(since);
    let (passed, whole) = (written.checked_sub(begin)?, cycle.to.checked_sub(begin)?);
    if passed < 3600 || written >= cycle.to || now >= cycle.to {
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
        let told = |used, since, now| forecast(used, cycle, at(since), at(now), at(now));
        let days = |days: u64| days * 86_400;
        assert_eq!(told(100, 0, days(10)), Some(Forecast { bytes: 300, days_left: 20 }));
        assert_eq!(told(100, days(5), days(10)), Some(Forecast { bytes: 500, days_left: 20 }));
        assert_eq!((told(100, 0, 60), told(100, 0, days(30))), (None, None));
        assert_eq!(told(u64::MAX, 0, days(1)).unwrap().bytes, u64::MAX);
    }

    #[test]
    fn silence_after_the_last_batch_is_not_counted_as_time_without_traffic() {
        let days = |days: u64| days * 86_400;
        let cycle = Range { from: 0, to: 30 * 86_400 };
        // 30 MB in the first ten days, and nothing written in the three weeks up to now.
        let told = forecast(30_000_000, cycle, at(0), at(days(9)), at(days(29)));
        assert_eq!(told, Some(Forecast { bytes: 100_000_000, days_left: 1 }));
        // Nothing of the cycle was counted.
        assert_eq!(forecast(0, cycle, at(0), Timestamp::default(), at(days(1))), None);
    }
}
