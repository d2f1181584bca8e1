//! `cargo xtask bench packet`: what dtraf's programs cost a packet, beside programs that do less.

mod frames;
mod live;
mod report;
mod scene;
mod yardsticks;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::figures::Spread;
use super::machine;
use crate::workspace::Workspace;
use frames::{Frame, Way};
use live::Live;
use scene::{Programs, Scene, check, run};
use yardsticks::{COUNTER, EMPTY, WALKER, Yardsticks};

/// How long the machine may take to be quiet before something is measured.
const SETTLING: Duration = Duration::from_secs(30);

/// How many containers, and how many entries of the port table.
#[derive(Clone, Copy, Debug)]
struct Setup {
    containers: usize,
    entries: usize,
}

const SETUPS: [Setup; 5] = [
    Setup { containers: 1, entries: 10 },
    Setup { containers: 1, entries: 10_000 },
    Setup { containers: 100, entries: 10_000 },
    Setup { containers: 1000, entries: 10 },
    Setup { containers: 1000, entries: 10_000 },
];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Rounds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How often a program runs with each frame in a round
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    runs: u32,
    /// Only with so many containers
    #[arg(long, value_name = "N")]
    containers: Option<usize>,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 15, runs: 100_000, containers: None }
    }
}

/// All that was measured, in nanoseconds of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Packets {
    method: &'static str,
    rounds: u32,
    runs: u32,
    jit: &'static str,
    spectre_v2: String,
    setups: Vec<Measured>,
}

#[derive(Debug, Serialize)]
struct Measured {
    containers: usize,
    entries: usize,
    frames: Vec<Timed>,
    /// Medians of the frames.
    above: Spread,
    ratio: Spread,
    live: Vec<Live>,
}

#[derive(Debug, Serialize)]
struct Timed {
    frame: &'static str,
    way: Way,
    empty: Spread,
    counter: Spread,
    walker: Spread,
    dtraf: Spread,
    above: Spread,
    /// Where there are ports to be read.
    ratio: Option<Spread>,
}

pub(crate) fn measure(workspace: &Workspace, args: &Args) -> Result<Packets> {
    let object = yardsticks::build(workspace)?;
    let yardsticks = fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    let mut setups = Vec::new();
    for setup in SETUPS {
        if args.containers.is_some_and(|containers| containers != setup.containers) {
            continue;
        }
        println!("\npacket: {} containers, {} port entries", setup.containers, setup.entries);
        // A thread of its own: it does not come back from the network that it enters.
        let measured =
            std::thread::scope(|scope| scope.spawn(|| one(workspace, args, &yardsticks, setup)).join());
        setups.push(measured.map_err(|_panic| anyhow::anyhow!("the measuring thread panicked"))??);
    }
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let jit = if read("/proc/sys/net/core/bpf_jit_enable")?.trim() == "0" { "off" } else { "on" };
    let spectre_v2 = read("/sys/devices/system/cpu/vulnerabilities/spectre_v2")?.trim().to_owned();
    let Args { rounds, runs, .. } = *args;
    Ok(Packets { method: report::METHOD, rounds, runs, jit, spectre_v2, setups })
}

fn one(workspace: &Workspace, args: &Args, yardsticks: &[u8], setup: Setup) -> Result<Measured> {
    let scene = Scene::start(workspace, setup.containers)?;
    scene.enter()?;
    let programs = scene.programs()?;
    let mut yardsticks = Yardsticks::load(yardsticks)?;
    let interfaces = scene.interfaces()?;
    scene.fill(&programs, &interfaces, &setup)?;
    let ifindex = Scene::target(&interfaces);
    let other = *interfaces.first().context("a crowd is not empty")?;
    let frames = frames::frames(scene.member(), other);
    // Makes the entries of these frames.
    for frame in &frames {
        run(programs.of(frame.way), frame, ifindex, 1)?;
    }
    let counted = scene.counted()?;
    machine::settle(SETTLING)?;
    scene.running.process.pause()?;
    let timed = timed(args, &programs, &yardsticks, &frames, ifindex)?;
    scene.running.process.resume()?;
    let runs = u64::from(args.rounds) * u64::from(args.runs) * frames.len() as u64;
    check(scene.counted()? - counted, runs)?;
    let is_largest = setup.containers == 1000 || args.containers.is_some();
    let live = if is_largest && setup.entries >= 10_000 {
        machine::settle(SETTLING)?;
        live::measure(&scene, &programs, &mut yardsticks, args.rounds)?
    } else {
        Vec::new()
    };
    let of = |value: fn(&Timed) -> Option<f64>| {
        Spread::of(timed.iter().filter_map(value)).context("there was no frame")
    };
    let above = of(|timed| Some(timed.above.median))?;
    let ratio = of(|timed| timed.ratio.map(|ratio| ratio.median))?;
    let Setup { containers, entries } = setup;
    Ok(Measured { containers, entries, above, ratio, frames: timed, live })
}

/// Every program with every frame, in each round.
fn timed(
    args: &Args,
    programs: &Programs,
    yardsticks: &Yardsticks,
    frames: &[Frame],
    ifindex: u32,
) -> Result<Vec<Timed>> {
    let [empty, counter, walker] = [EMPTY, COUNTER, WALKER].map(|name| yardsticks.program(name));
    let (empty, counter, walker) = (empty?, counter?, walker?);
    let mut rounds = vec![Vec::new(); frames.len()];
    for _ in 0..args.rounds {
        for (rounds, frame) in rounds.iter_mut().zip(frames) {
            let mut times = [0.0; 4];
            for (time, program) in times.iter_mut().zip([empty, counter, walker, programs.of(frame.way)]) {
                *time = run(program, frame, ifindex, args.runs)?;
            }
            rounds.push(times);
        }
    }
    let timed = rounds.iter().zip(frames).map(|(rounds, frame)| {
        let of = |value: &dyn Fn(&[f64; 4]) -> f64| {
            Spread::of(rounds.iter().map(value)).context("there was no round")
        };
        let ratio = |times: &[f64; 4]| (times[3] - times[0]) / (times[2] - times[0]);
        Ok(Timed {
            frame: frame.name,
            way: frame.way,
            empty: of(&|times| times[0])?,
            counter: of(&|times| times[1])?,
            walker: of(&|times| times[2])?,
            dtraf: of(&|times| times[3])?,
            above: of(&|times| times[3] - times[0])?,
            ratio: if frame.has_ports { Some(of(&ratio)?) } else { None },
        })
    });
    timed.collect()
}
