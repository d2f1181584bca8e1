//! The machine that a benchmark runs on: what it is, what its CPUs have done, and whether it is busy with something else.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dtraf_tests::Patience;
use serde::Serialize;

/// `/proc/stat` and `/proc/PID/stat` count hundredths of a second, whatever the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;
/// Over which time busy is judged.
const LOOK: Duration = Duration::from_millis(300);
/// So much of its CPUs may others use.
const QUIET: f64 = 0.1;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    kernel: String,
    cpu: String,
    pub(crate) cpus: usize,
}

impl Machine {
    pub(crate) fn read() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu: model.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
            cpus: std::thread::available_parallelism().context("count the CPUs")?.get(),
        })
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}, {} CPUs, {}", self.kernel, self.cpus, self.cpu)
    }
}

/// What one CPU has done since the machine was started, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worked {
    /// In the network's interrupts and the like.
    pub(crate) softirq: f64,
    /// In nothing.
    pub(crate) idle: f64,
    all: f64,
}

impl Worked {
    pub(crate) fn of(cpu: u32) -> Result<Self> {
        Self::read(&format!("cpu{cpu} "))
    }

    fn read(name: &str) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
        let line = stat.lines().find_map(|line| line.strip_prefix(name));
        let numbers: Vec<f64> = line
            .with_context(|| format!("find {name}in /proc/stat"))?
            .split_whitespace()
            .map(|number| number.parse::<f64>().map(|ticks| ticks / TICKS_PER_SECOND))
            .collect::<Result<_, _>>()
            .context("read /proc/stat")?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
        let [_, _, _, idle, waiting, _, softirq, _, ..] = numbers[..] else {
            bail!("/proc/stat has {} numbers for {name}", numbers.len());
        };
        let all = numbers.iter().take(8).sum();
        Ok(Self { softirq, idle: idle + waiting, all })
    }
}

/// What dtraf does when it begins is not what it does each second: it looks three times into each new container, the last time
/// after 17 s, one after the other, and each look takes 10 ms.
pub(crate) const BEGINNING: Duration = Duration::from_mins(1);

/// The seconds that a process has worked.
pub(crate) fn process_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is a name, which may hold anything.
    let (_, fields) = stat.rsplit_once(") ").with_context(|| format!("read {path}"))?;
    // The 14th and 15th of all: in user space, and in the kernel.
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>().with_context(|| format!("read {path}"))? / TICKS_PER_SECOND)
}

/// Waits until others leave the machine alone, for `limit` at most.
pub(crate) fn settle(limit: Duration) -> Result<()> {
    let patience = Patience::of(limit);
    loop {
        let before = Worked::read("cpu ")?;
        std::thread::sleep(LOOK);
        let after = Worked::read("cpu ")?;
        let all = (after.all - before.all).max(1.0 / TICKS_PER_SECOND);
        let busy = 1.0 - (after.idle - before.idle) / all;
        if busy <= QUIET || patience.left().is_none() {
            return Ok(());
        }
    }
}
