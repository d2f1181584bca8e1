//! How it is shown.

use std::fmt::{self, Display, Formatter};

use super::start::{Arrival, Kind, Start};
use super::{Daemons, Rest};
use crate::bench::figures::Spread;

pub(super) const METHOD: &str = "\
`dtraf run --headless` on a host with a crowd of containers, at one reading each second, datagrams to one after the other. CPU \
time is the whole process's, its kernel side included; memory is what /proc/PID/status says at the end. Start-up is from the start \
of the program to its first report (--format json) that has figures of all containers. A container's arrival is from its \
interface's joining the bridge to both programs' being there; the programs that ask for that (ip, tc, a shell) take the time \
that stands behind it.";

impl Display for Daemons {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.method)?;
        if !self.rest.is_empty() {
            writeln!(f, "\n{} s of each:\n", self.seconds)?;
            writeln!(
                f,
                "| containers | % of one core | resident, MB | of it anonymous, MB | most ever resident, MB |"
            )?;
            writeln!(f, "| --- | --- | --- | --- | --- |")?;
        }
        for Rest { containers, percent, memory } in &self.rest {
            let megabytes =
                |name: &str| memory.get(name).map_or(0.0, |kilobytes| kilobytes_to_megabytes(*kilobytes));
            let [now, anonymous, most] = ["VmRSS", "RssAnon", "VmHWM"].map(megabytes);
            writeln!(f, "| {containers} | {percent:.2} | {now:.1} | {anonymous:.1} | {most:.1} |")?;
        }
        if !self.starts.is_empty() {
            writeln!(f, "\n| start | interfaces | attached by | s |\n| --- | --- | --- | --- |")?;
        }
        for Start { attach, interfaces, kind, seconds: Spread { median, least, most } } in &self.starts {
            let kind = match kind {
                Kind::Cold => "cold",
                Kind::Attached => "all attached already",
            };
            writeln!(f, "| {kind} | {interfaces} | {attach} | {median:.2} ({least:.2} to {most:.2}) |")?;
        }
        if !self.arrivals.is_empty() {
            writeln!(f, "\n| a container comes, attached by | ms | of it asking, ms |\n| --- | --- | --- |")?;
        }
        for Arrival { attach, milliseconds, asking } in &self.arrivals {
            let [all, asking] = [milliseconds, asking]
                .map(|Spread { median, least, most }| format!("{median:.1} ({least:.1} to {most:.1})"));
            writeln!(f, "| {attach} | {all} | {asking} |")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn kilobytes_to_megabytes(kilobytes: u64) -> f64 {
    // The kernel's kB are of 1,024 bytes.
    kilobytes as f64 * 1.024 / 1000.0
}
