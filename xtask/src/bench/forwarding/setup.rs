//! What is measured: how many containers, and what counts them.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dtraf_tests::firewall::Ruled;
use dtraf_tests::{Chains, Crowd, Dtraf, Furnishing, Member, Running as Daemon, eventually};
use serde::Serialize;

use super::pair::{Pair, target};

/// TCX takes ten milliseconds for each of a thousand interfaces and two directions.
const READY: Duration = Duration::from_mins(3);
/// How long the last packets may be on their way into dtraf's books.
const PATIENCE: Duration = Duration::from_secs(10);
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
    /// `dtraf run --headless`, with this backend and these arguments.
    Dtraf { backend: &'static str, more: &'static [&'static str] },
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

/// What packets meet without dtraf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Host {
    /// Nothing but the way to DOCKER-USER: no connection is tracked
    #[default]
    Bare,
    /// The rules that a Docker 20.10 makes, with connection tracking
    Docker,
}

impl Host {
    pub(super) fn furnishing(self) -> Furnishing {
        match self {
            Self::Bare => Furnishing::Bare,
            Self::Docker => Furnishing::Docker,
        }
    }
}

pub(super) fn all() -> Vec<Setup> {
    let sized = ["ebpf", "iptables", "nft"].into_iter().flat_map(|backend| {
        SIZES.map(|containers| Setup {
            name: format!("{backend}-{containers}"),
            containers,
            counting: Counting::Dtraf { backend, more: &[] },
        })
    });
    let most = SIZES[SIZES.len() - 1];
    let rows = [
        ("literal", Counting::Dtraf { backend: "iptables", more: &[LITERALLY] }),
        ("by-hand", Counting::ByHand),
    ];
    let rows =
        rows.map(|(name, counting)| Setup { name: format!("{name}-{most}"), containers: most, counting });
    sized.chain(rows).collect()
}

impl Setup {
    /// Whether it has that name, or is one of that kind, whatever its size.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.rsplit_once('-').is_some_and(|(kind, _)| kind == name)
    }
}

impl Display for Counting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dtraf { backend, more } => {
                write!(f, "dtraf run --backend {backend}")?;
                more.iter().try_for_each(|argument| write!(f, " {argument}"))
            }
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
    Dtraf { dtraf: Dtraf<'a>, daemon: Daemon, backend: &'static str },
    ByHand,
}

impl Counting {
    /// Starts it in the counted crowd; every container is counted when this returns.
    pub(super) fn start<'a>(&self, pair: &'a Pair) -> Result<Running<'a>> {
        let crowd = pair.counted();
        match *self {
            Self::Dtraf { backend, more } => {
                let dtraf = Dtraf::on(crowd.host(), &pair.program);
                let mut daemon =
                    dtraf.start(&[&["run", "--headless", "--backend", backend], more].concat())?;
                eventually("dtraf to count every container", READY, || {
                    if daemon.process.is_over()? {
                        daemon.process.end(READY)?.success()?;
                        bail!("dtraf ended");
                    }
                    // Where nothing counts yet, there is nothing to be read.
                    let Ok(said) = said(&dtraf, backend) else { return Ok(None) };
                    let is_counted = |member: &Member| Ok(said.total(&member.name)?.is_some());
                    let counted = crowd.members().iter().map(is_counted).collect::<Result<Vec<_>>>()?;
                    Ok(counted.into_iter().all(|counted| counted).then_some(()))
                })?;
                Ok(Running::Dtraf { dtraf, daemon, backend })
            }
            Self::ByHand => {
                crowd.host().restore_rules(pair.variant.restore(), &rules(crowd)?)?;
                Ok(Running::ByHand)
            }
        }
    }
}

/// In the figures that every backend knows.
fn said(dtraf: &Dtraf<'_>, backend: &str) -> Result<Ruled> {
    let said = Ruled::read(&dtraf.run(&["stats", "--format=json", "--backend", backend])?)?;
    ensure!(said.backend == backend, "{} counts instead of {backend}", said.backend);
    Ok(said)
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
            Self::Dtraf { daemon, .. } => Some(daemon),
            Self::ByHand => None,
        };
        if let Some(daemon) = daemon {
            daemon.process.pause()?;
        }
        Ok(Asleep(daemon))
    }

    /// What dtraf has counted for the flooded container: what cost nothing because it did nothing is found out.
    pub(super) fn counted(&mut self, pair: &Pair, received: u64) -> Result<Option<u64>> {
        let Self::Dtraf { dtraf, daemon, backend } = self else { return Ok(None) };
        ensure!(!daemon.process.is_over()?, "dtraf ended while it was measured");
        let name = &target(pair.counted()).name;
        // Rules see no ARP, which the interface has received, too: a packet now and then.
        let least = received - received / 1000;
        let mut counted = 0;
        let waited = eventually("dtraf to have counted what was received", PATIENCE, || {
            counted = said(dtraf, backend)?.total(name)?.unwrap_or_default().rx.packets;
            Ok((counted >= least).then_some(()))
        });
        waited.with_context(|| format!("dtraf counted {counted} packets of {received}"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_called_by_its_name_or_its_kind() {
        let chosen = |name: &str| -> Vec<String> {
            let all = all().into_iter().filter(|setup| setup.is_called(name));
            all.map(|setup| setup.name).collect()
        };
        assert_eq!(chosen("ebpf-10"), ["ebpf-10"]);
        assert_eq!(chosen("nft"), ["nft-10", "nft-100", "nft-1000"]);
        assert_eq!(chosen("by-hand"), ["by-hand-1000"]);
        assert_eq!(chosen("eb"), [""; 0]);
    }
}
