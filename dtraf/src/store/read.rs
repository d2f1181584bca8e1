//! Looking at the ledger, beside whoever writes it.

mod baselines;
mod billed;
mod calibrations;
mod cards;
mod kept;
mod planned;
mod quotas;
mod register;
mod terms;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

pub(crate) use self::terms::Everybody;
use super::account;
use super::amounts::{Columns, half_sum, halves, summed};
use super::error::StoreError;
use super::names::{COLUMNS, Words};
use super::open::open_to_read;
use super::zones::zones;
use crate::accounting::amount::PerDirection;
use crate::accounting::history::key::{Key, Part};
use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::Shortfall;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::{Circumstances, HolderName, Sum, second};

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

/// Where a span begins, the row of what is added up, and the sums.
type SumRow = (i64, Option<i64>, PerDirection<Columns>);

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
            self.connection.prepare(text)?.query_map(parameters, row)?.collect()
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

    /// By who has the counts.
    pub(crate) fn by_holder(&self, selection: &Selection) -> Result<Vec<Sum<HolderName>>, StoreError> {
        let names = self.holders()?;
        let sums = self.sums(selection, Part::Scopes, "holder")?;
        let sums = sums.into_iter().filter_map(|(start, holder, columns)| {
            let name = names.get(&holder?)?.clone();
            Some(Sum { start, of: name, amounts: columns.shown() })
        });
        Ok(sums.collect())
    }

    /// By what they were counted under.
    pub(crate) fn by_key(&self, selection: &Selection, part: Part) -> Result<Vec<Sum<Key>>, StoreError> {
        let keys = self.keys()?;
        let sums = self.sums(selection, part, "key")?;
        let sums = sums.into_iter().filter_map(|(start, key, columns)| {
            let key = *keys.get(&key?)?;
            Some(Sum { start, of: key, amounts: columns.shown() })
        });
        Ok(sums.collect())
    }

    /// All of it.
    pub(crate) fn totals(&self, selection: &Selection) -> Result<Vec<Sum<()>>, StoreError> {
        let sums = self.sums(selection, Part::Scopes, "NULL")?;
        let total = |(start, _, columns): SumRow| Sum { start, of: (), amounts: columns.shown() };
        Ok(sums.into_iter().map(total).collect())
    }

    fn sums(&self, selection: &Selection, part: Part, of: &str) -> Result<Vec<SumRow>, StoreError> {
        let accounts = selection.accounts.as_deref().map(json_array);
        let only = "AND holder IN (SELECT id FROM holder WHERE account IN (SELECT value FROM json_each(?5)))";
        let only = if accounts.is_some() { only } else { "AND ?5 IS NULL" };
        let text = |sums: &str| {
            format!(
                "SELECT start, {of} AS of, {sums} FROM traffic WHERE tier = ?1 AND part = ?2 AND start >= ?3 AND start < ?4 {only} \
                 GROUP BY start, of"
            )
        };
        let Range { from, to } = selection.range;
        let parameters = params![selection.tier.number(), part.number(), from, to, accounts];
        let sums = summed(&self.connection, text, parameters, |row, adding| {
            Ok((row.get(0)?, row.get(1)?, adding.read(row, 2)?))
        });
        sums.map_err(|source| self.failed(source))
    }

    fn holders(&self) -> Result<BTreeMap<i64, HolderName>, StoreError> {
        // The latest of each kind is what it is called.
        let latest = |kind: &str| {
            format!(
                "(SELECT value FROM attribute WHERE attribute.holder = holder.id AND kind = '{kind}' ORDER BY until_ns IS NULL \
                 DESC, since_ns DESC LIMIT 1)"
            )
        };
        let text = format!(
            "SELECT holder.id, container, account.name, coalesce(reason, 'no_container'), {}, {} FROM holder LEFT JOIN account \
             ON account.id = holder.account",
            latest("name"),
            latest("project"),
        );
        let rows = self.rows(&text, [], |row| {
            let (container, account) = (row.get::<_, Option<[u8; 32]>>(1)?, row.get::<_, Option<String>>(2)?);
            let name = match (container, account) {
                (Some(id), Some(account)) => HolderName::Container {
                    id: ContainerId::from_bytes(id),
                    name: row.get::<_, Option<String>>(4)?.unwrap_or_else(|| account.clone()),
                    account,
                    project: row.get(5)?,
                },
                _ => HolderName::Nobody { reason: row.get(3)? },
            };
            Ok((row.get(0)?, name))
        });
        Ok(rows?.into_iter().collect())
    }

    fn keys(&self) -> Result<BTreeMap<i64, Key>, StoreError> {
        let rows = self.rows(&format!("SELECT id, {COLUMNS} FROM key"), [], |row| {
            Ok((row.get(0)?, Words::read(row, 1)?))
        })?;
        rows.into_iter().map(|(id, words)| Ok((id, words.key(&self.path)?))).collect()
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
        let first = |text: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<Option<i64>, StoreError> {
            let first = self.connection.query_row(text, parameters, |row| row.get(0));
            first.map_err(|source| self.failed(source))
        };
        let mut since = first("SELECT min(since_ns) FROM meter", &[])?.map(moment);
        for tier in [Tier::Day, Tier::Month] {
            let text = "SELECT min(start) FROM traffic WHERE tier = ?1 AND part = 0";
            let span = first(text, &[&tier.number()])?.and_then(|start| self.zones.span(tier, start));
            let before = span.filter(|span| since.is_none_or(|since| span.to <= second(since)));
            since = before.map(|span| moment(span.from.saturating_mul(NS))).or(since);
        }
        Ok(since)
    }

    /// What is to be known of figures from this range.
    pub(crate) fn circumstances(&self, range: Range) -> Result<Circumstances, StoreError> {
        let Range { from, to } = range;
        let (from_ns, to_ns) = (from.saturating_mul(NS), to.saturating_mul(NS));
        let meters = "FROM meter WHERE since_ns < ?2 AND (until_ns IS NULL OR until_ns > ?1)";
        let missed = self.rows(
            &format!(
                "SELECT min(missed_is_exact), {}, {}, {}, {} {meters} AND missed_is_exact IS NOT NULL AND since_ns >= ?1",
                halves("missed_rx_skb_bytes"),
                halves("missed_rx_skbs"),
                halves("missed_tx_skb_bytes"),
                halves("missed_tx_skbs"),
            ),
            params![from_ns, to_ns],
            |row| {
                let settled = row.get::<_, Option<bool>>(0)?;
                let shortfall = |first: usize, settled: bool| -> rusqlite::Result<Shortfall> {
                    let (skb_bytes, skbs) = (half_sum(row, first)?, half_sum(row, first + 2)?);
                    Ok(Shortfall { skb_bytes, skbs, settled })
                };
                let both = |settled| Ok(PerDirection { rx: shortfall(1, settled)?, tx: shortfall(5, settled)? });
                settled.map(both).transpose()
            },
        )?;
        Ok(Circumstances {
            written_at: self.written_at()?,
            since: self.since()?,
            backends: self.rows(
                &format!("SELECT DISTINCT backend {meters} ORDER BY backend"),
                params![from_ns, to_ns],
                |row| row.get(0),
            )?,
            missed: missed.into_iter().flatten().next(),
            calibrations: self.calibrations(Some(range))?,
            absences: self.rows(
                "SELECT from_ns, to_ns FROM absence WHERE from_ns < ?2 AND to_ns > ?1 ORDER BY from_ns",
                params![from_ns, to_ns],
                |row| Ok((moment(row.get(0)?), moment(row.get(1)?))),
            )?,
        })
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
