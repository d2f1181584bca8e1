//! Somebody who reads counters that others keep, and makes reports of them: for `dtraf stats` and `dtraf top`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::counters::Counters;
use crate::accounting::attribution::{Placement, attribute};
use crate::accounting::identity::IfIndex;
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Backend, Earlier, Marks, Origin, Refused, Report};
use crate::docker::{Catalogue, Docker, DockerError};
use crate::links::Links;
use crate::source::probe::{Facts, probe};
use crate::source::select::{Wanted, blind_spots, select};
use crate::{clock, host};

pub(crate) struct Onlooker {
    counters: Counters,
    links: Links,
    /// `None` while Docker does not answer: names are those that are known already.
    catalogue: Option<Catalogue>,
    origin: Origin,
    ledger: Ledger,
    last: Option<(Instant, Marks)>,
}

impl Onlooker {
    /// Finds the counters. Attaches nothing.
    pub(crate) async fn new(backend: Wanted, bpffs: &Path) -> anyhow::Result<Self> {
        host::check()?;
        let counters = Counters::find(backend, bpffs)?;
        let backend = counters.backend();
        let links = Links::connect()?;
        let docker = Docker::connect(links.clone()).await;
        let (blind_spots, refused) = match backend {
            Backend::Ebpf => (Vec::new(), Vec::new()),
            Backend::Iptables | Backend::Nft => {
                let facts = probe(bpffs, docker.as_ref(), &links).await;
                (blind_spots(backend, &facts), refused(&facts, backend))
            }
        };
        let catalogue = match docker {
            Ok(docker) => Some(Catalogue::new(docker)),
            Err(error) => {
                warn(error);
                None
            }
        };
        let origin = host::origin(backend, blind_spots, refused);
        Ok(Self { counters, links, catalogue, origin, ledger: Ledger::default(), last: None })
    }

    /// Reads, and says when that was by a clock that cannot be set.
    pub(crate) async fn report(&mut self) -> anyhow::Result<(Report, Instant)> {
        let listed = self.list().await;
        let has_listed = listed.is_some();
        let inventory = listed.unwrap_or_default();
        let placements = placements(&self.links).await?;
        let snapshot = self.counters.snapshot(clock::now())?;
        let taken_at = snapshot.taken_at;
        self.ledger.post(attribute(snapshot, &inventory, &placements));
        let instant = clock::instant();
        let earlier = self
            .last
            .as_ref()
            .map(|(at, marks)| Earlier { marks, elapsed: instant.saturating_duration_since(*at) });
        let report = Report::new(&self.ledger, &inventory, self.origin.clone(), taken_at, earlier);
        let report = if has_listed { report } else { report.without_docker() };
        self.last = Some((instant, report.marks.clone()));
        Ok((Report { orphans: self.counters.orphans(), ..report }, instant))
    }
}

impl Onlooker {
    /// Returns what Docker says there is; `None` where it does not answer. It is asked again each time: it may be restarted.
    async fn list(&mut self) -> Option<Inventory> {
        if self.catalogue.is_none() {
            let docker = Docker::connect(self.links.clone()).await;
            self.catalogue = docker.ok().map(Catalogue::new);
        }
        match self.catalogue.as_mut()?.list().await {
            Ok(inventory) => Some(inventory),
            Err(error) => {
                self.catalogue = None;
                warn(error);
                None
            }
        }
    }
}

fn warn(error: DockerError) {
    log::warn!(
        "Docker does not answer: names are the last known ones, states are unknown: {:#}",
        anyhow::Error::from(error)
    );
}

/// Why no better backend counts, where the host is why. Where one could, somebody has chosen this one.
fn refused(facts: &Facts, backend: Backend) -> Vec<Refused> {
    let best = select(facts, Wanted::Auto).ok().filter(|best| best.backend == backend);
    best.into_iter().flat_map(|best| best.refused).map(Refused::from).collect()
}

async fn placements(links: &Links) -> anyhow::Result<BTreeMap<IfIndex, Placement>> {
    let links = links.dump().await?;
    let name =
        |ifindex: IfIndex| links.iter().find(|link| link.ifindex == ifindex).map(|link| link.name.clone());
    Ok(links
        .iter()
        .filter_map(|link| Some((link, link.master?)))
        .map(|(link, master)| {
            (link.ifindex, Placement { netns: link.peer_netns, bridge: name(master), ..Placement::default() })
        })
        .collect())
}
