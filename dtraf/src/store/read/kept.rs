//! What the accounts of containers have that Docker knows now.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::{Archive, Selection};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::declared::Declared;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::kept::{Kept, KeptAccount};
use crate::accounting::statement::period::{CycleDay, Range, cycle, tier, time};
use crate::store::StoreError;

impl Archive {
    /// Today and in the cycle that is under way, each account with all of its containers.
    pub(crate) fn kept(
        &self,
        declared: &Declared,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Kept, StoreError> {
        let today = self.by_account_row(time("today", now, zone)?, now, zone)?;
        let cycle =
            self.by_account_row(cycle(declared.cycle_day.unwrap_or(CycleDay::FIRST), now, zone)?, now, zone)?;
        let quotas = self.standings(None, declared, now, zone)?;
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
            let of =
                |sums: &BTreeMap<i64, PerDirection<Amount>>| sums.get(&account).copied().unwrap_or_default();
            let (containers, _) = accounts.entry(account).or_insert_with(|| {
                let quota_percent = percents.get(name.as_str()).copied().flatten();
                (Vec::new(), KeptAccount { today: of(&today), cycle: of(&cycle), quota_percent })
            });
            containers.push(container);
        }
        Ok(Kept::new(accounts.into_values()))
    }

    fn by_account_row(
        &self,
        range: Range,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<BTreeMap<i64, PerDirection<Amount>>, StoreError> {
        let tier = tier(&[range.from, range.to], now, zone)?;
        let mut accounts = BTreeMap::<i64, PerDirection<Amount>>::new();
        for (holder, amounts) in self.books_of_holders(&Selection { tier, range, accounts: None })? {
            if let Some((account, _)) = self.holder(holder)?.account {
                *accounts.entry(account).or_default() += amounts;
            }
        }
        Ok(accounts)
    }
}
