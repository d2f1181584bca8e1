//! Names of holders, each looked up by its row.

use rusqlite::params;

use super::Archive;
use crate::accounting::attribution::Reason;
use crate::accounting::identity::ContainerId;
use crate::accounting::statement::HolderName;
use crate::store::StoreError;
use crate::view::names;

/// A holder's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HolderRow {
    pub(super) container: Option<ContainerId>,
    pub(super) account: Option<(i64, String)>,
    reason: Option<String>,
    folded: Option<u64>,
    project: Option<String>,
}

impl Archive {
    pub(super) fn holder(&self, holder: i64) -> Result<HolderRow, StoreError> {
        let row = || {
            self.connection
                .prepare_cached(
                    "SELECT container, account.id, account.name, reason, folded, project FROM holder LEFT JOIN account ON account.id = \
                     holder.account WHERE holder.id = ?",
                )?
                .query_row([holder], |row| {
                    let account = row.get::<_, Option<i64>>(1)?.zip(row.get::<_, Option<String>>(2)?);
                    Ok(HolderRow {
                        container: row.get::<_, Option<[u8; 32]>>(0)?.map(ContainerId::from_bytes),
                        account,
                        reason: row.get(3)?,
                        folded: row.get(4)?,
                        project: row.get(5)?,
                    })
                })
        };
        row().map_err(|source| self.failed(source))
    }

    /// Returns the account of a holder.
    pub(super) fn account_name(&self, holder: i64) -> Result<HolderName, StoreError> {
        let HolderRow { account, reason, .. } = self.holder(holder)?;
        Ok(account.map_or_else(|| nobody(reason), |(_, account)| HolderName::Account { account }))
    }

    /// Returns what a holder is called.
    pub(super) fn holder_name(&self, holder: i64) -> Result<HolderName, StoreError> {
        let HolderRow { container, account, reason, folded, project } = self.holder(holder)?;
        Ok(match (container, account) {
            (_, None) => nobody(reason),
            (Some(id), Some((_, account))) => HolderName::Container {
                id,
                name: self.latest(holder, "name")?.unwrap_or_else(|| account.clone()),
                account,
                project: self.latest(holder, "project")?,
            },
            (None, Some((_, account))) if folded.is_some() => HolderName::Former { account, project },
            (None, Some((_, account))) => HolderName::Account { account },
        })
    }

    /// Returns what is true of a container, or was true last.
    pub(super) fn latest(&self, holder: i64, kind: &str) -> Result<Option<String>, StoreError> {
        // Few values each: quicker than to have SQLite sort them.
        let values = self.rows(
            "SELECT until_ns IS NULL, since_ns, value FROM attribute WHERE holder = ?1 AND kind = ?2",
            params![holder, kind],
            |row| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get(2)?)),
        )?;
        let latest = values.into_iter().max_by_key(|(is_true, since, _)| (*is_true, *since));
        Ok(latest.map(|(.., value)| value))
    }

    /// Returns whether another container came after this one, under its name and for its account.
    pub(super) fn was_made_anew(&self, holder: i64, account: i64, name: &str) -> Result<bool, StoreError> {
        let heirs = self.rows(
            "SELECT holder FROM attribute JOIN holder AS heir ON heir.id = holder WHERE kind = 'name' AND value = ?1 AND holder > \
             ?2 AND account = ?3 LIMIT 1",
            params![name, holder, account],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(!heirs.is_empty())
    }
}

fn nobody(reason: Option<String>) -> HolderName {
    HolderName::Nobody { reason: reason.unwrap_or_else(|| names::reason(Reason::NoContainer).to_owned()) }
}
