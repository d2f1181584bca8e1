//! What passes on a link, frame by frame: the judge of wire bytes.
//!
//! Behind a link that cuts super-packets ([`Place::offloads`]) a capture shows exactly what a wire would carry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::deadline::eventually;
use crate::place::Place;
use crate::process::Process;

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    /// The file of packets, as it is opened from here.
    file: PathBuf,
}

/// What a capture saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Captured {
    pub frames: u64,
    /// Whole Ethernet frames, without the checksum.
    pub bytes: u64,
    /// Frames longer than `1514`: super-packets that nothing has cut. None of them, and the bytes are wire bytes.
    pub super_packets: u64,
}

/// Only the beginning of a frame is kept; its length is known all the same.
const KEPT_BYTES: &str = "96";
const LARGEST_FRAME: u64 = 1514;

impl Capture {
    /// Captures what a filter (as of `tcpdump`) lets through on a link, in both directions.
    pub fn start(place: &Place, link: &str, filter: &str) -> Result<Self> {
        let name = place.run("mktemp", &["/run/capture-XXXXXX"])?;
        let name = name.trim();
        let script = format!(
            "exec tcpdump -i {link} -Z root -n --immediate-mode -s {KEPT_BYTES} -B 65536 -w {name} '{filter}' \
             2>{name}.log",
        );
        let tcpdump = place.spawn("sh", &["-c", &script])?;
        let file = PathBuf::from(format!("/proc/{}/root{name}", place.init));
        let log = log_of(&file);
        eventually("tcpdump to listen", Duration::from_secs(10), || {
            Ok(fs::read_to_string(&log).unwrap_or_default().contains("listening on").then_some(()))
        })?;
        Ok(Self { tcpdump, file })
    }

    /// Ends the capture; an error when the kernel dropped a single frame of it.
    pub fn finish(mut self) -> Result<Captured> {
        let log = log_of(&self.file);
        let log = || fs::read_to_string(&log).context("read tcpdump's messages");
        // What it has not fetched from the kernel when it is told to end is lost.
        eventually("tcpdump to have all frames", Duration::from_secs(30), || {
            self.tcpdump.signal(Signal::USR1)?;
            Ok(log()?.lines().rev().find_map(has_all).filter(|&all| all))
        })?;
        self.tcpdump.stop(Signal::INT, Duration::from_secs(10))?;
        let log = log()?;
        ensure!(log.contains("\n0 packets dropped by kernel"), "the capture is not complete: {log}");
        sum(File::open(&self.file).context("open the capture")?)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It lies in the lab, which takes it along; a long test wants the room earlier.
        drop(fs::remove_file(&self.file));
    }
}

/// Whether it has fetched all, by the line that tcpdump prints when it is asked:
/// `tcpdump: 1 packet captured, 1 packet received by filter, 0 packets dropped by kernel`.
fn has_all(line: &str) -> Option<bool> {
    let (_, counts) = line.split_once("tcpdump: ")?;
    let mut counts = counts.split(", ").map(|count| count.split(' ').next());
    Some(counts.next()?? == counts.next()??)
}

fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

/// Adds up a file in pcap's classic form, of this machine's byte order.
fn sum(mut file: impl std::io::Read) -> Result<Captured> {
    let mut content = Vec::new();
    file.read_to_end(&mut content).context("read the capture")?;
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_ne_bytes(content.get(at..at + 4)?.try_into().ok()?)) };
    ensure!(word(0) == Some(0xa1b2_c3d4), "the capture is no pcap file");

    let mut captured = Captured::default();
    let mut at = 24;
    while let (Some(kept), Some(length)) = (word(at + 8), word(at + 12)) {
        captured.frames += 1;
        captured.bytes += u64::from(length);
        captured.super_packets += u64::from(u64::from(length) > LARGEST_FRAME);
        at += 16 + usize::try_from(kept).context("a frame's length")?;
    }
    Ok(captured)
}
