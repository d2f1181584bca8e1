//! The only place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::accounting::identity::Timestamp;

/// What the calendar says.
#[expect(clippy::disallowed_methods, reason = "time enters here, and is an argument everywhere else")]
pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// What a clock says that nobody can set.
#[expect(clippy::disallowed_methods, reason = "time enters here, and is an argument everywhere else")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
