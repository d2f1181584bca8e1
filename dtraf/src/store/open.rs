//! Opening the ledger, and bringing it to the layout of this release.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::error::StoreError;
use super::recover::{ASIDE, UNFINISHED};
use super::resume::Epoch;
use super::write::{PortEntries, Retention};
use super::zones::{settle, zones};
use crate::accounting::history::key::Key;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::MeterId;
use crate::accounting::statement::period::Range;
use crate::zone;

/// What makes each layout from the one before it.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    concat!(include_str!("schema-4.sql"), include_str!("schema-4-fill.sql")),
    include_str!("schema-5.sql"),
];

/// Statements that derive what layout 4 has beside earlier ones.
pub(super) const FILL_LAYOUT_4: &str = include_str!("schema-4-fill.sql");

/// How long to wait for another process that looks at the ledger or marks something in it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The ledger, opened by its one writer.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) epoch: Epoch,
    /// The host's time zone, which need not be the ledger's.
    host: TimeZone,
    pub(super) retention: Retention,
    pub(super) known: Known,
    /// When the batch before was made; `None` before the first of this process.
    pub(super) last_at: Option<Timestamp>,
    _claim: File,
}

/// Row numbers that were looked up before. Forgotten when a transaction fails: its rows are gone.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) keys: BTreeMap<Key, i64>,
    pub(super) holders: BTreeMap<ContainerId, i64>,
    /// And whose it is.
    pub(super) meters: BTreeMap<MeterId, (i64, i64)>,
    /// Port entries of a holder in the latest span of a tier.
    pub(super) port_entries: BTreeMap<(i64, i64), PortEntries>,
}

impl Store {
    /// Opens the ledger for writing, and makes it where there is none. Only one process can have it so. `host` is the zone of
    /// a ledger that is new.
    pub(crate) fn open(
        path: &Path,
        epoch: Epoch,
        host: TimeZone,
        retention: Retention,
    ) -> Result<Self, StoreError> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)
            .map_err(|source| StoreError::Directory { directory: directory.to_owned(), source })?;
        let claim = claim(path)?;
        let failed = |attempt| move |source| StoreError::Sqlite { attempt, path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(failed("open"))?;
        connection.busy_timeout(PATIENCE).map_err(failed("open"))?;
        // A commit is on the disk when it returns; readers do not wait for the writer.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed("open"))?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed("open"))?;
        connection.pragma_update(None, "foreign_keys", "ON").map_err(failed("open"))?;
        connection.set_prepared_statement_cache_capacity(64);
        #[cfg(test)]
        super::tests::statements::watch(&mut connection);
        migrate(&mut connection, path)?;
        settle(&mut connection, &host, path)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            epoch,
            host,
            retention,
            known: Known::default(),
            last_at: None,
            _claim: claim,
        })
    }
}

impl Store {
    /// Returns the ledger's zone where it is not the host's any more.
    pub(crate) fn other_zone(&self, now: Timestamp) -> Result<Option<TimeZone>, StoreError> {
        let now = i64::try_from(now.0.as_secs()).unwrap_or(i64::MAX);
        let zones = zones(&self.connection, &self.path)?;
        // One that is to come was asked for.
        let to_come = Range { from: now, to: i64::MAX };
        let is_asked_for = zones.within(to_come).iter().any(|(_, zone)| zone::is_same(zone, &self.host, now));
        Ok((!is_asked_for).then(|| zones.at(now).clone()))
    }
}

/// Removes the ledger, unless somebody writes it, with those that were damaged, and its directory if nothing else is there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    let claim = claim(path)?;
    let mut files = put_aside(path)?;
    files.extend(["", "-wal", "-shm", ".lock"].map(|suffix| beside(path, suffix)));
    for file in files {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(StoreError::Remove { path: file, source });
            }
            _ => {}
        }
    }
    drop(claim);
    // Its own directory goes with it, unless somebody else has put something there.
    if let Some(own) = path.parent().filter(|parent| parent.ends_with("dtraf"))
        && let Err(error) = fs::remove_dir(own)
    {
        log::debug!("{} stays: {error}", own.display());
    }
    Ok(())
}

/// What recovering has left beside the ledger.
fn put_aside(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let failed = |source| StoreError::Directory { directory: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let is_ours = [ASIDE, UNFINISHED].into_iter().any(|word| {
            let own = beside(path, word);
            file.as_os_str().as_encoded_bytes().starts_with(own.as_os_str().as_encoded_bytes())
        });
        if is_ours {
            files.push(file);
        }
    }
    Ok(files)
}

/// A file whose name begins like the ledger's.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens the ledger for looking at it, beside whoever writes.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    open_there(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens the ledger for saying something of what is in it, beside whoever writes.
pub(super) fn open_to_edit(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_there(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let failed = |source| StoreError::Sqlite { attempt: "open", path: path.to_owned(), source };
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
    Ok(connection)
}

/// Opens a ledger that is there, and of this release's layout.
fn open_there(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let failed = |source| StoreError::Sqlite { attempt: "open", path: path.to_owned(), source };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[cfg_attr(not(test), expect(unused_mut, reason = "tests see each statement"))]
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    #[cfg(test)]
    super::tests::statements::watch(&mut connection);
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let found = layout(&connection).map_err(failed)?;
    match known_layout() {
        known if found == known => Ok(connection),
        known if (0..known).contains(&found) => {
            Err(StoreError::OldLayout { path: path.to_owned(), found, known })
        }
        _ => Err(unknown_layout(path, found)),
    }
}

/// The lock is beside the database: closing any descriptor of the database itself would drop SQLite's own locks
/// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
pub(super) fn claim(path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, ".lock");
    let failed = |source| StoreError::Claim { path: lock.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(errno) => Err(failed(errno.into())),
    }
}

pub(super) fn known_layout() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few layouts")
}

pub(super) fn layout(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(super) fn unknown_layout(path: &Path, found: i64) -> StoreError {
    StoreError::Layout { path: path.to_owned(), found, known: known_layout() }
}

/// One transaction for each layout: a process that is killed in between leaves one that is whole.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Sqlite { attempt: "read", path: path.to_owned(), source };
    let found = layout(connection).map_err(failed)?;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len());
    let Some(done) = done else { return Err(unknown_layout(path, found)) };
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let failed = |source| StoreError::Sqlite { attempt: "migrate", path: path.to_owned(), source };
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", at + 1).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
