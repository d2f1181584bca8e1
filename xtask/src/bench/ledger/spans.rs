//! The spans that a ledger keeps of a year.

use anyhow::Result;
use rusqlite::{Connection, params};

/// How long spans are, how many are kept, and how many of those have ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tier {
    number: i64,
    seconds: i64,
    count: i64,
    with_ports: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) tier: i64,
    pub(super) start: i64,
    pub(super) seconds: i64,
    pub(super) has_ports: bool,
}

/// Days that are kept by port, and containers that were removed one by one.
pub(super) const DAYS_WITH_PORTS: i64 = 186;

/// Five minutes for 12 hours, hours for a week, days by scope for ever and by port for 186 days, months.
pub(super) const TIERS: [Tier; 4] = [
    Tier { number: 0, seconds: 300, count: 144, with_ports: 144 },
    Tier { number: 1, seconds: 3_600, count: 168, with_ports: 168 },
    Tier { number: 2, seconds: 86_400, count: 365, with_ports: DAYS_WITH_PORTS },
    Tier { number: 3, seconds: 30 * 86_400, count: 12, with_ports: 12 },
];

impl Tier {
    /// The spans as they begin in UTC, the first one first.
    pub(super) fn spans(self, connection: &Connection, now: i64) -> Result<Vec<Span>> {
        let Self { number: tier, seconds, count, with_ports } = self;
        let mut spans = Vec::new();
        for back in (0..count).rev() {
            let start = match tier {
                3 => connection.query_row(
                    "SELECT unixepoch(?1, 'unixepoch', 'start of month', '-' || ?2 || ' months')",
                    params![now, back],
                    |row| row.get(0),
                )?,
                _ => now - now.rem_euclid(seconds) - back * seconds,
            };
            spans.push(Span { tier, start, seconds, has_ports: back < with_ports });
        }
        Ok(spans)
    }
}
