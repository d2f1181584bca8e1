//! Sums of what was counted in a time.
//!
//! Rows are read in the order that they are kept in, and added up here: SQLite would need several times as long. By account they
//! come from `traffic`, which has a row for each account, however many containers it had; by container from `holder_traffic`.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use rusqlite::{Row, params};

use super::{Archive, Selection, json_array};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::Billed;
use crate::accounting::history::key::{Key, Part};
use crate::accounting::statement::period::Range;
use crate::accounting::statement::{HolderName, Sum};
use crate::store::StoreError;
use crate::store::amounts::{list, read};
use crate::store::names::{COLUMNS, Words};

/// A sum of each span and of what it is added up by.
type Sums<K> = Vec<((i64, K), PerDirection<Amount>)>;

impl Archive {
    /// By account; by reason where there is none.
    pub(crate) fn by_account(&self, selection: &Selection) -> Result<Vec<Sum<HolderName>>, StoreError> {
        let sums = self.books(selection, Part::Scopes, |row| row.get::<_, i64>(1))?;
        self.named(sums, Self::account_name)
    }

    /// By container, the former ones of an account as one.
    pub(crate) fn by_container(&self, selection: &Selection) -> Result<Vec<Sum<HolderName>>, StoreError> {
        let text = format!(
            "SELECT start, holder, {} FROM holder_traffic WHERE tier = ?1 AND start >= ?2 AND start < ?3 AND {}",
            list(str::to_owned),
            chosen(selection, "?4"),
        );
        let Range { from, to } = selection.range;
        let accounts = selection.accounts.as_deref().map(json_array);
        let parameters = params![selection.tier.number(), from, to, accounts];
        let sums = self.added_up(&text, parameters, 2, |row| row.get::<_, i64>(1))?;
        self.named(sums, Self::holder_name)
    }

    /// By account and scope, for bills.
    pub(crate) fn by_account_and_scope(&self, selection: &Selection) -> Result<Vec<Sum<Billed>>, StoreError> {
        let keys = self.scope_keys()?;
        let sums =
            self.books(selection, Part::Scopes, |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
        let mut names = BTreeMap::new();
        let mut billed = Vec::with_capacity(sums.len());
        for ((start, (holder, key)), amounts) in sums {
            let Some(Key::Scope(scope)) = keys.get(&key) else { continue };
            let name = match names.get(&holder) {
                Some(name) => Clone::clone(name),
                None => names.entry(holder).or_insert(self.account_name(holder)?).clone(),
            };
            billed.push(Sum { start, of: (name, *scope), amounts });
        }
        Ok(billed)
    }

    /// By scope, or by port and bucket.
    pub(crate) fn by_key(&self, selection: &Selection, part: Part) -> Result<Vec<Sum<Key>>, StoreError> {
        let sums = self.books(selection, part, |row| row.get::<_, i64>(2))?;
        let mut keys = BTreeMap::new();
        let mut named = Vec::with_capacity(sums.len());
        for ((start, row), amounts) in sums {
            let key = match keys.get(&row) {
                Some(key) => *key,
                None => *keys.entry(row).or_insert(self.key(row)?),
            };
            named.push(Sum { start, of: key, amounts });
        }
        Ok(named)
    }

    /// The total of each span.
    pub(crate) fn totals(&self, selection: &Selection) -> Result<Vec<Sum<()>>, StoreError> {
        let sums = self.books(selection, Part::Scopes, |_| Ok(()))?;
        Ok(sums.into_iter().map(|((start, of), amounts)| Sum { start, of, amounts }).collect())
    }

    /// The whole time's total of each holder in `traffic`.
    pub(super) fn books_of_holders(
        &self,
        selection: &Selection,
    ) -> Result<BTreeMap<i64, PerDirection<Amount>>, StoreError> {
        let mut totals = BTreeMap::<i64, PerDirection<Amount>>::new();
        for ((_, holder), amounts) in self.books(selection, Part::Scopes, |row| row.get::<_, i64>(1))? {
            *totals.entry(holder).or_default() += amounts;
        }
        Ok(totals)
    }

    /// Rows of `traffic`: the begin of the span, holder, key, amounts.
    fn books<K: Copy + Eq + Hash>(
        &self,
        selection: &Selection,
        part: Part,
        of: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
    ) -> Result<Sums<K>, StoreError> {
        let text = format!(
            "SELECT start, holder, key, {} FROM traffic WHERE tier = ?1 AND part = ?2 AND start >= ?3 AND start < ?4 AND {}",
            list(str::to_owned),
            chosen(selection, "?5"),
        );
        let Range { from, to } = selection.range;
        let accounts = selection.accounts.as_deref().map(json_array);
        let parameters = params![selection.tier.number(), part.number(), from, to, accounts];
        self.added_up(&text, parameters, 3, of)
    }

    /// Adds up rows that begin with a span's begin and have amounts from column `first` on.
    pub(super) fn added_up<K: Copy + Eq + Hash>(
        &self,
        text: &str,
        parameters: impl rusqlite::Params,
        first: usize,
        of: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
    ) -> Result<Sums<K>, StoreError> {
        let failed = |source| self.failed(source);
        let mut sums: Sums<K> = Vec::new();
        let mut places = HashMap::<(i64, K), usize>::new();
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        let mut rows = statement.query(parameters).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let at = (row.get(0).map_err(failed)?, of(row).map_err(failed)?);
            let amounts = read(row, first).map_err(failed)?.shown();
            if let Some((last, sum)) = sums.last_mut()
                && *last == at
            {
                *sum += amounts;
            } else if let Some(place) = places.get(&at) {
                sums[*place].1 += amounts;
            } else {
                places.insert(at, sums.len());
                sums.push((at, amounts));
            }
        }
        Ok(sums)
    }

    fn named(
        &self,
        sums: Sums<i64>,
        name: impl Fn(&Self, i64) -> Result<HolderName, StoreError>,
    ) -> Result<Vec<Sum<HolderName>>, StoreError> {
        let mut known = HashMap::<i64, HolderName>::new();
        let mut named = Vec::with_capacity(sums.len());
        for ((start, holder), amounts) in sums {
            let of = match known.get(&holder) {
                Some(name) => name.clone(),
                None => known.entry(holder).or_insert(name(self, holder)?).clone(),
            };
            named.push(Sum { start, of, amounts });
        }
        Ok(named)
    }

    fn scope_keys(&self) -> Result<BTreeMap<i64, Key>, StoreError> {
        let text = format!("SELECT id, {COLUMNS} FROM key WHERE part = 0");
        let rows = self.rows(&text, [], |row| Ok((row.get(0)?, Words::read(row, 1)?)))?;
        rows.into_iter().map(|(id, words)| Ok((id, words.key(&self.path)?))).collect()
    }

    fn key(&self, row: i64) -> Result<Key, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM key WHERE id = ?");
        let words = || self.connection.prepare_cached(&text)?.query_row([row], |row| Words::read(row, 0));
        words().map_err(|source| self.failed(source))?.key(&self.path)
    }
}

/// A condition for holders of the chosen accounts, whose rows are the parameter's.
fn chosen(selection: &Selection, parameter: &str) -> String {
    if selection.accounts.is_none() {
        return format!("{parameter} IS NULL");
    }
    format!("holder IN (SELECT id FROM holder WHERE account IN (SELECT value FROM json_each({parameter})))")
}
