//! What accounts are billed, and may use: by the configuration, and by labels of their containers.

use std::collections::BTreeMap;

use rusqlite::params;

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
        let name = "(SELECT value FROM attribute AS name WHERE name.holder = holder.id AND name.kind = 'name' ORDER BY \
                    name.until_ns IS NULL DESC, name.since_ns DESC LIMIT 1)";
        let text = format!(
            "SELECT account.name, container, {name} AS called, said.value, max(said.since_ns), CASE WHEN count(*) = \
             count(said.until_ns) THEN (SELECT max(until_ns) FROM attribute AS gone WHERE gone.holder = holder.id AND gone.kind = \
             ?1) END AS until FROM attribute AS said JOIN holder ON holder.id = said.holder JOIN account ON account.id = account WHERE \
             said.kind = ?1 AND container IS NOT NULL GROUP BY holder.id HAVING until IS NULL OR NOT EXISTS (SELECT 1 FROM attribute AS \
             other JOIN holder AS heir ON heir.id = other.holder WHERE other.kind = 'name' AND other.value = called AND \
             heir.account = holder.account AND heir.id > holder.id)"
        );
        let mut seen = Vec::new();
        for label in TermLabel::ALL {
            seen.extend(self.rows(&text, params![label.name()], |row| {
                Ok(SeenLabel {
                    account: row.get(0)?,
                    id: ContainerId::from_bytes(row.get(1)?),
                    container: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                    label,
                    value: row.get(3)?,
                    since: moment(row.get(4)?),
                    until: row.get::<_, Option<i64>>(5)?.map(moment),
                })
            })?);
        }
        Ok(seen)
    }
}
