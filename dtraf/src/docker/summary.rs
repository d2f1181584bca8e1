//! A row of the list of containers -> [`Container`].
//!
//! It says nearly everything about a container but its process, and it comes for all of them in one answer: enough for
//! one that is stopped, and to see whether a running one must be inspected again.

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};

use super::container::{endpoints_of, mode_of, name_of};
use super::{Product, port};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::{Container, ContainerState};

/// What the list says, without process and network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) container: Container,
    /// As in [`super::container::Described`].
    pub(super) shares_with: Option<String>,
}

/// `None` for a row without a container's id.
pub(super) fn outline(summary: ContainerSummary, product: Product) -> Option<Outline> {
    let id: ContainerId = summary.id?.parse().ok()?;
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let host_config = summary.host_config.unwrap_or_default();
    let (network_mode, shares_with) = mode_of(host_config.network_mode.as_deref(), &networks, product);
    let (exposed, published) = port::listed(&summary.ports.unwrap_or_default());
    let running = matches!(
        summary.state,
        Some(
            ContainerSummaryStateEnum::RUNNING
                | ContainerSummaryStateEnum::PAUSED
                | ContainerSummaryStateEnum::STOPPING
        )
    );
    // The others are aliases of `docker run --link`, `/other/alias`.
    let names = summary.names.unwrap_or_default();
    let name = names.iter().find(|name| !name.trim_start_matches('/').contains('/')).or(names.first());
    let container = Container {
        id,
        name: name_of(name.map(String::as_str)),
        image: summary.image.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        state: if running { ContainerState::Running } else { ContainerState::Stopped },
        network_mode,
        pid: None,
        netns: None,
        seen_at: Timestamp::default(),
        endpoints: endpoints_of(networks),
        exposed,
        published: published.into_iter().collect(),
    };
    Some(Outline { container, shares_with })
}
