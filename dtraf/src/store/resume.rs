//! What the ledger knows of the counters that count now.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::OptionalExtension as _;

use super::amounts::{list, read};
use super::error::StoreError;
use super::names::{COLUMNS, Words, meter};
use super::open::Store;
use crate::accounting::history::journal::{RawCounter, Resumed, Sequence, Start};
use crate::accounting::identity::Timestamp;
use crate::accounting::report::Backend;
use crate::view::names;

/// Which counters: those of one epoch only grow, and say nothing of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Of the host.
    boot: String,
    backend: Backend,
    /// What maps were made with.
    seed: Option<u64>,
}

impl Epoch {
    /// Pinned maps: they live until the host is booted again or they are removed, and are made with a number of their own.
    pub(crate) fn maps(boot: &str, seed: u64) -> Self {
        Self { boot: boot.to_owned(), backend: Backend::Ebpf, seed: Some(seed) }
    }

    /// Rules of a firewall.
    pub(crate) fn rules(boot: &str, backend: Backend) -> Self {
        Self { boot: boot.to_owned(), backend, seed: None }
    }

    pub(super) fn backend(&self) -> &'static str {
        names::backend(self.backend)
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// How epochs begin that are of the same boot, and how those of the same backend do.
    fn kin(&self) -> (String, String) {
        (format!("{}/", self.boot), format!("{}/{}", self.boot, names::backend(self.backend)))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kin().1)?;
        self.seed.map_or(Ok(()), |seed| write!(f, "/{seed:016x}"))
    }
}

impl Store {
    /// Where to go on. Meters of other epochs have ended.
    pub(crate) fn resume(&self) -> Result<Resumed, StoreError> {
        let failed = |source| self.failed("read", source);
        let Some(sequence) = self.written().map_err(failed)? else {
            return Ok(Resumed { start: Start::NextReading, ..Resumed::default() });
        };
        if self.is_a_rivals().map_err(failed)? {
            return Ok(Resumed { sequence, start: Start::NextReading, ..Resumed::default() });
        }
        let columns = list(|name| format!("cursor.{name}"));
        let text = format!(
            "SELECT meter.place, {COLUMNS}, {columns} FROM cursor JOIN meter ON meter.id \
             = cursor.meter JOIN key ON key.id = cursor.key WHERE meter.epoch = ? AND meter.until_ns IS NULL"
        );
        let mut statement = self.connection.prepare(&text).map_err(failed)?;
        let rows = statement.query_map([self.epoch.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, Words::read(row, 1)?, read(row, 7)?))
        });
        let mut cursors = BTreeMap::<_, BTreeMap<_, _>>::new();
        for row in rows.map_err(failed)? {
            let (place, words, columns) = row.map_err(failed)?;
            let cursor = cursors.entry(meter(&place, &self.path)?).or_default();
            cursor.insert(words.key(&self.path)?, columns.amounts()?);
        }
        let (raw, raw_is_current) = self.raw().map_err(failed)?;
        Ok(Resumed { sequence, start: Start::Cursors, cursors, raw, raw_is_current })
    }

    /// Another backend has written last. What these counters have counted meanwhile, it has booked.
    fn is_a_rivals(&self) -> rusqlite::Result<bool> {
        let (boot, backend) = self.epoch.kin();
        self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM meter WHERE until_ns IS NULL AND epoch GLOB ?1 || '*' AND epoch NOT GLOB ?2 || '*')",
            [boot, backend],
            |row| row.get(0),
        )
    }

    fn raw(&self) -> rusqlite::Result<(Vec<RawCounter>, bool)> {
        let mut statement = self.connection.prepare("SELECT place, packets, bytes, epoch = ? FROM raw")?;
        let rows = statement.query_map([self.epoch.to_string()], |row| {
            let raw = RawCounter { place: row.get(0)?, packets: row.get(1)?, bytes: row.get(2)? };
            Ok((raw, row.get::<_, bool>(3)?))
        })?;
        let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        let is_current = rows.iter().all(|(_, is_current)| *is_current);
        Ok((rows.into_iter().map(|(raw, _)| raw).collect(), is_current))
    }

    /// The last batch that is there.
    pub(crate) fn sequence(&self) -> Result<Sequence, StoreError> {
        let number = self.written().map_err(|source| self.failed("read", source))?;
        Ok(number.unwrap_or_default())
    }

    /// The same; `None` where a damaged ledger has not said it, and nothing was written since.
    fn written(&self) -> rusqlite::Result<Option<Sequence>> {
        let number = self.connection.query_row("SELECT sequence FROM progress", [], |row| row.get(0));
        number.map(Sequence).optional()
    }

    /// When that was made; `None` before the first.
    pub(super) fn progress(&self) -> Result<Option<Timestamp>, StoreError> {
        let at = self.connection.query_row("SELECT at_ns FROM progress", [], |row| row.get::<_, u64>(0));
        let at = at.optional().map_err(|source| self.failed("read", source))?;
        Ok(at.filter(|at| *at > 0).map(Timestamp::from_unix_ns))
    }

    pub(super) fn failed(&self, attempt: &'static str, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { attempt, path: self.path.clone(), source }
    }
}
