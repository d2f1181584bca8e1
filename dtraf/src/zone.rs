//! Time zones by their names: those of the IANA database, from the host's copy or else from dtraf's own.
//!
//! A ledger keeps its zone by name. So a host whose zone has none is told apart by its rules.

use std::fs;
use std::path::Path;

use jiff::tz::{Offset, TimeZone};

use crate::clock;

/// How far zones are compared: their rules differ in the past and are the same from some year on.
const BEFORE: i64 = 2 * 366 * 86_400;
const AHEAD: i64 = 10 * 366 * 86_400;

/// Returns the zone of this name.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    // A path or a rule is not a name: another host may not have it.
    let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
    zone.iana_name().is_some().then_some(zone)
}

/// Returns the name of a zone that was found by it.
pub(crate) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// Returns the host's zone: what TZ says, else `/etc/localtime`, else UTC. A `TZ` that cannot be read is left aside. Where only
/// the rules are known, any zone of the same rules stands for them.
pub(crate) fn host() -> TimeZone {
    let zone = TimeZone::try_system().inspect_err(|error| {
        let typed = std::env::var_os("TZ");
        match typed {
            Some(typed) => log::warn!(
                "TZ={} is not a time zone and is ignored; write a name such as Europe/Berlin: {error}",
                typed.display()
            ),
            None => log::debug!("the host does not say its time zone: {error}"),
        }
    });
    let zone = zone.ok().or_else(|| linked(Path::new("/etc/localtime"))).unwrap_or(TimeZone::UTC);
    if zone.is_unknown() {
        return TimeZone::UTC;
    }
    match zone.iana_name().and_then(|name| named(name.trim_start_matches("posix/"))) {
        Some(zone) => zone,
        None => like(&zone, now()).unwrap_or_else(|| {
            log::warn!("the host's time zone has no name, and no zone has its rules: UTC is taken");
            TimeZone::UTC
        }),
    }
}

/// Zone whose file a link points at.
fn linked(path: &Path) -> Option<TimeZone> {
    let target = fs::read_link(path).ok()?;
    let (_, name) = target.to_str()?.rsplit_once("zoneinfo/")?;
    named(name)
}

fn now() -> i64 {
    i64::try_from(clock::now().0.as_secs()).unwrap_or_default()
}

/// Zone with the same rules: the one in `/etc/timezone` if it has them, else the first by name, those of a city before others.
fn like(zone: &TimeZone, now: i64) -> Option<TimeZone> {
    let wanted = rules(zone, now);
    let hint = fs::read_to_string("/etc/timezone").ok().and_then(|text| named(text.trim()));
    let hint = hint.filter(|hint| rules(hint, now) == wanted);
    let found = hint.or_else(|| all().into_iter().find(|zone| rules(zone, now) == wanted))?;
    log::info!("the host's time zone has no name; its rules are those of {}", name(&found));
    Some(found)
}

/// Returns all zones, in an order that is the same on every host.
pub(crate) fn all() -> Vec<TimeZone> {
    let names = jiff::tz::db().available();
    let mut names: Vec<String> = names.map(|name| name.as_str().to_owned()).collect();
    let is_alias =
        |name: &str| !name.contains('/') || ["posix/", "right/"].iter().any(|it| name.starts_with(it));
    names.retain(|name| !is_alias(name));
    // A zone of one offset says no more than is known; then those of cities.
    names.sort_by_key(|name| (name != "Etc/UTC", !name.starts_with("Etc/GMT"), name.clone()));
    names.iter().filter_map(|name| named(name)).collect()
}

/// Returns true if clocks show the same in both zones, from some time before `now` on.
pub(crate) fn is_same(one: &TimeZone, other: &TimeZone, now: i64) -> bool {
    one == other || rules(one, now) == rules(other, now)
}

/// Offset at the beginning, and each change of it up to the end.
fn rules(zone: &TimeZone, now: i64) -> (Option<Offset>, Vec<(i64, Offset)>) {
    let Ok(begin) = jiff::Timestamp::from_second(now.saturating_sub(BEFORE)) else {
        return (None, Vec::new());
    };
    let mut offset = zone.to_offset(begin);
    let first = offset;
    let mut changes = Vec::new();
    for change in zone.following(begin) {
        let second = change.timestamp().as_second();
        if second > now.saturating_add(AHEAD) {
            break;
        }
        // Some change the name alone.
        if change.offset() != offset {
            offset = change.offset();
            changes.push((second, offset));
        }
    }
    (Some(first), changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn a_zone_without_a_name_is_found_by_its_rules() {
        for (rule, name_of) in [
            ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),
            ("EST5EDT,M3.2.0,M11.1.0", "America/New_York"),
            ("<+0530>-5:30", "Asia/Kolkata"),
            ("<+0545>-5:45", "Asia/Kathmandu"),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "Australia/Lord_Howe"),
            ("UTC0", "UTC"),
        ] {
            let found = like(&TimeZone::posix(rule).unwrap(), NOW).unwrap();
            let known = named(name_of).unwrap();
            assert!(is_same(&found, &known, NOW), "{rule}: {}", name(&found));
            assert!(named(name(&found)).is_some(), "{rule}: {}", name(&found));
        }
        assert_eq!(like(&TimeZone::posix("<+0017>-0:17").unwrap(), NOW), None);
    }

    #[test]
    fn other_names_of_a_zone_are_no_other_zone() {
        let [one, other, third] =
            ["Asia/Calcutta", "Asia/Kolkata", "Asia/Kathmandu"].map(|name| named(name).unwrap());
        assert!(is_same(&one, &other, NOW) && !is_same(&other, &third, NOW));
        assert!(named("Mars/Olympus").is_none() && named("CET-1CEST,M3.5.0,M10.5.0/3").is_none());
        // A rule by its form, and a name of the database all the same.
        assert_eq!(named("EST5EDT").as_ref().map(name), Some("EST5EDT"));
    }
}
