//! What Docker says of itself, and whether its bridges are where we look.

use super::{Bridges, DockerFacts, Unreachable};
use crate::docker::{Docker, DockerError};
use crate::links::Links;

pub(super) async fn look(
    docker: Result<&Docker, &DockerError>,
    links: &Links,
) -> Result<DockerFacts, Unreachable> {
    let docker =
        docker.map_err(|error| Unreachable { text: error.cause(), advice: error.advice().to_string() })?;
    let setup = match docker.setup().await {
        Ok(setup) => Some(setup),
        Err(error) => {
            log::warn!("{:#}", anyhow::Error::from(error));
            None
        }
    };
    Ok(DockerFacts { engine: docker.engine().clone(), setup, bridges: bridges(docker, links).await })
}

/// An engine in another network namespace, or on another host, has its bridges there.
async fn bridges(docker: &Docker, links: &Links) -> Bridges {
    let Ok(networks) = docker.networks().await else { return Bridges::Unknown };
    let mut named: Vec<String> = networks.into_iter().filter_map(|network| network.bridge).collect();
    if named.is_empty() {
        return Bridges::Unknown;
    }
    for name in &named {
        match links.named(name).await {
            Ok(Some(_)) => return Bridges::Here,
            Ok(None) => {}
            Err(_) => return Bridges::Unknown,
        }
    }
    named.sort_unstable();
    Bridges::Elsewhere(named)
}
