//! A time in which each account's container is made anew several times a day.
//!
//! Rows are those that dtraf's writer leaves: those of containers that were removed longer ago than days with ports are kept are one for each
//! account.

use anyhow::Result;
use rusqlite::{Connection, params};

use super::spans::{DAYS_WITH_PORTS, Span, TIERS};

/// How many containers there were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Churn {
    pub(super) accounts: i64,
    /// Of each account, one after another.
    pub(super) containers_a_day: i64,
    pub(super) days: i64,
}

/// Holders of accounts, of their former containers, and of containers.
const FORMER: i64 = 100_000;
const CONTAINERS: i64 = 1_000_000;

impl Churn {
    pub(super) fn containers(self) -> i64 {
        self.accounts * self.containers_a_day * self.days
    }

    pub(super) fn fill(self, connection: &Connection, now: i64) -> Result<()> {
        let Self { accounts, containers_a_day, days } = self;
        let begin = now - days * 86_400;
        // Containers of all accounts begin at the same time: number n belongs to account 1 + n % accounts.
        let life = 86_400 / containers_a_day;
        let first = (days - DAYS_WITH_PORTS).max(0) * containers_a_day * accounts;
        let last = self.containers() - 1;
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE container AS WITH RECURSIVE number (n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM number WHERE n < \
             {last}) SELECT {CONTAINERS} + n AS holder, 1 + n % {accounts} AS account, {begin} + n / {accounts} * {life} AS since, \
             {begin} + (n / {accounts} + 1) * {life} AS until FROM number;
             CREATE INDEX container_until ON container (until);
             WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < {accounts}) INSERT INTO account \
             SELECT n, 'shop' || n || '/web', {begin} * 1000000000 FROM number;
             INSERT INTO account_key SELECT name, id FROM account;
             INSERT INTO holder (id, account, described) SELECT id, id, 1 FROM account;
             INSERT INTO holder (id, account, described, folded, project, first_ns) SELECT {FORMER} + id, id, 1, {first} / {accounts}, \
             'shop' || id, since_ns FROM account WHERE {first} > 0;
             INSERT INTO holder (id, container, account, described, gone_ns) SELECT holder, CAST(printf('%032d', holder) AS BLOB), \
             account, 1, CASE WHEN until < {now} THEN until * 1000000000 END FROM container;
             INSERT INTO attribute SELECT holder, 'name', 'shop' || account || '-web-1', '', since * 1000000000, \
             CASE WHEN until < {now} THEN until * 1000000000 END FROM container;
             INSERT INTO attribute SELECT holder, 'image', 'nginx:1.27', '', since * 1000000000, \
             CASE WHEN until < {now} THEN until * 1000000000 END FROM container;
             INSERT INTO attribute SELECT holder, 'project', 'shop' || account, '', since * 1000000000, \
             CASE WHEN until < {now} THEN until * 1000000000 END FROM container;
             INSERT INTO attribute SELECT holder, 'address', '172.18.' || (account % 16) || '.' || (account / 16), 'shop' || account || \
             '_default', since * 1000000000, CASE WHEN until < {now} THEN until * 1000000000 END FROM container;
             INSERT INTO meter (epoch, place, holder, backend, since_ns, until_ns, missed_rx_skb_bytes, missed_rx_skbs, \
             missed_tx_skb_bytes, missed_tx_skbs, missed_is_exact) SELECT 'boot/ebpf/0', 'slot/' || account || '/' || holder, holder, \
             'ebpf', since * 1000000000, CASE WHEN until < {now} THEN until * 1000000000 END, 0, 0, 0, 0, 1 FROM container;"
        ))?;
        for tier in TIERS {
            for span in
                tier.spans(connection, now)?.into_iter().filter(|span| span.start + span.seconds > begin)
            {
                self.span(connection, span)?;
            }
        }
        connection.execute_batch("DROP TABLE container")?;
        Ok(())
    }

    fn span(self, connection: &Connection, Span { tier, start, seconds, has_ports }: Span) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO traffic WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?5), amount \
                 AS (SELECT part, n AS holder, key.id AS key, ?3 * (9000 + (n * 7 + key.id * 13 + ?2 / 300) % 2000) AS bytes FROM \
                 key, number WHERE part < ?4) SELECT ?1, part, ?2, holder, key, bytes, bytes / 1000, 0, bytes / 30, bytes / 2000, 0, \
                 bytes, bytes / 1000, 0, bytes / 30, bytes / 2000, 0 FROM amount ORDER BY part, holder, key",
            )?
            .execute(params![tier, start, seconds, if has_ports { 2 } else { 1 }, self.accounts])?;
        // Days and months of former containers.
        if tier == 3 || !has_ports {
            connection
                .prepare_cached(
                    "INSERT INTO holder_traffic SELECT ?1, ?2, id, ?3 * 10000, ?3 * 10, 0, ?3 * 30, ?3 * 5, 0, ?3 * 10000, ?3 * 10, 0, ?3 * \
                     30, ?3 * 5, 0 FROM holder WHERE folded IS NOT NULL",
                )?
                .execute(params![tier, start, seconds])?;
        }
        if has_ports {
            connection
                .prepare_cached(
                    "INSERT INTO holder_traffic SELECT ?1, ?2, holder, ?3 * 10000, ?3 * 10, 0, ?3 * 30, ?3 * 5, 0, ?3 * 10000, ?3 * \
                     10, 0, ?3 * 30, ?3 * 5, 0 FROM container WHERE until > ?2 AND since < ?2 + ?3 ORDER BY holder",
                )?
                .execute(params![tier, start, seconds])?;
        }
        Ok(())
    }
}
