//! Differences into every tier, and the readings that they end at.

use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use super::Writing;
use super::meters::MeterRow;
use crate::accounting::amount::PerDirection;
use crate::accounting::history::journal::Posting;
use crate::accounting::history::key::Key;
use crate::store::amounts::{list, parameters, values};
use crate::store::error::StoreError;
use crate::store::names::Words;

impl Writing<'_> {
    pub(super) fn counts(
        &mut self,
        meter: MeterRow,
        posting: &Posting,
        path: &Path,
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::Sqlite { attempt: "write to", path: path.to_owned(), source };
        for count in &posting.counts {
            let key = self.key(count.key).map_err(failed)?;
            let part = count.key.part().number();
            let added = values(&PerDirection { rx: count.added.rx.0, tx: count.added.tx.0 })?;
            let counted = values(&count.counted)?;
            let mut add = self.transaction.prepare_cached(&add()).map_err(failed)?;
            for (tier, start) in self.spans.iter().filter(|_| !count.is_nothing()) {
                let tier = tier.number();
                let row = parameters(&[&tier, &part, start, &meter.holder, &key], &added);
                add.execute(&row[..]).map_err(failed)?;
            }
            if count.is_folded() {
                let mut forget = self.transaction.prepare_cached(FORGET).map_err(failed)?;
                forget.execute([meter.id, key]).map_err(failed)?;
                continue;
            }
            let mut mark = self.transaction.prepare_cached(&mark()).map_err(failed)?;
            mark.execute(&parameters(&[&meter.id, &key], &counted)[..]).map_err(failed)?;
        }
        Ok(())
    }

    fn key(&mut self, key: Key) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.keys.get(&key) {
            return Ok(*id);
        }
        let Words { scope, bucket, protocol, port, role, family } = Words::of(key);
        let row = params![key.part().number(), scope, bucket, protocol, port, role, family];
        let found = self
            .transaction
            .prepare_cached(
                "SELECT id FROM key WHERE part = ? AND scope IS ? AND bucket IS ? AND protocol IS ? AND port IS ? AND role \
                 IS ? AND family IS ?",
            )?
            .query_row(row, |row| row.get(0))
            .optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            self.transaction.execute(
                    "INSERT INTO key (part, scope, bucket, protocol, port, role, family) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )?;
            self.transaction.last_insert_rowid()
        };
        self.known.keys.insert(key, id);
        Ok(id)
    }
}

/// Adds to a span. What is unknown in one summand is unknown in the sum.
fn add() -> String {
    format!(
        "INSERT INTO traffic (tier, part, start, holder, key, {}) VALUES (?, ?, ?, ?, ?, {}) ON CONFLICT DO UPDATE SET {}",
        list(str::to_owned),
        list(|_| "?".to_owned()),
        list(|name| format!("{name} = {name} + excluded.{name}")),
    )
}

/// A counter that is no more has no reading to go on from.
const FORGET: &str = "DELETE FROM cursor WHERE meter = ? AND key = ?";

fn mark() -> String {
    format!(
        "INSERT OR REPLACE INTO cursor (meter, key, {}) VALUES (?, ?, {})",
        list(str::to_owned),
        list(|_| "?".to_owned()),
    )
}
