//! Quotas as the ledger has them, and what is written down of them.

use std::collections::BTreeSet;

use dtraf_common::abi::Scope;
use rusqlite::params;

use super::edit::Editor;
use super::error::StoreError;
use crate::accounting::bill::quota::{Quota, Standing};
use crate::accounting::identity::Timestamp;
use crate::view::names;

/// Words of a column, apart by blanks.
pub(super) fn words<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

pub(super) fn scope_words(scopes: &BTreeSet<Scope>) -> String {
    words(scopes.iter().copied().map(names::scope))
}

impl Editor {
    /// In the place of the one that the account had.
    pub(crate) fn set_quota(&mut self, account: &str, quota: &Quota) -> Result<(), StoreError> {
        let Quota { bytes, counts, cycle_day, thresholds, hook, .. } = quota;
        let bytes = i64::try_from(*bytes).ok().ok_or(StoreError::TooLarge(*bytes))?;
        let hook = hook.as_ref().map(|words| serde_json::to_string(words).expect("words are text"));
        let editing = self.begin()?;
        let row = editing.account(account)?.row;
        editing.execute(
            "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                row,
                bytes,
                names::counts(*counts),
                quota.scopes.as_ref().map(scope_words),
                cycle_day.day(),
                words(thresholds),
                hook
            ],
        )?;
        // What was passed of another allowance may be passed again.
        editing.execute("DELETE FROM crossing WHERE account = ?", [row])?;
        editing.commit()
    }

    /// Says whether there was one.
    pub(crate) fn remove_quota(&mut self, account: &str) -> Result<bool, StoreError> {
        let editing = self.begin()?;
        let row = editing.account(account)?.row;
        editing.execute("DELETE FROM crossing WHERE account = ?", [row])?;
        editing.execute("DELETE FROM quota WHERE account = ?", [row])?;
        let is_gone = editing.transaction.changes() > 0;
        editing.commit()?;
        Ok(is_gone)
    }

    /// Writes down that a threshold was passed. Says whether this is the first to say so in the cycle.
    pub(crate) fn cross(
        &mut self,
        standing: &Standing,
        percent: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let at = i64::try_from(now.unix_ns()).unwrap_or(i64::MAX);
        let editing = self.begin()?;
        let row = editing.account(&standing.account)?.row;
        editing.execute(
            "INSERT OR IGNORE INTO crossing VALUES (?, ?, ?, ?)",
            params![row, standing.cycle.from, percent, at],
        )?;
        let is_first = editing.transaction.changes() > 0;
        editing.commit()?;
        Ok(is_first)
    }
}
