//! Finding accounts by what people call them.

use rusqlite::{Connection, OptionalExtension as _};

/// An account's row, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) row: i64,
    pub(super) name: String,
}

/// The account that has this key. Its name is one of its keys, so that no two can be meant.
pub(super) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached(
            "SELECT account.id, name FROM account_key JOIN account ON account.id = account WHERE key = ?",
        )?
        .query_row([name], |row| Ok(Found { row: row.get(0)?, name: row.get(1)? }))
        .optional()
}

/// All of them.
pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT name FROM account ORDER BY name")?.query_map([], |row| row.get(0))?.collect()
}
