//! Differences into every tier, and the readings that they end at.
//!
//! A span has an entry for a limited number of ports of each account: further ones share an entry, so that no number of containers
//! or of ports that they talk to makes the ledger grow without end.

use std::path::Path;
use std::sync::LazyLock;

use dtraf_common::abi::{Bucket, Role};
use rusqlite::{OptionalExtension as _, ToSql, params};

use super::Writing;
use super::meters::MeterRow;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::history::journal::Posting;
use crate::accounting::history::key::{Key, Part};
use crate::accounting::snapshot;
use crate::store::amounts::{list, parameters, values};
use crate::store::error::StoreError;
use crate::store::names::Words;
use crate::view::names;

/// Client ports of an account that have an entry of their own in a span. Further ones are counted as client, without a port.
pub(in crate::store) const CLIENT_PORTS: u32 = 256;
/// Served ports of an account, and protocols without ports, that have an entry of their own in a span. Further ones are counted
/// in the bucket `over_quota`.
pub(in crate::store) const SERVED_PORTS: u32 = 4096;
/// Keys, and numbers of entries, that are remembered.
const REMEMBERED: usize = 65_536;

/// Number of port entries in a span of one tier.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct PortEntries {
    start: i64,
    client: u32,
    served: u32,
}

impl Writing<'_> {
    pub(super) fn counts(
        &mut self,
        meter: MeterRow,
        posting: &Posting,
        path: &Path,
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::Sqlite { attempt: "write to", path: path.to_owned(), source };
        let books = self.books_of(meter.holder).map_err(failed)?;
        let mut total = PerDirection::<Amount>::default();
        for count in &posting.counts {
            let key = self.key(count.key).map_err(failed)?;
            if !count.is_nothing() {
                let added = PerDirection { rx: count.added.rx.0, tx: count.added.tx.0 };
                if count.key.part() == Part::Scopes {
                    total += added;
                }
                self.add(books, count.key, &values(&added)?).map_err(failed)?;
            }
            if count.is_folded() {
                let mut forget = self.transaction.prepare_cached(FORGET).map_err(failed)?;
                forget.execute([meter.id, key]).map_err(failed)?;
                continue;
            }
            let counted = values(&count.counted)?;
            let mut mark = self.transaction.prepare_cached(&MARK).map_err(failed)?;
            mark.execute(&parameters(&[&meter.id, &key], &counted)[..]).map_err(failed)?;
        }
        if !(total.rx.is_zero() && total.tx.is_zero()) {
            let total = values(&total)?;
            let mut add = self.transaction.prepare_cached(&ADD_TOTAL).map_err(failed)?;
            for (tier, start) in &self.spans {
                let tier = tier.number();
                let row = parameters(&[&tier, start, &meter.holder], &total);
                add.execute(&row[..]).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Adds to a span of each tier.
    fn add(&mut self, holder: i64, key: Key, added: &[Option<i64>; 12]) -> rusqlite::Result<()> {
        let part = key.part().number();
        for (tier, start) in self.spans.map(|(tier, start)| (tier.number(), start)) {
            let mut row = self.key(key)?;
            if part == Part::Ports.number() {
                let place: [&dyn ToSql; 4] = [&tier, &start, &holder, &row];
                if self.transaction.prepare_cached(&ADD_TO)?.execute(&parameters(&place, added)[..])? > 0 {
                    continue;
                }
                row = self.entry(tier, start, holder, (row, Words::of(key)))?;
            }
            let place: [&dyn ToSql; 5] = [&tier, &part, &start, &holder, &row];
            self.transaction.prepare_cached(&ADD)?.execute(&parameters(&place, added)[..])?;
        }
        Ok(())
    }

    /// Returns the key under which a port is counted that has no entry in this span yet.
    pub(super) fn entry(
        &mut self,
        tier: i64,
        start: i64,
        holder: i64,
        (row, words): (i64, Words),
    ) -> rusqlite::Result<i64> {
        if words.port.is_none() {
            return Ok(row);
        }
        let is_client = words.role.as_deref() == Some(names::role(Role::Client));
        let entries = self.port_entries(tier, start, holder)?;
        let (count, limit) =
            if is_client { (&mut entries.client, CLIENT_PORTS) } else { (&mut entries.served, SERVED_PORTS) };
        if *count < limit {
            *count += 1;
            return Ok(row);
        }
        let over_quota = Key::Bucket(snapshot::Bucket::Program(Bucket::OverQuota));
        let shared = if is_client { Words { port: None, ..words } } else { Words::of(over_quota) };
        self.key_row(Part::Ports, &shared)
    }

    fn port_entries(&mut self, tier: i64, start: i64, holder: i64) -> rusqlite::Result<&mut PortEntries> {
        if self.known.port_entries.len() > REMEMBERED {
            self.known.port_entries.clear();
        }
        let known = self.known.port_entries.get(&(tier, holder)).filter(|entries| entries.start == start);
        let entries = match known {
            Some(entries) => *entries,
            None => self
                .transaction
                .prepare_cached(
                    "SELECT count(*) FILTER (WHERE role = 'client'), count(*) FILTER (WHERE role <> 'client') FROM traffic JOIN key \
                     ON key.id = key WHERE tier = ?1 AND traffic.part = 1 AND start = ?2 AND holder = ?3 AND port IS NOT NULL",
                )?
                .query_row([tier, start, holder], |row| {
                    Ok(PortEntries { start, client: row.get(0)?, served: row.get(1)? })
                })?,
        };
        let place = self.known.port_entries.entry((tier, holder)).or_insert(entries);
        *place = entries;
        Ok(place)
    }

    fn key(&mut self, key: Key) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.keys.get(&key) {
            return Ok(*id);
        }
        if self.known.keys.len() > REMEMBERED {
            self.known.keys.clear();
        }
        let id = self.key_row(key.part(), &Words::of(key))?;
        self.known.keys.insert(key, id);
        Ok(id)
    }

    fn key_row(&self, part: Part, words: &Words) -> rusqlite::Result<i64> {
        let Words { scope, bucket, protocol, port, role, family } = words;
        let row = params![part.number(), scope, bucket, protocol, port, role, family];
        let found = self
            .transaction
            .prepare_cached(
                "SELECT id FROM key WHERE part = ? AND scope IS ? AND bucket IS ? AND protocol IS ? AND port IS ? AND role \
                 IS ? AND family IS ?",
            )?
            .query_row(row, |row| row.get(0))
            .optional()?;
        match found {
            Some(id) => Ok(id),
            None => self
                .transaction
                .prepare_cached(
                    "INSERT INTO key (part, scope, bucket, protocol, port, role, family) VALUES (?, ?, ?, ?, ?, ?, ?)",
                )?
                .insert(row),
        }
    }
}

/// `rx_ip_bytes = rx_ip_bytes + excluded.rx_ip_bytes, …`: what is unknown in one summand is unknown in the sum.
pub(super) static SUMS: LazyLock<String> =
    LazyLock::new(|| list(|name| format!("{name} = {name} + excluded.{name}")));

/// Adds to a span that may not have the key yet.
static ADD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO traffic (tier, part, start, holder, key, {}) VALUES (?, ?, ?, ?, ?, {}) ON CONFLICT DO UPDATE SET {}",
        list(str::to_owned),
        list(|_| "?".to_owned()),
        *SUMS,
    )
});

/// A counter that is no more has no reading to go on from.
const FORGET: &str = "DELETE FROM cursor WHERE meter = ? AND key = ?";

/// Adds to a span that has the port.
static ADD_TO: LazyLock<String> = LazyLock::new(|| {
    let mut number = 4;
    let sums = list(|name| {
        number += 1;
        format!("{name} = {name} + ?{number}")
    });
    format!(
        "UPDATE traffic SET {sums} WHERE tier = ?1 AND part = 1 AND start = ?2 AND holder = ?3 AND key = ?4"
    )
});

/// Adds to the holder's total.
static ADD_TOTAL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO holder_traffic (tier, start, holder, {}) VALUES (?, ?, ?, {}) ON CONFLICT DO UPDATE SET {}",
        list(str::to_owned),
        list(|_| "?".to_owned()),
        *SUMS,
    )
});

static MARK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT OR REPLACE INTO cursor (meter, key, {}) VALUES (?, ?, {})",
        list(str::to_owned),
        list(|_| "?".to_owned()),
    )
});
