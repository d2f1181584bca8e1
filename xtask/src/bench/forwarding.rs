//! `cargo xtask bench forwarding`: how many packets one CPU forwards to a container, with dtraf and without.

mod pair;
mod report;
mod setup;

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::figures::Spread;
use super::machine;
use crate::workspace::Workspace;
use pair::{Pair, Round};
use setup::{Host, Setup, Variant};

/// How long the machine may take to be quiet before a setup is measured.
const SETTLING: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only the setups of that name or kind, such as `nft-1000` or `ebpf`; may be repeated
    #[arg(long = "setup", value_name = "NAME")]
    setups: Vec<String>,
    /// Rounds of each kind
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each round floods, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(100..=10_000))]
    time: u64,
    /// Which variant of iptables the host's Docker would use
    #[arg(long, value_enum, default_value_t)]
    iptables: Variant,
    /// What else packets meet on both hosts
    #[arg(long, value_enum, default_value_t)]
    host: Host,
}

impl Default for Args {
    fn default() -> Self {
        Self { setups: Vec::new(), rounds: 9, time: 500, iptables: Variant::default(), host: Host::default() }
    }
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Forwarding {
    method: &'static str,
    iptables: Variant,
    host: Host,
    rounds: u32,
    round_milliseconds: u64,
    frame_bytes: usize,
    setups: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    containers: usize,
    /// What counts there.
    counting: String,
    /// Why there are no figures.
    error: Option<String>,
    figures: Option<Figures>,
}

/// A rate is in packets a second, CPU in seconds of the forwarding one for a million packets.
#[derive(Debug, Serialize)]
struct Figures {
    without: Side,
    with: Side,
    ratio: Ratio,
    /// The same before anything counted: what the comparison itself is good for.
    calibration: Ratio,
    /// Packets that were received while something counted, and those that dtraf says it has counted.
    received: u64,
    counted: Option<u64>,
    /// For which share of the time the forwarding CPU waited for the sender.
    idle: f64,
    /// For which share of the time it worked for others.
    stolen: f64,
    pairs: Vec<(Round, Round)>,
}

#[derive(Debug, Serialize)]
struct Side {
    rate: Spread,
    cpu: Spread,
}

/// Of a round to the plain one beside it.
#[derive(Debug, Serialize)]
struct Ratio {
    rate: Spread,
    /// By what one CPU forwards in a second of its time: what others take of it does not matter.
    capacity: Spread,
}

impl Forwarding {
    pub(crate) fn failed(&self) -> usize {
        self.setups.iter().filter(|outcome| outcome.error.is_some()).count()
    }
}

pub(crate) fn measure(workspace: &Workspace, args: &Args) -> Result<Forwarding> {
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("one CPU is to send and another to forward: this machine has one");
    }
    let all = setup::all();
    let is_wanted =
        |setup: &&Setup| args.setups.is_empty() || args.setups.iter().any(|name| setup.is_called(name));
    let chosen: Vec<&Setup> = all.iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|setup| setup.name.as_str()).collect();
        bail!("no setup is called {}; there are {}", args.setups.join(" or "), names.join(", "));
    }
    let mut outcomes = Vec::new();
    for setup in chosen {
        println!("{}: {} containers, {}", setup.name, setup.containers, setup.counting);
        let measured = measure_one(workspace, args, setup);
        let (figures, error) = match measured {
            Ok(figures) => (Some(figures), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        if let Some(error) = &error {
            println!("  not measured: {error}");
        }
        outcomes.push(Outcome {
            name: setup.name.clone(),
            containers: setup.containers,
            counting: setup.counting.to_string(),
            error,
            figures,
        });
    }
    Ok(Forwarding {
        method: report::METHOD,
        iptables: args.iptables,
        host: args.host,
        rounds: args.rounds,
        round_milliseconds: args.time,
        frame_bytes: pair::FRAME_BYTES,
        setups: outcomes,
    })
}

fn measure_one(workspace: &Workspace, args: &Args, setup: &Setup) -> Result<Figures> {
    let pair = Pair::start(workspace, args, setup.containers)?;
    machine::settle(SETTLING)?;
    // The first packets fill caches and ask for addresses.
    pair.rounds(1, None)?;
    let calibration = pair.rounds(args.rounds, None)?;
    let mut counting = setup.counting.start(&pair)?;
    machine::settle(SETTLING)?;
    let before = pair.received()?;
    pair.rounds(1, Some(&counting))?;
    let pairs = pair.rounds(args.rounds, Some(&counting))?;
    let received = pair.received()? - before;
    let counted = counting.counted(&pair, received)?;
    let figures = report::figures(&calibration, pairs, received, counted)?;
    println!("  {figures}");
    Ok(figures)
}
