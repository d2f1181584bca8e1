//! Who accounts are, and who had which address when.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rusqlite::params;

use super::{Archive, NS, moment};
use crate::accounting::history::register::{Account, Held, Lease, Tenant};
use crate::accounting::identity::ContainerId;
use crate::accounting::statement::period::Range;
use crate::store::StoreError;

impl Archive {
    /// All accounts, by name, with what leads to them and what they have had.
    pub(crate) fn register(&self) -> Result<Vec<Account>, StoreError> {
        let mut accounts = BTreeMap::new();
        for (row, name, since) in self.rows("SELECT id, name, since_ns FROM account", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
        })? {
            accounts.insert(
                row,
                Account { name, since: moment(since), keys: Vec::new(), containers: Vec::new() },
            );
        }
        for (row, key) in self.rows("SELECT account, key FROM account_key ORDER BY key", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })? {
            if let Some(account) = accounts.get_mut(&row) {
                account.keys.push(key);
            }
        }
        let mut leases = self.leases()?;
        for (row, holder, held) in self.held()? {
            if let Some(account) = accounts.get_mut(&row) {
                let addresses = leases.remove(&holder).unwrap_or_default();
                account.containers.push(Held { addresses, ..held });
            }
        }
        let mut accounts: Vec<Account> = accounts.into_values().collect();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(accounts)
    }

    /// Containers with their rows and their accounts', those that came first before others.
    fn held(&self) -> Result<Vec<(i64, i64, Held)>, StoreError> {
        let text = "SELECT account, holder.id, container, \
                    (SELECT value FROM attribute WHERE holder = holder.id AND kind = 'name' ORDER BY until_ns IS NULL DESC, \
                     since_ns DESC LIMIT 1), min(since_ns), CASE WHEN count(*) = count(until_ns) THEN max(until_ns) END, \
                    count(since_ns) FROM holder LEFT JOIN attribute ON attribute.holder = holder.id WHERE container IS NOT NULL \
                    AND account IS NOT NULL GROUP BY holder.id ORDER BY min(since_ns), holder.id";
        self.rows(text, [], |row| {
            let is_known = row.get::<_, i64>(6)? > 0;
            let held = Held {
                id: ContainerId::from_bytes(row.get(2)?),
                name: row.get(3)?,
                since: row.get::<_, Option<i64>>(4)?.map(moment),
                until: row.get::<_, Option<i64>>(5)?.map(moment),
                is_there: is_known && row.get::<_, Option<i64>>(5)?.is_none(),
                addresses: Vec::new(),
            };
            Ok((row.get(0)?, row.get(1)?, held))
        })
    }

    fn leases(&self) -> Result<BTreeMap<i64, Vec<Lease>>, StoreError> {
        let text = "SELECT holder, value, network, since_ns, until_ns FROM attribute WHERE kind = 'address' ORDER BY since_ns, \
                    network, value";
        let mut leases = BTreeMap::<i64, Vec<Lease>>::new();
        for (holder, lease) in self.rows(text, [], |row| Ok((row.get(0)?, lease(row, 1)?)))? {
            leases.entry(holder).or_default().push(lease);
        }
        Ok(leases)
    }

    /// Who had an address within a time. Networks that do not know of each other may have it at once.
    pub(crate) fn tenants(&self, address: IpAddr, time: Range) -> Result<Vec<Tenant>, StoreError> {
        let name = "(SELECT value FROM attribute AS name WHERE name.holder = holder.id AND kind = 'name' ORDER BY \
                    name.since_ns < ?3 DESC, name.until_ns IS NULL DESC, name.since_ns DESC LIMIT 1)";
        let text = format!(
            "SELECT value, network, attribute.since_ns, until_ns, container, account.name, {name} FROM attribute JOIN holder ON \
             holder.id = holder JOIN account ON account.id = account WHERE kind = 'address' AND value = ?1 AND \
             attribute.since_ns < ?3 AND (until_ns IS NULL OR until_ns > ?2) ORDER BY attribute.since_ns, network, holder.id"
        );
        let (from, to) = (time.from.saturating_mul(NS), time.to.saturating_mul(NS));
        self.rows(&text, params![address.to_string(), from, to], |row| {
            Ok(Tenant {
                lease: lease(row, 0)?,
                id: ContainerId::from_bytes(row.get(4)?),
                account: row.get(5)?,
                name: row.get(6)?,
            })
        })
    }
}

fn lease(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Lease> {
    Ok(Lease {
        address: row.get(first)?,
        network: row.get(first + 1)?,
        since: moment(row.get(first + 2)?),
        until: row.get::<_, Option<i64>>(first + 3)?.map(moment),
    })
}
