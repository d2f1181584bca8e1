//! The answer to an inspection -> [`Container`].

use std::collections::{BTreeSet, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerState as Answer, ContainerStateStatusEnum, EndpointSettings,
};

use super::{Product, port};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::{Container, ContainerState, Endpoint, NetworkMode};

/// What an inspection says, before the world outside the engine is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// Without its network namespace.
    pub(super) container: Container,
    /// Name of the container whose network namespace it lives in, where the engine does not say its id.
    pub(super) shares_with: Option<String>,
    /// Where the engine keeps a handle to the network namespace.
    pub(super) sandbox: Option<String>,
}

impl Described {
    /// Says whose network namespace it lives in, if that was found.
    pub(super) fn share(&mut self, with: Option<ContainerId>) {
        if let Some(with) = with {
            self.container.network_mode = NetworkMode::SharedWith(with);
        }
    }

    /// Whether it has a network namespace, and not the host's.
    pub(super) fn has_namespace(&self) -> bool {
        self.container.state == ContainerState::Running && self.container.network_mode != NetworkMode::Host
    }
}

/// `None` for an answer without a container's id. Whatever else is missing stays empty: Podman leaves out much.
pub(super) fn describe(answer: ContainerInspectResponse, product: Product) -> Option<Described> {
    let id: ContainerId = answer.id?.parse().ok()?;
    let config = answer.config.unwrap_or_default();
    let host_config = answer.host_config.unwrap_or_default();
    let network_settings = answer.network_settings.unwrap_or_default();
    let (state, pid) = state_of(&answer.state.unwrap_or_default());

    let mut exposed: BTreeSet<_> =
        config.exposed_ports.iter().flatten().flat_map(|text| port::numbers(text)).collect();
    exposed.extend(port::named(host_config.port_bindings.as_ref()));
    exposed.extend(port::named(network_settings.ports.as_ref()));
    let mut published = port::published(network_settings.ports.as_ref());
    let mut networks = network_settings.networks.unwrap_or_default();
    let (network_mode, shares_with) = mode_of(host_config.network_mode.as_deref(), &networks, product);
    if matches!(network_mode, NetworkMode::SharedWith(_)) || shares_with.is_some() {
        // Podman repeats what is the other container's.
        networks.clear();
        published.clear();
    }

    Some(Described {
        container: Container {
            id,
            name: name_of(answer.name.as_deref()),
            image: config.image.or(answer.image).unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            state,
            network_mode,
            pid,
            netns: None,
            seen_at: Timestamp::default(),
            endpoints: endpoints_of(networks),
            exposed,
            published: published.into_iter().collect(),
        },
        shares_with,
        sandbox: network_settings.sandbox_key.filter(|path| !path.is_empty()),
    })
}

/// Without the slash that engines write before it.
pub(super) fn name_of(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    name.strip_prefix('/').unwrap_or(name).to_owned()
}

/// While it waits for its next attempt, a restarting container is `Running` to Docker but has no process.
fn state_of(answer: &Answer) -> (ContainerState, Option<u32>) {
    let pid = answer.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    let running = match answer.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED) => true,
        Some(ContainerStateStatusEnum::STOPPING) => pid.is_some(),
        Some(ContainerStateStatusEnum::EMPTY) | None => answer.running == Some(true) && pid.is_some(),
        Some(_) => false,
    };
    if running { (ContainerState::Running, pid) } else { (ContainerState::Stopped, None) }
}

/// The mode, and the name of the container whose network it shares where that is no id.
pub(super) fn mode_of(
    mode: Option<&str>,
    networks: &HashMap<String, EndpointSettings>,
    product: Product,
) -> (NetworkMode, Option<String>) {
    let Some(mode) = mode.filter(|mode| !mode.is_empty()) else {
        // Some versions of Podman keep it to themselves.
        let connected = !networks.is_empty();
        return (if connected { NetworkMode::Networks } else { NetworkMode::Unknown(String::new()) }, None);
    };
    if let Some(other) = mode.strip_prefix("container:") {
        return match other.parse() {
            Ok(id) => (NetworkMode::SharedWith(id), None),
            Err(_) => (NetworkMode::Unknown(mode.to_owned()), Some(other.to_owned())),
        };
    }
    let mode = match mode {
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        _ if product == Product::Podman && is_podmans(mode) => NetworkMode::Unknown(mode.to_owned()),
        _ => NetworkMode::Networks,
    };
    (mode, None)
}

/// Returns whether a mode is Podman's own: someone else's namespace, or user-mode networking without a veth, with or without
/// options. To Docker, and behind more letters to Podman too, these are names of networks like others.
fn is_podmans(mode: &str) -> bool {
    let (name, options) = mode.split_once(':').map_or((mode, None), |(name, options)| (name, Some(options)));
    match name {
        "ns" => options.is_some(),
        "slirp4netns" | "pasta" => true,
        _ => false,
    }
}

/// In the order of the networks' names.
pub(super) fn endpoints_of(networks: HashMap<String, EndpointSettings>) -> Vec<Endpoint> {
    let mut endpoints: Vec<_> = networks
        .into_iter()
        .map(|(network, settings)| Endpoint {
            network,
            addresses: [settings.ip_address, settings.global_ipv6_address]
                .into_iter()
                .filter_map(|address| address?.parse().ok())
                .collect(),
            mac: settings.mac_address.as_deref().and_then(mac),
        })
        .collect();
    endpoints.sort_by(|one, other| one.network.cmp(&other.network));
    endpoints
}

/// `02:42:ac:11:00:02`, first octet in bits 40..48.
pub(super) fn mac(text: &str) -> Option<u64> {
    let mut octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let mac = octets.by_ref().take(6).try_fold(0, |mac, octet| Some(mac << 8 | u64::from(octet.ok()?)))?;
    (octets.next().is_none() && text.len() == 17).then_some(mac)
}

#[cfg(test)]
mod tests;
