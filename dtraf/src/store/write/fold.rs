//! Holders of containers that were removed long ago become one for each account.
//!
//! Once none of a container's own spans but days and months is kept any more, its totals are added to those of the account's former
//! containers, its shortfall to that of all former meters, and its row is removed: a few in each batch, in the batch's transaction. What
//! reports say of accounts, scopes, ports, projects and resets is the same before and after.

use rusqlite::{OptionalExtension as _, params};

use super::spans::Moved;
use super::{Writing, ns};
use crate::accounting::attribution::Reason;
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::store::amounts::list;
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::view::names;

/// Holders that are folded with one batch.
const STEP: i64 = 16;

/// Meters of removed containers have one row for each quarter of an hour in which they began: no calendar's day begins within one.
const QUARTER_NS: i64 = 900_000_000_000;

/// Reason of the holder that has the meters of former containers, and nothing else.
const FORMER: &str = "former";

/// An old container's account and what it is known by.
struct Former {
    account: i64,
    project: Option<String>,
    name: Option<String>,
    /// The last baseline that it is in.
    baseline: Option<i64>,
}

impl Store {
    /// Returns the holders that were removed longest ago, if that is long enough.
    pub(super) fn foldable(&self, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let until = ns(Timestamp(now.0.saturating_sub(self.retention.of_containers())));
        let rows = || -> rusqlite::Result<Vec<i64>> {
            self.connection
                .prepare_cached("SELECT id FROM holder WHERE gone_ns < ? ORDER BY gone_ns LIMIT ?")?
                .query_map([until, STEP], |row| row.get(0))?
                .collect()
        };
        rows().map_err(|source| self.failed("read", source))
    }

    /// Has SQLite refuse rows that refer to no other, or not.
    pub(super) fn enforce_references(&self, are_enforced: bool) -> Result<(), StoreError> {
        self.connection
            .pragma_update(None, "foreign_keys", are_enforced)
            .map_err(|source| self.failed("write to", source))
    }
}

impl Writing<'_> {
    /// Folds these holders. One that still has a meter comes again later.
    pub(super) fn fold(&mut self, holders: &[i64]) -> rusqlite::Result<()> {
        let (mut folded, mut moved) = (Vec::new(), Vec::new());
        for holder in holders.iter().copied() {
            if self.has_meter(holder)? {
                self.transaction
                    .prepare_cached("UPDATE holder SET gone_ns = ? WHERE id = ?")?
                    .execute([ns(self.at), holder])?;
                continue;
            }
            let (to, books_to) = if let Some(former) = self.former(holder)? {
                let to = self.holder_of_former(&former)?;
                self.keep_labels(holder, to, &former)?;
                (to, self.holder_of_account(former.account)?)
            } else {
                // Of nobody, who has handed over all that there was.
                let to = self.nobody(names::reason(Reason::NoContainer))?;
                (to, to)
            };
            moved.push(Moved { from: holder, total_to: to, books_to });
            folded.push((holder, to));
        }
        if folded.is_empty() {
            return Ok(());
        }
        for tier in Tier::ALL {
            self.move_amounts(tier, i64::MIN + 1, &moved)?;
        }
        for (holder, to) in folded {
            self.fold_baselines(holder, to)?;
            self.fold_meters(holder, to)?;
            self.remove(holder, to)?;
        }
        Ok(())
    }

    fn has_meter(&self, holder: i64) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM meter WHERE holder = ? AND until_ns IS NULL)")?
            .query_row([holder], |row| row.get(0))
    }

    fn former(&self, holder: i64) -> rusqlite::Result<Option<Former>> {
        let account = self
            .transaction
            .prepare_cached("SELECT account FROM holder WHERE id = ?")?
            .query_row([holder], |row| row.get::<_, Option<i64>>(0))
            .optional()?
            .flatten();
        let Some(account) = account else { return Ok(None) };
        let latest = |kind| -> rusqlite::Result<Option<String>> {
            self.transaction
                .prepare_cached(
                    "SELECT value FROM attribute WHERE holder = ? AND kind = ? ORDER BY since_ns DESC LIMIT 1",
                )?
                .query_row(params![holder, kind], |row| row.get(0))
                .optional()
        };
        let (project, name) = (latest("project")?, latest("name")?);
        Ok(Some(Former { account, project, name, baseline: self.last_baseline(holder)? }))
    }

    fn last_baseline(&self, holder: i64) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached("SELECT max(baseline) FROM baseline_amount WHERE holder = ?")?
            .query_row([holder], |row| row.get(0))
    }

    /// Returns the holder of an account's former containers of one project. Those with another last baseline have another: what came
    /// since the last reset is each one's total less what that baseline has.
    fn holder_of_former(&self, former: &Former) -> rusqlite::Result<i64> {
        let holders: Vec<i64> = self
            .transaction
            .prepare_cached(
                "SELECT id FROM holder WHERE account = ? AND container IS NULL AND folded IS NOT NULL AND project IS ?",
            )?
            .query_map(params![former.account, former.project], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for holder in holders {
            if self.last_baseline(holder)? == former.baseline {
                return Ok(holder);
            }
        }
        let holder = self
            .transaction
            .prepare_cached("INSERT INTO holder (account, described, folded, project) VALUES (?, 1, 0, ?)")?
            .insert(params![former.account, former.project])?;
        if let Some(baseline) = former.baseline {
            self.transaction.prepare_cached(&NO_AMOUNT)?.execute([baseline, holder])?;
        }
        Ok(holder)
    }

    /// Keeps what labels said, unless the container was made anew under its name: then that one says what holds.
    fn keep_labels(&self, from: i64, to: i64, former: &Former) -> rusqlite::Result<()> {
        let labels: Vec<(String, String, i64, Option<i64>)> = self
            .transaction
            .prepare_cached(
                "SELECT kind, value, since_ns, until_ns FROM attribute WHERE holder = ? AND kind NOT IN ('name', 'image', \
                 'project', 'address')",
            )?
            .query_map([from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if labels.is_empty() || self.was_made_anew(from, former)? {
            return Ok(());
        }
        for (kind, value, since, until) in labels {
            let name = former.name.as_deref().unwrap_or_default();
            let until = until.unwrap_or_else(|| ns(self.at));
            let newer = self
                .transaction
                .prepare_cached(
                    "UPDATE attribute SET since_ns = max(since_ns, ?5), until_ns = max(until_ns, ?6) WHERE holder = ?1 AND kind = \
                     ?2 AND value = ?3 AND network = ?4",
                )?
                .execute(params![to, kind, value, name, since, until])?;
            if newer == 0 {
                self.transaction
                    .prepare_cached("INSERT INTO attribute VALUES (?, ?, ?, ?, ?, ?)")?
                    .execute(params![to, kind, value, name, since, until])?;
            }
        }
        Ok(())
    }

    fn was_made_anew(&self, holder: i64, former: &Former) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM attribute JOIN holder AS heir ON heir.id = holder WHERE kind = 'name' AND value = ?1 \
                 AND holder > ?2 AND account = ?3)",
            )?
            .query_row(params![former.name, holder, former.account], |row| row.get(0))
    }

    fn fold_baselines(&self, from: i64, to: i64) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(&GIVE_BASELINES)?.execute([from, to])?;
        self.transaction.prepare_cached("DELETE FROM baseline_amount WHERE holder = ?")?.execute([from])?;
        Ok(())
    }

    fn fold_meters(&self, from: i64, to: i64) -> rusqlite::Result<()> {
        let meters: Vec<(i64, i64, bool)> = self
            .transaction
            .prepare_cached("SELECT id, since_ns, missed_is_exact IS NULL FROM meter WHERE holder = ?")?
            .query_map([from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if meters.is_empty() {
            return Ok(());
        }
        let all = self.nobody(FORMER)?;
        for (meter, since, is_unknown) in meters {
            let quarter = since.div_euclid(QUARTER_NS);
            let added = self.transaction.prepare_cached(ADD_METER)?.execute(params![
                meter,
                all,
                quarter * QUARTER_NS,
                (quarter + 1) * QUARTER_NS,
                is_unknown
            ])?;
            if added > 0 {
                self.transaction.prepare_cached("DELETE FROM meter WHERE id = ?")?.execute([meter])?;
            } else {
                self.transaction
                    .prepare_cached("UPDATE meter SET holder = ?, epoch = 'former', place = '' WHERE id = ?")?
                    .execute([all, meter])?;
            }
            self.transaction
                .prepare_cached("UPDATE holder SET first_ns = min(coalesce(first_ns, ?1), ?1) WHERE id = ?2")?
                .execute([since, to])?;
        }
        Ok(())
    }

    fn remove(&mut self, holder: i64, to: i64) -> rusqlite::Result<()> {
        self.transaction.prepare_cached("DELETE FROM attribute WHERE holder = ?")?.execute([holder])?;
        self.transaction.prepare_cached("DELETE FROM holder WHERE id = ?")?.execute([holder])?;
        self.transaction
            .prepare_cached("UPDATE holder SET folded = folded + 1 WHERE id = ? AND folded IS NOT NULL")?
            .execute([to])?;
        self.known.holders.retain(|_, known| *known != holder);
        Ok(())
    }
}

/// Adds a meter to another of the same quarter of an hour, backend and knowledge.
const ADD_METER: &str = "UPDATE meter SET since_ns = min(meter.since_ns, one.since_ns), until_ns = max(meter.until_ns, one.until_ns), \
    missed_rx_skb_bytes = meter.missed_rx_skb_bytes + one.missed_rx_skb_bytes, \
    missed_rx_skbs = meter.missed_rx_skbs + one.missed_rx_skbs, \
    missed_tx_skb_bytes = meter.missed_tx_skb_bytes + one.missed_tx_skb_bytes, \
    missed_tx_skbs = meter.missed_tx_skbs + one.missed_tx_skbs, missed_is_exact = min(meter.missed_is_exact, one.missed_is_exact) \
    FROM meter AS one WHERE one.id = ?1 AND meter.holder = ?2 AND meter.since_ns >= ?3 AND meter.since_ns < ?4 AND meter.backend = \
    one.backend AND (meter.missed_is_exact IS NULL) = ?5";

static NO_AMOUNT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "INSERT INTO baseline_amount (baseline, holder, {}) VALUES (?, ?, {})",
        list(str::to_owned),
        list(|_| "0".to_owned())
    )
});

static GIVE_BASELINES: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "INSERT INTO baseline_amount (baseline, holder, {names}) SELECT baseline, ?2, {names} FROM baseline_amount WHERE holder = \
         ?1 ON CONFLICT DO UPDATE SET {sums}",
        names = list(str::to_owned),
        sums = *super::counts::SUMS,
    )
});
