//! Who has which address, as Docker tells bit by bit.

use std::collections::{BTreeMap, BTreeSet};

use super::Daemon;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::{Container, ContainerState, Endpoint, NetworkMode};
use crate::daemon::desk::Answer;
use crate::docker::{Action, Connected, ContainerEvent, DockerEvent, Member};

impl Daemon {
    pub(super) fn on_docker(&mut self, event: DockerEvent) {
        if let DockerEvent::Container(event) = &event {
            self.keeper.hear(event);
        }
        match event {
            DockerEvent::Container(ContainerEvent { id, action: Action::Removed, .. }) => {
                self.inventory.containers.remove(&id);
                self.stale = true;
                self.desk.inspect(id);
            }
            DockerEvent::Container(ContainerEvent { id, action, .. }) => {
                if let Some(container) =
                    self.inventory.containers.get_mut(&id).filter(|_| action == Action::Died)
                {
                    container.pid = None;
                }
                self.desk.inspect(id);
            }
            DockerEvent::EndpointsChanged { container, network, .. } => {
                // While it starts, Docker answers no question about it, but one about its network.
                self.desk.connected(network);
                self.desk.inspect(container);
            }
            DockerEvent::NetworksChanged => self.desk.list(),
            DockerEvent::Lost => {
                self.desk.past();
                self.desk.list();
            }
        }
    }

    pub(super) fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Listed(mut listed) => {
                // The list may be older than what was heard of those that are being asked about.
                for id in self.desk.asked_about() {
                    match self.inventory.containers.remove(&id) {
                        Some(known) => drop(listed.containers.insert(id, known)),
                        None => drop(listed.containers.remove(&id)),
                    }
                }
                let before = std::mem::replace(&mut self.inventory, listed);
                self.inventory.containers.values().for_each(|container| self.keeper.recall(container));
                before.containers.values().for_each(|container| self.note_latecomers(container));
            }
            Answer::Inspected(id, ticket, Some(container)) => {
                let is_latest = self.desk.is_latest(id, ticket);
                if is_latest {
                    self.keeper.observe(&container);
                } else {
                    self.keeper.observe_late(&container);
                }
                self.learn(*container, is_latest);
            }
            Answer::Inspected(id, ticket, None) => {
                if self.desk.is_latest(id, ticket) {
                    self.inventory.containers.remove(&id);
                }
            }
            Answer::Failed(id, ticket) => {
                self.desk.is_latest(id, ticket);
            }
            Answer::Connected(connected) => {
                self.keeper.connect(&connected);
                self.connect(connected);
            }
            Answer::Past(events) => return events.iter().for_each(|event| self.keeper.hear(event)),
        }
        self.stale = true;
    }

    /// Takes an inspection. Of one that is not the latest, addresses may have changed since.
    fn learn(&mut self, container: Container, is_latest: bool) {
        let known = self.inventory.containers.get(&container.id).filter(|_| !is_latest);
        let endpoints = known.map_or_else(|| container.endpoints.clone(), |known| known.endpoints.clone());
        let before = self.inventory.containers.insert(container.id, Container { endpoints, ..container });
        if let Some(before) = before {
            self.note_latecomers(&before);
        }
    }

    /// Takes the addresses on one network as they are now.
    fn connect(&mut self, connected: Connected) {
        let Connected { network, containers: members, .. } = connected;
        let present: BTreeSet<ContainerId> = members.keys().copied().collect();
        for (id, member) in members {
            let container =
                self.inventory.containers.entry(id).or_insert_with(|| heard_of(id, member.name.clone()));
            let before = container.clone();
            set_addresses(container, &network, &member);
            self.note_latecomers(&before);
        }
        for (id, container) in &mut self.inventory.containers {
            let here = |endpoint: &&mut Endpoint| endpoint.network == network;
            if let Some(endpoint) = container.endpoints.iter_mut().find(here)
                && !present.contains(id)
            {
                endpoint.addresses.clear();
            }
        }
    }
}

fn set_addresses(container: &mut Container, network: &str, member: &Member) {
    let addresses = member.addresses.clone();
    match container.endpoints.iter_mut().find(|endpoint| endpoint.network == network) {
        Some(endpoint) => endpoint.addresses = addresses,
        None => {
            container.endpoints.push(Endpoint { network: network.to_owned(), addresses, mac: member.mac });
        }
    }
}

/// A container of which nothing is known yet but its name.
fn heard_of(id: ContainerId, name: String) -> Container {
    Container {
        id,
        name,
        image: String::new(),
        labels: BTreeMap::new(),
        state: ContainerState::Running,
        network_mode: NetworkMode::Networks,
        pid: None,
        netns: None,
        seen_at: Timestamp::default(),
        endpoints: Vec::new(),
        exposed: BTreeSet::new(),
        published: Vec::new(),
    }
}
