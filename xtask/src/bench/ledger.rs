//! Ledgers as a year leaves them: how large they are, and how long reports from them take.
//!
//! The files have dtraf's own tables, made from dtraf's own schema, and in them the rows that the writer leaves behind: a year in which
//! the same containers run and everything is active all the time, a year in which each account's container is made anew ten times a
//! day, and shorter times with more and more containers. Reports are made by the program.

mod churn;
mod quiet;
mod spans;

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use self::churn::Churn;
use self::quiet::{ACCOUNTS, PORTS};
use super::edges::Edges;
use super::figures::Spread;
use super::machine;
use crate::workspace::Workspace;

/// All layouts, one after another.
const LAYOUTS: [&str; 5] = [
    include_str!("../../../dtraf/src/store/schema-1.sql"),
    include_str!("../../../dtraf/src/store/schema-2.sql"),
    include_str!("../../../dtraf/src/store/schema-3.sql"),
    include_str!("../../../dtraf/src/store/schema-4.sql"),
    include_str!("../../../dtraf/src/store/schema-5.sql"),
];

/// Scopes, in the order of their keys.
const SCOPES: [&str; 2] = ["internet", "container"];
/// 730,000 containers.
const YEAR: Churn = Churn { accounts: 200, containers_a_day: 10, days: 365 };
/// 4,000, 8,000 and 16,000 containers, all of them kept one by one.
const GROWTH: [Churn; 3] = [
    Churn { accounts: 50, containers_a_day: 1, days: 80 },
    Churn { accounts: 50, containers_a_day: 1, days: 160 },
    Churn { accounts: 50, containers_a_day: 2, days: 160 },
];
/// How long the machine may take to be quiet before batches are written.
const SETTLING: Duration = Duration::from_secs(30);
/// Beside the first one.
const BATCHES: u32 = 30;
/// Of each report.
const ROUNDS: usize = 9;

const MONTH: &[&str] = &["report", "--from", "last month", "--to", "last month"];
const CYCLE: &[&str] = &["report", "--from", "last cycle", "--to", "last cycle", "--cycle-day", "15"];
const BY_CONTAINER: &[&str] = &["report", "--from", "last month", "--to", "last month", "--by", "container"];
const BILL: &[&str] = &[
    "report",
    "--bill",
    "--from",
    "last cycle",
    "--to",
    "last cycle",
    "--cycle-day",
    "15",
    "--price",
    "0.05",
];
const LIST: &[&str] = &["account", "list"];

#[derive(Debug, Serialize)]
pub(crate) struct Ledger {
    files: Vec<Measured>,
    flush: Flush,
}

/// One ledger and the commands that read it.
#[derive(Debug, Serialize)]
struct Measured {
    title: String,
    rows: u64,
    bytes: u64,
    commands: Vec<Timed>,
}

/// A batch with all ports of all accounts, as `dtraf run` writes one every ten seconds when everything is active.
#[derive(Debug, Serialize)]
struct Flush {
    batches: u32,
    /// Which makes the accounts, too.
    first_milliseconds: f64,
    milliseconds: Spread,
}

#[derive(Debug, Deserialize)]
struct Written {
    make: Vec<f64>,
    write: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Timed {
    command: String,
    /// Of the whole process, start included.
    milliseconds: Spread,
}

pub(crate) fn measure(workspace: &Workspace) -> Result<Ledger> {
    let directory = tempfile::tempdir().context("make a directory for the ledger")?;
    let path = directory.path().join("ledger.db");
    let mut files = Vec::new();
    for growth in GROWTH {
        let title = format!("{} containers of {} accounts", growth.containers(), growth.accounts);
        let churned = directory.path().join("churn.db");
        let rows = fill(&churned, |connection, now| growth.fill(connection, now))?;
        files.push(measured(workspace, &churned, title, rows, &[MONTH, CYCLE, BY_CONTAINER, BILL, LIST])?);
        remove(&churned)?;
    }
    let churned = directory.path().join("churn.db");
    let rows = fill(&churned, |connection, now| YEAR.fill(connection, now))?;
    let title = format!("{} containers of {} accounts in a year", YEAR.containers(), YEAR.accounts);
    files.push(measured(
        workspace,
        &churned,
        title,
        rows,
        &[
            MONTH,
            CYCLE,
            &["report", "--from", "last month", "--to", "last month", "--daily"],
            &["report", "--from", "last month", "--to", "last month", "--by", "port"],
            BILL,
            BY_CONTAINER,
            &["account", "who", "172.18.3.4", "--at", "yesterday"],
        ],
    )?);
    remove(&churned)?;
    let rows = fill(&path, quiet::fill)?;
    let title = format!("a quiet year of {ACCOUNTS} accounts with {PORTS} ports");
    files.push(measured(
        workspace,
        &path,
        title,
        rows,
        &[
            MONTH,
            &["report", "--from", "last month", "--to", "last month", "--by", "port"],
            &["report", "--from", "last month", "--to", "last month", "--daily"],
            CYCLE,
            &["report", "--from", "today", "--hourly", "--top", "10"],
            BILL,
            LIST,
        ],
    )?);
    let flush = flush(workspace, &path).context("write batches to the ledger")?;
    Ok(Ledger { files, flush })
}

fn measured(
    workspace: &Workspace,
    path: &Path,
    title: String,
    rows: u64,
    commands: &[&[&str]],
) -> Result<Measured> {
    let program = workspace.root().join("target/release/dtraf");
    let mut measured = Vec::new();
    for words in commands {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut command = Command::new(&program);
            command.args(*words).arg(format!("--db={}", path.display()));
            rounds.push(timed(&mut command)?.as_secs_f64() * 1_000.0);
        }
        let milliseconds = Spread::of(rounds).context("there are rounds")?;
        measured.push(Timed { command: format!("dtraf {}", words.join(" ")), milliseconds });
    }
    let bytes = std::fs::metadata(path).context("look at the ledger")?.len();
    Ok(Measured { title, rows, bytes, commands: measured })
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).with_context(|| format!("remove {}", path.display()))
}

fn flush(workspace: &Workspace, path: &Path) -> Result<Flush> {
    let edges = Edges::build(workspace)?;
    machine::settle(SETTLING)?;
    let mut words = [
        format!("--rounds={}", BATCHES + 1),
        format!("--containers={ACCOUNTS}"),
        format!("--ports={PORTS}"),
        "flush".to_owned(),
    ]
    .map(Into::into)
    .to_vec();
    words.push(path.into());
    let Written { make, write } = edges.run(&words)?;
    let mut times = make.iter().zip(write).map(|(make, write)| make + write);
    let first_milliseconds = times.next().context("there was no batch")?;
    let milliseconds = Spread::of(times).context("there was one batch only")?;
    Ok(Flush { batches: BATCHES, first_milliseconds, milliseconds })
}

#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn timed(command: &mut Command) -> Result<Duration> {
    let begin = Instant::now();
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let took = begin.elapsed();
    if !output.status.success() || output.stdout.is_empty() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(took)
}

/// Makes a ledger and says how many rows of amounts it has.
fn fill(path: &Path, rows: impl FnOnce(&Connection, i64) -> Result<()>) -> Result<u64> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction()?;
    for layout in LAYOUTS {
        transaction.execute_batch(layout)?;
    }
    transaction.pragma_update(None, "user_version", LAYOUTS.len())?;
    let now: i64 = transaction.query_row("SELECT unixepoch()", [], |row| row.get(0))?;
    let (now_ns, since_ns) = (now * 1_000_000_000, (now - 366 * 86_400) * 1_000_000_000);
    transaction.execute("UPDATE progress SET sequence = 1, at_ns = ?", [now_ns])?;
    transaction.execute(
        "INSERT INTO tenure (backend, from_ns, to_ns) VALUES ('ebpf', ?, ?)",
        params![since_ns, now_ns],
    )?;
    for scope in SCOPES {
        transaction.execute("INSERT INTO key (part, scope) VALUES (0, ?)", [scope])?;
    }
    for port in 1..=PORTS {
        transaction.execute(
            "INSERT INTO key (part, scope, protocol, port, role, family) VALUES (1, 'internet', 6, ?, 'server', 'ipv4')",
            [8_000 + port],
        )?;
    }
    transaction.execute("INSERT INTO zone VALUES (0, 'UTC')", [])?;
    transaction.execute("INSERT INTO dropped VALUES (2, 1, ?)", [now - spans::DAYS_WITH_PORTS * 86_400])?;
    rows(&transaction, now).with_context(|| format!("fill {}", path.display()))?;
    let count = "SELECT (SELECT count(*) FROM traffic) + (SELECT count(*) FROM holder_traffic)";
    let rows = transaction.query_row(count, [], |row| row.get(0))?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(rows)
}

impl Display for Ledger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for Measured { title, rows, bytes, commands } in &self.files {
            writeln!(f, "{title}: {} MB, {rows} rows", bytes / 1_000_000)?;
            for Timed { command, milliseconds: Spread { median, least, most } } in commands {
                writeln!(f, "{median:8.1} ms ({least:.1} to {most:.1})  {command}")?;
            }
        }
        let Flush { batches, first_milliseconds, milliseconds: Spread { median, least, most } } = self.flush;
        writeln!(
            f,
            "{median:8.1} ms ({least:.1} to {most:.1})  a batch of all accounts and ports, {batches} of them"
        )?;
        writeln!(f, "{first_milliseconds:8.1} ms  the first one, which makes the accounts")
    }
}
