use std::convert::Infallible;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::accounting::statement::period::{CycleDay, Step, boundaries};

const SCOPES: [Series; 1] = [Series::Traffic(Part::Scopes)];

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn zones(name: &str) -> Zones {
    TimeZone::get(name).unwrap().into()
}

/// A ledger as a writer leaves it: amounts in spans of all tiers.
#[derive(Debug, Default)]
struct Book {
    spans: BTreeMap<(Tier, i64), u64>,
    extent: Extent,
}

impl Book {
    fn new(zones: &Zones, events: &[(i64, u64)]) -> Self {
        let mut book = Self::default();
        for (second, amount) in events {
            for tier in Tier::ALL {
                let start = zones.span(tier, *second).unwrap().from;
                *book.spans.entry((tier, start)).or_default() += amount;
            }
        }
        book.extent.written = events.iter().map(|(second, _)| *second).max();
        book
    }

    fn drop_before(&mut self, tier: Tier, second: i64) {
        self.spans.retain(|(of, start), _| *of != tier || *start >= second);
        self.extent.dropped.insert((tier, SCOPES[0]), second);
    }

    fn plan(&self, zones: &Zones, boundaries: &[i64]) -> Plan {
        let starts = |tier, range: Range| -> Result<Vec<i64>, Infallible> {
            let spans = self.spans.range((tier, range.from)..(tier, range.to));
            Ok(spans.map(|((_, start), _)| *start).collect())
        };
        Plan::new(boundaries, zones, &self.extent, &SCOPES, starts).unwrap()
    }

    fn sum(&self, plan: &Plan, step: Range) -> u64 {
        let inside = |piece: &&Piece| piece.range.from <= step.from && step.to <= piece.range.to;
        let piece = plan.pieces.iter().find(inside).unwrap();
        self.spans.range((piece.tier, step.from)..(piece.tier, step.to)).map(|(_, amount)| amount).sum()
    }
}

fn chosen(book: &Book, zones: &Zones, from: &str, to: &str, step: Option<Step>) -> Vec<Tier> {
    let range = Range { from: at(from), to: at(to) };
    let plan = book.plan(zones, &boundaries(range, step, zones).unwrap());
    plan.pieces.iter().map(|piece| piece.tier).collect()
}

#[test]
fn the_coarsest_spans_that_make_up_the_steps_are_asked() {
    let utc = zones("UTC");
    let book = Book::new(&utc, &[(at("2028-01-15T10:00:00Z"), 1), (at("2028-03-10T12:34:56Z"), 1)]);
    let chosen = |from, to, step| chosen(&book, &utc, from, to, step);
    let fifteenth = Step::Cycle(CycleDay::new(15).unwrap());
    assert_eq!(chosen("2028-01-01T00:00:00Z", "2028-03-01T00:00:00Z", None), [Tier::Month]);
    // Nothing is booked after the last batch.
    assert_eq!(chosen("2028-01-01T00:00:00Z", "2028-03-10T12:34:57Z", None), [Tier::Month]);
    assert_eq!(chosen("2028-01-01T00:00:00Z", "2028-02-01T00:00:00Z", Some(Step::Day)), [Tier::Day]);
    assert_eq!(chosen("2028-01-01T00:00:00Z", "2028-03-01T00:00:00Z", Some(fifteenth)), [Tier::Day]);
    assert_eq!(chosen("2028-03-09T00:00:00Z", "2028-03-10T00:00:00Z", Some(Step::Hour)), [Tier::Hour]);
    assert_eq!(chosen("2028-02-28T10:00:00Z", "2028-02-28T11:30:00Z", None), [Tier::FiveMinutes]);
    // Not to the minute.
    assert!(chosen("2028-02-28T10:03:00Z", "2028-02-28T11:30:00Z", None).is_empty());
}

#[test]
fn a_step_that_is_not_wholly_kept_is_a_gap_that_says_from_when_on_it_would_be() {
    let utc = zones("UTC");
    let events = ["2026-01-20", "2026-02-20", "2026-03-20"].map(|day| (at(&format!("{day}T12:00:00Z")), 1));
    let mut book = Book::new(&utc, &events);
    book.drop_before(Tier::Day, at("2026-01-31T09:00:00Z"));
    for tier in [Tier::Hour, Tier::FiveMinutes] {
        book.drop_before(tier, at("2026-03-13T00:00:00Z"));
    }
    let fifteenth = Step::Cycle(CycleDay::new(15).unwrap());
    let range = Range { from: at("2026-01-15T00:00:00Z"), to: at("2026-03-15T00:00:00Z") };
    let plan = book.plan(&utc, &boundaries(range, Some(fifteenth), &utc).unwrap());
    let cut = at("2026-02-15T00:00:00Z");
    let kept = at("2026-02-01T00:00:00Z");
    assert_eq!(plan.pieces, [Piece { tier: Tier::Day, range: Range { from: cut, to: range.to } }]);
    let gap = Gap { range: Range { from: range.from, to: cut }, why: Why::NotKept { since: kept } };
    assert_eq!((plan.gaps.as_slice(), plan.kept_since()), (&[gap][..], Some(kept)));
    // Whole months are there all the same.
    assert_eq!(chosen(&book, &utc, "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", None), [Tier::Month]);
    // Before the ledger began nothing was dropped.
    let before = plan.clone().counted_since(Some(cut));
    assert_eq!((before.gaps[0].why, before.is_whole()), (Why::NotCounted, true));
    assert!(!plan.counted_since(Some(cut - 1)).is_whole());
}

#[test]
fn a_month_of_another_zone_is_made_of_hours_or_not_known() {
    let utc = zones("UTC");
    let mut book = Book::new(&utc, &[(at("2026-03-31T23:00:00Z"), 1), (at("2026-05-20T00:00:00Z"), 1)]);
    let month = |name| {
        let zone = zones(name);
        let day = |month| zone.midnight(jiff::civil::date(2026, month, 1)).unwrap();
        [day(4), day(5)]
    };
    let tiers = |book: &Book, name| -> Vec<Tier> {
        book.plan(&utc, &month(name)).pieces.iter().map(|piece| piece.tier).collect()
    };
    assert_eq!(tiers(&book, "America/New_York"), [Tier::Hour]);
    // Half hours are not hours.
    for name in ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"] {
        assert_eq!(tiers(&book, name), [Tier::FiveMinutes], "{name}");
    }
    book.drop_before(Tier::FiveMinutes, at("2026-05-19T12:00:00Z"));
    assert_eq!(tiers(&book, "America/New_York"), [Tier::Hour]);
    assert!(tiers(&book, "Asia/Kolkata").is_empty());
    book.drop_before(Tier::Hour, at("2026-05-13T00:00:00Z"));
    assert!(tiers(&book, "America/New_York").is_empty());
    assert_eq!(tiers(&book, "UTC"), [Tier::Month]);
}

#[test]
fn spans_that_were_cut_in_another_zone_answer_nothing() {
    let (utc, berlin) = (zones("UTC"), zones("Europe/Berlin"));
    let events = |days: std::ops::Range<i64>| -> Vec<(i64, u64)> {
        days.map(|day| (at("2026-04-01T12:00:00Z") + day * 86_400, 1)).collect()
    };
    // A process of the first weeks had another TZ.
    let mut book = Book::new(&berlin, &events(0..20));
    let later = Book::new(&utc, &events(20..60));
    for (span, amount) in later.spans {
        *book.spans.entry(span).or_default() += amount;
    }
    book.extent.written = later.extent.written;
    let tiers = |from: &str, to: &str| chosen(&book, &utc, from, to, None);
    // Hours are the same in both.
    assert_eq!(tiers("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"), [Tier::Hour]);
    assert_eq!(tiers("2026-05-01T00:00:00Z", "2026-05-31T00:00:00Z"), [Tier::Day]);
    for tier in [Tier::Hour, Tier::FiveMinutes] {
        book.drop_before(tier, at("2026-05-20T00:00:00Z"));
    }
    assert!(chosen(&book, &utc, "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", None).is_empty());
}

prop_compose! {
    fn question()(
        zone in proptest::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
            "America/Santiago", "Pacific/Apia",
        ]),
        from in at("2026-01-01T00:00:00Z")..at("2026-12-01T00:00:00Z"),
        days in 1..70_i64,
        step in 0..4,
        day in 1..32_u8,
    ) -> (Zones, Range, Option<Step>) {
        let zones = zones(zone);
        let from = zones.span(Tier::Day, from).unwrap().from;
        let to = zones.span(Tier::Day, from + days * 86_400).unwrap().from.max(from + 3600);
        let step = match step {
            0 => None,
            1 => Some(Step::Hour),
            2 => Some(Step::Day),
            _ => Some(Step::Cycle(CycleDay::new(day).unwrap())),
        };
        (zones, Range { from, to }, step)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever was dropped: what is said is the sum of what came in that time, and everything else is a gap.
    #[test]
    fn a_report_in_any_zone_equals_the_direct_sums_or_says_nothing(
        (ledger, ..) in question(),
        (zones, range, step) in question(),
        change in proptest::option::of((at("2026-02-01T00:00:00Z")..at("2026-11-01T00:00:00Z"), question())),
        events in proptest::collection::vec((at("2026-01-01T00:00:00Z")..at("2027-01-01T00:00:00Z"), 1..1000_u64), 1..200),
        dropped in proptest::array::uniform3(at("2025-12-01T00:00:00Z")..at("2027-01-01T00:00:00Z")),
    ) {
        let ledger = match change {
            Some((asked, (other, ..))) => {
                let from = ledger.span(Tier::Month, asked).unwrap().to;
                ledger.with_change(from, other.at(0).clone())
            }
            None => ledger,
        };
        let mut book = Book::new(&ledger, &events);
        for (tier, second) in Tier::ALL.into_iter().zip(dropped) {
            book.drop_before(tier, second);
        }
        let boundaries = boundaries(range, step, &zones).unwrap();
        let plan = book.plan(&ledger, &boundaries);
        for step in boundaries.windows(2) {
            let step = Range { from: step[0], to: step[1] };
            let is_gap = plan.gaps.iter().any(|gap| gap.range == step);
            let inside = |second: i64| step.from <= second && second < step.to;
            let direct: u64 = events.iter().filter(|(at, _)| inside(*at)).map(|(_, amount)| amount).sum();
            if !is_gap {
                prop_assert_eq!(book.sum(&plan, step), direct, "{:?} of {:?}", step, plan);
            }
        }
        // The ledger's own months are never dropped.
        let month = ledger.span(Tier::Month, range.from).unwrap();
        prop_assert!(book.plan(&ledger, &[month.from, month.to]).gaps.is_empty());
    }
}
