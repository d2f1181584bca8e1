//! What is measured: how many containers, and what counts them.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use anyhow::{Result, ensure};
use dtraf_tests::report::Report;
use dtraf_tests::{Chains, Crowd, Dtraf, Running as Daemon, eventually};
use serde::Serialize;

use super::pair::{Pair, target};

/// TCX takes ten milliseconds for each of a thousand interfaces and two directions.
const READY: Duration = Duration::from_mins(3);
const SIZES: [usize; 3] = [10, 100, 1000];
/// No chain is ever so long: every rule stands in DOCKER-USER itself.
const LITERALLY: &str = "--literal-rules=1000000";

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) name: String,
    pub(super) containers: usize,
    pub(super) counting: Counting,
}

#[derive(Debug, Clone)]
pub(super) enum Counting {
    /// `dtraf run --headless`, with these arguments.
    Dtraf(&'static [&'static str]),
    /// Two rules for each container in DOCKER-USER, as one would write them by hand.
    ByHand,
}

/// Which iptables a Docker has made its chains with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    #[default]
    Nft,
    Legacy,
}

pub(super) fn all() -> Vec<Setup> {
    let backends: [(&str, &[&str]); 3] =
        [("ebpf", &["--backend=ebpf"]), ("iptables", &["--backend=iptables"]), ("nft", &["--backend=nft"])];
    let sized = backends.iter().flat_map(|&(backend, args)| {
        SIZES.map(|containers| Setup {
            name: format!("{backend}-{containers}"),
            containers,
            counting: Counting::Dtraf(args),
        })
    });
    let most = SIZES[SIZES.len() - 1];
    let rows =
        [("literal", Counting::Dtraf(&["--backend=iptables", LITERALLY])), ("by-hand", Counting::ByHand)];
    let rows =
        rows.map(|(name, counting)| Setup { name: format!("{name}-{most}"), containers: most, counting });
    sized.chain(rows).collect()
}

impl Display for Counting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dtraf(args) => write!(f, "dtraf run --headless {}", args.join(" ")),
            Self::ByHand => f.write_str("two rules a container in DOCKER-USER, by hand"),
        }
    }
}

impl Variant {
    pub(super) fn chains(self) -> Chains {
        match self {
            Self::Nft => Chains::Nft,
            Self::Legacy => Chains::Legacy,
        }
    }

    fn restore(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft-restore",
            Self::Legacy => "iptables-legacy-restore",
        }
    }
}

impl Display for Variant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        })
    }
}

/// What counts now.
#[derive(Debug)]
pub(super) enum Running<'a> {
    Dtraf(Dtraf<'a>, Daemon),
    ByHand,
}

impl Counting {
    /// Starts it in the counted crowd; every container is counted when this returns.
    pub(super) fn start<'a>(&self, pair: &'a Pair) -> Result<Running<'a>> {
        let crowd = pair.counted();
        match self {
            Self::Dtraf(args) => {
                let dtraf = Dtraf::on(crowd.host(), &pair.program);
                let mut daemon = dtraf.start(&[&["run", "--headless"], *args].concat())?;
                eventually("dtraf to count every container", READY, || {
                    if daemon.process.is_over()? {
                        daemon.process.end(READY)?.success()?;
                        anyhow::bail!("dtraf ended");
                    }
                    let Ok(report) = dtraf.stats() else { return Ok(None) };
                    Ok((count(&report) == crowd.members().len()).then_some(()))
                })?;
                Ok(Running::Dtraf(dtraf, daemon))
            }
            Self::ByHand => {
                crowd.host().restore_rules(pair.variant.restore(), &rules(crowd)?)?;
                Ok(Running::ByHand)
            }
        }
    }
}

fn count(report: &Report) -> usize {
    report.containers.iter().filter(|container| container.figures().is_ok()).count()
}

fn rules(crowd: &Crowd) -> Result<String> {
    let mut rules = "*filter\n".to_owned();
    for member in crowd.members() {
        for side in ["-s", "-d"] {
            writeln!(rules, "-I DOCKER-USER {side} {}/32", member.address)?;
        }
    }
    rules.push_str("COMMIT\n");
    Ok(rules)
}

impl Running<'_> {
    /// While the answer lives, dtraf sleeps.
    pub(super) fn sleep(&self) -> Result<Asleep<'_>> {
        let daemon = match self {
            Self::Dtraf(_, daemon) => Some(daemon),
            Self::ByHand => None,
        };
        if let Some(daemon) = daemon {
            daemon.process.pause()?;
        }
        Ok(Asleep(daemon))
    }

    /// What dtraf has counted for the flooded container: what cost nothing because it did nothing is found out.
    pub(super) fn counted(&mut self, pair: &Pair, received: u64) -> Result<Option<u64>> {
        let Self::Dtraf(dtraf, daemon) = self else { return Ok(None) };
        ensure!(!daemon.process.is_over()?, "dtraf ended while it was measured");
        let name = &target(pair.counted()).name;
        let counted = eventually("dtraf to have counted what was sent", Duration::from_secs(20), || {
            let skbs = dtraf.stats()?.container(name)?.figures()?.total.rx.skbs;
            Ok((skbs >= received).then_some(skbs))
        })?;
        Ok(Some(counted))
    }
}

#[derive(Debug)]
pub(super) struct Asleep<'a>(Option<&'a Daemon>);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        if let Some(daemon) = self.0 {
            // One that has ended meanwhile is found when it is asked for.
            drop(daemon.process.resume());
        }
    }
}
