//! One batch, one transaction.

pub(super) mod cards;
mod counts;
mod fold;
mod holders;
mod meters;
mod spans;

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};

pub(super) use self::counts::PortEntries;
#[cfg(test)]
pub(super) use self::counts::{CLIENT_PORTS, SERVED_PORTS};
use super::error::StoreError;
use super::open::{Known, Store};
use super::resume::Epoch;
use super::zones::{drop_noted, zones};
use crate::accounting::history::journal::{Batch, RawCounter, Sequence};
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::plan::Series;

/// How long each tier is kept. Months are kept for ever, and so are days, but for their ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) five_minutes: Duration,
    pub(crate) hours: Duration,
    /// By port.
    pub(crate) days: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Retention {
    fn default() -> Self {
        Self { five_minutes: DAY / 2, hours: 7 * DAY, days: 186 * DAY }
    }
}

impl Retention {
    /// How long spans of a tier are kept, by scope or card, and by port. `None`: for ever.
    fn of(&self, tier: Tier, series: Series) -> Option<Duration> {
        match (tier, series) {
            (Tier::FiveMinutes, _) => Some(self.five_minutes),
            (Tier::Hour, _) => Some(self.hours),
            (Tier::Day, Series::Traffic(Part::Ports)) => Some(self.days),
            (Tier::Day | Tier::Month, _) => None,
        }
    }

    /// Returns how long a removed container is kept apart: as long as any span of it but days and months.
    fn of_containers(&self) -> Duration {
        self.days.max(self.hours).max(self.five_minutes)
    }
}

/// Whether the clock on the wall can be believed when it says that something is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calendar {
    Trusted,
    /// It was set lately, or it is not known yet whether it goes right.
    Doubtful,
}

/// Silence that is worth a line in reports.
const ABSENCE: Duration = Duration::from_mins(1);

/// What a batch is written with.
struct Writing<'a> {
    transaction: Transaction<'a>,
    known: &'a mut Known,
    epoch: &'a Epoch,
    at: Timestamp,
    /// The span of each tier that the batch falls into.
    spans: [(Tier, i64); Tier::ALL.len()],
}

impl Store {
    /// Writes a batch, if it is the one that follows the last one there. Returns the number of the last one that is there
    /// then.
    ///
    /// Spans that are older than they are to be kept are removed, where the calendar is trusted.
    pub(crate) fn write(&mut self, batch: &Batch, calendar: Calendar) -> Result<Sequence, StoreError> {
        let folded = match calendar {
            Calendar::Trusted => self.foldable(batch.at)?,
            Calendar::Doubtful => Vec::new(),
        };
        // SQLite would look through all of `traffic` for each holder that is removed.
        self.enforce_references(folded.is_empty())?;
        let written = self.attempt(batch, calendar, &folded);
        self.enforce_references(true)?;
        if written.is_err() {
            // Rows that were made in the transaction are gone with it.
            self.known = Known::default();
        }
        written
    }

    fn attempt(&mut self, batch: &Batch, calendar: Calendar, folded: &[i64]) -> Result<Sequence, StoreError> {
        let (found, last_at) = (self.sequence()?, self.progress()?);
        if Sequence(found.0 + 1) != batch.sequence {
            return Ok(found);
        }
        let path = self.path.clone();
        let failed = |source| StoreError::Sqlite { attempt: "write to", path: path.clone(), source };
        let is_first = self.last_at.is_none();
        let retention = self.retention;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(failed)?;
        // Somebody may have changed the zone meanwhile; that concerns no span that has begun.
        let zones = zones(&transaction, &path)?;
        let mut spans = Tier::ALL.map(|tier| (tier, 0));
        for (tier, start) in &mut spans {
            *start = tier.start(batch.at, &zones)?;
        }
        let mut writing =
            Writing { transaction, known: &mut self.known, epoch: &self.epoch, at: batch.at, spans };
        if is_first {
            writing.begin(last_at).map_err(failed)?;
        }
        writing.describe(batch).map_err(failed)?;
        for posting in &batch.meters {
            let meter = writing.meter(posting).map_err(failed)?;
            writing.counts(meter, posting, &path)?;
            if posting.ended {
                writing.end(meter, posting).map_err(failed)?;
            }
        }
        writing.raw(&batch.raw).map_err(failed)?;
        writing.cards(&batch.cards).map_err(failed)?;
        if calendar == Calendar::Trusted {
            writing.expire(retention).map_err(failed)?;
        }
        writing.fold(folded).map_err(failed)?;
        writing.finish(batch.sequence).map_err(failed)?;
        self.last_at = Some(batch.at);
        Ok(batch.sequence)
    }
}

impl Writing<'_> {
    /// What is done once by each process: meters of other epochs have ended, and the time without a writer is noted.
    fn begin(&self, last_at: Option<Timestamp>) -> rusqlite::Result<()> {
        let at = ns(self.at);
        self.transaction.execute(
            "DELETE FROM cursor WHERE meter IN (SELECT id FROM meter WHERE until_ns IS NULL AND epoch <> ?)",
            [self.epoch.to_string()],
        )?;
        self.transaction.execute(
            "UPDATE meter SET until_ns = ? WHERE until_ns IS NULL AND epoch <> ?",
            params![at, self.epoch.to_string()],
        )?;
        self.begin_cards()?;
        let last: Option<(i64, String)> = self
            .transaction
            .prepare_cached("SELECT id, backend FROM tenure ORDER BY id DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let backend = self.epoch.backend();
        if last.is_none_or(|(_, last)| last != backend) {
            self.transaction
                .prepare_cached("INSERT INTO tenure (backend, from_ns, to_ns) VALUES (?1, ?2, ?2)")?
                .execute(params![backend, at])?;
        }
        match last_at {
            Some(last) if self.at.since(last) > ABSENCE => {
                self.transaction.execute("INSERT INTO absence VALUES (?, ?)", [ns(last), at]).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Removes spans that are older than they are kept, and notes that.
    fn expire(&self, retention: Retention) -> rusqlite::Result<()> {
        for (tier, _) in &self.spans {
            for series in Series::ALL {
                let Some(kept) = retention.of(*tier, series) else { continue };
                let until = i64::try_from(self.at.0.saturating_sub(kept).as_secs()).unwrap_or(i64::MAX);
                let dropped = match series {
                    Series::Traffic(part) => {
                        if part == Part::Scopes {
                            // Totals of holders are kept as long as what they are made of.
                            self.transaction
                                .prepare_cached("DELETE FROM holder_traffic WHERE tier = ?1 AND start < ?2")?
                                .execute(params![tier.number(), until])?;
                        }
                        self.transaction
                            .prepare_cached(
                                "DELETE FROM traffic WHERE tier = ?1 AND part = ?2 AND start < ?3",
                            )?
                            .execute(params![tier.number(), part.number(), until])?
                    }
                    Series::Cards => self
                        .transaction
                        .prepare_cached("DELETE FROM card_traffic WHERE tier = ?1 AND start < ?2")?
                        .execute(params![tier.number(), until])?,
                };
                if dropped > 0 {
                    drop_noted(&self.transaction, *tier, series.number(), until)?;
                }
            }
        }
        Ok(())
    }

    /// All of them each time: those that are not there any more must not come back.
    fn raw(&self, counters: &[RawCounter]) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM raw", [])?;
        let mut insert = self.transaction.prepare_cached("INSERT INTO raw VALUES (?, ?, ?, ?)")?;
        for RawCounter { place, packets, bytes } in counters {
            insert.execute(params![place, self.epoch.to_string(), packets, bytes])?;
        }
        Ok(())
    }

    fn finish(self, sequence: Sequence) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE tenure SET to_ns = max(to_ns, ?) WHERE id = (SELECT max(id) FROM tenure)",
            )?
            .execute([ns(self.at)])?;
        self.transaction
            .execute("INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", params![sequence.0, ns(self.at)])?;
        self.transaction.commit()
    }
}

/// As the ledger keeps moments.
fn ns(at: Timestamp) -> i64 {
    i64::try_from(at.unix_ns()).unwrap_or(i64::MAX)
}
