//! What can go wrong with the ledger on disk.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("make the directory {directory} for the ledger")]
    Directory { directory: PathBuf, source: io::Error },
    #[error("open {path}")]
    Claim { path: PathBuf, source: io::Error },
    #[error("remove {path}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("move {from} to {to}")]
    Move { from: PathBuf, to: PathBuf, source: io::Error },
    #[error(
        "the ledger {path} is written by another dtraf; let that one go on, or give this one another with --db"
    )]
    InUse { path: PathBuf },
    #[error("there is no ledger at {path}; `dtraf run` makes it")]
    Missing { path: PathBuf },
    #[error("{attempt} the ledger {path}{}", advice(source))]
    Sqlite { attempt: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error(
        "the ledger {path} has layout {found}, and this dtraf knows those up to {known}: a newer one has written it"
    )]
    Layout { path: PathBuf, found: i64, known: i64 },
    #[error("the ledger {path} has layout {found}: `dtraf run` of this release brings it to layout {known}")]
    OldLayout { path: PathBuf, found: i64, known: i64 },
    #[error("the ledger {path} says `{word}` for {what}, which this dtraf does not know")]
    Word { path: PathBuf, what: &'static str, word: String },
    #[error(
        "the ledger {path} is in the time zone `{name}`, which this host does not know; install its time zone database (tzdata)"
    )]
    UnknownZone { path: PathBuf, name: String },
    #[error("no account is called `{name}`{}", there_are(known))]
    NoAccount { name: String, known: Vec<String> },
    #[error(
        "`{name}` leads to the account `{account}`, and no two can have one name; `dtraf account merge` makes one account of two"
    )]
    Taken { name: String, account: String },
    #[error("`{one}` and `{other}` are the same account, `{account}`")]
    Same { one: String, other: String, account: String },
    #[error("an amount is too large for the ledger: {0}")]
    TooLarge(u64),
    #[error("the ledger's amounts add up to less than nothing")]
    Negative,
    #[error(transparent)]
    Calendar(#[from] crate::accounting::history::tier::BeyondCalendar),
    #[error(transparent)]
    Period(#[from] crate::accounting::statement::period::PeriodError),
}

impl StoreError {
    /// No waiting mends it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Layout { .. } | Self::Word { .. })
    }
}

/// The file is not what SQLite has written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// How many accounts an error names.
const NAMED: usize = 10;

/// What could have been meant.
fn there_are(known: &[String]) -> String {
    if known.is_empty() {
        return ": the ledger has none yet".to_owned();
    }
    let names: Vec<_> = known.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = match known.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more: see `dtraf account list`"),
    };
    format!("; there are {}{more}", names.join(", "))
}

/// What the user can do.
fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        _ if is_damage(error) => {
            ", which is damaged: `dtraf run --recover` moves it aside and saves what can be read"
        }
        Some(ErrorCode::DiskFull) => ": make room; what is counted meanwhile is written then",
        Some(ErrorCode::ReadOnly) => {
            ": it cannot be written to; what is counted meanwhile is written when it can"
        }
        _ => "",
    }
}
