//! All containers and networks, with no more inspections than needed.
//!
//! Owns what was learnt by inspecting running containers. A list in one answer shows which of them are new or changed,
//! and the process's start time shows a restart that the list does not: a thousand containers that go on as they were cost
//! two requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{StreamExt as _, stream};

use super::container::Described;
use super::error::chain;
use super::summary::{Outline, outline};
use super::{Docker, DockerError, process};
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{ContainerState, Inventory};
use crate::clock;

/// Inspections at the same time.
const CONCURRENCY: usize = 16;

#[derive(Debug)]
pub(crate) struct Catalogue {
    docker: Docker,
    known: HashMap<ContainerId, Known>,
}

/// A running container, inspected.
#[derive(Debug)]
struct Known {
    /// What the list said when it was inspected.
    outline: Outline,
    /// When its process started; `None` when that cannot be seen from here.
    started: Option<u64>,
    described: Described,
}

impl Known {
    fn is_current(&self, outline: &Outline) -> bool {
        let process = self.described.container.pid.and_then(process::started);
        process.is_some() && process == self.started && *outline == self.outline
    }
}

impl Catalogue {
    pub(crate) fn new(docker: Docker) -> Self {
        Self { docker, known: HashMap::new() }
    }

    /// Everything there is now, as inspections tell of it.
    pub(crate) async fn list(&mut self) -> Result<Inventory, DockerError> {
        self.outline(&BTreeSet::new()).await
    }

    /// Everything there is now. Of running containers that are `familiar` and were not inspected yet, the list must do: it
    /// tells neither of the process nor of the namespace.
    pub(crate) async fn outline(
        &mut self,
        familiar: &BTreeSet<ContainerId>,
    ) -> Result<Inventory, DockerError> {
        let (networks, summaries) = tokio::try_join!(self.docker.networks(), self.docker.summaries())?;
        let product = self.docker.engine().product;
        let outlines: Vec<Outline> =
            summaries.into_iter().filter_map(|summary| outline(summary, product)).collect();
        let ids: HashMap<String, ContainerId> =
            outlines.iter().map(|outline| (outline.container.name.clone(), outline.container.id)).collect();

        let mut containers = BTreeMap::new();
        let mut kept = HashMap::new();
        let mut unknown = Vec::new();
        for outline in outlines {
            let id = outline.container.id;
            if outline.container.state == ContainerState::Stopped {
                containers.insert(id, outline.container);
                continue;
            }
            match self.known.remove(&id) {
                Some(mut known) if known.is_current(&outline) => {
                    // Its process has not ended, and so neither has its namespace.
                    known.described.container.seen_at = clock::now();
                    kept.insert(id, known);
                }
                None if familiar.contains(&id) => drop(containers.insert(id, outline.container)),
                _ => unknown.push(outline),
            }
        }

        let docker = &self.docker;
        let mut inspections =
            stream::iter(unknown).map(|outline| learn(docker, outline)).buffer_unordered(CONCURRENCY);
        while let Some(learnt) = inspections.next().await {
            if let Some(known) = learnt? {
                kept.insert(known.described.container.id, known);
            }
        }
        drop(inspections);

        for (id, known) in &mut kept {
            let other = known.described.shares_with.as_ref().and_then(|name| ids.get(name)).copied();
            known.described.share(other);
            // The host numbers a namespace when it first has something to say of it, which may be after the inspection.
            if known.described.container.netns.is_none() {
                self.docker.locate(&mut known.described).await;
            }
            containers.insert(*id, known.described.container.clone());
        }
        self.known = kept;
        Ok(Inventory { containers, networks })
    }
}

/// `None` when the container went between the list and the inspection.
async fn learn(docker: &Docker, outline: Outline) -> Result<Option<Known>, DockerError> {
    let id = outline.container.id;
    let described = match docker.describe(&id.to_string()).await {
        Ok(Some(described)) => described,
        Ok(None) => return Ok(None),
        Err(error) if error.is_unreadable() => {
            log::warn!("{}; taking what the list says of it", chain(&error));
            let Outline { container, shares_with } = outline.clone();
            Described { container, shares_with, sandbox: None }
        }
        Err(error) => return Err(error),
    };
    let started = described.container.pid.and_then(process::started);
    Ok(Some(Known { outline, started, described }))
}
