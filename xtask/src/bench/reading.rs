//! `cargo xtask bench reading`: how long one reading of all counters takes, from the kernel's maps to whose they are.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::edges::Edges;
use super::figures::Spread;
use super::machine;
use crate::workspace::Workspace;

/// How long the machine may take to be quiet before something is measured.
const SETTLING: Duration = Duration::from_secs(30);
const METHOD: &str = "Real maps, of the sizes that `dtraf run` makes them in, with counts in them that were written by dtraf's own \
code; then dtraf's own reading, attribution and booking, as its daemon does them, one after another in one process. With more CPUs \
than the machine has, the maps have as many counters as that many CPUs would have written.";

/// Containers, ports of each, and entries that there is room for.
const SIZES: [(u16, u16, u32); 3] = [(100, 10, 32_768), (1000, 10, 32_768), (1000, 100, 131_072)];
/// The machine's own, and those of a large one.
const CPUS: [Option<u32>; 2] = [None, Some(128)];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Readings of each size
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 50 }
    }
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Readings {
    method: &'static str,
    rounds: u32,
    sizes: Vec<Size>,
}

/// Times are in milliseconds.
#[derive(Debug, Serialize)]
struct Size {
    containers: u16,
    counters: u32,
    cpus: usize,
    take: Spread,
    attribute: Spread,
    both: Spread,
    book: Spread,
}

#[derive(Debug, Deserialize)]
struct Measured {
    counters: u32,
    take: Vec<f64>,
    attribute: Vec<f64>,
    book: Vec<f64>,
}

pub(crate) fn measure(workspace: &Workspace, args: &Args) -> Result<Readings> {
    println!("\nreading");
    let edges = Edges::build(workspace)?;
    machine::settle(SETTLING)?;
    let own = std::thread::available_parallelism().context("count the CPUs")?.get();
    let mut sizes = Vec::new();
    for cpus in CPUS {
        for (containers, ports, entries) in SIZES {
            let mut words = vec![
                format!("--rounds={}", args.rounds),
                format!("--containers={containers}"),
                format!("--ports={ports}"),
                "reading".to_owned(),
                "/sys/fs/bpf".to_owned(),
                format!("--port-entries={entries}"),
            ];
            words.extend(cpus.map(|cpus| format!("--cpus={cpus}")));
            let words: Vec<_> = words.into_iter().map(Into::into).collect();
            let Measured { counters, take, attribute, book } = edges.run(&words)?;
            let both = take.iter().zip(&attribute).map(|(take, attribute)| take + attribute);
            let spread = |values: Vec<f64>| Spread::of(values).context("there was no round");
            sizes.push(Size {
                containers,
                counters,
                cpus: cpus.map_or(own, |cpus| cpus as usize),
                both: spread(both.collect())?,
                take: spread(take)?,
                attribute: spread(attribute)?,
                book: spread(book)?,
            });
        }
    }
    Ok(Readings { method: METHOD, rounds: args.rounds, sizes })
}

impl Display for Readings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{} readings of each size, ms:\n", self.method, self.rounds)?;
        writeln!(f, "| CPUs | containers | counters | read and attributed | read | attributed | booked |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for Size { containers, counters, cpus, take, attribute, both, book } in &self.sizes {
            let [both, take, attribute, book] = [both, take, attribute, book]
                .map(|Spread { median, least, most }| format!("{median:.2} ({least:.2} to {most:.2})"));
            writeln!(f, "| {cpus} | {containers} | {counters} | {both} | {take} | {attribute} | {book} |")?;
        }
        Ok(())
    }
}
