//! What the accounts of containers have that Docker knows now.

use std::collections::BTreeMap;

use super::Archive;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::declared::Declared;
use crate::accounting::history::key::Part;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::kept::{Kept, KeptAccount};
use crate::accounting::statement::period::{CycleDay, Range, cycle, time};
use crate::accounting::statement::plan::Series;
use crate::store::StoreError;

impl Archive {
    /// Today and in the cycle that is under way, each account with all of its containers.
    pub(crate) fn kept(
        &self,
        declared: &Declared,
        now: Timestamp,
        zones: &Zones,
    ) -> Result<Kept, StoreError> {
        let today = self.by_account_row(time("today", now, zones)?)?;
        let day = declared.cycle_day.unwrap_or(CycleDay::FIRST);
        let cycle = self.by_account_row(cycle(day, now, zones)?)?;
        let quotas = self.standings(None, declared, now, zones)?;
        let percents: BTreeMap<_, _> =
            quotas.iter().map(|standing| (standing.account.as_str(), standing.percent())).collect();
        let rows = self.rows(
            "SELECT container, account.id, account.name FROM attribute JOIN holder ON holder.id = attribute.holder JOIN account ON \
             account.id = holder.account WHERE kind = 'name' AND until_ns IS NULL AND container IS NOT NULL",
            [],
            |row| Ok((ContainerId::from_bytes(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
        )?;
        let mut accounts = BTreeMap::<i64, (Vec<ContainerId>, KeptAccount)>::new();
        for (container, account, name) in rows {
            let of = |sums: &Option<BTreeMap<i64, PerDirection<Amount>>>| {
                sums.as_ref().map(|sums| sums.get(&account).copied().unwrap_or_default())
            };
            let (containers, _) = accounts.entry(account).or_insert_with(|| {
                let quota_percent = percents.get(name.as_str()).copied().flatten();
                (Vec::new(), KeptAccount { today: of(&today), cycle: of(&cycle), quota_percent })
            });
            containers.push(container);
        }
        Ok(Kept::new(accounts.into_values()))
    }

    /// `None` where the time is not wholly kept.
    fn by_account_row(
        &self,
        range: Range,
    ) -> Result<Option<BTreeMap<i64, PerDirection<Amount>>>, StoreError> {
        let plan = self.plan(&[range.from, range.to], &[Series::Traffic(Part::Scopes)])?;
        if !plan.is_whole() {
            return Ok(None);
        }
        let rows = Archive::pieces(&plan, None, |selection| {
            Ok(self.books_of_holders(selection)?.into_iter().collect())
        })?;
        let mut accounts = BTreeMap::<i64, PerDirection<Amount>>::new();
        for (holder, amounts) in rows {
            if let Some((account, _)) = self.holder(holder)?.account {
                *accounts.entry(account).or_default() += amounts;
            }
        }
        Ok(Some(accounts))
    }
}
