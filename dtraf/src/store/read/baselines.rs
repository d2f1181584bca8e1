//! Resets, and what came after them.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{AccountRow, Archive, json_array, moment};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::history::key::Part;
use crate::accounting::history::register::{Baseline, SinceReset};
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::store::StoreError;
use crate::store::amounts::{Columns, list, read, summed};

/// Accounts that are asked for.
const CHOSEN: &str = "(?1 IS NULL OR account IN (SELECT value FROM json_each(?1)))";

impl Archive {
    /// All resets of these accounts, the first one first.
    pub(crate) fn baselines(&self, accounts: Option<&[AccountRow]>) -> Result<Vec<Baseline>, StoreError> {
        let accounts = accounts.map(json_array);
        let text = |sums: &str| {
            format!(
                "SELECT baseline.name, made_ns, at_ns, account.name, {sums} FROM baseline JOIN account ON account.id = account JOIN \
                 baseline_amount ON baseline = baseline.id WHERE {CHOSEN} GROUP BY baseline.id ORDER BY baseline.id"
            )
        };
        let rows = summed(&self.connection, text, params![accounts], |row, adding| {
            let times = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
            Ok((row.get(0)?, times, row.get(3)?, adding.read(row, 4)?))
        });
        let baseline = |(name, (made, at), account, columns): (_, _, _, PerDirection<Columns>)| Baseline {
            name,
            account,
            made_at: moment(made),
            written_at: moment(at),
            amounts: columns.shown(),
        };
        Ok(rows.map_err(|source| self.failed(source))?.into_iter().map(baseline).collect())
    }

    /// What each of these accounts has counted since its last reset: its total less what it had then. Who was never reset has
    /// all of it.
    pub(crate) fn since_reset(&self, accounts: Option<&[AccountRow]>) -> Result<Vec<SinceReset>, StoreError> {
        let accounts = accounts.map(json_array);
        let totals = self.holders_totals()?;
        let marks = self.last_marks()?;
        let text = format!(
            "SELECT account.name, account.since_ns, holder.id, (SELECT min(since_ns) FROM meter WHERE meter.holder = holder.id) \
             FROM account JOIN holder ON holder.account = account.id WHERE {CHOSEN}"
        );
        let rows = self.rows(&text, params![accounts], |row| {
            let first = row.get::<_, Option<i64>>(3)?.map(moment);
            Ok((row.get::<_, String>(0)?, moment(row.get(1)?), row.get::<_, i64>(2)?, first))
        })?;
        let mut sums = BTreeMap::<String, (SinceReset, Option<Timestamp>)>::new();
        for (account, begun, holder, first) in rows {
            let total = totals.get(&holder).copied().unwrap_or_default();
            let mark = marks.get(&holder);
            let (since, amounts) = match mark {
                Some((at, before)) => (Some(*at), after(&total, before)),
                None => (first, Some(total)),
            };
            let (sum, earliest) = sums.entry(account.clone()).or_insert_with(|| {
                let amounts = Some(PerDirection::default());
                (SinceReset { account, was_reset: false, since: begun, amounts }, None)
            });
            sum.amounts = sum.amounts.zip(amounts).map(|(sum, more)| [sum, more].into_iter().sum());
            sum.was_reset |= mark.is_some();
            *earliest = [*earliest, since].into_iter().flatten().min();
        }
        let known = |(sum, earliest): (SinceReset, Option<Timestamp>)| match earliest {
            Some(since) if sum.was_reset => SinceReset { since, ..sum },
            _ => sum,
        };
        Ok(sums.into_values().map(known).collect())
    }

    fn holders_totals(&self) -> Result<BTreeMap<i64, PerDirection<Amount>>, StoreError> {
        let text = |sums: &str| {
            format!("SELECT holder, {sums} FROM traffic WHERE tier = ?1 AND part = ?2 GROUP BY holder")
        };
        let parameters = params![Tier::Month.number(), Part::Scopes.number()];
        let rows = summed(&self.connection, text, parameters, |row, adding| {
            Ok((row.get(0)?, adding.read(row, 1)?.shown()))
        });
        Ok(rows.map_err(|source| self.failed(source))?.into_iter().collect())
    }

    /// The last baseline that each holder is in: up to when, and what it had.
    fn last_marks(&self) -> Result<BTreeMap<i64, (Timestamp, PerDirection<Amount>)>, StoreError> {
        let text = format!(
            "SELECT holder, at_ns, {} FROM baseline_amount AS mark JOIN baseline ON baseline.id = baseline WHERE baseline = \
             (SELECT max(baseline) FROM baseline_amount AS other WHERE other.holder = mark.holder)",
            list(str::to_owned)
        );
        let rows = self.rows(&text, [], |row| Ok((row.get(0)?, moment(row.get(1)?), read(row, 2)?)))?;
        Ok(rows.into_iter().map(|(holder, at, columns)| (holder, (at, columns.shown()))).collect())
    }
}

/// `None` where less is kept than there was then.
fn after(total: &PerDirection<Amount>, before: &PerDirection<Amount>) -> Option<PerDirection<Amount>> {
    let after = |total: &Amount, before| total.since(before).map(|delta| delta.0).ok();
    Some(PerDirection { rx: after(&total.rx, &before.rx)?, tx: after(&total.tx, &before.tx)? })
}
