//! Everything that there is to say of a host. Pure.

use super::findings::{Finding, findings};
use crate::accounting::attribution::{Coverage, prospect};
use crate::accounting::blind::BlindSpot;
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{ContainerState, Inventory};
use crate::accounting::report::Backend;
use crate::docker::Engine;
use crate::source::probe::Facts;
use crate::source::select::{NoBackend, Refusal, Selection, Wanted, blind_spots, refusals, select};

#[derive(Clone, Debug)]
pub(crate) struct Diagnosis {
    /// Name of the host.
    pub(crate) host: String,
    pub(crate) kernel: String,
    /// `None`: it does not answer. Nothing counts without it.
    pub(crate) docker: Option<Engine>,
    pub(crate) findings: Vec<Finding>,
    /// What `dtraf run` would take.
    pub(crate) selection: Result<Selection, NoBackend>,
    /// One for each backend, the better ones first.
    pub(crate) outlooks: Vec<Outlook>,
    /// `None`: Docker does not say which containers there are.
    pub(crate) containers: Option<Containers>,
}

/// What a backend could do here.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(crate) backend: Backend,
    /// None: it can count.
    pub(crate) refusals: Vec<Refusal>,
    /// What its figures would not hold.
    pub(crate) blind_spots: Vec<BlindSpot>,
}

/// The running ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Containers {
    pub(crate) running: usize,
    /// By name.
    pub(crate) uncovered: Vec<Uncovered>,
}

/// A container some of whose traffic no backend counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uncovered {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    pub(crate) coverage: Coverage,
}

impl Diagnosis {
    pub(crate) fn new(facts: Facts, inventory: Option<&Inventory>, host: String) -> Self {
        Self {
            host,
            findings: findings(&facts),
            selection: select(&facts, Wanted::Auto),
            outlooks: Backend::ALL.map(|backend| Outlook::of(backend, &facts)).to_vec(),
            containers: inventory.map(Containers::of),
            docker: facts.docker.map(|docker| docker.engine).ok(),
            kernel: facts.kernel.release,
        }
    }
}

impl Outlook {
    fn of(backend: Backend, facts: &Facts) -> Self {
        Self { backend, refusals: refusals(backend, facts), blind_spots: blind_spots(backend, facts) }
    }
}

impl Containers {
    fn of(inventory: &Inventory) -> Self {
        let running =
            || inventory.containers.values().filter(|container| container.state == ContainerState::Running);
        let mut uncovered: Vec<_> = running()
            .map(|container| Uncovered {
                id: container.id,
                name: container.name.clone(),
                coverage: prospect(container, inventory),
            })
            .filter(|container| matches!(container.coverage, Coverage::Partly(_) | Coverage::NotCounted(_)))
            .collect();
        uncovered.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Self { running: running().count(), uncovered }
    }
}
