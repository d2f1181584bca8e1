//! Quotas, and how much of them is used.

use std::collections::{BTreeMap, BTreeSet};

use super::terms::Everybody;
use super::{AccountRow, Archive, json_array};
use crate::accounting::bill::Billed;
use crate::accounting::bill::declared::Declared;
use crate::accounting::bill::label::TermLabel;
use crate::accounting::bill::quota::{Quota, Source, Standing};
use crate::accounting::history::key::Part;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::{CycleDay, Range};
use crate::accounting::statement::plan::Series;
use crate::accounting::statement::{HolderName, Sum};
use crate::store::StoreError;
use crate::store::names::{counts, scope};

/// A quota's row, as it is written down.
type Row = (String, u64, String, Option<String>, u8, String, Option<String>);

/// Sums of each account, by its name.
type AccountSums = BTreeMap<String, Vec<Sum<Billed>>>;

/// An account, where the cycle began, and per cent.
pub(crate) type Crossing = (String, i64, u32);

impl Archive {
    /// Somebody has a quota.
    pub(crate) fn has_quotas(&self) -> Result<bool, StoreError> {
        let text = "SELECT EXISTS (SELECT 1 FROM quota) OR EXISTS (SELECT 1 FROM attribute WHERE kind = ? AND kind NOT IN ('name', \
                    'image', 'project', 'address'))";
        let found = self.rows(text, [TermLabel::Quota.name()], |row| row.get(0))?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// How those of these accounts stand in the cycles that are under way; all without accounts. What was set for an account goes
    /// before what is declared.
    pub(crate) fn standings(
        &self,
        accounts: Option<&[AccountRow]>,
        declared: &Declared,
        now: Timestamp,
        zones: &Zones,
    ) -> Result<Vec<Standing>, StoreError> {
        let rows: Vec<Row> = self.rows(
            "SELECT name, bytes, counts, scopes, cycle_day, thresholds, hook FROM quota JOIN account ON account.id = account WHERE \
             ?1 IS NULL OR account IN (SELECT value FROM json_each(?1)) ORDER BY name",
            [accounts.map(json_array)],
            |row| {
                let (counts, scopes) = (row.get(2)?, row.get(3)?);
                Ok((row.get(0)?, row.get(1)?, counts, scopes, row.get(4)?, row.get(5)?, row.get(6)?))
            },
        )?;
        // Cycles that are the same are added up once.
        let mut cycles = BTreeMap::<(i64, i64), Option<AccountSums>>::new();
        let mut standings = Vec::new();
        let Everybody { accounts: terms, sources, .. } = self.terms(declared)?;
        let mut quotas = BTreeMap::new();
        for (account, source) in sources {
            let quota = terms[&account].quota(&declared.host, declared.cycle_day);
            if accounts.is_none_or(|chosen| self.account(&account).is_ok_and(|row| chosen.contains(&row))) {
                quotas.extend(quota.map(|quota| (account, (quota, source))));
            }
        }
        for row in rows {
            let (account, quota) = self.quota(row)?;
            quotas.insert(account, (quota, Source::Set));
        }
        for (account, (quota, source)) in quotas {
            let cycle = quota.cycle(now, zones)?;
            let sums = match cycles.entry((cycle.from, cycle.to)) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => new.insert(self.billed(cycle)?),
            };
            let used = sums
                .as_ref()
                .and_then(|sums| quota.used(cycle, sums.get(&account).cloned().unwrap_or_default()));
            standings.push(Standing { account, quota, source, cycle, used });
        }
        Ok(standings)
    }

    /// Thresholds that were told of already: of which account, in the cycle that began then, and at how many per cent.
    pub(crate) fn crossings(&self) -> Result<BTreeSet<Crossing>, StoreError> {
        let text = "SELECT name, cycle_s, percent FROM crossing JOIN account ON account.id = account";
        let rows = self.rows(text, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.into_iter().collect())
    }

    fn quota(&self, row: Row) -> Result<(String, Quota), StoreError> {
        let (account, bytes, word, scopes, cycle_day, thresholds, hook) = row;
        let strange =
            |what, word: &str| StoreError::Word { path: self.path.clone(), what, word: word.to_owned() };
        let known = |words: String| words.split(' ').map(|word| scope(word, &self.path)).collect();
        let percents: Result<BTreeSet<u32>, _> = thresholds.split_whitespace().map(str::parse).collect();
        let hook = hook.map(|text| serde_json::from_str(&text).ok().ok_or_else(|| strange("a hook", &text)));
        let quota = Quota {
            bytes,
            counts: counts(&word, &self.path)?,
            scopes: scopes.map(known).transpose()?,
            cycle_day: CycleDay::new(cycle_day)
                .ok()
                .ok_or_else(|| strange("a day", &cycle_day.to_string()))?,
            thresholds: percents.ok().ok_or_else(|| strange("thresholds", &thresholds))?,
            hook: hook.transpose()?,
        };
        Ok((account, quota))
    }

    /// `None` where the cycle is not wholly kept.
    fn billed(&self, cycle: Range) -> Result<Option<AccountSums>, StoreError> {
        let plan = self.plan(&[cycle.from, cycle.to], &[Series::Traffic(Part::Scopes)])?;
        if !plan.is_whole() {
            return Ok(None);
        }
        let mut sums = BTreeMap::<String, Vec<_>>::new();
        for sum in Archive::pieces(&plan, None, |selection| self.by_account_and_scope(selection))? {
            if let HolderName::Account { account } = &sum.of.0 {
                sums.entry(account.clone()).or_default().push(sum);
            }
        }
        Ok(Some(sums))
    }
}
