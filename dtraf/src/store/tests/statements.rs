//! Every statement that is sent to SQLite finds what it asks for by an index.
//!
//! Each connection of the store is watched while everything that the store can do is done once. No statement can be added that
//! is not looked at: the sources' statements must be among those that were seen.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use dtraf_common::abi::Scope;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::bill::Counts;
use crate::accounting::bill::declared::Declared;
use crate::accounting::bill::quota::Quota;
use crate::accounting::card::{CardReading, Carried, First};
use crate::accounting::fixtures::ifindex;
use crate::accounting::history::journal::RawCounter;
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::snapshot::Shortfall;
use crate::accounting::statement::period::{CycleDay, Range};
use crate::accounting::statement::plan::Series;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes each statement of a connection.
pub(in crate::store) fn watch(connection: &mut Connection) {
    let note = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            let text = statement.sql().into_owned();
            SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
}

/// Scans that a statement may do: its beginning, the table, and why that is all right.
const SCANS: [(&str, &str, &str); 24] = [
    // Tables that do not grow with traffic or with containers.
    ("", "progress", "one row"),
    ("", "quota", "a row for each quota"),
    ("", "crossing", "a row for each threshold that was passed"),
    ("", "calibration", "a row for each figure of others"),
    ("", "tenure", "a row for each change of the backend"),
    ("", "card", "a row for each network card"),
    ("", "raw", "the counters that count now"),
    ("", "zone", "a row for each change of the zone"),
    ("", "dropped", "a row for each tier and part"),
    ("SELECT EXISTS (SELECT 1 FROM traffic)", "traffic", "the first row alone"),
    ("SELECT EXISTS (SELECT 1 FROM traffic)", "card_traffic", "the first row alone"),
    ("", "card_cursor", "a row for each network card"),
    // Lists of everything.
    ("SELECT name FROM account ORDER BY name", "account", "the error that names all accounts"),
    ("SELECT id FROM account", "account", "a reset of all accounts"),
    ("SELECT id, name, since_ns FROM account", "account", "the list of all accounts"),
    ("SELECT account, key FROM account_key", "account_key", "the list of all accounts"),
    ("SELECT account, folded FROM holder", "holder", "the list of all accounts"),
    ("SELECT id, account, container FROM holder", "holder", "the list of all accounts"),
    ("SELECT holder, kind = 'name', value", "attribute", "the list of all accounts"),
    ("SELECT baseline.id, baseline.name", "baseline", "the list of all resets"),
    ("SELECT holder, at_ns", "baseline_amount", "what came since the resets of all"),
    ("SELECT holder, min(since_ns) FROM meter", "meter", "what came since the resets of all"),
    ("SELECT account.name, account.since_ns, holder.id", "account", "what came since the resets of all"),
    ("SELECT account.name, account.since_ns, holder.id", "holder", "what came since the resets of all"),
];

/// Indexes that have nothing but what is there now, however much there has been.
const OF_THE_PRESENT: [&str; 1] = ["meter_now"];

/// Statements that walk over a whole tier: what was counted in all months, the first of all spans, and, once, whether a ledger of an
/// earlier release has as much in one tier as in another.
const WHOLE_TIERS: [&str; 4] = [
    "SELECT start, holder, rx_ip_bytes",
    "SELECT holder, rx_ip_bytes",
    "SELECT min(start) FROM traffic",
    "SELECT sum(rx_skbs >> 32)",
];

/// The one statement that is sent while references are not enforced: see `enforce_references`.
const WITHOUT_REFERENCES: &str = "DELETE FROM holder WHERE id = ?";

/// What is wrong with a step of a statement's plan.
fn fault(text: &str, step: &str) -> Option<&'static str> {
    if step.contains("CORRELATED") {
        return Some("asks again for each row");
    }
    if step.contains("AUTOMATIC") {
        return Some("makes an index of its own");
    }
    if let Some(scanned) = step.strip_prefix("SCAN ") {
        let table = scanned.split(' ').next().unwrap_or_default();
        let is_table = !scanned.contains("VIRTUAL TABLE") && !scanned.contains("CONSTANT ROW");
        let is_of_the_present =
            OF_THE_PRESENT.iter().any(|index| scanned.ends_with(&format!("INDEX {index}")));
        let may = is_of_the_present
            || SCANS.iter().any(|(beginning, name, _)| text.starts_with(beginning) && table == *name);
        return (is_table && !may).then_some("scans a table that grows");
    }
    let walks = ["traffic ", "holder_traffic "].iter().any(|table| {
        step.strip_prefix("SEARCH ").is_some_and(|step| step.starts_with(table)) && !step.contains("start")
    });
    (walks && !WHOLE_TIERS.iter().any(|beginning| text.starts_with(beginning)))
        .then_some("walks over all spans of a tier")
}

/// A statement of the sources: what stands around what is put into it.
#[derive(Debug, PartialEq)]
struct Written {
    path: PathBuf,
    pieces: Vec<String>,
}

impl Written {
    fn new(path: &Path, literal: &str) -> Self {
        let mut pieces =
            literal.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
        Self { path: path.to_owned(), pieces: pieces.by_ref().map(str::to_owned).collect() }
    }

    fn is(&self, text: &str) -> bool {
        let mut rest = text;
        for (at, piece) in self.pieces.iter().enumerate() {
            match rest.find(piece.as_str()) {
                Some(begin) if at > 0 || begin == 0 => rest = &rest[begin + piece.len()..],
                _ => return false,
            }
        }
        rest.is_empty() || self.pieces.last().is_some_and(String::is_empty)
    }
}

/// The statements of the sources.
fn in_sources() -> Vec<Written> {
    const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    let mut statements = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            // A recovery reads every row of a table on purpose.
            let is_other =
                ["tests", "tests.rs", "recover", "recover.rs"].iter().any(|name| path.ends_with(name));
            if is_other {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for literal in literals(&text) {
                if VERBS.iter().any(|verb| literal.starts_with(verb)) {
                    statements.push(Written::new(&path, &literal));
                }
            }
        }
    }
    statements
}

/// The values of string literals, as far as they have no escapes but line ends.
fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = source;
    while let Some(begin) = rest.find('"') {
        let text = &rest[begin + 1..];
        let mut end = 0;
        while !text[end..].starts_with('"') {
            end += if text[end..].starts_with('\\') {
                2
            } else {
                text[end..].chars().next().unwrap().len_utf8()
            };
        }
        let mut lines = text[..end].split("\\\n");
        let mut literal = lines.next().unwrap_or_default().to_owned();
        lines.for_each(|line| literal.push_str(line.trim_start()));
        literals.push(literal);
        rest = &text[end + 1..];
    }
    literals
}

fn quota() -> Quota {
    Quota {
        bytes: 1,
        counts: Counts::Sum,
        scopes: None,
        cycle_day: CycleDay::FIRST,
        thresholds: BTreeSet::from([100]),
        hook: None,
    }
}

impl Bench {
    fn write_everything(&mut self) {
        let labels = |price: &str| BTreeMap::from([("dtraf.price".to_owned(), price.to_owned())]);
        let labelled = |number, name: &str| Container { labels: labels("0.5"), ..container(number, name) };
        // A meter whose container becomes known later, and one whose never does.
        self.inventory = inventory([labelled(1, "web"), labelled(2, "db")]);
        self.count(&Owner::Unattributed(Reason::NoContainer), 3, 1);
        self.flush(at(0));
        self.count(&web(), 5, 1);
        let carried =
            PerDirection { rx: Carried { bytes: 1, packets: 1 }, tx: Carried { bytes: 1, packets: 1 } };
        let first =
            First { at: at(0), carried: PerDirection { rx: Carried::default(), tx: Carried::default() } };
        let card = CardReading { name: "eth0".to_owned(), ifindex: ifindex(7), carried, first };
        let raw = vec![RawCounter { place: "x".to_owned(), packets: 1, bytes: 1 }];
        let batch = self.journal.batch(self.ledger.open(), &self.inventory, raw, at(60)).unwrap();
        let sequence = self.store.write(&Batch { cards: vec![card], ..batch }, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
        let short = Shortfall { skb_bytes: 9, skbs: 1, settled: true };
        let stranger = Attributed {
            reading: reading(
                crate::accounting::snapshot::Meter {
                    shortfall: Some(PerDirection { rx: short, tx: short }),
                    ..meter(2)
                },
                1,
                1,
            ),
            owner: Owner::Unattributed(Reason::NoContainer),
            network: None,
        };
        self.ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![stranger] });
        self.flush(at(120));
        let ended: Vec<_> = self.ledger.open().map(|(id, entry)| (id, entry.clone())).collect();
        for (id, entry) in ended {
            self.journal.end(id, &entry);
            self.ledger.close(id, at(2));
        }
        self.flush(at(180));
        // One of which only the name is known, whose label comes later; one that nobody had heard of.
        self.inventory = inventory([]);
        let named =
            |number: u8| Owner::Container(ContainerName { id: id(number), name: format!("named{number}") });
        for (number, owner) in [(3, named(3)), (4, named(4))] {
            let attributed = Attributed { reading: reading(meter(number), 1, 1), owner, network: None };
            self.ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
        }
        let batch = self.journal.any_batch(self.ledger.open(), &self.inventory, Vec::new(), at(240));
        let forgotten = Batch { containers: Vec::new(), ..batch };
        let sequence = self.store.write(&forgotten, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
        let labels = BTreeMap::from([("dtraf.account".to_owned(), "customer 7".to_owned())]);
        self.inventory = inventory([Container { labels, ..container(3, "named3") }, labelled(5, "web")]);
        self.flush(at(300));
        self.inventory = inventory([]);
        self.flush(at(360));
        let mut other = Self::new();
        other.fold_a_port(at(0));
    }

    fn edit_everything(&mut self) {
        let mut editor = self.editor();
        editor.reset(&[], at(400)).unwrap();
        editor.reset(&["web".to_owned()], at(400)).unwrap();
        editor.rename("web", "customer 8").unwrap();
        editor.set_quota("db", &quota()).unwrap();
        let standing =
            self.archive().standings(None, &Declared::default(), at(400), &TimeZone::UTC.into()).unwrap();
        editor.cross(&standing[0], 100, at(400)).unwrap();
        editor.merge("db", "customer 8").unwrap();
        editor.remove_quota("customer 8").unwrap();
        let range = Range { from: 0, to: 1 };
        let number = editor
            .calibrate(range, Counts::Sum, Some(&BTreeSet::from([Scope::Internet])), 1, "note", at(400))
            .unwrap();
        editor.forget_calibration(number).unwrap();
        editor.merge("nobody", "web").unwrap_err();
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        assert!(matches!(editor.set_zone(&tokyo, at(400)).unwrap(), ZoneChange::From(_)));
        assert_eq!(editor.set_zone(&TimeZone::UTC, at(400)).unwrap(), ZoneChange::None);
    }

    fn read_everything(&mut self) {
        let archive = self.archive();
        let now = at(400);
        let chosen = archive.accounts(&["web".to_owned()]).unwrap();
        for accounts in [None, chosen] {
            let selection = Selection { tier: Tier::Month, range: Range { from: 0, to: i64::MAX }, accounts };
            archive.by_account(&selection).unwrap();
            archive.by_container(&selection).unwrap();
            archive.by_account_and_scope(&selection).unwrap();
            archive.by_key(&selection, Part::Scopes).unwrap();
            archive.by_key(&selection, Part::Ports).unwrap();
            archive.totals(&selection).unwrap();
            let steps = [selection.range.from, 86_400 * 365 * 60];
            archive.plan(&steps, &[Series::Traffic(Part::Scopes), Series::Cards]).unwrap();
            archive.cards(selection.tier, selection.range).unwrap();
            archive.circumstances(selection.range).unwrap();
            archive.baselines(selection.accounts.as_deref()).unwrap();
            archive.since_reset(selection.accounts.as_deref()).unwrap();
            archive
                .standings(selection.accounts.as_deref(), &Declared::default(), now, &TimeZone::UTC.into())
                .unwrap();
        }
        archive.register().unwrap();
        let time = Range { from: 0, to: i64::MAX };
        assert!(!archive.tenants("172.17.0.1".parse().unwrap(), time).unwrap().is_empty());
        archive.kept(&Declared::default(), now, &TimeZone::UTC.into()).unwrap();
        archive.terms(&Declared::default()).unwrap();
        archive.has_quotas().unwrap();
        archive.crossings().unwrap();
        archive.name_of("web").unwrap();
        archive.written_at().unwrap();
        archive.calibrations(None).unwrap();
    }

    fn restart(&mut self, at: Timestamp) {
        let path = self.path();
        let aside = self.directory.path().join("aside.db");
        self.store = open(&aside, 1);
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(Editor::open(&aside).unwrap().set_zone(&tokyo, at).unwrap(), ZoneChange::AtOnce);
        // Spans were dropped, and the ledger does not say so.
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("DELETE FROM zone; DELETE FROM dropped").unwrap();
        drop(connection);
        self.store =
            Store::open(&path, Epoch::rules("boot", Backend::Nft), TimeZone::UTC, Retention::default())
                .unwrap();
        (self.journal, self.ledger) = (Journal::default(), Ledger::default());
        self.journal.resume(self.store.resume().unwrap());
        let batch = self.journal.any_batch(self.ledger.open(), &self.inventory, Vec::new(), at);
        let sequence = self.store.write(&batch, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
        self.store.resume().unwrap();
    }
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let mut bench = Bench::new();
    bench.write_everything();
    bench.read_everything();
    bench.edit_everything();
    bench.read_everything();
    // All that are gone are folded, those last that still had a meter.
    let with_meters =
        "UPDATE holder SET gone_ns = 1 WHERE id IN (SELECT holder FROM meter WHERE until_ns IS NULL)";
    assert!(bench.store.connection.execute(with_meters, []).unwrap() > 0);
    for day in [199, 200, 400, 401] {
        if day == 200 {
            bench.restart(at(199 * 86_400 + 120));
        }
        let later = at(day * 86_400);
        let batch = bench.journal.any_batch(bench.ledger.open(), &bench.inventory, Vec::new(), later);
        let sequence = bench.store.write(&batch, Calendar::Trusted).unwrap();
        bench.journal.settle(sequence).unwrap();
    }
    bench.read_everything_of_former();

    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    let written = in_sources();
    let connection = Connection::open(bench.path()).unwrap();
    for text in &seen {
        // Other tests ask for what they check.
        if !written.iter().any(|written| written.is(text)) {
            continue;
        }
        looked_at += 1;
        connection.pragma_update(None, "foreign_keys", text != WITHOUT_REFERENCES).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let mut rows = plan.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            if let Some(what) = fault(text, &step) {
                faults.push(format!("{what}: {step}\n    in {text}"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new(), "{}", faults.join("\n"));
    let unseen: Vec<_> =
        written.into_iter().filter(|written| !seen.iter().any(|text| written.is(text))).collect();
    assert_eq!(unseen, [], "statements that this test does not see");
    assert!(looked_at > 80, "{looked_at}");
}

impl Bench {
    fn read_everything_of_former(&self) {
        let archive = self.archive();
        assert!(archive.register().unwrap().iter().any(|account| account.former > 0));
        archive.terms(&Declared::default()).unwrap();
        let selection =
            Selection { tier: Tier::Month, range: Range { from: 0, to: i64::MAX }, accounts: None };
        archive.by_container(&selection).unwrap();
    }
}
