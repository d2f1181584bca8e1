//! Figures out of rounds, and how they are shown.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context as _, Result};

use super::pair::Round;
use super::{Figures, Forwarding, Ratio, Side, Spread};

/// Stands with the figures wherever they go.
pub(super) const METHOD: &str = "\
Two crowds of namespaces stand side by side, each a Docker host with one veth on a bridge for every container; in one of \
them something counts. An outside namespace floods the last container with UDP in 64-byte frames: one CPU sends, another \
(by RPS) does everything behind the wire: forwarding, rules, bridge, veth and the container's socket. Sending waits for \
the forwarding CPU, so that CPU's pace is what is measured. On a bare host nothing is tracked or translated; on one of \
Docker's, connections are tracked and all of Docker's rules are there, in both crowds. Rounds without and with \
counting follow each other at once and change places every time; while the plain crowd is flooded, dtraf is stopped. \
Packets are those that the container's own interface received. Each ratio is of two neighbouring rounds; the median of \
them counts, the range stands behind it. \"By CPU time\" is the same by the time that the forwarding CPU spent in the \
network's interrupts, in rounds in which it was idle for a tenth at most: others on the machine may take that CPU from \
it, and disturb rates, but not this. The calibration is the same comparison before anything counted: differences as small \
as its own say nothing.";

/// A forwarding CPU that is idle for longer was waiting for the sender: rates are the sender's then. And what is counted of
/// its work is too little: where it was idle for half of the time, rules seemed to cost less than nothing.
const IDLE: f64 = 0.1;

pub(super) fn figures(
    calibration: &[(Round, Round)],
    pairs: Vec<(Round, Round)>,
    received: u64,
    counted: Option<u64>,
) -> Result<Figures> {
    let idle = spread(&pairs, |(plain, counted)| plain.idle().max(counted.idle()))?;
    let busy = busy(&pairs);
    Ok(Figures {
        without: Side {
            rate: spread(&pairs, |(plain, _)| plain.rate())?,
            cpu: spread(&busy, |(plain, _)| plain.cpu())?,
        },
        with: Side {
            rate: spread(&pairs, |(_, counted)| counted.rate())?,
            cpu: spread(&busy, |(_, counted)| counted.cpu())?,
        },
        ratio: ratio(&pairs)?,
        calibration: ratio(calibration)?,
        received,
        counted,
        idle: idle.median,
        stolen: spread(&pairs, |(plain, counted)| plain.stolen().max(counted.stolen()))?.median,
        pairs,
    })
}

fn ratio(pairs: &[(Round, Round)]) -> Result<Ratio> {
    Ok(Ratio {
        rate: spread(pairs, |(plain, counted)| counted.rate() / plain.rate())?,
        capacity: spread(&busy(pairs), |(plain, counted)| plain.cpu() / counted.cpu())?,
    })
}

/// Those in which the sender was never what was waited for.
fn busy(pairs: &[(Round, Round)]) -> Vec<(Round, Round)> {
    let is_busy = |(plain, counted): &&(Round, Round)| plain.idle().max(counted.idle()) <= IDLE;
    pairs.iter().filter(is_busy).copied().collect()
}

fn spread(pairs: &[(Round, Round)], value: fn(&(Round, Round)) -> f64) -> Result<Spread> {
    Spread::of(pairs.iter().map(value)).context(
        "there was no round in which the forwarding CPU was busy; more of them may have one: --rounds",
    )
}

impl Figures {
    /// The ratio of the rates, where it says something of forwarding.
    fn rate(&self) -> String {
        if self.idle <= IDLE {
            Percent(self.ratio.rate).to_string()
        } else {
            format!("the sender was too slow ({:.0} % idle)", self.idle * 100.0)
        }
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} kpps of {:.0}: {}, by CPU time {} (calibration {}, {}; others took {:.0} % of the CPU)",
            self.with.rate.median / 1e3,
            self.without.rate.median / 1e3,
            self.rate(),
            Percent(self.ratio.capacity),
            Percent(self.calibration.rate),
            Percent(self.calibration.capacity),
            self.stolen * 100.0
        )
    }
}

/// The table of `docs/benchmarks.md`.
impl Display for Forwarding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.method)?;
        let heads = [
            "what counts",
            "containers",
            "kpps without",
            "kpps with",
            "rate",
            "by CPU time",
            "calibration",
            "CPU s a million packets, without and with",
        ];
        writeln!(f, "| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()))?;
        for outcome in &self.setups {
            write!(f, "| {} | {} | ", outcome.counting, outcome.containers)?;
            match &outcome.figures {
                Some(figures @ Figures { without, with, ratio, calibration, .. }) => writeln!(
                    f,
                    "{:.0} | {:.0} | {} | {} | {} | {:.2}, {:.2} |",
                    without.rate.median / 1e3,
                    with.rate.median / 1e3,
                    figures.rate(),
                    Percent(ratio.capacity),
                    Percent(calibration.capacity),
                    without.cpu.median,
                    with.cpu.median
                )?,
                None => writeln!(f, "not measured | | | | | |")?,
            }
        }
        write!(
            f,
            "\n{} rounds of {} ms of each kind, frames of {} bytes, iptables ({}).",
            self.rounds, self.round_milliseconds, self.frame_bytes, self.iptables
        )
    }
}

/// A share with its range.
#[derive(Debug)]
struct Percent(Spread);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Spread { median, least, most } = self.0;
        write!(f, "{:.1} % ({:.1} to {:.1})", median * 100.0, least * 100.0, most * 100.0)
    }
}
