//! The ledger's time zones on the disk, and what says that spans were cut in a zone.

use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::StoreError;
use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::plan::Series;
use crate::zone;

/// Tiers whose spans tell zones apart, and how many of the latest are looked at.
const EVIDENCE: [Tier; 2] = [Tier::Day, Tier::Month];
const MOST_EVIDENCE: usize = 800;

/// Tiers of which spans are dropped, or were by an earlier release.
const DROPPED: [Tier; 3] = [Tier::FiveMinutes, Tier::Hour, Tier::Day];

/// Returns the ledger's zones. One that does not say any has those that its spans were cut in.
pub(super) fn zones(connection: &Connection, path: &Path) -> Result<Zones, StoreError> {
    let failed = |source| StoreError::Sqlite { attempt: "read", path: path.to_owned(), source };
    match stored(connection, path)? {
        Some(zones) => Ok(zones),
        None => Ok(evident(connection, &zone::host()).map_err(failed)?.into()),
    }
}

fn stored(connection: &Connection, path: &Path) -> Result<Option<Zones>, StoreError> {
    let failed = |source| StoreError::Sqlite { attempt: "read", path: path.to_owned(), source };
    let rows = || -> rusqlite::Result<Vec<(i64, String)>> {
        let mut statement = connection.prepare_cached("SELECT from_s, name FROM zone ORDER BY from_s")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let mut zones: Option<Zones> = None;
    for (from, name) in rows().map_err(failed)? {
        let zone = zone::named(&name)
            .ok_or_else(|| StoreError::UnknownZone { path: path.to_owned(), name: name.clone() })?;
        zones = Some(match zones {
            Some(zones) => zones.with_change(from, zone),
            None => zone.into(),
        });
    }
    Ok(zones)
}

/// Writes down what a ledger does not say that is new, or comes from an earlier release: its zone, and what was dropped of it.
pub(super) fn settle(connection: &mut Connection, host: &TimeZone, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Sqlite { attempt: "migrate", path: path.to_owned(), source };
    let attempt = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        let is_said: bool =
            transaction.query_row("SELECT EXISTS (SELECT 1 FROM zone)", [], |row| row.get(0))?;
        if is_said {
            return Ok(());
        }
        let zone = evident(&transaction, host)?;
        transaction.execute("INSERT INTO zone VALUES (0, ?)", [zone::name(&zone)])?;
        note_all_dropped(&transaction)?;
        transaction.commit()
    };
    attempt(connection).map_err(failed)
}

/// Finds the zone in which most of the spans begin where days and months do; the host's if none explains more.
fn evident(connection: &Connection, host: &TimeZone) -> rusqlite::Result<TimeZone> {
    let mut starts = Vec::new();
    for tier in EVIDENCE {
        let mut before = i64::MAX;
        while let Some(start) = last_start(connection, tier, before)? {
            starts.push((tier, start));
            before = start;
            if starts.len() >= MOST_EVIDENCE {
                break;
            }
        }
    }
    let explained = |zone: &TimeZone| {
        let zones = Zones::from(zone.clone());
        starts.iter().filter(|(tier, start)| zones.begins(*tier, *start)).count()
    };
    let mut best = (explained(host), host.clone());
    if best.0 == starts.len() {
        return Ok(best.1);
    }
    for zone in zone::all() {
        let explains = explained(&zone);
        if explains > best.0 {
            best = (explains, zone);
        }
    }
    Ok(best.1)
}

fn last_start(connection: &Connection, tier: Tier, before: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT max(start) FROM traffic WHERE tier = ?1 AND part = 0 AND start < ?2")?
        .query_row([tier.number(), before], |row| row.get(0))
}

/// Notes what was dropped of all tiers, as far as what is there says it.
pub(super) fn note_all_dropped(connection: &Connection) -> rusqlite::Result<()> {
    for tier in DROPPED {
        for series in Series::ALL {
            note_dropped(connection, tier, series.number())?;
        }
    }
    Ok(())
}

/// A tier that has less than the months has lost its oldest spans.
fn note_dropped(connection: &Connection, tier: Tier, part: i64) -> rusqlite::Result<()> {
    let (table, of_part) = if part == 2 { ("card_traffic", "?2 = 2") } else { ("traffic", "part = ?2") };
    let packets = if part == 2 { ("rx_packets", "tx_packets") } else { ("rx_skbs", "tx_skbs") };
    // Sums of halves, which do not overflow.
    let halves = |name: &str| format!("sum({name} >> 32), sum({name} & 4294967295)");
    let text = format!(
        "SELECT {}, {} FROM {table} WHERE tier = ?1 AND {of_part}",
        halves(packets.0),
        halves(packets.1)
    );
    let total = |tier: Tier| {
        connection.query_row(&text, params![tier.number(), part], |row| {
            let half =
                |at| Ok::<_, rusqlite::Error>(i128::from(row.get::<_, Option<i64>>(at)?.unwrap_or_default()));
            Ok(((half(0)? << 32) + half(1)?, (half(2)? << 32) + half(3)?))
        })
    };
    if total(tier)? == total(Tier::Month)? {
        return Ok(());
    }
    let first = format!("SELECT min(start) FROM {table} WHERE tier = ?1 AND {of_part}");
    let first: Option<i64> = connection.query_row(&first, params![tier.number(), part], |row| row.get(0))?;
    let until = if let Some(first) = first {
        first
    } else {
        let written = connection
            .query_row("SELECT at_ns / 1000000000 FROM progress", [], |row| row.get::<_, i64>(0))
            .optional()?;
        written.map_or(i64::MAX, |written| written.saturating_add(1))
    };
    drop_noted(connection, tier, part, until)
}

/// Notes that spans of a tier were dropped that began before a second.
pub(super) fn drop_noted(connection: &Connection, tier: Tier, part: i64, until: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO dropped VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET until_s = max(until_s, excluded.until_s)",
        )?
        .execute(params![tier.number(), part, until])
        .map(drop)
}
