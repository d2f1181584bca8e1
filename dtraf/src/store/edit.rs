//! What people say of accounts, written beside the one who writes counts.
//!
//! Each is one transaction that has the ledger for itself. The writer looks accounts up anew in each of its own; the rows of
//! holders, keys and meters, which it remembers, are not touched here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dtraf_common::abi::Scope;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::account::{self, Found};
use super::amounts::{list, parameters, read, values};
use super::error::StoreError;
use super::open::open_to_edit;
use super::quotas::scope_words;
use super::zones::zones;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::Counts;
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::{PeriodError, Range};
use crate::view::names;
use crate::zone;

/// What came of a change of the ledger's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneChange {
    /// Nothing was counted yet.
    AtOnce,
    /// It begins with the month that begins at this second.
    From(i64),
    /// It is the ledger's zone already.
    None,
}

/// The ledger, opened to say something of accounts.
#[derive(Debug)]
pub(crate) struct Editor {
    path: PathBuf,
    connection: Connection,
}

impl Editor {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_edit(path)? })
    }

    /// Gives an account another name, which becomes one of its keys: whoever is called so later counts for it, and no account
    /// of this name comes into being beside it.
    pub(crate) fn rename(&mut self, old: &str, new: &str) -> Result<(), StoreError> {
        let editing = self.begin()?;
        let account = editing.account(old)?;
        if let Some(other) = editing.find(new)?
            && other.row != account.row
        {
            return Err(StoreError::Taken { name: new.to_owned(), account: other.name });
        }
        editing.execute("UPDATE account SET name = ?1 WHERE id = ?2", params![new, account.row])?;
        editing.execute("INSERT OR IGNORE INTO account_key VALUES (?1, ?2)", params![new, account.row])?;
        editing.settle(account.row)?;
        editing.commit()
    }

    /// Makes one account of two: all that `from` is and has belongs to `into`.
    pub(crate) fn merge(&mut self, from: &str, into: &str) -> Result<(), StoreError> {
        let editing = self.begin()?;
        let (gone, heir) = (editing.account(from)?, editing.account(into)?);
        if gone.row == heir.row {
            return Err(StoreError::Same {
                one: from.to_owned(),
                other: into.to_owned(),
                account: heir.name,
            });
        }
        for text in [
            "UPDATE holder SET account = ?2 WHERE account = ?1",
            "UPDATE account_key SET account = ?2 WHERE account = ?1",
            "UPDATE baseline SET account = ?2 WHERE account = ?1",
            "UPDATE account SET since_ns = (SELECT min(since_ns) FROM account WHERE id IN (?1, ?2)) WHERE id = ?2",
        ] {
            editing.execute(text, params![gone.row, heir.row])?;
        }
        // The heir's own quota stays.
        for text in [
            "UPDATE OR IGNORE quota SET account = ?2 WHERE account = ?1",
            "UPDATE OR IGNORE crossing SET account = ?2 WHERE account = ?1",
        ] {
            editing.execute(text, params![gone.row, heir.row])?;
        }
        editing.execute("DELETE FROM quota WHERE account = ?1", [gone.row])?;
        editing.execute("DELETE FROM crossing WHERE account = ?1", [gone.row])?;
        editing.execute("DELETE FROM account WHERE id = ?1", [gone.row])?;
        editing.settle(heir.row)?;
        editing.commit()
    }

    /// Marks what these accounts have counted up to the last batch; all accounts when there is no name. Returns how many.
    pub(crate) fn reset(&mut self, names: &[String], now: Timestamp) -> Result<usize, StoreError> {
        let editing = self.begin()?;
        let mut accounts = Vec::new();
        for name in names {
            accounts.push(editing.account(name)?.row);
        }
        if names.is_empty() {
            accounts = editing.all()?;
        }
        accounts.sort_unstable();
        accounts.dedup();
        let totals = editing.totals()?;
        for account in &accounts {
            editing.mark(*account, &totals, now)?;
        }
        editing.commit()?;
        Ok(accounts.len())
    }

    /// Writes down what somebody else says of a time. Returns its number.
    pub(crate) fn calibrate(
        &mut self,
        range: Range,
        counts: Counts,
        scopes: Option<&BTreeSet<Scope>>,
        bytes: u64,
        note: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let bytes = i64::try_from(bytes).ok().ok_or(StoreError::TooLarge(bytes))?;
        let made = i64::try_from(now.unix_ns()).unwrap_or(i64::MAX);
        let editing = self.begin()?;
        editing.execute(
            "INSERT INTO calibration (made_ns, from_s, to_s, counts, bytes, note, scopes) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![made, range.from, range.to, names::counts(counts), bytes, note, scopes.map(scope_words)],
        )?;
        let number = editing.transaction.last_insert_rowid();
        editing.commit()?;
        Ok(number)
    }

    /// Puts the ledger into another zone: from the next month on, or at once where nothing is counted yet.
    pub(crate) fn set_zone(&mut self, zone: &TimeZone, now: Timestamp) -> Result<ZoneChange, StoreError> {
        let path = self.path.clone();
        let editing = self.begin()?;
        let zones = zones(&editing.transaction, &path)?;
        let written = editing.number("SELECT max(at_ns) FROM progress")?.unwrap_or_default() / 1_000_000_000;
        let now = i64::try_from(now.0.as_secs()).unwrap_or(i64::MAX).max(written);
        let is_empty =
            editing.number("SELECT EXISTS (SELECT 1 FROM traffic) OR EXISTS (SELECT 1 FROM card_traffic)")?;
        let name = zone::name(zone);
        let change = if is_empty == Some(0) {
            editing.execute("DELETE FROM zone", [])?;
            editing.execute("INSERT INTO zone VALUES (0, ?)", [name])?;
            ZoneChange::AtOnce
        } else {
            // A change that was to come does not.
            editing.execute("DELETE FROM zone WHERE from_s > max(?, 0)", [now])?;
            let current = zones.at(now);
            if zone::name(current) == name {
                ZoneChange::None
            } else {
                let lasting = zones.until(now);
                let month = lasting.span(Tier::Month, now).ok_or(PeriodError::Beyond)?;
                editing.execute("INSERT OR IGNORE INTO zone VALUES (0, ?)", [zone::name(zones.at(0))])?;
                editing.execute("INSERT INTO zone VALUES (?, ?)", params![month.to, name])?;
                ZoneChange::From(month.to)
            }
        };
        editing.commit()?;
        Ok(change)
    }

    /// Says whether there was one of this number.
    pub(crate) fn forget_calibration(&mut self, number: i64) -> Result<bool, StoreError> {
        let editing = self.begin()?;
        editing.execute("DELETE FROM calibration WHERE id = ?", [number])?;
        let is_gone = editing.transaction.changes() > 0;
        editing.commit()?;
        Ok(is_gone)
    }

    pub(super) fn begin(&mut self) -> Result<Editing<'_>, StoreError> {
        let path = &self.path;
        match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => Ok(Editing { path, transaction }),
            Err(source) => Err(StoreError::Sqlite { attempt: "write to", path: path.clone(), source }),
        }
    }
}

/// One thing said.
pub(super) struct Editing<'a> {
    path: &'a Path,
    pub(super) transaction: Transaction<'a>,
}

impl Editing<'_> {
    fn find(&self, name: &str) -> Result<Option<Found>, StoreError> {
        account::find(&self.transaction, name).map_err(|source| self.failed(source))
    }

    pub(super) fn account(&self, name: &str) -> Result<Found, StoreError> {
        match self.find(name)? {
            Some(found) => Ok(found),
            None => Err(StoreError::NoAccount {
                name: name.to_owned(),
                known: account::names(&self.transaction).map_err(|source| self.failed(source))?,
            }),
        }
    }

    fn all(&self) -> Result<Vec<i64>, StoreError> {
        self.rows("SELECT id FROM account", [], |row| row.get(0))
    }

    /// Somebody has said whose these are: labels that become known later do not take them away.
    fn settle(&self, account: i64) -> Result<(), StoreError> {
        self.execute("UPDATE holder SET described = 1 WHERE account = ?1", [account])
    }

    /// Writes down a baseline of an account: the total of each of its holders, or nothing where it has none.
    fn mark(
        &self,
        account: i64,
        totals: &BTreeMap<i64, PerDirection<Amount>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let made = i64::try_from(now.unix_ns()).unwrap_or(i64::MAX);
        self.execute(
            "INSERT INTO baseline (account, name, made_ns, at_ns) SELECT id, name, ?2, (SELECT at_ns FROM progress) FROM account \
             WHERE id = ?1",
            [account, made],
        )?;
        let baseline = self.transaction.last_insert_rowid();
        let insert = format!(
            "INSERT INTO baseline_amount (baseline, holder, {}) VALUES (?, ?, {})",
            list(str::to_owned),
            list(|_| "?".to_owned())
        );
        let holders =
            "SELECT id FROM holder WHERE account = ? AND (container IS NOT NULL OR folded IS NOT NULL)";
        for holder in self.rows(holders, [account], |row| row.get::<_, i64>(0))? {
            let amounts = values(&totals.get(&holder).copied().unwrap_or_default())?;
            self.execute(&insert, &parameters(&[&baseline, &holder], &amounts)[..])?;
        }
        Ok(())
    }

    /// Returns the whole total of each holder. Months are kept for ever.
    fn totals(&self) -> Result<BTreeMap<i64, PerDirection<Amount>>, StoreError> {
        let text = format!("SELECT holder, {} FROM holder_traffic WHERE tier = ?", list(str::to_owned));
        let mut totals = BTreeMap::<i64, PerDirection<Amount>>::new();
        for (holder, columns) in
            self.rows(&text, [Tier::Month.number()], |row| Ok((row.get(0)?, read(row, 1)?)))?
        {
            *totals.entry(holder).or_default() += columns.shown();
        }
        Ok(totals)
    }

    fn rows<T>(
        &self,
        text: &str,
        parameters: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            self.transaction.prepare_cached(text)?.query_map(parameters, row)?.collect()
        };
        rows().map_err(|source| self.failed(source))
    }

    /// The first column of the one row that a query gives.
    fn number(&self, text: &str) -> Result<Option<i64>, StoreError> {
        self.transaction.query_row(text, [], |row| row.get(0)).map_err(|source| self.failed(source))
    }

    pub(super) fn execute(&self, text: &str, parameters: impl rusqlite::Params) -> Result<(), StoreError> {
        let executed = || self.transaction.prepare_cached(text)?.execute(parameters);
        executed().map(drop).map_err(|source| self.failed(source))
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        let failed = |source| StoreError::Sqlite { attempt: "write to", path: path.to_owned(), source };
        self.transaction.commit().map_err(failed)
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { attempt: "write to", path: self.path.to_owned(), source }
    }
}
