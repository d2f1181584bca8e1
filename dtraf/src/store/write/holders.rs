//! Containers and accounts, and what was true of them when.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use super::{Writing, ns};
use crate::accounting::history::account::AccountKey;
use crate::accounting::history::journal::{AddressPeriod, Batch, Described};
use crate::accounting::identity::{ContainerId, Timestamp};

/// What is written of a container for a time.
struct Attribute<'a> {
    kind: &'a str,
    value: &'a str,
    /// Of an address; otherwise empty.
    network: &'a str,
    since: Timestamp,
    /// `None` while it holds.
    until: Option<Timestamp>,
}

impl<'a> Attribute<'a> {
    fn address(period: &'a AddressPeriod) -> Self {
        let AddressPeriod { network, address, since, until } = period;
        Self { kind: "address", value: address, network, since: *since, until: *until }
    }

    fn is(&self, kind: &str, value: &str, network: &str) -> bool {
        (self.kind, self.value, self.network) == (kind, value, network)
    }
}

impl Writing<'_> {
    pub(super) fn describe(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        for described in &batch.containers {
            let holder = self.container(described)?;
            self.set_attributes(holder, described)?;
        }
        for (id, at) in &batch.gone {
            if let Some(holder) = self.find_holder(*id)? {
                self.end_attributes(holder, *at)?;
            }
            self.known.holders.remove(id);
        }
        if batch.complete {
            let named: BTreeSet<[u8; 32]> =
                batch.containers.iter().map(|described| *described.id.as_bytes()).collect();
            for (holder, id) in self.present_holders()? {
                if !named.contains(&id) {
                    self.end_attributes(holder, self.at)?;
                }
            }
        }
        Ok(())
    }

    /// The holder of a container that was described before.
    pub(super) fn holder_of(&mut self, id: ContainerId) -> rusqlite::Result<i64> {
        if let Some(holder) = self.known.holders.get(&id) {
            return Ok(*holder);
        }
        let holder = if let Some(holder) = self.find_holder(id)? {
            holder
        } else {
            // A meter that ended before anything else was heard of its container.
            let key = AccountKey::of_name(&id.to_short());
            let unknown = Described { id, name: id.to_short(), key, since: self.at, circumstances: None };
            let holder = self.container(&unknown)?;
            self.set_gone(holder, self.at)?;
            holder
        };
        self.known.holders.insert(id, holder);
        Ok(holder)
    }

    fn find_holder(&self, id: ContainerId) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached("SELECT id FROM holder WHERE container = ?")?
            .query_row([id.as_bytes()], |row| row.get(0))
            .optional()
    }

    /// Returns the containers that are there, as far as the ledger knows.
    fn present_holders(&self) -> rusqlite::Result<Vec<(i64, [u8; 32])>> {
        self.transaction
            .prepare_cached(
                "SELECT holder.id, container FROM attribute JOIN holder ON holder.id = holder WHERE kind = 'name' AND until_ns IS \
                 NULL AND container IS NOT NULL",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// The row of a container. It stays with its account, except that labels go before a name that was all that was known.
    fn container(&mut self, described: &Described) -> rusqlite::Result<i64> {
        let is_described = described.circumstances.is_some();
        let found = self
            .transaction
            .prepare_cached("SELECT id, account, described FROM holder WHERE container = ?")?
            .query_row([described.id.as_bytes()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
            })
            .optional()?;
        let holder = match found {
            None => {
                let account = self.account(&described.key)?;
                self.transaction
                    .prepare_cached("INSERT INTO holder (container, account, described) VALUES (?, ?, ?)")?
                    .insert(params![described.id.as_bytes(), account, is_described])?
            }
            Some((holder, account, false)) if is_described => {
                let right = self.account(&described.key)?;
                self.transaction
                    .prepare_cached("UPDATE holder SET account = ?, described = 1 WHERE id = ?")?
                    .execute([right, holder])?;
                self.remove_account_without_holder(account, right)?;
                holder
            }
            // Its name did not decide on the account, and leads nobody there.
            Some((holder, _, true)) if !is_described => holder,
            Some((holder, account, _)) => {
                // Renamed: whoever has the new name later goes on with this account, unless it is another's.
                self.transaction
                    .prepare_cached("INSERT OR IGNORE INTO account_key VALUES (?, ?)")?
                    .execute(params![described.key.as_str(), account])?;
                holder
            }
        };
        self.transaction
            .prepare_cached("UPDATE holder SET gone_ns = NULL WHERE id = ? AND gone_ns IS NOT NULL")?
            .execute([holder])?;
        self.known.holders.insert(described.id, holder);
        Ok(holder)
    }

    fn account(&self, key: &AccountKey) -> rusqlite::Result<i64> {
        let found = self
            .transaction
            .prepare_cached("SELECT account FROM account_key WHERE key = ?")?
            .query_row([key.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(account) = found {
            return Ok(account);
        }
        let account = self
            .transaction
            .prepare_cached("INSERT INTO account (name, since_ns) VALUES (?, ?)")?
            .insert(params![key.as_str(), ns(self.at)])?;
        self.transaction
            .prepare_cached("INSERT INTO account_key VALUES (?, ?)")?
            .execute(params![key.as_str(), account])?;
        Ok(account)
    }

    /// Its baselines go where its holders went.
    fn remove_account_without_holder(&self, account: i64, heir: i64) -> rusqlite::Result<()> {
        if account == heir {
            return Ok(());
        }
        let has_holder: bool = self
            .transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM holder WHERE account = ?)")?
            .query_row([account], |row| row.get(0))?;
        if !has_holder {
            self.transaction.execute("UPDATE baseline SET account = ? WHERE account = ?", [heir, account])?;
            self.transaction.execute("DELETE FROM account_key WHERE account = ?", [account])?;
            self.transaction.execute("DELETE FROM account WHERE id = ?", [account])?;
        }
        Ok(())
    }

    /// What is true now, and what is no more.
    fn set_attributes(&self, holder: i64, described: &Described) -> rusqlite::Result<()> {
        let since = described.since;
        let current = |kind, value| Attribute { kind, value, network: "", since, until: None };
        let mut now = vec![current("name", described.name.as_str())];
        if let Some(circumstances) = &described.circumstances {
            now.push(current("image", &circumstances.image));
            now.extend(circumstances.project.as_deref().map(|project| current("project", project)));
            now.extend(circumstances.addresses.iter().map(Attribute::address));
            now.extend(circumstances.labels.iter().map(|(label, value)| current(label.name(), value)));
        }
        let before: Vec<(i64, String, String, String)> = self
            .transaction
            .prepare_cached(
                "SELECT rowid, kind, value, network FROM attribute WHERE holder = ? AND until_ns IS NULL",
            )?
            .query_map([holder], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (row, kind, value, network) in &before {
            let is_told = described.circumstances.is_some() || kind == "name";
            let found = now.iter().find(|attribute| attribute.is(kind, value, network));
            let until = found.map_or(Some(self.at), |attribute| attribute.until);
            if let Some(until) = until.filter(|_| is_told) {
                self.transaction
                    .prepare_cached("UPDATE attribute SET until_ns = max(?, since_ns) WHERE rowid = ?")?
                    .execute([self.moment(until), *row])?;
            }
        }
        let was_there = |attribute: &Attribute<'_>| {
            before.iter().any(|(_, kind, value, network)| attribute.is(kind, value, network))
        };
        let mut insert = self.transaction.prepare_cached(
            "INSERT OR IGNORE INTO attribute (holder, kind, value, network, since_ns, until_ns) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        for attribute in now.iter().filter(|attribute| !was_there(attribute)) {
            let Attribute { kind, value, network, since, until } = attribute;
            let (since, until) = (self.moment(*since), until.map(|until| self.moment(until)));
            insert.execute(params![
                holder,
                kind,
                value,
                network,
                since,
                until.map(|until| until.max(since))
            ])?;
        }
        Ok(())
    }

    /// As the ledger keeps a moment that lies before the batch.
    fn moment(&self, at: Timestamp) -> i64 {
        ns(at).min(ns(self.at))
    }

    fn end_attributes(&self, holder: i64, at: Timestamp) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE attribute SET until_ns = max(?, since_ns) WHERE holder = ? AND until_ns IS NULL",
            )?
            .execute([self.moment(at), holder])?;
        self.set_gone(holder, at)
    }

    pub(super) fn set_gone(&self, holder: i64, at: Timestamp) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("UPDATE holder SET gone_ns = ?1 WHERE id = ?2 AND gone_ns IS NULL")?
            .execute([self.moment(at), holder])
            .map(drop)
    }

    /// Returns the holder whose rows in `traffic` a holder's amounts are added to: the one that stands for its account, once it is
    /// certain which that is.
    pub(super) fn books_of(&self, holder: i64) -> rusqlite::Result<i64> {
        let account: Option<i64> = self
            .transaction
            .prepare_cached("SELECT account FROM holder WHERE id = ? AND described")?
            .query_row([holder], |row| row.get(0))
            .optional()?
            .flatten();
        account.map_or(Ok(holder), |account| self.holder_of_account(account))
    }

    /// Returns the holder that stands for an account.
    pub(super) fn holder_of_account(&self, account: i64) -> rusqlite::Result<i64> {
        let found = self
            .transaction
            .prepare_cached(
                "SELECT id FROM holder WHERE account = ? AND container IS NULL AND folded IS NULL ORDER BY id LIMIT 1",
            )?
            .query_row([account], |row| row.get(0))
            .optional()?;
        match found {
            Some(holder) => Ok(holder),
            None => self
                .transaction
                .prepare_cached("INSERT INTO holder (account, described) VALUES (?, 1)")?
                .insert([account]),
        }
    }

    /// For one meter, until it is known whose it is.
    pub(super) fn new_placeholder(&self) -> rusqlite::Result<i64> {
        self.transaction.execute("INSERT INTO holder DEFAULT VALUES", [])?;
        Ok(self.transaction.last_insert_rowid())
    }

    pub(super) fn is_placeholder(&self, holder: i64) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT container IS NULL AND account IS NULL AND reason IS NULL FROM holder WHERE id = ?",
            )?
            .query_row([holder], |row| row.get(0))
    }

    /// Who has what nobody will ever be known to have.
    pub(super) fn nobody(&self, reason: &str) -> rusqlite::Result<i64> {
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM holder WHERE reason = ?")?
            .query_row([reason], |row| row.get(0))
            .optional()?;
        if let Some(holder) = found {
            return Ok(holder);
        }
        self.transaction.execute("INSERT INTO holder (reason) VALUES (?)", [reason])?;
        Ok(self.transaction.last_insert_rowid())
    }
}
