//! Row by row from what is left of a ledger into a new one.

use std::collections::BTreeSet;
use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, ffi, params_from_iter};

use super::super::open::{FILL_LAYOUT_4, known_layout, layout};
use super::super::zones::note_all_dropped;
use super::GoesOn;
use crate::accounting::identity::Timestamp;

/// What was saved of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Salvaged {
    pub(crate) table: &'static str,
    pub(crate) saved: u64,
    pub(crate) lost: Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Nothing,
    Rows(u64),
    /// Nobody can say how much.
    Unknown,
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, saved, lost } = self;
        match lost {
            Lost::Nothing => write!(f, "{table}: all {saved} rows saved"),
            Lost::Rows(lost) => write!(f, "{table}: {saved} rows saved, {lost} lost"),
            Lost::Unknown => write!(f, "{table}: {saved} rows saved; how many are lost cannot be told"),
        }
    }
}

struct Table {
    name: &'static str,
    /// What its rows are kept in the order of, and whether that is among its columns.
    order: &'static [&'static str],
    /// Of what without all of it nobody can say what is booked.
    stakes: Stakes,
    /// The first layout that has it.
    since: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stakes {
    Nothing,
    Containers,
    Cards,
}

/// Those that others refer to go first.
const TABLES: [Table; 23] = [
    Table { name: "account", order: &["id"], stakes: Stakes::Nothing, since: 1 },
    Table { name: "account_key", order: &["key"], stakes: Stakes::Nothing, since: 1 },
    Table { name: "holder", order: &["id"], stakes: Stakes::Containers, since: 1 },
    Table { name: "attribute", order: &["rowid"], stakes: Stakes::Nothing, since: 1 },
    Table { name: "key", order: &["id"], stakes: Stakes::Containers, since: 1 },
    Table { name: "meter", order: &["id"], stakes: Stakes::Containers, since: 1 },
    Table { name: "cursor", order: &["meter", "key"], stakes: Stakes::Containers, since: 1 },
    Table { name: "raw", order: &["place"], stakes: Stakes::Containers, since: 1 },
    Table {
        name: "traffic",
        order: &["tier", "part", "start", "holder", "key"],
        stakes: Stakes::Containers,
        since: 1,
    },
    Table {
        name: "holder_traffic",
        order: &["tier", "start", "holder"],
        stakes: Stakes::Containers,
        since: 4,
    },
    Table { name: "tenure", order: &["id"], stakes: Stakes::Nothing, since: 4 },
    Table { name: "absence", order: &["rowid"], stakes: Stakes::Nothing, since: 1 },
    Table { name: "baseline", order: &["id"], stakes: Stakes::Nothing, since: 2 },
    Table { name: "baseline_amount", order: &["holder", "baseline"], stakes: Stakes::Nothing, since: 2 },
    Table { name: "calibration", order: &["id"], stakes: Stakes::Nothing, since: 2 },
    Table { name: "quota", order: &["account"], stakes: Stakes::Nothing, since: 2 },
    Table { name: "crossing", order: &["account", "cycle_s", "percent"], stakes: Stakes::Nothing, since: 2 },
    Table { name: "card", order: &["id"], stakes: Stakes::Cards, since: 3 },
    Table { name: "card_cursor", order: &["ifindex"], stakes: Stakes::Cards, since: 3 },
    Table { name: "card_traffic", order: &["tier", "start", "card"], stakes: Stakes::Cards, since: 3 },
    Table { name: "zone", order: &["from_s"], stakes: Stakes::Nothing, since: 5 },
    Table { name: "dropped", order: &["tier", "part"], stakes: Stakes::Nothing, since: 5 },
    Table { name: "progress", order: &["id"], stakes: Stakes::Containers, since: 1 },
];

/// Who has amounts whose holder is lost. They stay in the total.
const STAND_IN: &str = "INSERT OR IGNORE INTO holder (id, reason) VALUES (?, 'damaged')";

/// An error is one of the new ledger, or one that may be over at another time.
pub(super) fn salvage(
    old: &Connection,
    new: &Transaction<'_>,
    now: Timestamp,
) -> rusqlite::Result<(Vec<Salvaged>, GoesOn)> {
    // The row that a new ledger begins with.
    new.execute("DELETE FROM progress", [])?;
    let mut tables = Vec::new();
    let (mut is_whole, mut has_cards) = (true, true);
    let written_by = readable(layout(old))?.unwrap_or_else(known_layout);
    for table in TABLES.into_iter().filter(|table| table.since <= written_by) {
        let salvaged = Copying { old, new, table: &table, columns: columns(old, new, &table)? }.all()?;
        if table.stakes != Stakes::Nothing {
            let is_sound = salvaged.lost == Lost::Nothing && is_sound(old, table.name)?;
            match table.stakes {
                Stakes::Cards => has_cards &= is_sound,
                _ => is_whole &= is_sound,
            }
        }
        if table.name == "dropped" && salvaged.lost != Lost::Nothing {
            note_all_dropped(new)?;
        }
        tables.push(salvaged);
    }
    if !has_cards {
        new.execute("DELETE FROM card_cursor", [])?;
    }
    if written_by < 4 {
        new.execute_batch(FILL_LAYOUT_4)?;
    }
    let last = new.query_row("SELECT at_ns FROM progress WHERE at_ns > 0", [], |row| row.get::<_, i64>(0));
    let Some(last) = last.optional()? else {
        let spans = "SELECT max(start) FROM traffic WHERE tier = 0";
        let last = new.query_row(spans, [], |row| row.get::<_, Option<i64>>(0))?;
        let last = last.map(|start| start.saturating_mul(1_000_000_000));
        return Ok((tables, forget(new, last, now)?));
    };
    let goes_on = if is_whole { GoesOn::FromCursors } else { forget(new, Some(last), now)? };
    Ok((tables, goes_on))
}

/// Nothing is known to be booked: the ledger has no progress.
fn forget(new: &Transaction<'_>, last: Option<i64>, now: Timestamp) -> rusqlite::Result<GoesOn> {
    new.execute_batch("DELETE FROM cursor; DELETE FROM card_cursor; DELETE FROM raw; DELETE FROM progress")?;
    let now = i64::try_from(now.unix_ns()).unwrap_or(i64::MAX);
    if let Some(last) = last {
        new.execute("INSERT INTO absence VALUES (?, ?)", [last.min(now), now])?;
    }
    let moment = |ns| u64::try_from(ns).ok().map(Timestamp::from_unix_ns);
    Ok(GoesOn::FromNextReading { last: last.and_then(moment) })
}

/// Those that both layouts have. What the old one has cannot always be read.
fn columns(old: &Connection, new: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    let of = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?)")?;
        statement.query_map([table.name], |row| row.get(0))?.collect()
    };
    let there: BTreeSet<String> = readable(of(old))?.unwrap_or_default().into_iter().collect();
    let mut columns = of(new)?;
    columns.retain(|column| there.is_empty() || there.contains(column));
    if table.order == ["rowid"] {
        columns.insert(0, "rowid".to_owned());
    }
    Ok(columns)
}

fn is_sound(old: &Connection, table: &str) -> rusqlite::Result<bool> {
    let verdict = old.query_row(&format!("PRAGMA quick_check({table})"), [], |row| row.get::<_, String>(0));
    Ok(readable(verdict)?.is_some_and(|verdict| verdict == "ok"))
}

/// One table on its way.
struct Copying<'a> {
    old: &'a Connection,
    new: &'a Transaction<'a>,
    table: &'a Table,
    columns: Vec<String>,
}

/// How far rows could be read in one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    saved: u64,
    /// Were read and could not be taken.
    refused: u64,
    reached_end: bool,
}

impl Copying<'_> {
    /// From the beginning to the first row that cannot be read, then from the end.
    fn all(&self) -> rusqlite::Result<Salvaged> {
        let up = self.pass("ASC")?;
        let down = if up.reached_end { Pass::default() } else { self.pass("DESC")? };
        let saved = up.saved + down.saved;
        let lost = match (up.reached_end, up.refused) {
            (true, 0) => Lost::Nothing,
            (true, refused) => Lost::Rows(refused),
            (false, _) => self.lost(saved)?,
        };
        Ok(Salvaged { table: self.table.name, saved, lost })
    }

    fn pass(&self, direction: &str) -> rusqlite::Result<Pass> {
        let mut pass = Pass::default();
        let columns: Vec<_> = self.columns.iter().map(|column| format!("\"{column}\"")).collect();
        let (name, columns) = (self.table.name, columns.join(", "));
        let order: Vec<_> =
            self.table.order.iter().map(|column| format!("\"{column}\" {direction}")).collect();
        let text = format!("SELECT {columns} FROM {name} NOT INDEXED ORDER BY {}", order.join(", "));
        let Some(mut statement) = readable(self.old.prepare(&text))? else { return Ok(pass) };
        let marks = vec!["?"; self.columns.len()].join(", ");
        let insert = format!("INSERT OR IGNORE INTO {name} ({columns}) VALUES ({marks})");
        let mut insert = self.new.prepare_cached(&insert)?;
        let Some(mut rows) = readable(statement.query([]))? else { return Ok(pass) };
        loop {
            let Some(next) = readable(rows.next())? else { return Ok(pass) };
            let Some(row) = next else {
                pass.reached_end = true;
                return Ok(pass);
            };
            let values: rusqlite::Result<Vec<Value>> =
                (0..self.columns.len()).map(|at| row.get(at)).collect();
            let taken = match values {
                Ok(values) => self.take(&mut insert, &values)?,
                // Text that is none.
                Err(_) => Taken::Refused,
            };
            match taken {
                Taken::New => pass.saved += 1,
                // The other direction came as far as here.
                Taken::There if direction == "DESC" => return Ok(pass),
                Taken::There | Taken::Refused => pass.refused += 1,
            }
        }
    }

    fn take(&self, insert: &mut rusqlite::CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<Taken> {
        match constrained(insert.execute(params_from_iter(values)))? {
            Ok(0) => Ok(Taken::There),
            Ok(_) => Ok(Taken::New),
            Err(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
                let holder = match self.table.name {
                    "holder" => self.value("id", values),
                    _ => self.value("holder", values),
                };
                let Some(holder) = holder else { return Ok(Taken::Refused) };
                if constrained(self.new.prepare_cached(STAND_IN)?.execute([holder]))?.is_err() {
                    return Ok(Taken::Refused);
                }
                if self.table.name == "holder" {
                    return Ok(Taken::Refused);
                }
                let again = constrained(insert.execute(params_from_iter(values)))?;
                Ok(if again == Ok(1) { Taken::New } else { Taken::Refused })
            }
            Err(_) => Ok(Taken::Refused),
        }
    }

    fn value<'a>(&self, column: &str, values: &'a [Value]) -> Option<&'a Value> {
        self.columns.iter().position(|name| name == column).and_then(|at| values.get(at))
    }

    /// An index may still know how many rows there were.
    fn lost(&self, saved: u64) -> rusqlite::Result<Lost> {
        let count = format!("SELECT count(*) FROM {}", self.table.name);
        let count = readable(self.old.query_row(&count, [], |row| row.get::<_, u64>(0)))?;
        let lost = count.map(|count| count.saturating_sub(saved)).filter(|lost| *lost > 0);
        Ok(lost.map_or(Lost::Unknown, Lost::Rows))
    }
}

/// What became of a row.
enum Taken {
    New,
    There,
    Refused,
}

/// `None` for what cannot be read, now or ever. Any other failure may be over the next time.
fn readable<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::Unknown,
            )
            | None => Ok(None),
            _ => Err(error),
        },
    }
}

/// A row that the new ledger does not take, and by which of its laws.
fn constrained<T>(written: rusqlite::Result<T>) -> rusqlite::Result<Result<T, std::ffi::c_int>> {
    match written {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match error.sqlite_error() {
            Some(failure)
                if matches!(failure.code, ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) =>
            {
                Ok(Err(failure.extended_code))
            }
            _ => Err(error),
        },
    }
}
