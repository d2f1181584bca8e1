//! Whether the clock on the wall goes right, as far as one that nobody can set tells.

use std::time::{Duration, Instant};

use crate::accounting::identity::Timestamp;
use crate::store::Calendar;

/// How long both clocks have to go together, and how far apart they may be then.
const PROBATION: Duration = Duration::from_hours(1);
const APART: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(super) struct Watch {
    since: (Timestamp, Instant),
}

impl Watch {
    pub(super) fn new(now: Timestamp, instant: Instant) -> Self {
        Self { since: (now, instant) }
    }

    /// A clock that was set is on probation again.
    pub(super) fn look(&mut self, now: Timestamp, instant: Instant) -> Calendar {
        let passed = instant.saturating_duration_since(self.since.1);
        let expected = self.since.0.0 + passed;
        if now.0.abs_diff(expected) > APART {
            log::warn!(
                "the clock was set, by {}: what is counted is booked under what it says, and nothing old is dropped for an hour",
                humantime::format_duration(Duration::from_secs(now.0.abs_diff(expected).as_secs())),
            );
            *self = Self::new(now, instant);
            return Calendar::Doubtful;
        }
        if passed < PROBATION { Calendar::Doubtful } else { Calendar::Trusted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::at;
    use crate::clock;

    #[test]
    fn a_clock_that_was_set_is_not_trusted_for_an_hour() {
        let begin = clock::instant();
        let mut watch = Watch::new(at(0), begin);
        let mut look = |wall, passed| watch.look(at(wall), begin + Duration::from_secs(passed));
        assert_eq!(look(10, 10), Calendar::Doubtful);
        assert_eq!(look(3_700, 3_700), Calendar::Trusted);
        assert_eq!(look(90_000, 3_710), Calendar::Doubtful);
        assert_eq!(look(93_000, 6_710), Calendar::Doubtful);
        assert_eq!(look(93_700, 7_410), Calendar::Trusted);
        // And back.
        assert_eq!(look(7_420, 7_420), Calendar::Doubtful);
        assert_eq!(look(10_900, 10_900), Calendar::Doubtful);
        assert_eq!(look(11_100, 11_100), Calendar::Trusted);
    }
}
