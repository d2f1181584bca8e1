//! How it is shown.

use std::fmt::{self, Display, Formatter};

use super::frames::Way;
use super::live::{DTRAF, Live};
use super::yardsticks::{COUNTER, EMPTY, WALKER};
use super::{Measured, Packets, Timed};
use crate::bench::figures::Spread;

pub(super) const METHOD: &str = "\
The programs that `dtraf run` has loaded, with its maps, run by BPF_PROG_TEST_RUN: the same frame again and again, so all \
memory is warm. In each round, one after another: a program that only returns, one that adds to a counter of its CPU, one \
that reads the headers by the walk that dtraf's begin with, and dtraf's. \"Above empty\" is less the empty program of \
the same round; the ratio is to the walk alone, both above empty. Medians of the rounds, and in brackets their range. At the \
end dtraf must have counted each run. Under traffic it is the time that the kernel takes of each program on one and the same \
packet (BPF_ENABLE_STATS), all four on one interface.";

impl Display for Packets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.method)?;
        writeln!(
            f,
            "{} rounds of {} runs; JIT {}, spectre v2: {}",
            self.rounds, self.runs, self.jit, self.spectre_v2
        )?;
        writeln!(
            f,
            "\n| containers | port entries | all frames: ns above empty | ratio to the walk, frames with ports |"
        )?;
        writeln!(f, "| --- | --- | --- | --- |")?;
        for Measured { containers, entries, above, ratio, .. } in &self.setups {
            writeln!(f, "| {containers} | {entries} | {} | {} |", Range(above), Range(ratio))?;
        }
        if let Some(last) = self.setups.last() {
            writeln!(f, "\n{} containers, {} port entries:\n", last.containers, last.entries)?;
            frames(f, &last.frames)?;
        }
        for Measured { containers, entries, live, .. } in &self.setups {
            if live.is_empty() {
                continue;
            }
            writeln!(f, "\nunder traffic, {containers} containers, {entries} port entries:\n")?;
            traffic(f, live)?;
        }
        Ok(())
    }
}

fn frames(f: &mut Formatter<'_>, frames: &[Timed]) -> fmt::Result {
    writeln!(f, "| frame | empty | counter | walk | dtraf | dtraf above empty | ratio |")?;
    writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for Timed { frame, way, empty, counter, walker, dtraf, above, ratio } in frames {
        let way = match way {
            Way::Out => "out",
            Way::In => "in",
        };
        write!(
            f,
            "| {way}: {frame} | {:.1} | {:.1} | {:.1} | {:.1} | {} | ",
            empty.median,
            counter.median,
            walker.median,
            dtraf.median,
            Range(above)
        )?;
        match ratio {
            Some(ratio) => writeln!(f, "{} |", Range(ratio))?,
            None => writeln!(f, "|")?,
        }
    }
    Ok(())
}

fn traffic(f: &mut Formatter<'_>, lives: &[Live]) -> fmt::Result {
    writeln!(f, "| traffic | packets | empty | counter | walk | dtraf | dtraf above empty | ratio |")?;
    writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for Live { traffic, packets, programs, above, ratio } in lives {
        write!(f, "| {traffic} | {packets} |")?;
        for name in [EMPTY, COUNTER, WALKER, DTRAF] {
            write!(f, " {:.1} |", programs[name].median)?;
        }
        writeln!(f, " {} | {} |", Range(above), Range(ratio))?;
    }
    Ok(())
}

#[derive(Debug)]
struct Range<'a>(&'a Spread);

impl Display for Range<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Spread { median, least, most } = self.0;
        write!(f, "{median:.1} ({least:.1} to {most:.1})")
    }
}
