//! Two crowds that are alike: in one something counts, the other is what that is held against.
//!
//! Both stand at the same time, so that rounds with and without can follow each other at once: what disturbs the machine
//! disturbs both. Taking programs off a thousand interfaces and putting them back would take a minute each time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dtraf_tests::traffic::Flood;
use dtraf_tests::{Crowd, CrowdOptions, Member};
use serde::Serialize;

use super::super::machine::Worked;
use super::Args;
use super::setup::{Running, Variant};
use crate::workspace::Workspace;

/// The least there is on an Ethernet: 18 bytes of payload, and headers of 14, 20 and 8; a wire adds a checksum of 4.
pub(super) const FRAME_BYTES: usize = 64;
const PAYLOAD_BYTES: usize = FRAME_BYTES - 4 - 14 - 20 - 8;
/// One CPU sends, the other forwards.
const SENDER: usize = 0;
const FORWARDER: u32 = 1;

#[derive(Debug)]
pub(super) struct Pair {
    plain: Crowd,
    counted: Crowd,
    time: Duration,
    pub(super) variant: Variant,
    pub(super) program: PathBuf,
}

/// One flood.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Round {
    /// Packets that the container's interface received.
    packets: u64,
    seconds: f64,
    /// What the forwarding CPU worked for it.
    cpu_seconds: f64,
    /// When that CPU had nothing to do: the sender was too slow then.
    idle_seconds: f64,
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "some millions of packets")]
    pub(super) fn rate(&self) -> f64 {
        self.packets as f64 / self.seconds
    }

    /// Seconds of the forwarding CPU for a million packets.
    #[expect(clippy::cast_precision_loss, reason = "some millions of packets")]
    pub(super) fn cpu(&self) -> f64 {
        self.cpu_seconds / self.packets as f64 * 1e6
    }

    /// For which share of the time the forwarding CPU had nothing to do.
    pub(super) fn idle(&self) -> f64 {
        self.idle_seconds / self.seconds
    }

    /// For which share of the time the forwarding CPU did something else, for whoever else is on this machine.
    pub(super) fn stolen(&self) -> f64 {
        ((self.seconds - self.idle_seconds - self.cpu_seconds) / self.seconds).max(0.0)
    }
}

impl Pair {
    pub(super) fn start(workspace: &Workspace, args: &Args, containers: usize) -> Result<Self> {
        let variant = args.iptables;
        let release = workspace.target().join("release");
        let options = CrowdOptions {
            containers,
            chains: variant.chains(),
            furnishing: args.host.furnishing(),
            tool: Some(release.join("dtraf-lab")),
        };
        let start = || -> Result<Crowd> {
            let crowd = Crowd::start(&options)?;
            crowd.steer(FORWARDER)?;
            Ok(crowd)
        };
        let plain = start().context("start the plain crowd")?;
        let counted = start().context("start the counted crowd")?;
        let time = Duration::from_millis(args.time);
        Ok(Self { plain, counted, time, variant, program: release.join("dtraf") })
    }

    /// The host where something counts.
    pub(super) fn counted(&self) -> &Crowd {
        &self.counted
    }

    /// What the flooded container of the counted crowd has received.
    pub(super) fn received(&self) -> Result<u64> {
        Ok(self.counted.received(target(&self.counted))?.packets)
    }

    /// So many rounds of each kind, the plain one of each pair first; every other time they change places.
    pub(super) fn rounds(&self, count: u32, counting: Option<&Running<'_>>) -> Result<Vec<(Round, Round)>> {
        let plain = || {
            // Whatever counting costs beside the packets, it is not the plain crowd's to pay.
            let _asleep = counting.map(Running::sleep).transpose()?;
            flood(&self.plain, self.time)
        };
        let counted = || flood(&self.counted, self.time);
        (0..count)
            .map(|number| {
                if number % 2 == 0 {
                    let first = plain()?;
                    Ok((first, counted()?))
                } else {
                    let first = counted()?;
                    Ok((plain()?, first))
                }
            })
            .collect()
    }
}

/// The last one: where rules stand in a row, it has the longest way.
pub(super) fn target(crowd: &Crowd) -> &Member {
    crowd.members().last().expect("a crowd is not empty")
}

fn flood(crowd: &Crowd, time: Duration) -> Result<Round> {
    let member = target(crowd);
    let before = (crowd.received(member)?, Worked::of(FORWARDER)?);
    let flood = Flood { size: PAYLOAD_BYTES, time, cpu: Some(SENDER) };
    let flooded = crowd.outside().place().flood(crowd.sink(member), &flood).context("flood")?;
    let after = (crowd.received(member)?, Worked::of(FORWARDER)?);
    Ok(Round {
        packets: after.0.packets - before.0.packets,
        seconds: Duration::from_nanos(flooded.nanoseconds).as_secs_f64(),
        cpu_seconds: after.1.softirq - before.1.softirq,
        idle_seconds: after.1.idle - before.1.idle,
    })
}
