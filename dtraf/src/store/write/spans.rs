//! Amounts that go from one holder to another, span by span.
//!
//! A table's rows are in the order of spans, so that a report walks over what it adds up. A holder's own rows are found by looking
//! into each span that there is: few, however many holders there are.

use std::sync::LazyLock;

use rusqlite::params;

use super::Writing;
use super::counts::SUMS;
use crate::accounting::history::tier::Tier;
use crate::store::amounts::list;
use crate::store::names::{COLUMNS, Words};

/// A holder that gives up what it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) from: i64,
    /// Gets its totals.
    pub(super) total_to: i64,
    /// Gets its rows by scope and by port.
    pub(super) books_to: i64,
}

impl Writing<'_> {
    /// Moves all amounts of a tier in spans that begin at `first` or later.
    pub(super) fn move_amounts(&mut self, tier: Tier, first: i64, moved: &[Moved]) -> rusqlite::Result<()> {
        // The numbers of its entries are another's then.
        self.known.port_entries.clear();
        let holders: Vec<_> = moved.iter().map(|moved| moved.from.to_string()).collect();
        let holders = format!("[{}]", holders.join(","));
        let recipient = |from: i64| moved.iter().find(|moved| moved.from == from);
        let tier = tier.number();
        let mut after = first - 1;
        while let Some(start) = self.next_span(NEXT_TOTAL, params![tier, after])? {
            for from in self.holders_in(TOTALS_OF, params![tier, start, holders])? {
                let Some(moved) = recipient(from) else { continue };
                let row = params![tier, start, from, moved.total_to];
                self.transaction.prepare_cached(&GIVE_TOTAL)?.execute(row)?;
                self.transaction.prepare_cached(DROP_TOTAL)?.execute(params![tier, start, from])?;
            }
            after = start;
        }
        for part in 0..2 {
            let mut after = first - 1;
            while let Some(start) = self.next_span(NEXT, params![tier, part, after])? {
                for from in self.holders_in(BOOKS_OF, params![tier, part, start, holders])? {
                    let Some(moved) = recipient(from).filter(|moved| moved.books_to != from) else {
                        continue;
                    };
                    self.give(tier, part, start, moved)?;
                    self.transaction.prepare_cached(DROP)?.execute(params![tier, part, start, from])?;
                }
                after = start;
            }
        }
        Ok(())
    }

    /// Adds a holder's rows of a span to another's. Ports for which that one has no entry share one.
    fn give(&mut self, tier: i64, part: i64, start: i64, moved: &Moved) -> rusqlite::Result<()> {
        let keys: Vec<(i64, Words, bool)> = self
            .transaction
            .prepare_cached(&KEYS)?
            .query_map(params![tier, part, start, moved.from, moved.books_to], |row| {
                Ok((row.get(0)?, Words::read(row, 2)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (key, words, is_there) in keys {
            let entry = match part {
                1 if !is_there => self.entry(tier, start, moved.books_to, (key, words))?,
                _ => key,
            };
            self.transaction.prepare_cached(&GIVE)?.execute(params![
                tier,
                part,
                start,
                moved.from,
                key,
                moved.books_to,
                entry
            ])?;
        }
        Ok(())
    }

    /// Returns the begin of the next span.
    fn next_span(&self, text: &str, row: impl rusqlite::Params) -> rusqlite::Result<Option<i64>> {
        self.transaction.prepare_cached(text)?.query_row(row, |row| row.get(0))
    }

    fn holders_in(&self, text: &str, row: impl rusqlite::Params) -> rusqlite::Result<Vec<i64>> {
        self.transaction.prepare_cached(text)?.query_map(row, |row| row.get(0))?.collect()
    }
}

const NEXT_TOTAL: &str = "SELECT min(start) FROM holder_traffic WHERE tier = ?1 AND start > ?2";
const NEXT: &str = "SELECT min(start) FROM traffic WHERE tier = ?1 AND part = ?2 AND start > ?3";
const TOTALS_OF: &str = "SELECT holder FROM holder_traffic WHERE tier = ?1 AND start = ?2 AND holder IN (SELECT value FROM json_each(?3))";
const BOOKS_OF: &str = "SELECT DISTINCT holder FROM traffic WHERE tier = ?1 AND part = ?2 AND start = ?3 AND holder IN (SELECT value FROM json_each(?4))";
const DROP_TOTAL: &str = "DELETE FROM holder_traffic WHERE tier = ?1 AND start = ?2 AND holder = ?3";
const DROP: &str = "DELETE FROM traffic WHERE tier = ?1 AND part = ?2 AND start = ?3 AND holder = ?4";

static GIVE_TOTAL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO holder_traffic (tier, start, holder, {names}) SELECT tier, start, ?4, {names} FROM holder_traffic WHERE tier = ?1 AND \
         start = ?2 AND holder = ?3 ON CONFLICT DO UPDATE SET {sums}",
        names = list(str::to_owned),
        sums = *SUMS,
    )
});

/// Keys of a holder in a span, and whether another has them there, too.
static KEYS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT key.id, other.key IS NOT NULL, {COLUMNS} FROM traffic AS own JOIN key ON key.id = own.key LEFT JOIN traffic AS other ON \
         other.tier = ?1 AND other.part = ?2 AND other.start = ?3 AND other.holder = ?5 AND other.key = own.key WHERE own.tier = ?1 \
         AND own.part = ?2 AND own.start = ?3 AND own.holder = ?4"
    )
});

static GIVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO traffic (tier, part, start, holder, key, {names}) SELECT tier, part, start, ?6, ?7, {names} FROM traffic \
         WHERE tier = ?1 AND part = ?2 AND start = ?3 AND holder = ?4 AND key = ?5 ON CONFLICT DO UPDATE SET {sums}",
        names = list(str::to_owned),
        sums = *SUMS,
    )
});
