//! `dtraf stats`: one look at what is counted, beside a daemon or after one.

mod counters;

use std::collections::BTreeMap;

use anyhow::Context as _;

use self::counters::Counters;
use crate::accounting::attribution::{Placement, attribute};
use crate::accounting::identity::IfIndex;
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Backend, Earlier, Marks, Report};
use crate::config::{Pace, Stats};
use crate::docker::{Catalogue, Docker};
use crate::links::Links;
use crate::source::probe::probe;
use crate::source::select::blind_spots;
use crate::terminal::{self, print};
use crate::view::render;
use crate::{clock, host};

pub(crate) async fn run(config: Stats) -> anyhow::Result<()> {
    host::check()?;
    let mut counters = Counters::find(&config)?;
    let backend = counters.backend();
    let links = Links::connect()?;
    let docker = Docker::connect(links.clone()).await;
    let blind_spots = match backend {
        Backend::Ebpf => Vec::new(),
        Backend::Iptables | Backend::Nft => {
            blind_spots(backend, &probe(&config.bpffs, docker.as_ref(), &links).await)
        }
    };
    let origin = host::origin(backend, blind_spots, Vec::new());
    let mut catalogue = match docker {
        Ok(docker) => Some(Catalogue::new(docker)),
        Err(error) => {
            log::warn!("only names that are known already: {:#}", anyhow::Error::from(error));
            None
        }
    };
    let mut last: Option<(std::time::Instant, Marks)> = None;
    let mut ledger = Ledger::default();
    loop {
        let inventory = match &mut catalogue {
            Some(catalogue) => catalogue.list().await?,
            None => Inventory::default(),
        };
        let placements = placements(&links).await?;
        let snapshot = counters.snapshot(clock::now())?;
        let taken_at = snapshot.taken_at;
        ledger.post(attribute(snapshot, &inventory, &placements));
        let instant = clock::instant();
        let earlier = last
            .as_ref()
            .map(|(at, marks)| Earlier { marks, elapsed: instant.saturating_duration_since(*at) });
        let report = Report::new(&ledger, &inventory, origin.clone(), taken_at, earlier);
        last = Some((instant, report.marks.clone()));
        let report = Report { orphans: counters.orphans(), ..report }.select(&config.containers)?;
        let reached = print(&render(&report, &config.view)).context("write to standard output")?;
        match config.pace {
            Pace::Every(pace) if reached == terminal::Reader::Present => tokio::time::sleep(pace).await,
            _ => return Ok(()),
        }
    }
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
