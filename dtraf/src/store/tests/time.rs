//! Time zones, what is kept, and sums: with real files.

use rusqlite::Connection;

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::bill::declared::Declared;
use crate::accounting::bill::quota::Quota;
use crate::accounting::bill::{Bill, Counts, Tariff};
use crate::accounting::card::{CardReading, Carried, First};
use crate::accounting::fixtures::ifindex;
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::period::{CycleDay, Range, Step, boundaries, range};
use crate::accounting::statement::plan::{Plan, Series};
use crate::accounting::statement::{By, Found, HolderName, Question};

const SCOPES: [Series; 1] = [Series::Traffic(Part::Scopes)];

fn second(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn moment(text: &str) -> Timestamp {
    of(second(text))
}

fn of(second: i64) -> Timestamp {
    Timestamp(Duration::from_secs(u64::try_from(second).unwrap()))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// Opens a ledger as a host in this zone does.
fn open_in(path: &Path, host: &str) -> Store {
    Store::open(path, epoch(1), zone(host), Retention::default()).unwrap()
}

/// A ledger that a process in a zone has written.
struct Host {
    bench: Bench,
    count: u64,
}

impl Host {
    fn new(host: &str) -> Self {
        let directory = tempdir().unwrap();
        let store = open_in(&directory.path().join("ledger.db"), host);
        let inventory = inventory([container(1, "web")]);
        let bench =
            Bench { directory, store, journal: Journal::default(), ledger: Ledger::default(), inventory };
        Self { bench, count: 0 }
    }

    /// Books one packet more received, and two transmitted.
    fn book(&mut self, at: i64) {
        self.count += 1;
        self.bench.count(&web(), self.count, 2 * self.count);
        self.bench.flush(of(at));
    }

    fn book_every(&mut self, from: &str, to: &str, seconds: usize) {
        for at in (second(from)..second(to)).step_by(seconds) {
            self.book(at);
        }
    }

    fn archive(&self) -> Archive {
        Archive::open(&self.bench.path()).unwrap()
    }
}

/// Packets received in each step; `None` where that is not known.
fn received(
    archive: &Archive,
    zones: &Zones,
    range: Range,
    step: Option<Step>,
    series: &[Series],
) -> Vec<Option<u64>> {
    let boundaries = boundaries(range, step, zones).unwrap();
    let plan = archive.plan(&boundaries, series).unwrap();
    let sums = Archive::pieces(&plan, None, |asked| archive.totals(asked)).unwrap();
    let steps = boundaries.windows(2).map(|step| {
        let inside = |start: i64| step[0] <= start && start < step[1];
        let is_gap = plan.gaps.iter().any(|gap| gap.range.from == step[0]);
        (!is_gap).then(|| sums.iter().filter(|sum| inside(sum.start)).map(|sum| sum.amounts.rx.skbs).sum())
    });
    steps.collect()
}

fn named(from: &str, zones: &Zones, now: &str) -> Range {
    range(Some(from), Some(from), CycleDay::FIRST, moment(now), zones).unwrap()
}

fn bill(archive: &Archive, range: Range, step: Option<Step>) -> Bill {
    let boundaries = boundaries(range, step, archive.zones()).unwrap();
    let plan = archive.plan(&boundaries, &SCOPES).unwrap();
    let ask = |asked: &_| archive.by_account_and_scope(asked);
    let found = Found {
        sums: Archive::pieces(&plan, None, ask).unwrap(),
        around: archive.around(&plan, None, ask).unwrap(),
        plan,
    };
    let question = Question { range, step, boundaries, by: By::Account, top: None };
    Bill::new(&question, &Tariff::default(), found, &archive.circumstances(range).unwrap())
}

#[test]
fn a_ledger_keeps_the_zone_of_the_host_that_it_was_made_on() {
    let mut host = Host::new("Asia/Kolkata");
    host.book(second("2026-04-10T12:00:00Z"));
    let path = host.bench.path();
    let Host { bench: Bench { directory, store, .. }, .. } = host;
    assert!(store.other_zone(moment("2026-04-10T12:00:00Z")).unwrap().is_none());
    drop(store);
    // Another name of the same zone is no other zone.
    let store = open_in(&path, "Asia/Calcutta");
    assert!(store.other_zone(moment("2026-04-10T12:00:00Z")).unwrap().is_none());
    drop(store);
    let store = open_in(&path, "America/New_York");
    let other = store.other_zone(moment("2026-04-10T12:00:00Z")).unwrap();
    assert_eq!(other, Some(zone("Asia/Kolkata")));
    assert_eq!(*Archive::open(&path).unwrap().zones(), zone("Asia/Kolkata").into());
    drop(directory);
}

#[test]
fn a_month_is_the_same_wherever_it_is_read_and_in_another_zone_it_comes_from_hours_or_is_not_known() {
    let mut host = Host::new("UTC");
    host.book_every("2026-04-01T00:30:00Z", "2026-05-05T00:00:00Z", 3 * 3600);
    let archive = host.archive();
    let ours = archive.zones().clone();
    let april = named("2026-04", &ours, "2026-05-05T00:00:00Z");
    assert_eq!(received(&archive, &ours, april, None, &SCOPES), [Some(240)]);
    for name in ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
        let zones = Zones::from(zone(name));
        let month = named("2026-04", &zones, "2026-05-05T00:00:00Z");
        assert_eq!(received(&archive, &zones, month, None, &SCOPES), [None], "{name}");
    }
    // Its days are answered from hours, as far back as those are kept.
    let york = Zones::from(zone("America/New_York"));
    let days = Range { from: second("2026-04-26T04:00:00Z"), to: second("2026-05-03T04:00:00Z") };
    let daily = received(&archive, &york, days, Some(Step::Day), &SCOPES);
    assert_eq!(daily, [&[None; 2][..], &[Some(8); 5]].concat());
    // Half hours are not.
    let kolkata = Zones::from(zone("Asia/Kolkata"));
    let day = named("2026-05-03", &kolkata, "2026-05-05T00:00:00Z");
    assert_eq!(received(&archive, &kolkata, day, None, &SCOPES), [None]);
}

#[test]
fn a_change_of_zone_begins_with_the_next_month_and_reports_over_it_are_whole() {
    let mut host = Host::new("UTC");
    host.book_every("2026-11-20T00:30:00Z", "2026-12-10T00:00:00Z", 3600);
    let path = host.bench.path();
    let set =
        |name: &str, now: &str| Editor::open(&path).unwrap().set_zone(&zone(name), moment(now)).unwrap();
    let seam = second("2027-01-01T00:00:00Z");
    assert_eq!(set("UTC", "2026-12-10T00:00:00Z"), ZoneChange::None);
    assert_eq!(set("Asia/Tokyo", "2026-12-10T00:00:00Z"), ZoneChange::From(seam));
    // Another change takes its place, and one back is none.
    assert_eq!(set("UTC", "2026-12-10T00:00:00Z"), ZoneChange::None);
    assert_eq!(set("America/New_York", "2026-12-10T00:00:00Z"), ZoneChange::From(seam));
    // The process that writes need not be told.
    host.book_every("2026-12-10T00:30:00Z", "2027-01-20T00:00:00Z", 3600);
    let archive = host.archive();
    let zones = archive.zones().clone();
    assert_eq!(zones, Zones::from(zone("UTC")).with_change(seam, zone("America/New_York")));
    let year = Range { from: second("2026-12-01T00:00:00Z"), to: second("2027-02-01T05:00:00Z") };
    let monthly = received(&archive, &zones, year, Some(Step::Cycle(CycleDay::FIRST)), &SCOPES);
    assert_eq!(monthly, [Some(31 * 24), Some(19 * 24)]);
    let fifteenth = CycleDay::new(15).unwrap();
    let cycle = Range { from: second("2026-12-15T00:00:00Z"), to: second("2027-01-15T05:00:00Z") };
    let cycles = received(&archive, &zones, cycle, Some(Step::Cycle(fifteenth)), &SCOPES);
    assert_eq!(cycles, [Some(31 * 24 + 5)]);
    // The first of January goes on until midnight in New York.
    let days = Range { from: second("2026-12-31T00:00:00Z"), to: second("2027-01-03T05:00:00Z") };
    let daily = received(&archive, &zones, days, Some(Step::Day), &SCOPES);
    assert_eq!(daily, [Some(24), Some(29), Some(24)]);
    // In the old zone days after the change are known from hours alone.
    let utc = Zones::from(zone("UTC"));
    let days = Range { from: second("2026-12-31T00:00:00Z"), to: second("2027-01-02T00:00:00Z") };
    assert_eq!(received(&archive, &utc, days, Some(Step::Day), &SCOPES), [Some(24), None]);
}

#[test]
fn a_ledger_without_counts_changes_its_zone_at_once() {
    let host = Host::new("UTC");
    let change = Editor::open(&host.bench.path()).unwrap().set_zone(&zone("Asia/Kolkata"), at(0)).unwrap();
    assert_eq!(change, ZoneChange::AtOnce);
    assert_eq!(*host.archive().zones(), zone("Asia/Kolkata").into());
}

#[test]
fn a_cycle_of_two_years_ago_is_billed_to_the_byte() {
    let mut host = Host::new("Europe/Berlin");
    host.book_every("2024-10-01T10:00:00Z", "2026-11-20T00:00:00Z", 6 * 3600);
    let archive = host.archive();
    let range = Range { from: second("2024-11-14T23:00:00Z"), to: second("2024-12-14T23:00:00Z") };
    let made = bill(&archive, range, None);
    let packets = 30 * 4;
    assert_eq!(made.totals[0].bytes, Some(PerDirection { rx: packets * 1000, tx: 2 * packets * 1000 }));
    assert_eq!((made.lines.len(), made.kept_since), (1, None));
    // By container, too.
    let plan = archive.plan(&[range.from, range.to], &SCOPES).unwrap();
    let containers = Archive::pieces(&plan, None, |asked| archive.by_container(asked)).unwrap();
    assert!(containers.iter().all(|sum| matches!(sum.of, HolderName::Container { .. })));
    assert_eq!(containers.iter().map(|sum| sum.amounts.rx.skbs).sum::<u64>(), packets);
    // Ports are dropped as before, and nothing is said of what is left of them.
    let ports = [Series::Traffic(Part::Scopes), Series::Traffic(Part::Ports)];
    assert_eq!(received(&archive, archive.zones(), range, None, &ports), [None]);
    let cycle = Step::Cycle(CycleDay::new(15).unwrap());
    let all = Range { from: second("2024-10-14T22:00:00Z"), to: second("2026-11-14T23:00:00Z") };
    let cycles = received(&archive, archive.zones(), all, Some(cycle), &SCOPES);
    assert_eq!(cycles.iter().map(|known| known.unwrap()).sum::<u64>(), 761 * 4 + 1);
    let with_ports = received(&archive, archive.zones(), all, Some(cycle), &ports);
    // 186 days before the last batch are in the cycle that began in May.
    assert_eq!(with_ports.iter().filter(|known| known.is_some()).count(), 5);
    let both = with_ports.iter().zip(&cycles).filter(|(some, _)| some.is_some());
    assert!(both.clone().all(|(some, all)| some == all), "{with_ports:?}");
}

#[test]
fn what_an_earlier_release_has_dropped_is_not_known_and_its_days_are_those_of_its_zone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    // As `dtraf run` of that release has left it in Berlin: from 2025-01-05 on, with days of the last half year.
    Connection::open(&path).unwrap().execute_batch(include_str!("layout-3-time.sql")).unwrap();
    // The host has moved meanwhile.
    let store = open_in(&path, "America/New_York");
    let archive = Archive::open(&path).unwrap();
    let zones = archive.zones().clone();
    let name = crate::zone::name(zones.at(0)).to_owned();
    assert!(
        crate::zone::is_same(zones.at(0), &zone("Europe/Berlin"), second("2026-11-20T00:00:00Z")),
        "{name}"
    );
    assert!(store.other_zone(moment("2026-11-20T12:00:00Z")).unwrap().is_some());
    let cycle = Step::Cycle(CycleDay::new(15).unwrap());
    let all = Range { from: second("2026-03-14T23:00:00Z"), to: second("2026-11-14T23:00:00Z") };
    let cycles = received(&archive, &zones, all, Some(cycle), &SCOPES);
    assert_eq!(
        cycles.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, false, false, true, true, true, true, true]
    );
    // The bill says who had something then, and since when such cycles are whole.
    let old = bill(
        &archive,
        Range { from: second("2026-04-14T22:00:00Z"), to: second("2026-05-14T22:00:00Z") },
        None,
    );
    assert_eq!((old.lines[0].bytes, old.totals[0].bytes, old.totals[0].due), (None, None, None));
    assert_eq!(old.lines[0].group, Some(crate::accounting::statement::Group::Account("web".to_owned())));
    assert!(old.kept_since.is_some_and(|since| since > second("2026-05-14T22:00:00Z")));
    // Months are whole from the beginning, and a month before it was not counted.
    let months = Range { from: second("2024-12-31T23:00:00Z"), to: second("2026-10-31T23:00:00Z") };
    let monthly = received(&archive, &zones, months, Some(Step::Cycle(CycleDay::FIRST)), &SCOPES);
    let total = number(&store, "SELECT sum(rx_skbs) FROM traffic WHERE tier = 3 AND part = 0");
    let november =
        received(&archive, &zones, named("2026-11", &zones, "2026-11-20T12:00:00Z"), None, &SCOPES);
    let counted: u64 = monthly.iter().chain(&november).map(|known| known.unwrap()).sum();
    assert_eq!(counted, u64::try_from(total).unwrap());
    let before = named("2024-06", &zones, "2026-11-20T12:00:00Z");
    let plan = archive.plan(&[before.from, before.to], &SCOPES).unwrap();
    let question = Question {
        range: before,
        step: None,
        boundaries: vec![before.from, before.to],
        by: By::Account,
        top: None,
    };
    let gaps =
        question.gaps(&plan, &archive.circumstances(before).unwrap(), &std::collections::BTreeSet::new());
    assert_eq!(gaps[0].why, crate::accounting::statement::plan::Why::NotCounted);
    // It goes on in its zone.
    drop((archive, store));
    let mut bench = Bench { store: open_in(&path, "America/New_York"), directory, ..Bench::new() };
    bench.journal.resume(bench.store.resume().unwrap());
    bench.count(&web(), 1_000, 2_000);
    bench.flush(moment("2026-11-20T23:30:00Z"));
    let day = "SELECT count(*) FROM traffic WHERE tier = 2 AND part = 0 AND start = unixepoch('2026-11-20T23:00:00Z')";
    assert_eq!(number(&bench.store, day), 1);
}

#[test]
fn the_zone_of_a_recovered_ledger_is_the_one_before_or_what_its_spans_say() {
    for lost in [false, true] {
        let mut host = Host::new("Asia/Kathmandu");
        host.book_every("2026-04-01T00:30:00Z", "2026-04-20T00:00:00Z", 6 * 3600);
        let path = host.bench.path();
        let page =
            number(&host.bench.store, "SELECT rootpage FROM sqlite_schema WHERE name = 'attribute_by_label'");
        if lost {
            host.bench.store.connection.execute("DELETE FROM zone", []).unwrap();
        }
        host.bench.store.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let Host { bench: Bench { directory, store, .. }, .. } = host;
        drop(store);
        let mut file = fs::read(&path).unwrap();
        let begin = usize::try_from(page - 1).unwrap() * 4096;
        file[begin..begin + 4096].fill(0xff);
        fs::write(&path, file).unwrap();
        assert!(matches!(recover(&path, at(0)).unwrap(), Recovery::Recovered(_)));
        let _store = open_in(&path, "UTC");
        let archive = Archive::open(&path).unwrap();
        assert_eq!(*archive.zones(), zone("Asia/Kathmandu").into(), "{lost}");
        let april = named("2026-04", archive.zones(), "2026-04-20T00:00:00Z");
        assert_eq!(received(&archive, archive.zones(), april, None, &SCOPES), [Some(76)]);
        drop(directory);
    }
}

#[test]
fn the_quota_of_a_cycle_is_the_same_whatever_the_hosts_zone_is() {
    let mut host = Host::new("UTC");
    host.book_every("2026-11-01T00:30:00Z", "2026-11-20T00:00:00Z", 3600);
    let quota = Quota {
        bytes: 1000,
        counts: Counts::Rx,
        scopes: None,
        cycle_day: CycleDay::FIRST,
        thresholds: std::collections::BTreeSet::from([100]),
        hook: None,
    };
    Editor::open(&host.bench.path()).unwrap().set_quota("web", &quota).unwrap();
    let archive = host.archive();
    let standings = |zones: &Zones| {
        archive
            .standings(None, &Declared::default(), moment("2026-11-20T00:00:00Z"), zones)
            .unwrap()
            .remove(0)
    };
    assert_eq!(
        (standings(archive.zones()).used, standings(archive.zones()).is_over()),
        (Some(19 * 24 * 1000), true)
    );
    // Asked in another zone, whose cycle began elsewhere, it is not known: never less.
    let york = standings(&zone("America/New_York").into());
    assert_eq!((york.used, york.is_over()), (None, false));
}

#[test]
fn what_cards_have_carried_in_a_cycle_of_long_ago_is_kept() {
    let mut host = Host::new("UTC");
    let carried = |packets| Carried { bytes: packets * 1000, packets };
    for (count, at) in
        (second("2025-01-01T10:00:00Z")..second("2026-11-01T00:00:00Z")).step_by(86_400).enumerate()
    {
        let count = u64::try_from(count).unwrap() + 1;
        let carried = |times: u64| PerDirection { rx: carried(times), tx: carried(2 * times) };
        let first = First { at: of(at), carried: carried(0) };
        let card =
            CardReading { name: "eth0".to_owned(), ifindex: ifindex(2), carried: carried(count), first };
        let batch =
            host.bench.journal.any_batch(host.bench.ledger.open(), &host.bench.inventory, Vec::new(), of(at));
        let sequence =
            host.bench.store.write(&Batch { cards: vec![card], ..batch }, Calendar::Trusted).unwrap();
        host.bench.journal.settle(sequence).unwrap();
    }
    let archive = host.archive();
    let boundaries = [second("2025-02-15T00:00:00Z"), second("2025-03-15T00:00:00Z")];
    let plan: Plan = archive.plan(&boundaries, &[Series::Traffic(Part::Scopes), Series::Cards]).unwrap();
    assert_eq!(archive.planned_cards(&plan).unwrap()[0].carried.rx.packets, 28);
}

#[test]
fn sums_beyond_what_sqlite_adds_up_are_shown() {
    let mut host = Host::new("UTC");
    host.book(second("2026-11-10T10:00:00Z"));
    host.book(second("2026-11-11T10:00:00Z"));
    let large = i64::MAX - 7;
    for table in ["traffic", "holder_traffic"] {
        let text = format!(
            "UPDATE {table} SET rx_ip_bytes = ?1, rx_extra_bytes = 0, rx_link_bytes = 0, rx_added_bytes = 0, tx_ip_bytes = -5"
        );
        host.bench.store.connection.execute(&text, [large]).unwrap();
    }
    let archive = host.archive();
    let range = Range { from: second("2026-11-10T00:00:00Z"), to: second("2026-11-12T00:00:00Z") };
    let plan = archive.plan(&[range.from, range.to], &SCOPES).unwrap();
    let sums = Archive::pieces(&plan, None, |asked| archive.by_key(asked, Part::Scopes)).unwrap();
    let total: PerDirection<_> = sums.iter().map(|sum| sum.amounts).sum();
    let expected = 2 * u64::try_from(large).unwrap();
    assert_eq!(total.rx.skb_ip_bytes, expected);
    // Less than nothing is not known in frames.
    assert_eq!((total.tx.frames, total.tx.skb_ip_bytes), (None, 0));
    // All of these have the sum in them.
    let made = bill(&archive, range, None);
    assert_eq!(made.totals[0].bytes.unwrap().rx, expected);
    let days = Selection { tier: Tier::Day, range, accounts: None };
    for sums in [archive.by_account(&days).unwrap(), archive.by_container(&days).unwrap()] {
        assert_eq!(sums.iter().map(|sum| sum.amounts.rx.skb_ip_bytes).sum::<u64>(), expected);
    }
    archive.since_reset(None).unwrap();
    archive.kept(&Declared::default(), moment("2026-11-11T11:00:00Z"), archive.zones()).unwrap();
    archive.standings(None, &Declared::default(), moment("2026-11-11T11:00:00Z"), archive.zones()).unwrap();
}

#[test]
fn a_ledger_that_somebody_has_changed_fails_no_report() {
    let mut host = Host::new("UTC");
    host.book(second("2026-11-10T10:00:00Z"));
    let connection = &host.bench.store.connection;
    for start in [i64::MIN, -1, i64::MAX] {
        let text = "INSERT INTO traffic SELECT 2, part, ?1, holder, key, rx_ip_bytes, rx_skbs, rx_extra_bytes, rx_added_bytes, \
                    rx_added_packets, rx_link_bytes, tx_ip_bytes, tx_skbs, tx_extra_bytes, tx_added_bytes, tx_added_packets, \
                    tx_link_bytes FROM traffic WHERE tier = 3";
        connection.execute(text, [start]).unwrap();
    }
    connection.execute("INSERT OR REPLACE INTO zone VALUES (?1, 'Asia/Tokyo')", [i64::MAX]).unwrap();
    connection.execute("INSERT OR REPLACE INTO dropped VALUES (0, 0, ?1), (9, 9, 9)", [i64::MAX]).unwrap();
    connection.execute("UPDATE meter SET missed_rx_skb_bytes = -1, missed_is_exact = 1", []).unwrap();
    let archive = host.archive();
    let range = Range { from: second("2026-11-09T00:00:00Z"), to: second("2026-11-12T00:00:00Z") };
    let days = received(&archive, archive.zones(), range, Some(Step::Day), &SCOPES);
    assert_eq!(days, [Some(0), Some(1), Some(0)]);
    archive.circumstances(range).unwrap();
    // A zone that nobody knows is an error that says what to do.
    host.bench.store.connection.execute("UPDATE zone SET name = 'Mars/Olympus'", []).unwrap();
    let error = Archive::open(&host.bench.path()).unwrap_err().to_string();
    assert!(error.contains("Mars/Olympus") && error.contains("tzdata"), "{error}");
}
