//! Waiting for a condition: by asking again, never by sleeping and hoping.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long to wait for something, and how often to ask.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    until: Instant,
    limit: Duration,
    pause: Duration,
}

impl Patience {
    #[expect(clippy::disallowed_methods, reason = "a deadline needs a clock; nothing measured depends on it")]
    pub fn of(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, limit, pause: Duration::from_millis(20) }
    }

    /// What is left of it; none when it is over.
    #[expect(clippy::disallowed_methods, reason = "a deadline needs a clock; nothing measured depends on it")]
    pub fn left(&self) -> Option<Duration> {
        self.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Asks `question` until it answers, for `limit` at most. An error of the question ends the waiting at once.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let patience = Patience::of(limit);
    loop {
        if let Some(answer) = question().with_context(|| format!("wait for {what}"))? {
            return Ok(answer);
        }
        let Some(left) = patience.left() else {
            bail!("{what}: not within {:?}", patience.limit);
        };
        std::thread::sleep(patience.pause.min(left));
    }
}
