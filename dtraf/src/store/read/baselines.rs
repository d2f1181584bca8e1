//! Resets, and what came after them.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{AccountRow, Archive, json_array, moment};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::history::register::{Baseline, SinceReset};
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::store::StoreError;
use crate::store::amounts::{list, read};

/// Accounts that are asked for.
const CHOSEN: &str = "(?1 IS NULL OR account IN (SELECT value FROM json_each(?1)))";

impl Archive {
    /// All resets of these accounts, the first one first.
    pub(crate) fn baselines(&self, accounts: Option<&[AccountRow]>) -> Result<Vec<Baseline>, StoreError> {
        let accounts = accounts.map(json_array);
        let text = format!(
            "SELECT baseline.id, baseline.name, made_ns, at_ns, account.name, {} FROM baseline JOIN account ON account.id = account \
             JOIN baseline_amount ON baseline = baseline.id WHERE {CHOSEN} ORDER BY baseline.id",
            list(str::to_owned),
        );
        let rows = self.rows(&text, params![accounts], |row| {
            let baseline = Baseline {
                name: row.get(1)?,
                made_at: moment(row.get(2)?),
                written_at: moment(row.get(3)?),
                account: row.get(4)?,
                amounts: PerDirection::default(),
            };
            Ok((row.get::<_, i64>(0)?, baseline, read(row, 5)?))
        })?;
        let mut baselines = Vec::<(i64, Baseline)>::new();
        for (id, baseline, columns) in rows {
            if baselines.last().is_none_or(|(last, _)| *last != id) {
                baselines.push((id, baseline));
            }
            if let Some((_, sum)) = baselines.last_mut() {
                sum.amounts += columns.shown();
            }
        }
        Ok(baselines.into_iter().map(|(_, baseline)| baseline).collect())
    }

    /// What each of these accounts has counted since its last reset: its total less what it had then. Who was never reset has
    /// all of it.
    pub(crate) fn since_reset(&self, accounts: Option<&[AccountRow]>) -> Result<Vec<SinceReset>, StoreError> {
        let accounts = accounts.map(json_array);
        let totals = self.holders_totals()?;
        let marks = self.last_marks()?;
        let begins: BTreeMap<i64, i64> = self
            .rows("SELECT holder, min(since_ns) FROM meter GROUP BY holder", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .into_iter()
            .collect();
        let text = format!(
            "SELECT account.name, account.since_ns, holder.id, first_ns FROM account JOIN holder ON holder.account = \
             account.id WHERE {CHOSEN}"
        );
        let rows = self.rows(&text, params![accounts], |row| {
            let holder = row.get::<_, i64>(2)?;
            let first =
                [row.get::<_, Option<i64>>(3)?, begins.get(&holder).copied()].into_iter().flatten().min();
            Ok((row.get::<_, String>(0)?, moment(row.get(1)?), holder, first.map(moment)))
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
        let text =
            format!("SELECT start, holder, {} FROM holder_traffic WHERE tier = ?1", list(str::to_owned));
        let mut totals = BTreeMap::<i64, PerDirection<Amount>>::new();
        for ((_, holder), amounts) in
            self.added_up(&text, [Tier::Month.number()], 2, |row| row.get::<_, i64>(1))?
        {
            *totals.entry(holder).or_default() += amounts;
        }
        Ok(totals)
    }

    /// The last baseline that each holder is in: up to when, and what it had.
    fn last_marks(&self) -> Result<BTreeMap<i64, (Timestamp, PerDirection<Amount>)>, StoreError> {
        // In the order of the table, so that the last one of each holder stays.
        let text = format!(
            "SELECT holder, at_ns, {} FROM baseline_amount JOIN baseline ON baseline.id = baseline ORDER BY holder, baseline",
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
