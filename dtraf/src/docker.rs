//! Containers and networks as the Engine API tells of them: Docker, or Podman's imitation of it.
//!
//! Owns the connection and turns answers and events into `accounting::inventory`'s types. Refuses to change anything, to
//! hand on an answer as it came, and to ask for what netlink tells better: whether an interface is there, and what it
//! has carried.

mod catalogue;
mod connected;
mod container;
mod error;
mod events;
mod netns;
mod network;
mod port;
mod process;
mod setup;
mod summary;

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::time::Duration;

use bollard::errors::Error as ApiError;
use bollard::models::{ContainerSummary, SystemVersion};
use bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::sync::mpsc;

use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{Container, Network};
use crate::clock;
use crate::links::Links;

pub(crate) use self::catalogue::Catalogue;
pub(crate) use self::connected::{Connected, Member};
pub(crate) use self::error::{DockerError, Operation};
pub(crate) use self::events::{Action, ContainerEvent, DockerEvent, EndpointChange};
pub(crate) use self::setup::{Firewall, Rights, Setup, UserlandProxy};

/// Where Docker listens when nobody says otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// An engine that starts hundreds of containers at once is slow, but not that slow.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Earlier events are a help, and nothing waits long for them.
const PAST_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to an engine. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Docker {
    api: bollard::Docker,
    host: String,
    engine: Engine,
    links: Links,
}

/// What answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) product: Product,
    pub(crate) version: String,
    pub(crate) api_version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Docker,
    Podman,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self.product {
            Product::Docker => "Docker",
            Product::Podman => "Podman",
        };
        write!(f, "{product} {} (API {})", self.version, self.api_version)
    }
}

impl From<SystemVersion> for Engine {
    fn from(version: SystemVersion) -> Self {
        let components = version.components.unwrap_or_default();
        let podman = components.iter().any(|component| component.name.starts_with("Podman"));
        Self {
            product: if podman { Product::Podman } else { Product::Docker },
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
        }
    }
}

impl Docker {
    /// Connects to the engine that `DOCKER_HOST` names, else to Docker's default socket, and asks for its version.
    pub(crate) async fn connect(links: Links) -> Result<Self, DockerError> {
        let host = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST), links).await
    }

    /// Connects to the engine at `host`, a URL as in `DOCKER_HOST`.
    pub(crate) async fn connect_to(host: &str, links: Links) -> Result<Self, DockerError> {
        let failed = |source| DockerError::connect(host, source);
        let api = bollard::Docker::connect_with_host(host).map_err(failed)?.with_timeout(TIMEOUT);
        let engine = api.version().await.map_err(failed)?.into();
        Ok(Self { api, host: host.to_owned(), engine, links })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How the engine was set up.
    pub(crate) async fn setup(&self) -> Result<Setup, DockerError> {
        let answer = self.api.info().await;
        answer.map(setup::setup).map_err(|source| self.failed(Operation::AskSetup, source))
    }

    /// Subscribes to what happens to containers and networks, for as long as the receiver lives.
    pub(crate) fn events(&self) -> mpsc::Receiver<DockerEvent> {
        events::subscribe(self.api.clone())
    }

    /// Returns what happened to containers lately, oldest first. Nothing where the engine does not say.
    pub(crate) async fn past_events(&self) -> Vec<ContainerEvent> {
        match tokio::time::timeout(PAST_TIMEOUT, events::past(&self.api)).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                log::warn!("cannot read earlier events of containers: {}", error::chain(&error));
                Vec::new()
            }
            Err(_) => {
                log::warn!("cannot read earlier events of containers: no end after {PAST_TIMEOUT:?}");
                Vec::new()
            }
        }
    }

    /// One container as it is now; `None` when there is none.
    pub(crate) async fn inspect(&self, id: ContainerId) -> Result<Option<Container>, DockerError> {
        let Some(mut described) = self.describe(&id.to_string()).await? else { return Ok(None) };
        if let Some(other) = described.shares_with.take() {
            described.share(self.describe(&other).await?.map(|described| described.container.id));
        }
        self.locate(&mut described).await;
        Ok(Some(described.container))
    }

    /// Who is connected to the network of that id; `None` when there is no such network.
    ///
    /// Unlike [`Self::inspect`] it is answered while a container starts, once its addresses are decided on and before its
    /// process runs.
    pub(crate) async fn connected(&self, network: &str) -> Result<Option<Connected>, DockerError> {
        match self.api.inspect_network(network, None).await {
            Ok(answer) => Ok(Connected::of(answer)),
            Err(error) if error::is_absence(&error) => Ok(None),
            Err(source) => Err(self.failed(Operation::InspectNetwork(network.to_owned()), source)),
        }
    }

    /// Fills in the container's network namespace.
    async fn locate(&self, described: &mut container::Described) {
        if described.has_namespace() {
            let netns = netns::of(&self.links, described.container.pid, described.sandbox.as_deref()).await;
            described.container.netns = netns;
            described.container.seen_at = clock::now();
        }
    }

    async fn describe(&self, name: &str) -> Result<Option<container::Described>, DockerError> {
        match self.api.inspect_container(name, None).await {
            Ok(answer) => Ok(container::describe(answer, self.engine.product)),
            Err(error) if error::is_absence(&error) => Ok(None),
            Err(source) => Err(self.failed(Operation::Inspect(name.to_owned()), source)),
        }
    }

    async fn summaries(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let all = ListContainersOptionsBuilder::new().all(true).build();
        match self.api.list_containers(Some(all)).await {
            Ok(summaries) => Ok(summaries),
            // One container in a state that bollard does not know (Podman has some) spoils the whole list.
            Err(ApiError::JsonDataError { message, .. }) => {
                log::warn!("cannot read the list of all containers, listing the running ones: {message}");
                let running = HashMap::from([("status", vec!["running"])]);
                let running = ListContainersOptionsBuilder::new().filters(&running).build();
                let listed = self.api.list_containers(Some(running)).await;
                listed.map_err(|source| self.failed(Operation::ListContainers, source))
            }
            Err(source) => Err(self.failed(Operation::ListContainers, source)),
        }
    }

    pub(crate) async fn networks(&self) -> Result<Vec<Network>, DockerError> {
        let listed = self.api.list_networks(None).await;
        let listed = listed.map_err(|source| self.failed(Operation::ListNetworks, source))?;
        Ok(listed.into_iter().filter_map(|answer| network::network(answer, self.engine.product)).collect())
    }

    fn failed(&self, operation: Operation, source: ApiError) -> DockerError {
        DockerError::request(operation, &self.host, source)
    }
}
