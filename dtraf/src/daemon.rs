//! `dtraf run`: what counts is chosen, then counts until a signal comes.

mod desk;
mod display;
mod ebpf;
pub(crate) mod keeper;
mod rules;
mod signals;

use std::time::Duration;

use anyhow::bail;
use rustix::process::setpriority_process;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::display::Display;
pub(crate) use self::signals::Signals;
use crate::accounting::blind::BlindSpot;
use crate::accounting::report::{Backend, Refused};
use crate::config::{Run, Show};
use crate::docker::Docker;
use crate::links::Links;
use crate::source::ebpf::EbpfError;
use crate::source::probe::{Facts, probe};
use crate::source::rules::set::RuleSet;
use crate::source::select::{Wanted, blind_spots, select};
use crate::{host, source};

/// The daemon's, and that of the programs that it runs.
const NICENESS: i32 = -10;

/// What every backend needs of the host.
struct Host {
    links: Links,
    docker: Docker,
    signals: Signals,
    display: Display,
}

/// Counts until a signal comes, or once.
pub(crate) async fn run(config: Run) -> anyhow::Result<()> {
    host::check()?;
    hurry();
    let links = Links::connect()?;
    let docker = Docker::connect(links.clone()).await?;
    let signals = Signals::new(matches!(config.show, Show::Live(_)))?;
    let facts = probe(&config.bpffs, Ok(&docker), &links).await;
    let (counting, refused) = choose(&config, &facts)?;
    let backend = counting.backend();
    for Refused { backend: better, reason } in &refused {
        log::info!("{backend} counts, and not {better}: {reason}");
    }
    let mut blind_spots = blind_spots(backend, &facts);
    // The first thing that the daemon does is to move its rules up.
    blind_spots.retain(|spot| *spot != BlindSpot::Hidden);
    let origin = host::origin(backend, blind_spots, refused);
    for spot in &origin.blind_spots {
        log::info!("not seen by {backend}: {spot}");
    }
    let host = Host { links, docker, signals, display: Display::open(config.show, origin)? };
    match counting {
        Counting::Ebpf(counting) => ebpf::run(*counting, config, host).await,
        Counting::Rules(rules) => rules::run(rules, config, host).await,
    }
}

/// Asks for the CPU before others: where all are busy, a container's first packets would pass before the daemon has had its turn
/// to attach to its link. What it does then is short.
fn hurry() {
    if let Err(errno) = setpriority_process(None, NICENESS) {
        log::debug!("stay at the usual priority: {errno}");
    }
}

/// What was found to count, and has not begun.
enum Counting {
    Ebpf(Box<source::ebpf::Counting>),
    Rules(RuleSet),
}

impl Counting {
    fn start(backend: Backend, config: &Run) -> anyhow::Result<Self> {
        if config.trace.is_some() && backend != Backend::Ebpf {
            bail!(
                "--trace follows packets through the eBPF program, and {backend} is to count; leave it out"
            );
        }
        Ok(match backend {
            Backend::Ebpf => Self::Ebpf(Box::new(ebpf::start(config)?)),
            Backend::Iptables => Self::Rules(RuleSet::iptables(config.literal_rules)?),
            Backend::Nft => Self::Rules(RuleSet::nft()?),
        })
    }

    fn backend(&self) -> Backend {
        match self {
            Self::Ebpf(_) => Backend::Ebpf,
            Self::Rules(rules) => rules.backend(),
        }
    }
}

/// The best backend that is wanted, and why it is no better one. A kernel may still refuse the programs themselves; whatever
/// else fails is no reason to count less well than the host can.
fn choose(config: &Run, facts: &Facts) -> anyhow::Result<(Counting, Vec<Refused>)> {
    let wanted = config.backend;
    let selection = select(facts, wanted)?;
    let mut refused: Vec<_> = selection.refused.into_iter().map(Refused::from).collect();
    match Counting::start(selection.backend, config) {
        Err(error) if wanted == Wanted::Auto && is_refused_by_the_kernel(&error) => {
            refused.push(Refused { backend: Backend::Ebpf, reason: format!("{error:#}") });
            let Ok(next) = select(facts, Wanted::Only(Backend::Iptables)) else { return Err(error) };
            refused.extend(next.refused.into_iter().map(Refused::from));
            Ok((Counting::start(next.backend, config)?, refused))
        }
        started => Ok((started?, refused)),
    }
}

fn is_refused_by_the_kernel(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<EbpfError>(),
        Some(EbpfError::LoadObject(_) | EbpfError::LoadProgram { .. })
    )
}

fn ticks(pace: Duration) -> Interval {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
