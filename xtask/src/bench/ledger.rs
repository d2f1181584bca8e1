//! A ledger as a year of a thousand accounts leaves it: how large it is, and how long reports from it take.
//!
//! The file has dtraf's own tables, made from dtraf's own schema, and in them the rows that a year leaves behind where everything
//! is active all the time: each account with ten ports in two scopes, in every span that the ledger keeps. Reports are made by
//! the program.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::edges::Edges;
use super::figures::Spread;
use super::machine;
use crate::workspace::Workspace;

/// All layouts, one after another.
const LAYOUTS: [&str; 4] = [
    include_str!("../../../dtraf/src/store/schema-1.sql"),
    include_str!("../../../dtraf/src/store/schema-2.sql"),
    include_str!("../../../dtraf/src/store/schema-3.sql"),
    include_str!("../../../dtraf/src/store/schema-5.sql"),
];

const ACCOUNTS: i64 = 1_000;
const PORTS: i64 = 10;
/// By who the other end was.
const SCOPES: i64 = 2;
/// The spans of each tier that are kept, by scope and by port: five minutes for 12 hours, hours for a week, days of a year by scope and
/// for 186 days by port, months of a year.
const SPANS: [(i64, [i64; 2]); 4] =
    [(300, [144; 2]), (3_600, [168; 2]), (86_400, [366, 186]), (30 * 86_400, [12; 2])];
/// How long the machine may take to be quiet before batches are written.
const SETTLING: Duration = Duration::from_secs(30);
/// Beside the first one.
const BATCHES: u32 = 30;
/// Of each report.
const ROUNDS: usize = 9;

#[derive(Debug, Serialize)]
pub(crate) struct Ledger {
    rows: u64,
    bytes: u64,
    reports: Vec<Timed>,
    flush: Flush,
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
    let rows = fill(&path).with_context(|| format!("fill {}", path.display()))?;
    let program = workspace.root().join("target/release/dtraf");
    let month = ["--from", "last month", "--to", "last month"];
    let commands: [&[&str]; 5] = [
        &month,
        &["--from", "last month", "--to", "last month", "--by", "port"],
        &["--from", "last month", "--to", "last month", "--daily"],
        &["--from", "last cycle", "--to", "last cycle", "--cycle-day", "15"],
        &["--from", "today", "--hourly", "--top", "10"],
    ];
    let mut reports = Vec::new();
    for options in commands {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut command = Command::new(&program);
            command.arg("report").args(options).arg(format!("--db={}", path.display()));
            rounds.push(timed(&mut command)?.as_secs_f64() * 1_000.0);
        }
        let milliseconds = Spread::of(rounds).context("there are rounds")?;
        reports.push(Timed { command: format!("dtraf report {}", options.join(" ")), milliseconds });
    }
    let bytes = std::fs::metadata(&path).context("look at the ledger")?.len();
    let flush = flush(workspace, &path).context("write batches to the ledger")?;
    Ok(Ledger { rows, bytes, reports, flush })
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

fn fill(path: &Path) -> Result<u64> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction()?;
    for layout in LAYOUTS {
        transaction.execute_batch(layout)?;
    }
    transaction.pragma_update(None, "user_version", LAYOUTS.len())?;
    let now: i64 = transaction.query_row("SELECT unixepoch()", [], |row| row.get(0))?;
    transaction.execute("UPDATE progress SET sequence = 1, at_ns = ?", [now * 1_000_000_000])?;
    let since = (now - 366 * 86_400) * 1_000_000_000;
    for account in 1..=ACCOUNTS {
        let name = format!("shop{}/service{account}", account / 10);
        let container = [0_u8; 24].into_iter().chain(account.to_be_bytes()).collect::<Vec<_>>();
        transaction.execute("INSERT INTO account VALUES (?, ?, ?)", params![account, name, since])?;
        transaction.execute("INSERT INTO account_key VALUES (?, ?)", params![name, account])?;
        transaction.execute(
            "INSERT INTO holder (id, container, account, described) VALUES (?, ?, ?, 1)",
            params![account, container, account],
        )?;
        transaction.execute(
            "INSERT INTO attribute (holder, kind, value, network, since_ns) VALUES (?, 'name', ?, '', ?)",
            params![account, name, since],
        )?;
    }
    for scope in 1..=SCOPES {
        let word = ["internet", "container"][usize::try_from(scope - 1)?];
        transaction.execute("INSERT INTO key (id, part, scope) VALUES (?, 0, ?)", params![scope, word])?;
    }
    for port in 1..=PORTS {
        transaction.execute(
            "INSERT INTO key (id, part, scope, protocol, port, role, family) VALUES (?, 1, 'internet', 6, ?, 'server', 'ipv4')",
            params![SCOPES + port, 8_000 + port],
        )?;
    }
    let mut rows = 0;
    transaction.execute("INSERT INTO zone VALUES (0, 'UTC')", [])?;
    for (tier, (length, counts)) in SPANS.into_iter().enumerate() {
        for (part, count) in (0_i64..).zip(counts) {
            rows += spans(&transaction, tier, part, length, count, now)?;
        }
    }
    transaction.execute("INSERT INTO dropped VALUES (2, 1, ?)", [now - 186 * 86_400])?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(rows)
}

/// All spans of a tier, as they begin in UTC.
fn spans(connection: &Connection, tier: usize, part: i64, length: i64, count: i64, now: i64) -> Result<u64> {
    let mut insert = connection.prepare(
        "INSERT INTO traffic VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, 0, ?6, ?7, 0, ?8, ?9, 0)",
    )?;
    let mut rows = 0;
    for span in (0..count).rev() {
        let start = match tier {
            3 => connection.query_row(
                "SELECT unixepoch(?1, 'unixepoch', 'start of month', '-' || ?2 || ' months')",
                params![now, span],
                |row| row.get(0),
            )?,
            _ => now - now.rem_euclid(length) - span * length,
        };
        let (first, keys) = if part == 0 { (1, SCOPES) } else { (SCOPES + 1, PORTS) };
        for holder in 1..=ACCOUNTS {
            for key in first..first + keys {
                // Some 10 kB/s in packets of 1,000 bytes, and no two alike.
                let bytes = length * (9_000 + (holder * 7 + key * 13 + span) % 2_000);
                let packets = bytes / 1_000;
                insert.execute(params![
                    i64::try_from(tier)?,
                    part,
                    start,
                    holder,
                    key,
                    bytes,
                    packets,
                    bytes / 30,
                    packets / 2,
                ])?;
                rows += 1;
            }
        }
    }
    Ok(rows)
}

impl Display for Ledger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes / 1_000_000;
        writeln!(f, "ledger of {ACCOUNTS} accounts with {PORTS} ports: {megabytes} MB, {} rows", self.rows)?;
        for report in &self.reports {
            let Spread { median, least, most } = report.milliseconds;
            writeln!(f, "{median:8.1} ms ({least:.1} to {most:.1})  {}", report.command)?;
        }
        let Flush { batches, first_milliseconds, milliseconds: Spread { median, least, most } } = self.flush;
        writeln!(
            f,
            "{median:8.1} ms ({least:.1} to {most:.1})  a batch of all accounts and ports, {batches} of them"
        )?;
        writeln!(f, "{first_milliseconds:8.1} ms  the first one, which makes the accounts")
    }
}
