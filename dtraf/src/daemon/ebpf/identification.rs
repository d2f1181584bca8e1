//! Finds the containers behind interfaces whose network namespace was not seen in time.
//!
//! Owns what Docker's events said of containers and their connections, and asks the kernel for MAC addresses beside the loop. What
//! follows from it is decided in [`super::evidence`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Daemon;
use super::evidence::{Connection, Interface, identify};
use crate::accounting::attribution::{Placement, network_of};
use crate::accounting::identity::{ContainerId, IfIndex, Slot, Timestamp};
use crate::accounting::inventory::{Container, NetworkMode};
use crate::accounting::snapshot::ContainerName;
use crate::clock;
use crate::docker::{Action, Connected, ContainerEvent, EndpointChange};
use crate::source::ebpf::Attachment;

/// Time for which a container is remembered that was removed, or that Docker never listed.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Connections of one container that are remembered, the latest ones.
const MOST_CONNECTIONS: usize = 64;

/// Containers as events told of them.
#[derive(Debug)]
pub(super) struct Heard {
    containers: BTreeMap<ContainerId, HeardContainer>,
    macs: mpsc::UnboundedSender<PeerMac>,
    asked: BTreeSet<IfIndex>,
}

#[derive(Debug, Default)]
struct HeardContainer {
    name: String,
    created: Timestamp,
    heard_at: Timestamp,
    connections: Vec<HeardConnection>,
}

#[derive(Debug)]
struct HeardConnection {
    network: String,
    mac: Option<u64>,
    since: Timestamp,
    until: Option<Timestamp>,
}

/// MAC address of an interface's end in its container, as the kernel gave it.
#[derive(Debug)]
pub(super) struct PeerMac {
    ifindex: IfIndex,
    mac: Option<u64>,
}

/// An interface that is gone.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) placement: Placement,
    pub(super) network: Option<String>,
    pub(super) mac: Option<u64>,
    pub(super) went: Timestamp,
    /// When its namespace had no interface any more.
    pub(super) namespace_ended: Option<Timestamp>,
}

impl Departed {
    /// Returns whether a namespace that was seen under this number is the one where the interface led.
    fn led_to(&self, container: &Container) -> bool {
        self.placement.netns == container.netns
            && self.placement.since <= container.seen_at
            && self.namespace_ended.is_none_or(|ended| container.seen_at <= ended)
    }
}

impl Heard {
    /// Creates the record, and the stream of MAC addresses.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<PeerMac>) {
        let (macs, receiver) = mpsc::unbounded_channel();
        (Self { containers: BTreeMap::new(), macs, asked: BTreeSet::new() }, receiver)
    }

    pub(super) fn hear(&mut self, event: &ContainerEvent) {
        let container = self.containers.entry(event.id).or_default();
        container.heard_at = container.heard_at.max(event.at);
        if !event.name.is_empty() {
            container.name.clone_from(&event.name);
        }
        if event.action == Action::Created {
            container.created = event.at;
        }
    }

    pub(super) fn hear_of_connection(
        &mut self,
        id: ContainerId,
        network: &str,
        change: EndpointChange,
        at: Timestamp,
    ) {
        let container = self.containers.entry(id).or_default();
        container.heard_at = container.heard_at.max(at);
        match change {
            EndpointChange::Connected => {
                if container.connections.len() == MOST_CONNECTIONS {
                    container.connections.remove(0);
                }
                let network = network.to_owned();
                container.connections.push(HeardConnection { network, mac: None, since: at, until: None });
            }
            EndpointChange::Disconnected => {
                if let Some(connection) = container.open_connection(network) {
                    connection.until = Some(at);
                }
            }
        }
    }

    /// Takes the MAC addresses that Docker gave containers on a network.
    pub(super) fn take_members(&mut self, connected: &Connected) {
        for (id, member) in &connected.containers {
            let Some(container) = self.containers.get_mut(id) else { continue };
            if container.name.is_empty() {
                container.name.clone_from(&member.name);
            }
            if let Some(connection) = container.open_connection(&connected.id) {
                connection.mac = connection.mac.or(member.mac);
            }
        }
    }

    /// Takes the MAC address that Docker gave a container on a network.
    fn take_mac(&mut self, id: ContainerId, network: &str, mac: Option<u64>) {
        let container = self.containers.get_mut(&id);
        if let Some(connection) = container.and_then(|container| container.open_connection(network)) {
            connection.mac = connection.mac.or(mac);
        }
    }

    /// Forgets containers whose interfaces are named or freed by now.
    pub(super) fn prune(&mut self, now: Timestamp, is_known: impl Fn(&ContainerId) -> bool) {
        self.containers.retain(|id, container| is_known(id) || now.since(container.heard_at) < REMEMBERED);
    }

    fn connections(&self) -> Vec<Connection> {
        let of = |(id, container): (&ContainerId, &HeardContainer)| {
            let (id, created) = (*id, container.created);
            let connections = container.connections.iter().map(move |heard| Connection {
                container: id,
                created,
                network: heard.network.clone(),
                mac: heard.mac,
                since: heard.since,
                until: heard.until,
            });
            connections.collect::<Vec<_>>()
        };
        self.containers.iter().flat_map(of).collect()
    }
}

impl HeardContainer {
    /// The connection to a network that was not heard to have ended.
    fn open_connection(&mut self, network: &str) -> Option<&mut HeardConnection> {
        let is_its = |heard: &&mut HeardConnection| heard.network == network && heard.until.is_none();
        self.connections.iter_mut().rev().find(is_its)
    }
}

impl Daemon {
    /// Asks for the MAC address at the other end of an interface that has come up: the container's process does not run yet.
    pub(super) fn ask_mac(&mut self, ifindex: IfIndex) {
        let Some(veth) = self.veths.get(ifindex) else { return };
        let (Some(netns), Some(index)) = (veth.placement.netns, veth.link.peer_index) else { return };
        if !veth.link.carrier || veth.mac.is_some() || !self.heard.asked.insert(ifindex) {
            return;
        }
        let (links, macs) = (self.links.clone(), self.heard.macs.clone());
        tokio::spawn(async move {
            let mac = links.peer_mac(netns, index).await;
            let mac = mac.inspect_err(|error| log::debug!("{error}")).ok().flatten();
            // Nobody waits for the answer any more when the daemon ends.
            drop(macs.send(PeerMac { ifindex, mac }));
        });
    }

    pub(super) fn on_mac(&mut self, PeerMac { ifindex, mac }: PeerMac) {
        self.heard.asked.remove(&ifindex);
        if let Some(mac) = mac {
            self.veths.set_mac(ifindex, mac);
            // It may have gone meanwhile.
            let is_its = |attachment: &&Attachment| attachment.ifindex == ifindex;
            let attachments = self.counting.attachments();
            let departed = attachments.iter().find(is_its).and_then(|it| self.departed.get_mut(&it.slot));
            if let Some(departed) = departed {
                departed.mac = Some(mac);
            }
        }
    }

    /// Takes the MAC addresses that an inspection tells.
    pub(super) fn hear_of_endpoints(&mut self, container: &Container) {
        for endpoint in &container.endpoints {
            let network = self.inventory.networks.iter().find(|network| network.name == endpoint.network);
            if let Some(network) = network {
                self.heard.take_mac(container.id, &network.id, endpoint.mac);
            }
        }
    }

    /// Names interfaces without an owner by what is known of containers that were gone too soon.
    pub(super) fn identify(&mut self) -> anyhow::Result<()> {
        let attachments = self.counting.attachments();
        if attachments.iter().all(|attachment| attachment.container.is_some()) {
            return Ok(());
        }
        let interfaces: Vec<Interface> =
            attachments.iter().filter_map(|attachment| self.interface(attachment)).collect();
        for (slot, id) in identify(&interfaces, &self.heard.connections(), clock::now()) {
            self.name(slot, id)?;
        }
        Ok(())
    }

    fn interface(&self, attachment: &Attachment) -> Option<Interface> {
        let live = self.veths.get(attachment.ifindex);
        let departed = self.departed.get(&attachment.slot);
        let placement = live.map(|veth| &veth.placement).or(departed.map(|departed| &departed.placement))?;
        let network = match departed {
            Some(departed) => departed.network.clone(),
            None => self.network_id(placement),
        };
        Some(Interface {
            slot: attachment.slot,
            network: network?,
            namespace: placement.netns.map(|netns| (netns, placement.since)),
            mac: live.map_or_else(|| departed.and_then(|departed| departed.mac), |veth| veth.mac),
            came: attachment.attached_at,
            went: departed.map(|departed| departed.went),
            owner: attachment.container.as_ref().map(|container| container.id),
        })
    }

    /// Id of the network that an interface belongs to.
    pub(super) fn network_id(&self, placement: &Placement) -> Option<String> {
        network_of(&self.inventory, placement.bridge.as_deref()?).map(|network| network.id.clone())
    }

    fn name(&mut self, slot: Slot, id: ContainerId) -> anyhow::Result<()> {
        let known = self.inventory.containers.get(&id).map(|container| container.name.clone());
        let heard = || self.heard.containers.get(&id).map(|container| container.name.clone());
        let name = known.or_else(heard).filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_short());
        log::debug!("slot {}: counted for {}", slot.0, id.to_short());
        Ok(self.counting.set_container(slot, &ContainerName { id, name })?)
    }

    /// Names the interfaces without an owner that lead, or led to their end, to a container's namespace.
    pub(super) fn name_by_namespace(&mut self, container: &Container) -> anyhow::Result<()> {
        if container.netns.is_none() || container.network_mode != NetworkMode::Networks {
            return Ok(());
        }
        let led_there = |attachment: &&Attachment| match self.veths.get(attachment.ifindex) {
            Some(veth) => {
                veth.placement.netns == container.netns && veth.placement.since <= container.seen_at
            }
            None => self.departed.get(&attachment.slot).is_some_and(|departed| departed.led_to(container)),
        };
        let attachments = self.counting.attachments();
        let there: Vec<_> = attachments.iter().filter(led_there).collect();
        // A number that another namespace had before, whose end was noticed late.
        let periods: BTreeSet<_> = there.iter().filter_map(|it| self.namespace_since(it)).collect();
        if periods.len() == 1 {
            for attachment in there.iter().filter(|attachment| attachment.container.is_none()) {
                let name = ContainerName { id: container.id, name: container.name.clone() };
                self.counting.set_container(attachment.slot, &name)?;
            }
        }
        Ok(())
    }

    fn namespace_since(&self, attachment: &Attachment) -> Option<Timestamp> {
        let live = self.veths.get(attachment.ifindex).map(|veth| veth.placement.since);
        live.or_else(|| self.departed.get(&attachment.slot).map(|departed| departed.placement.since))
    }
}
