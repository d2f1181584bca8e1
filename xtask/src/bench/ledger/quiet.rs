//! A year in which the same containers run and everything is active all the time.

use anyhow::Result;
use rusqlite::{Connection, params};

use super::spans::{Span, TIERS};

/// Accounts, each with one container.
pub(super) const ACCOUNTS: i64 = 1_000;
pub(super) const PORTS: i64 = 10;
/// Holders of containers follow those of accounts.
const CONTAINERS: i64 = 10_000;

pub(super) fn fill(connection: &Connection, now: i64) -> Result<()> {
    let since = (now - 366 * 86_400) * 1_000_000_000;
    for account in 1..=ACCOUNTS {
        let name = format!("shop{}/service{account}", account / 10);
        let container = [0_u8; 24].into_iter().chain(account.to_be_bytes()).collect::<Vec<_>>();
        let holder = CONTAINERS + account;
        connection.execute("INSERT INTO account VALUES (?, ?, ?)", params![account, name, since])?;
        connection.execute("INSERT INTO account_key VALUES (?, ?)", params![name, account])?;
        connection
            .execute("INSERT INTO holder (id, account, described) VALUES (?, ?, 1)", [account, account])?;
        connection.execute(
            "INSERT INTO holder (id, container, account, described) VALUES (?, ?, ?, 1)",
            params![holder, container, account],
        )?;
        connection.execute(
            "INSERT INTO attribute (holder, kind, value, network, since_ns) VALUES (?, 'name', ?, '', ?)",
            params![holder, name, since],
        )?;
        connection.execute(
            "INSERT INTO meter (epoch, place, holder, backend, since_ns, missed_rx_skb_bytes, missed_rx_skbs, missed_tx_skb_bytes, \
             missed_tx_skbs, missed_is_exact) VALUES ('boot/ebpf/0', ?, ?, 'ebpf', ?, 0, 0, 0, 0, 1)",
            params![format!("slot/{account}/1"), holder, since],
        )?;
    }
    for tier in TIERS {
        for span in tier.spans(connection, now)? {
            accounts(connection, span)?;
            containers(connection, span)?;
        }
    }
    Ok(())
}

fn accounts(connection: &Connection, Span { tier, start, seconds, has_ports }: Span) -> Result<()> {
    let parts = if has_ports { 2 } else { 1 };
    // Some 10 kB/s in packets of 1,000 bytes, and no two alike.
    connection
        .prepare_cached(
            "INSERT INTO traffic WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?5), amount AS \
             (SELECT part, n AS holder, key.id AS key, ?3 * (9000 + (n * 7 + key.id * 13 + ?2 / 300) % 2000) AS bytes FROM key, number \
             WHERE part < ?4) SELECT ?1, part, ?2, holder, key, bytes, bytes / 1000, 0, bytes / 30, bytes / 2000, 0, bytes, \
             bytes / 1000, 0, bytes / 30, bytes / 2000, 0 FROM amount ORDER BY part, holder, key",
        )?
        .execute(params![tier, start, seconds, parts, ACCOUNTS])?;
    Ok(())
}

fn containers(connection: &Connection, Span { tier, start, .. }: Span) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO holder_traffic SELECT tier, start, holder + ?3, sum(rx_ip_bytes), sum(rx_skbs), 0, sum(rx_added_bytes), \
             sum(rx_added_packets), 0, sum(tx_ip_bytes), sum(tx_skbs), 0, sum(tx_added_bytes), sum(tx_added_packets), 0 FROM traffic \
             WHERE tier = ?1 AND part = 0 AND start = ?2 GROUP BY holder",
        )?
        .execute(params![tier, start, CONTAINERS])?;
    Ok(())
}
