//! Whose interfaces they are, as Docker tells bit by bit.

use super::Daemon;
use crate::accounting::attribution::{Owner, Tenants, owner};
use crate::accounting::snapshot::ContainerName;
use crate::daemon::desk::Answer;
use crate::docker::{Action, ContainerEvent, DockerEvent, EndpointChange};
use crate::source::ebpf::Attachment;

impl Daemon {
    pub(super) async fn on_docker(&mut self, event: DockerEvent) -> anyhow::Result<()> {
        match event {
            DockerEvent::Container(event) => self.on_container(&event),
            DockerEvent::EndpointsChanged { container, network, change, at } => {
                self.heard.hear_of_connection(container, &network, change, at);
                if change == EndpointChange::Connected {
                    // While the container starts, Docker answers questions about the network only.
                    self.desk.connected(network);
                }
                self.touched.insert(container);
                self.desk.inspect(container);
            }
            DockerEvent::NetworksChanged => self.desk.list(),
            DockerEvent::Lost => {
                self.desk.past();
                self.reconcile().await?;
            }
        }
        Ok(())
    }

    fn on_container(&mut self, event: &ContainerEvent) {
        self.keeper.hear(event);
        self.heard.hear(event);
        let id = event.id;
        if event.action == Action::Removed {
            self.inventory.containers.remove(&id);
        }
        self.touched.insert(id);
        self.desk.inspect(id);
    }

    pub(super) async fn on_answer(&mut self, answer: Answer) -> anyhow::Result<()> {
        match answer {
            Answer::Listed(inventory) => {
                let networks_changed = inventory.networks != self.inventory.networks;
                self.inventory = inventory;
                self.inventory.containers.values().for_each(|container| self.keeper.recall(container));
                if networks_changed {
                    self.bridges.networks_changed();
                    self.note_bridges()?;
                    self.refresh_scopes().await?;
                }
                if networks_changed || self.bridges.has_waiting() {
                    let links = self.links.dump().await?;
                    self.attach_all(&links).await;
                    self.bridges.stop_waiting();
                }
                // What happened while Docker was listing may be missing.
                for id in std::mem::take(&mut self.touched) {
                    self.desk.inspect(id);
                }
            }
            Answer::Inspected(id, ticket, Some(container)) => {
                // Whatever has become of the container since, the interface in its namespace was its.
                self.name_by_namespace(&container)?;
                self.hear_of_endpoints(&container);
                if self.desk.is_latest(id, ticket) {
                    self.keeper.observe(&container);
                    self.inventory.containers.insert(id, *container);
                } else {
                    self.keeper.observe_late(&container);
                }
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
                self.heard.take_members(&connected);
            }
            Answer::Past(events) => events.iter().for_each(|event| self.keeper.hear(event)),
        }
        self.resolve().await
    }

    /// Gives every attached interface that has come to be known its container's name, MAC address and served ports.
    pub(super) async fn resolve(&mut self) -> anyhow::Result<()> {
        let tenants = Tenants::of(&self.inventory);
        for attachment in self.counting.attachments() {
            let placement = self.veths.get(attachment.ifindex).map(|veth| &veth.placement);
            let last_known = attachment.container.as_ref();
            let Owner::Container(container) = owner(last_known, placement, &self.inventory, &tenants) else {
                continue;
            };
            if last_known != Some(&container) {
                self.counting.set_container(attachment.slot, &container)?;
            }
            self.resolve_live(&attachment, &container, &tenants).await?;
        }
        Ok(())
    }

    async fn resolve_live(
        &mut self,
        attachment: &Attachment,
        container: &ContainerName,
        tenants: &Tenants,
    ) -> anyhow::Result<()> {
        let Some(veth) = self.veths.get(attachment.ifindex) else { return Ok(()) };
        let (netns, since) = (veth.placement.netns, veth.placement.since);
        let traced = self.trace.as_ref().is_some_and(|trace| is_called(container, &trace.container));
        let mut registered = veth.registered;
        if registered.mac.is_none()
            && let (Some(netns), Some(index)) = (netns, veth.link.peer_index)
        {
            registered.mac = self.links.peer_mac(netns, index).await?;
        }
        registered.bridge_mac = veth.link.master.and_then(|bridge| self.bridges.mac(bridge));
        registered.traced = traced;
        if registered != veth.registered {
            self.counting.set_registration(attachment.slot, registered)?;
            self.veths.set_registered(attachment.ifindex, registered);
        }
        let Some(netns) = netns else { return Ok(()) };
        let Some(owner) = tenants.owner_of(netns, since, &self.inventory) else { return Ok(()) };
        let all = tenants.within(netns, &self.inventory);
        let exposed = all.flat_map(|tenant| tenant.exposed.iter().copied()).collect();
        self.served.update(&mut self.counting, attachment.slot, owner, exposed)?;
        Ok(())
    }
}

/// As with `docker`: by name, or by the beginning of the id.
fn is_called(container: &ContainerName, wanted: &str) -> bool {
    container.name == wanted || !wanted.is_empty() && container.id.to_string().starts_with(wanted)
}
