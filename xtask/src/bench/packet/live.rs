//! The same programs under real packets, by the time that the kernel itself takes of them (`BPF_ENABLE_STATS`).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType, TcHandle};
use aya::sys::{Stats, enable_stats};
use dtraf_tests::traffic::{Flood, Scan};
use serde::{Deserialize, Serialize};

use super::scene::{CPU, Programs, Scene};
use super::yardsticks::{ALL, EMPTY, WALKER, Yardsticks};
use crate::bench::figures::Spread;

/// Behind dtraf's own filters.
const PRIORITY: u16 = 100;
const TIME: Duration = Duration::from_millis(500);
/// The payload of a frame of 64 bytes.
const PAYLOAD: usize = 18;

/// Nanoseconds of a run under traffic of one kind, with what the kernel needs to take the time.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    pub(super) traffic: &'static str,
    pub(super) packets: u64,
    pub(super) programs: BTreeMap<&'static str, Spread>,
    /// Above the empty program, and how often that of the walker.
    pub(super) above: Spread,
    pub(super) ratio: Spread,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Counted {
    #[serde(default)]
    run_time_ns: u64,
    #[serde(default)]
    run_cnt: u64,
}

pub(super) fn measure(
    scene: &Scene,
    programs: &Programs,
    yardsticks: &mut Yardsticks,
    rounds: u32,
) -> Result<Vec<Live>> {
    scene.crowd.steer(u32::try_from(CPU)?)?;
    let mut ids = BTreeMap::from([(DTRAF, programs.ids[1])]);
    for (priority, name) in (PRIORITY..).zip(ALL) {
        let program = yardsticks.program_mut(name)?;
        let options = NlOptions { priority, handle: TcHandle::AUTO_ASSIGN, classid: None };
        program
            .attach_with_options(
                &scene.member().veth,
                TcAttachType::Egress,
                TcAttachOptions::Netlink(options),
            )
            .with_context(|| format!("attach the program {name}"))?;
        ids.insert(name, program.info()?.id());
    }
    let stats = enable_stats(Stats::RunTime).context("have the kernel take the time of programs")?;
    let outside = scene.crowd.outside().place();
    let sink = scene.crowd.sink(scene.member());
    let flood = || -> Result<()> {
        // From the other CPU.
        let flood = Flood { size: PAYLOAD, time: TIME, cpu: Some(0) };
        outside.flood(sink, &flood).map(drop)
    };
    let scan = || outside.scan(sink.ip(), 1..=u16::MAX, Scan::Udp);
    let lives = vec![
        under("datagrams of 18 bytes, one port", scene, &ids, rounds, &flood)?,
        under("datagrams of 1 byte, 65,535 ports in turn", scene, &ids, rounds, &scan)?,
    ];
    drop(stats);
    Ok(lives)
}

pub(super) const DTRAF: &str = "dtraf";

fn under(
    traffic: &'static str,
    scene: &Scene,
    ids: &BTreeMap<&'static str, u32>,
    rounds: u32,
    send: &dyn Fn() -> Result<()>,
) -> Result<Live> {
    let mut times = BTreeMap::<_, Vec<f64>>::new();
    let (mut above, mut ratios, mut packets) = (Vec::new(), Vec::new(), 0);
    // The first one asks for addresses.
    send()?;
    for _ in 0..rounds {
        let before = read_all(scene, ids)?;
        send()?;
        let after = read_all(scene, ids)?;
        let mut round = BTreeMap::new();
        for name in ids.keys() {
            let runs = after[name].run_cnt - before[name].run_cnt;
            let time = nanoseconds(after[name].run_time_ns - before[name].run_time_ns, runs);
            times.entry(*name).or_default().push(time);
            round.insert(*name, time);
            packets += if *name == DTRAF { runs } else { 0 };
        }
        above.push(round[DTRAF] - round[EMPTY]);
        ratios.push((round[DTRAF] - round[EMPTY]) / (round[WALKER] - round[EMPTY]));
    }
    let spread = |values: Vec<f64>| Spread::of(values).context("there was no round");
    let programs =
        times.into_iter().map(|(name, times)| Ok((name, spread(times)?))).collect::<Result<_>>()?;
    Ok(Live { traffic, packets, programs, above: spread(above)?, ratio: spread(ratios)? })
}

#[expect(clippy::cast_precision_loss, reason = "some milliseconds and some thousand packets")]
fn nanoseconds(time: u64, runs: u64) -> f64 {
    time as f64 / runs as f64
}

fn read_all(scene: &Scene, ids: &BTreeMap<&'static str, u32>) -> Result<BTreeMap<&'static str, Counted>> {
    let read = |id: &u32| -> Result<Counted> {
        let text = scene.crowd.host().run("bpftool", &["-j", "prog", "show", "id", &id.to_string()])?;
        serde_json::from_str(&text).with_context(|| format!("read what the kernel says of program {id}"))
    };
    ids.iter().map(|(name, id)| Ok((*name, read(id)?))).collect()
}
