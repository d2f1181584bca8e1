//! Figures out of rounds, and how they are shown.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context as _, Result, ensure};

use super::pair::Round;
use super::{Figures, Forwarding, Spread};

/// Stands with the figures wherever they go.
pub(super) const METHOD: &str = "\
Two crowds of namespaces stand side by side, each a Docker host with one veth on a bridge for every container; in one of \
them something counts. An outside namespace floods the last container with UDP in 64-byte frames: one CPU sends, \
another (by RPS) does everything behind the wire: forwarding, rules, bridge, veth and the container's socket. Sending \
waits for the forwarding CPU, so that CPU's pace is what is measured; nothing is tracked or translated. Rounds without and \
with counting follow each other at once and change places every time; while the plain crowd is flooded, dtraf is \
stopped. Packets are those that the container's own interface received. Each ratio is of two neighbouring rounds; the \
median of them counts, the range stands behind it. The calibration is the same comparison before anything counted: \
differences as small as its own say nothing.";

/// A forwarding CPU with less to do was waiting for the sender: then the sender was measured.
const SATURATED: f64 = 0.9;

pub(super) fn figures(
    calibration: &[(Round, Round)],
    pairs: Vec<(Round, Round)>,
    received: u64,
    counted: Option<u64>,
    others_busy: f64,
) -> Result<Figures> {
    let spread = |pairs: &[(Round, Round)], value: fn(&(Round, Round)) -> f64| {
        Spread::of(pairs.iter().map(value)).context("there was no round")
    };
    let ratio: fn(&(Round, Round)) -> f64 = |(plain, counted)| counted.rate() / plain.rate();
    let load = spread(&pairs, |(plain, counted)| plain.load().min(counted.load()))?;
    ensure!(
        load.median >= SATURATED,
        "the forwarding CPU was busy for {:.0} % of the time only: the sender was too slow",
        load.median * 100.0
    );
    Ok(Figures {
        plain_rate: spread(&pairs, |(plain, _)| plain.rate())?,
        rate: spread(&pairs, |(_, counted)| counted.rate())?,
        ratio: spread(&pairs, ratio)?,
        calibration: spread(calibration, ratio)?,
        plain_cpu: spread(&pairs, |(plain, _)| plain.cpu())?,
        cpu: spread(&pairs, |(_, counted)| counted.cpu())?,
        received,
        counted,
        others_busy,
        pairs,
    })
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} kpps of {:.0}: {} (calibration {}), {:.2} s a million packets instead of {:.2}",
            self.rate.median / 1e3,
            self.plain_rate.median / 1e3,
            Percent(self.ratio),
            Percent(self.calibration),
            self.cpu.median,
            self.plain_cpu.median
        )
    }
}

/// The table of `docs/benchmarks.md`.
impl Display for Forwarding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.method)?;
        writeln!(
            f,
            "| setup | containers | kpps without | kpps with | with / without | calibration | CPU s a million, without | with |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for outcome in &self.setups {
            write!(f, "| {} | {} | ", outcome.counting, outcome.containers)?;
            match &outcome.figures {
                Some(figures) => writeln!(
                    f,
                    "{:.0} | {:.0} | {} | {} | {:.2} | {:.2} |",
                    figures.plain_rate.median / 1e3,
                    figures.rate.median / 1e3,
                    Percent(figures.ratio),
                    Percent(figures.calibration),
                    figures.plain_cpu.median,
                    figures.cpu.median
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
