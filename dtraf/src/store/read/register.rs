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
                Account { name, since: moment(since), keys: Vec::new(), containers: Vec::new(), former: 0 },
            );
        }
        for (row, key) in self.rows("SELECT account, key FROM account_key ORDER BY key", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })? {
            if let Some(account) = accounts.get_mut(&row) {
                account.keys.push(key);
            }
        }
        for (row, former) in self.rows(
            "SELECT account, folded FROM holder WHERE container IS NULL AND account IS NOT NULL AND folded IS NOT NULL",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)),
        )? {
            if let Some(account) = accounts.get_mut(&row) {
                account.former += former;
            }
        }
        for (row, held) in self.held()? {
            if let Some(account) = accounts.get_mut(&row) {
                account.containers.push(held);
            }
        }
        let mut accounts: Vec<Account> = accounts.into_values().collect();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(accounts)
    }

    /// Containers with their accounts' rows, those that came first before others.
    fn held(&self) -> Result<Vec<(i64, Held)>, StoreError> {
        let mut holders = BTreeMap::new();
        for (holder, account, id) in self.rows(
            "SELECT id, account, container FROM holder WHERE container IS NOT NULL AND account IS NOT NULL",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, ContainerId::from_bytes(row.get(2)?))),
        )? {
            let held =
                Held { id, name: None, since: None, until: None, is_there: false, addresses: Vec::new() };
            holders.insert(holder, (account, held));
        }
        // The name that is true now, or was true last, comes last.
        let text = "SELECT holder, kind = 'name', value, network, since_ns, until_ns FROM attribute WHERE kind IN ('name', 'address') \
                    ORDER BY until_ns IS NULL, since_ns, network, value";
        for (holder, is_name, lease) in
            self.rows(text, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, lease(row, 2)?)))?
        {
            let Some((_, held)) = holders.get_mut(&holder) else { continue };
            held.since = [held.since, Some(lease.since)].into_iter().flatten().min();
            held.is_there |= lease.until.is_none();
            held.until = held.until.max(lease.until);
            if is_name {
                held.name = Some(lease.address);
            } else {
                held.addresses.push(lease);
            }
        }
        let mut held: Vec<_> = holders.into_values().collect();
        for (_, held) in &mut held {
            held.until = held.until.filter(|_| !held.is_there);
            held.addresses.sort_by(|one, other| {
                (one.since, &one.network, &one.address).cmp(&(other.since, &other.network, &other.address))
            });
        }
        // Holders' rows are in the order in which they came.
        held.sort_by_key(|(_, held)| held.since);
        Ok(held)
    }

    /// Who had an address within a time. Networks that do not know of each other may have it at once.
    pub(crate) fn tenants(&self, address: IpAddr, time: Range) -> Result<Vec<Tenant>, StoreError> {
        let text = "SELECT value, network, attribute.since_ns, until_ns, container, account.name, holder.id FROM attribute JOIN holder \
                    ON holder.id = holder JOIN account ON account.id = account WHERE kind = 'address' AND value = ?1 AND \
                    attribute.since_ns < ?3 AND (until_ns IS NULL OR until_ns > ?2) ORDER BY attribute.since_ns, network, holder.id";
        let (from, to) = (time.from.saturating_mul(NS), time.to.saturating_mul(NS));
        let tenants = self.rows(text, params![address.to_string(), from, to], |row| {
            let tenant = Tenant {
                lease: lease(row, 0)?,
                id: ContainerId::from_bytes(row.get(4)?),
                account: row.get(5)?,
                name: None,
            };
            Ok((row.get::<_, i64>(6)?, tenant))
        })?;
        let name = "SELECT value FROM attribute WHERE holder = ?1 AND kind = 'name' ORDER BY since_ns < ?2 DESC, until_ns IS NULL DESC, \
                    since_ns DESC LIMIT 1";
        let named = |(holder, tenant): (i64, Tenant)| {
            let name = self.rows(name, [holder, to], |row| row.get(0))?.into_iter().next();
            Ok(Tenant { name, ..tenant })
        };
        tenants.into_iter().map(named).collect()
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
