//! What accounts are billed, and may use: by the configuration, and by labels of their containers.

use std::collections::BTreeMap;

use super::{Archive, moment};
use crate::accounting::bill::declared::{AccountTerms, Declared};
use crate::accounting::bill::label::{SeenLabel, TermLabel};
use crate::accounting::bill::quota::Source;
use crate::accounting::identity::ContainerId;
use crate::config::labels::{Labels, Trouble};
use crate::store::StoreError;

/// What is said of everybody, by the names that accounts have now.
#[derive(Clone, Debug)]
pub(crate) struct Everybody {
    pub(crate) accounts: BTreeMap<String, AccountTerms>,
    /// Who says what quota an account has.
    pub(crate) sources: BTreeMap<String, Source>,
    /// What was written down of accounts that are not in the ledger.
    pub(crate) strangers: Vec<String>,
    pub(crate) troubles: Vec<Trouble>,
}

impl Archive {
    /// What is written down goes before what labels say.
    pub(crate) fn terms(&self, declared: &Declared) -> Result<Everybody, StoreError> {
        let Labels { mut accounts, troubles } = Labels::new(self.labels()?);
        let says = |source| {
            move |(name, terms): (&String, &AccountTerms)| terms.quota.map(|_| (name.clone(), source))
        };
        let mut sources: BTreeMap<_, _> = accounts.iter().filter_map(says(Source::Label)).collect();
        let mut strangers = Vec::new();
        for (key, written) in &declared.accounts {
            let Some(name) = self.name_of(key)? else {
                strangers.push(key.clone());
                continue;
            };
            sources.extend(says(Source::Config)((&name, written)));
            let terms = accounts.entry(name).or_default();
            *terms = written.clone().or(std::mem::take(terms));
        }
        Ok(Everybody { accounts, sources, strangers, troubles })
    }

    /// What containers say that are there, and what those said last that are not; but not what one said that was made anew
    /// under the same name, and for the same account.
    fn labels(&self) -> Result<Vec<SeenLabel>, StoreError> {
        let text = "SELECT holder, value, network, since_ns, until_ns FROM attribute WHERE kind = ? AND kind NOT IN ('name', 'image', \
                    'project', 'address') ORDER BY holder, since_ns";
        let mut seen = Vec::new();
        for label in TermLabel::ALL {
            let rows: Vec<LabelRow> = self.rows(text, [label.name()], |row| {
                Ok(LabelRow {
                    holder: row.get(0)?,
                    value: row.get(1)?,
                    container: row.get(2)?,
                    since: row.get(3)?,
                    until: row.get(4)?,
                })
            })?;
            for rows in rows.chunk_by(|one, other| one.holder == other.holder) {
                self.said(label, rows, &mut seen)?;
            }
        }
        Ok(seen)
    }

    /// What one holder says. Each of former containers says what it said last.
    fn said(&self, label: TermLabel, rows: &[LabelRow], seen: &mut Vec<SeenLabel>) -> Result<(), StoreError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let holder = self.holder(last.holder)?;
        let Some((account, account_name)) = holder.account else { return Ok(()) };
        let is_there = rows.iter().any(|row| row.until.is_none());
        let until = rows.iter().filter_map(|row| row.until).max().filter(|_| !is_there);
        let said: Vec<(ContainerId, String, &LabelRow, Option<i64>)> = if let Some(id) = holder.container {
            let name = self.latest(last.holder, "name")?.unwrap_or_default();
            vec![(id, name, last, until)]
        } else {
            let id = ContainerId::from_bytes([0; 32]);
            rows.iter().map(|row| (id, row.container.clone(), row, row.until)).collect()
        };
        for (id, container, row, until) in said {
            if until.is_some() && self.was_made_anew(row.holder, account, &container)? {
                continue;
            }
            seen.push(SeenLabel {
                account: account_name.clone(),
                id,
                container,
                label,
                value: row.value.clone(),
                since: moment(row.since),
                until: until.map(moment),
            });
        }
        Ok(())
    }
}

/// A label as an attribute of a holder.
struct LabelRow {
    holder: i64,
    value: String,
    /// Name of a former container.
    container: String,
    since: i64,
    until: Option<i64>,
}
