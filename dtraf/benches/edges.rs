//! What needs a kernel or a disk; `cargo xtask bench reading` and `ledger` run it. Prints milliseconds as JSON.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its terminal")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::{Parser, Subcommand};
use dtraf::bench::{Flush, Reading};
use serde_json::json;

#[derive(Debug, Parser)]
struct Cli {
    /// Cargo says it to every benchmark
    #[arg(long)]
    bench: bool,
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    #[arg(long, default_value_t = 1000)]
    containers: u16,
    /// Of each container
    #[arg(long, default_value_t = 10)]
    ports: u16,
    #[command(subcommand)]
    edge: Edge,
}

#[derive(Debug, Subcommand)]
enum Edge {
    /// Read and attribute counters
    Reading {
        /// Where a BPF file system is mounted
        bpffs: PathBuf,
        /// The host's own without it
        #[arg(long)]
        cpus: Option<u32>,
        #[arg(long, default_value_t = 32_768)]
        port_entries: u32,
    },
    /// Write a batch to the ledger
    Flush { ledger: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match &cli.edge {
        Edge::Reading { bpffs, cpus, port_entries } => {
            let reading = Reading::stage(bpffs, *cpus, *port_entries, cli.containers, cli.ports)?;
            self::reading(&cli, reading)
        }
        Edge::Flush { ledger } => flush(&cli, Flush::open(ledger, cli.containers, cli.ports)?),
    }
}

fn reading(cli: &Cli, mut reading: Reading) -> anyhow::Result<()> {
    let (mut taking, mut attributing, mut booking) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..cli.rounds {
        let (taken, time) = timed(|| reading.take());
        taking.push(time);
        let (owned, time) = timed(|| reading.attribute(taken));
        attributing.push(time);
        let (counters, time) = timed(|| reading.book(owned));
        booking.push(time);
        ensure!(counters == reading.counters() as usize, "{counters} counters of {}", reading.counters());
    }
    let counters = reading.counters();
    println!(
        "{}",
        json!({ "counters": counters, "take": taking, "attribute": attributing, "book": booking })
    );
    Ok(())
}

fn flush(cli: &Cli, mut flush: Flush) -> anyhow::Result<()> {
    let (mut making, mut writing) = (Vec::new(), Vec::new());
    for round in 0..cli.rounds {
        flush.grow();
        // As far apart as a daemon's are.
        let after = Duration::from_secs(10) * round;
        let (made, time) = timed(|| flush.make(after));
        making.push(time);
        let (written, time) = timed(|| flush.write(&made));
        written?;
        writing.push(time);
    }
    println!("{}", json!({ "make": making, "write": writing }));
    Ok(())
}

/// In milliseconds.
#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begin = Instant::now();
    let done = work();
    (done, begin.elapsed().as_secs_f64() * 1000.0)
}
