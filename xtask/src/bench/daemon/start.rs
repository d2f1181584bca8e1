//! How soon dtraf counts: after its own start, and after a container's.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dtraf_tests::{Crowd, Dtraf, Running};
use serde::Serialize;

use super::{SETTLING, all_are_counted, stop};
use crate::bench::figures::Spread;
use crate::bench::machine;

/// From the start of the program to its first report with figures of all containers.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    pub(super) attach: &'static str,
    pub(super) interfaces: usize,
    pub(super) kind: Kind,
    pub(super) seconds: Spread,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Nothing was there.
    Cold,
    /// All were attached to, by a dtraf that was told to end.
    Attached,
}

/// From when the interface joins the bridge.
#[derive(Debug, Serialize)]
pub(super) struct Arrival {
    pub(super) attach: &'static str,
    /// Until both programs are there, with what asks for it.
    pub(super) milliseconds: Spread,
    /// What asks takes by itself.
    pub(super) asking: Spread,
}

/// TCX takes half a minute to attach and another to detach a thousand: once is enough.
const COLD_BY_TCX: u32 = 1;

pub(super) fn starts(
    dtraf: &Dtraf<'_>,
    interfaces: usize,
    attach: &'static str,
    rounds: u32,
) -> Result<[Start; 2]> {
    let (mut cold, mut attached) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round == 0 || attach != "tcx" || round < COLD_BY_TCX {
            if round > 0 {
                dtraf.run(&["uninstall", "--yes"])?;
            }
            machine::settle(SETTLING)?;
            cold.push(start(dtraf, interfaces, attach)?);
        }
        machine::settle(SETTLING)?;
        attached.push(start(dtraf, interfaces, attach)?);
    }
    let start = |kind, seconds| -> Result<Start> {
        Ok(Start { attach, interfaces, kind, seconds: Spread::of(seconds).context("there was no round")? })
    };
    Ok([start(Kind::Cold, cold)?, start(Kind::Attached, attached)?])
}

#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn start(dtraf: &Dtraf<'_>, interfaces: usize, attach: &str) -> Result<f64> {
    let attach = format!("--attach={attach}");
    let begin = Instant::now();
    let mut running: Running =
        dtraf.start(&["run", "--backend=ebpf", "--format=json", "--interval=1s", &attach])?;
    loop {
        let line = running.process.line(super::READY)?;
        let took = begin.elapsed();
        let report = dtraf_tests::report::Report::read(&line)?;
        if report.containers.iter().filter(|container| container.figures().is_ok()).count() == interfaces {
            stop(running)?;
            return Ok(took.as_secs_f64());
        }
    }
}

pub(super) fn arrival(
    crowd: &Crowd,
    dtraf: &Dtraf<'_>,
    attach: &'static str,
    rounds: u32,
) -> Result<Arrival> {
    let option = format!("--attach={attach}");
    let running = dtraf.start(&["run", "--headless", "--backend=ebpf", "--interval=1s", &option])?;
    all_are_counted(dtraf, crowd.members().len())?;
    let (mut times, mut asking) = (Vec::new(), Vec::new());
    // The first ones fill caches.
    for round in 0..rounds + 2 {
        let link = format!("bench{round}");
        let host = crowd.host();
        host.run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "peer0"])?;
        // dtraf does what it has to do about the link.
        std::thread::sleep(Duration::from_millis(200));
        let join = || ask(crowd, &link, attach);
        let (first, second) = (join()?, join()?);
        if round >= 2 {
            times.push(first);
            asking.push(second);
        }
        host.run("ip", &["link", "delete", &link])?;
    }
    stop(running)?;
    let spread = |values| Spread::of(values).context("there was no round");
    Ok(Arrival { attach, milliseconds: spread(times)?, asking: spread(asking)? })
}

/// Puts a link on the bridge, as Docker does before the link goes up, and asks until both programs are on it.
#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn ask(crowd: &Crowd, link: &str, attach: &str) -> Result<f64> {
    let is_attached = match attach {
        // The pin of the second link is the last thing that is done.
        "tcx" => "set -- /sys/fs/bpf/dtraf/*/links/$index-egress; [ -e \"$1\" ]",
        _ => "tc filter show dev $link egress | grep -q dtraf",
    };
    let script = format!(
        "link={link}; read index </sys/class/net/$link/ifindex; ip link set $link master docker0; \
         while ! {{ {is_attached}; }}; do :; done"
    );
    let begin = Instant::now();
    crowd.host().run("sh", &["-c", &script])?;
    Ok(begin.elapsed().as_secs_f64() * 1000.0)
}
