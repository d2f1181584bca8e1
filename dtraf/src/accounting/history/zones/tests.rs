use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// Whole hours, half and quarter hours, clocks set by half an hour, midnights that are left out or come twice, a date that was
/// left out, and both ends of the day.
const NAMES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Midway",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// From 2009 on, when zones had changes that they have no more.
fn seconds() -> std::ops::Range<i64> {
    at("2009-01-01T00:00:00Z")..at("2032-01-01T00:00:00Z")
}

/// A zone, and changes to others as `dtraf ledger zone` makes them: at the beginning of a month.
fn history() -> impl Strategy<Value = Zones> {
    let change = (seconds(), 0..NAMES.len());
    (0..NAMES.len(), proptest::collection::vec(change, 0..4)).prop_map(|(first, mut changes)| {
        changes.sort_unstable();
        changes.into_iter().fold(Zones::from(zone(NAMES[first])), |zones, (asked, to)| {
            let from = zones.span(Tier::Month, asked).unwrap().to;
            zones.with_change(from, zone(NAMES[to]))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spans_of_each_tier_partition_time(zones in history(), second in seconds(), near in -90_000_i64..90_000) {
        // Also near a change of zones, where there is one.
        let seams: Vec<_> = zones.all().into_iter().filter_map(|(from, _)| from).collect();
        for second in seams.into_iter().map(|seam| seam + near).chain([second]) {
            for tier in Tier::ALL {
                let span = zones.span(tier, second).unwrap();
                prop_assert!(span.from <= second && second < span.to, "{tier:?} {second} {span:?}");
                prop_assert!(span.to - span.from <= tier.longest(), "{tier:?} {second} {span:?}");
                for inside in [span.from, span.from + (span.to - span.from) / 2, span.to - 1] {
                    prop_assert_eq!(zones.span(tier, inside).unwrap(), span);
                }
                prop_assert_eq!(zones.span(tier, span.to).unwrap().from, span.to);
            }
        }
    }

    #[test]
    fn hours_make_up_days_and_days_months(zones in history(), second in seconds()) {
        for (fine, coarse) in [(Tier::Hour, Tier::Day), (Tier::Day, Tier::Month), (Tier::FiveMinutes, Tier::Hour)] {
            let span = zones.span(coarse, second).unwrap();
            prop_assert!(zones.begins(fine, span.from) && zones.begins(fine, span.to), "{fine:?} {span:?}");
        }
    }

    #[test]
    fn every_second_is_in_the_date_that_has_begun_last(zones in history(), second in seconds()) {
        let day = zones.day(second).unwrap();
        prop_assert!(zones.midnight(day).unwrap() <= second);
        prop_assert!(zones.midnight(day.tomorrow().unwrap()).unwrap() > second);
    }
}

#[test]
fn a_change_of_zone_is_one_day_that_is_longer_or_shorter() {
    let seam = at("2027-01-01T00:00:00Z");
    for (name, hours) in [("Europe/Berlin", 23), ("America/New_York", 29)] {
        let zones = Zones::from(zone("UTC")).with_change(seam, zone(name));
        let first = date(2027, 1, 1);
        assert_eq!(zones.midnight(first), Some(seam));
        let day = zones.span(Tier::Day, seam).unwrap();
        assert_eq!((day.from, day.to - day.from), (seam, hours * 3600), "{name}");
        assert_eq!(zones.day(seam - 1), Some(date(2026, 12, 31)));
        assert_eq!(zones.day(day.to), Some(date(2027, 1, 2)));
        let month = zones.span(Tier::Month, seam).unwrap();
        assert_eq!(month.to, Zones::from(zone(name)).midnight(date(2027, 2, 1)).unwrap());
        // Times of the clock on either side of the change are told apart.
        assert!(zones.is_ambiguous(seam - 3600) && zones.is_ambiguous(seam + 3600));
        assert!(!zones.is_ambiguous(seam - 7 * 86_400));
    }
}

#[test]
fn a_second_is_found_by_what_clocks_show() {
    let seam = at("2027-01-01T00:00:00Z");
    let zones = Zones::from(zone("UTC")).with_change(seam, zone("Europe/Berlin"));
    let second = |text: &str| zones.second(text.parse().unwrap()).unwrap();
    assert_eq!(second("2026-12-31T23:30"), at("2026-12-31T23:30:00Z"));
    // Clocks go from 00:00 to 01:00.
    assert_eq!(second("2027-01-01T00:30"), seam);
    assert_eq!(second("2027-01-01T12:00"), at("2027-01-01T11:00:00Z"));
    // The first of two.
    assert_eq!(second("2027-10-31T02:30"), at("2027-10-31T00:30:00Z"));
}

#[test]
fn a_day_on_which_clocks_are_set_has_23_or_25_hours() {
    let zones = Zones::from(zone("Europe/Berlin"));
    let hours = |day| {
        let begin = zones.midnight(day).unwrap();
        (zones.midnight(day.tomorrow().unwrap()).unwrap() - begin) / 3600
    };
    assert_eq!([date(2026, 3, 29), date(2026, 6, 1), date(2026, 10, 25)].map(hours), [23, 24, 25]);
    assert!(zones.is_ambiguous(at("2026-10-25T00:30:00Z")) && zones.is_ambiguous(at("2026-10-25T01:30:00Z")));
    assert!(!zones.is_ambiguous(at("2026-10-25T02:00:00Z")));
}

#[test]
fn seconds_beyond_the_calendar_have_no_span() {
    let zones = Zones::from(zone("Europe/Berlin")).with_change(i64::MAX, zone("UTC"));
    for second in [i64::MIN, i64::MAX] {
        assert_eq!(
            Tier::ALL.map(|tier| tier == Tier::FiveMinutes || zones.span(tier, second).is_none()),
            [true; 4]
        );
        assert_eq!((zones.day(second), zones.rfc3339(second)), (None, second.to_string()));
    }
}
