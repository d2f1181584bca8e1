//! A damaged ledger is put aside, and a new one is made of what can still be read of it.
//!
//! Nothing is booked twice for it. Where anything is lost that says up to where counters are booked, or what was booked, the
//! new ledger forgets all of that: then what counters say first is taken for booked. See [`Start`].
//!
//! [`Start`]: crate::accounting::history::journal::Start

mod salvage;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

pub(crate) use self::salvage::Salvaged;
use super::error::{StoreError, is_damage};
use super::open::{PATIENCE, beside, claim, known_layout, layout, migrate, unknown_layout};
use crate::accounting::identity::Timestamp;

/// What became of a ledger that was to be recovered.
#[derive(Debug)]
pub(crate) enum Recovery {
    Missing,
    Intact,
    Recovered(Recovered),
}

#[derive(Debug)]
pub(crate) struct Recovered {
    /// What is wrong with it, in SQLite's words.
    pub(crate) damage: String,
    /// Where it is now.
    pub(crate) aside: PathBuf,
    pub(crate) tables: Vec<Salvaged>,
    pub(crate) goes_on: GoesOn,
}

/// Where booking goes on in the new ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesOn {
    /// From where it was: all that matters for that was read.
    FromCursors,
    /// From what counters say next. What was counted since the last batch, at the time that is known of it, is not booked.
    FromNextReading { last: Option<Timestamp> },
}

/// Names of files that are made beside the ledger.
pub(super) const ASIDE: &str = ".damaged-";
pub(super) const UNFINISHED: &str = ".recovering";

/// Looks through the whole ledger, and recovers it if it is damaged. Nobody may write it meanwhile.
pub(crate) fn recover(path: &Path, now: Timestamp) -> Result<Recovery, StoreError> {
    if !path.exists() {
        return Ok(Recovery::Missing);
    }
    let _claim = claim(path)?;
    let Some(damage) = damage(path)? else { return Ok(Recovery::Intact) };
    let new = beside(path, UNFINISHED);
    for suffix in ["", "-journal"] {
        let left = beside(&new, suffix);
        let is_gone = fs::remove_file(&left).or_else(absent_is_fine);
        is_gone.map_err(|source| StoreError::Remove { path: left, source })?;
    }
    let (tables, goes_on) = {
        let old = look(path)?;
        let failed = |source| StoreError::Sqlite { attempt: "make", path: new.clone(), source };
        let mut connection = Connection::open(&new).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
        migrate(&mut connection, &new)?;
        let transaction = connection.transaction().map_err(failed)?;
        let (tables, goes_on) = salvage::salvage(&old, &transaction, now).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        connection.close().map_err(|(_, source)| failed(source))?;
        (tables, goes_on)
    };
    let aside = beside(path, &format!("{ASIDE}{}", utc(now)));
    replace(path, &new, &aside)?;
    Ok(Recovery::Recovered(Recovered { damage, aside, tables, goes_on }))
}

/// Opens it without changing anything: not even what is in the write-ahead log is carried over.
fn look(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Sqlite { attempt: "open", path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    Ok(connection)
}

/// What is wrong with it. A newer release's ledger is not ours to judge.
fn damage(path: &Path) -> Result<Option<String>, StoreError> {
    let connection = look(path)?;
    let check = || -> rusqlite::Result<(i64, String)> {
        let found = layout(&connection)?;
        let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((found, verdict))
    };
    match check() {
        Ok((found, _)) if !(0..=known_layout()).contains(&found) => Err(unknown_layout(path, found)),
        Ok((_, verdict)) if verdict == "ok" => Ok(None),
        Ok((_, verdict)) => Ok(Some(verdict.lines().collect::<Vec<_>>().join(" "))),
        Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
        Err(source) => Err(StoreError::Sqlite { attempt: "check", path: path.to_owned(), source }),
    }
}

/// Puts the new ledger into the place of the old one. At no instant is there none, where the file system knows two names for
/// one file: a process that is killed here leaves the old one or the new one.
fn replace(path: &Path, new: &Path, aside: &Path) -> Result<(), StoreError> {
    let failed = |from: &Path, to: &Path| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |source| StoreError::Move { from, to, source }
    };
    match fs::hard_link(path, aside) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(path, aside),
        linked => linked,
    }
    .map_err(failed(path, aside))?;
    // The new one must never meet the old one's log.
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(aside, suffix));
        fs::rename(&from, &to).or_else(absent_is_fine).map_err(failed(&from, &to))?;
    }
    fs::rename(new, path).map_err(failed(new, path))?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(new, path))
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// `20261125T153000Z`
fn utc(at: Timestamp) -> String {
    let second = i64::try_from(at.0.as_secs()).unwrap_or_default();
    let instant = jiff::Timestamp::from_second(second).unwrap_or_default();
    instant.strftime("%Y%m%dT%H%M%SZ").to_string()
}
