//! Looking at the ledger, beside whoever writes it.

mod baselines;
mod calibrations;
mod cards;
mod holders;
mod kept;
mod planned;
mod quotas;
mod register;
mod sums;
mod terms;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

pub(crate) use self::terms::Everybody;
use super::account;
use super::error::StoreError;
use super::open::open_to_read;
use super::zones::zones;
use crate::accounting::amount::PerDirection;
use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::snapshot::Shortfall;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::{Circumstances, second};

/// The ledger at one moment: whoever writes meanwhile is not seen.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    connection: Connection,
    /// In which the ledger's spans are cut.
    zones: Zones,
}

/// Spans of which holders are to be added up.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) tier: Tier,
    pub(crate) range: Range,
    /// All when `None`.
    pub(crate) accounts: Option<Vec<AccountRow>>,
}

/// An account's row in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow(i64);

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_to_read(path)?;
        let failed = |source| StoreError::Sqlite { attempt: "read", path: path.to_owned(), source };
        // All that follows sees the same state.
        connection.execute_batch("BEGIN").map_err(failed)?;
        let zones = zones(&connection, path)?;
        Ok(Self { path: path.to_owned(), connection, zones })
    }

    pub(crate) fn zones(&self) -> &Zones {
        &self.zones
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { attempt: "read", path: self.path.clone(), source }
    }

    fn rows<T>(
        &self,
        text: &str,
        parameters: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(text)?.query_map(parameters, row)?.collect()
        };
        rows().map_err(|source| self.failed(source))
    }

    /// The account of this name, or that a label or a container's name leads to.
    pub(crate) fn account(&self, name: &str) -> Result<AccountRow, StoreError> {
        let found = account::find(&self.connection, name).map_err(|source| self.failed(source))?;
        match found {
            Some(account) => Ok(AccountRow(account.row)),
            None => Err(StoreError::NoAccount {
                name: name.to_owned(),
                known: account::names(&self.connection).map_err(|source| self.failed(source))?,
            }),
        }
    }

    /// What the account is called that this leads to.
    pub(crate) fn name_of(&self, key: &str) -> Result<Option<String>, StoreError> {
        let found = account::find(&self.connection, key).map_err(|source| self.failed(source))?;
        Ok(found.map(|found| found.name))
    }

    /// Those of all these names; `None` where there is no name.
    pub(crate) fn accounts(&self, names: &[String]) -> Result<Option<Vec<AccountRow>>, StoreError> {
        let rows: Vec<_> = names.iter().map(|name| self.account(name)).collect::<Result<_, _>>()?;
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// Up to when the ledger has everything.
    pub(crate) fn written_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let at = self
            .connection
            .query_row("SELECT max(at_ns) FROM progress", [], |row| row.get::<_, Option<i64>>(0));
        let at = at.map_err(|source| self.failed(source))?;
        Ok(at.filter(|at| *at > 0).map(moment))
    }

    /// When counting began: with the first meter, or earlier where spans say so, of meters that are not known any more.
    pub(crate) fn since(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut since = self.number("SELECT min(since_ns) FROM meter", [])?.map(moment);
        for tier in [Tier::Day, Tier::Month] {
            let text = "SELECT min(start) FROM traffic WHERE tier = ?1 AND part = 0";
            let span = self.number(text, [tier.number()])?.and_then(|start| self.zones.span(tier, start));
            let before = span.filter(|span| since.is_none_or(|since| span.to <= second(since)));
            since = before.map(|span| moment(span.from.saturating_mul(NS))).or(since);
        }
        Ok(since)
    }

    /// What is to be known of figures from this range.
    pub(crate) fn circumstances(&self, range: Range) -> Result<Circumstances, StoreError> {
        let Range { from, to } = range;
        let (from_ns, to_ns) = (from.saturating_mul(NS), to.saturating_mul(NS));
        Ok(Circumstances {
            written_at: self.written_at()?,
            since: self.since()?,
            backends: self.rows(
                "SELECT DISTINCT backend FROM tenure WHERE from_ns < ?2 AND to_ns >= ?1 ORDER BY backend",
                params![from_ns, to_ns],
                |row| row.get(0),
            )?,
            missed: self.missed(from_ns, to_ns)?,
            calibrations: self.calibrations(Some(range))?,
            absences: self.rows(
                "SELECT from_ns, to_ns FROM absence WHERE from_ns < ?2 AND to_ns > ?1 ORDER BY from_ns",
                params![from_ns, to_ns],
                |row| Ok((moment(row.get(0)?), moment(row.get(1)?))),
            )?,
        })
    }

    fn number(&self, text: &str, parameters: impl rusqlite::Params) -> Result<Option<i64>, StoreError> {
        let number = || self.connection.prepare_cached(text)?.query_row(parameters, |row| row.get(0));
        number().map_err(|source| self.failed(source))
    }

    /// Returns what interfaces had carried that began to be counted in this time; `None` if none began.
    fn missed(&self, from_ns: i64, to_ns: i64) -> Result<Option<PerDirection<Shortfall>>, StoreError> {
        let began = self.number(
            "SELECT EXISTS (SELECT 1 FROM meter WHERE since_ns >= ?1 AND since_ns < ?2 AND missed_is_exact IS NOT NULL)",
            [from_ns, to_ns],
        )?;
        if began != Some(1) {
            return Ok(None);
        }
        let text = "SELECT missed_rx_skb_bytes, missed_rx_skbs, missed_tx_skb_bytes, missed_tx_skbs, missed_is_exact FROM meter WHERE \
                    missed_rx_skb_bytes + missed_rx_skbs + missed_tx_skb_bytes + missed_tx_skbs + (missed_is_exact = 0) > 0 AND \
                    since_ns >= ?1 AND since_ns < ?2";
        let missed = self.rows(text, [from_ns, to_ns], |row| {
            let settled = row.get(4)?;
            let shortfall = |first: usize| -> rusqlite::Result<Shortfall> {
                // Nothing fails because somebody has changed the ledger.
                let number = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.max(0).unsigned_abs());
                Ok(Shortfall { skb_bytes: number(first)?, skbs: number(first + 1)?, settled })
            };
            Ok(PerDirection { rx: shortfall(0)?, tx: shortfall(2)? })
        })?;
        let none = Shortfall { settled: true, ..Shortfall::default() };
        let settled = missed.iter().all(|missed| missed.rx.settled && missed.tx.settled);
        let sum = missed.into_iter().fold(PerDirection { rx: none, tx: none }, |sum, missed| PerDirection {
            rx: sum.rx + missed.rx,
            tx: sum.tx + missed.tx,
        });
        Ok(Some(PerDirection::from_fn(|direction| Shortfall { settled, ..*sum.get(direction) })))
    }
}

/// Rows as a parameter for `json_each`.
fn json_array(accounts: &[AccountRow]) -> String {
    let rows: Vec<_> = accounts.iter().map(|account| account.0.to_string()).collect();
    format!("[{}]", rows.join(","))
}

/// A moment as the ledger has it.
fn moment(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(u64::try_from(ns).unwrap_or_default())
}

const NS: i64 = 1_000_000_000;
