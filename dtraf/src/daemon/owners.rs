//! Whose interfaces they are, as Docker tells bit by bit.

use std::collections::BTreeMap;

use super::Daemon;
use crate::accounting::attribution::{Owner, container_in, owner};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::{ContainerName, Meter};
use crate::clock;
use crate::docker::{Action, ContainerEvent, DockerEvent};

/// Containers that were heard of, but whose network namespace was never seen: they may end before Docker can be asked.
#[derive(Debug, Default)]
pub(super) struct Unknown(BTreeMap<ContainerId, (String, Timestamp)>);

impl Daemon {
    pub(super) async fn on_docker(&mut self, event: DockerEvent) -> anyhow::Result<()> {
        match event {
            DockerEvent::Container(event) => self.on_container(event).await,
            DockerEvent::EndpointsChanged(id) => self.inspect(id).await,
            DockerEvent::NetworksChanged => {
                self.inventory = self.catalogue.list().await?;
                self.bridges.networks_changed();
                self.refresh_scopes().await?;
                self.resolve().await
            }
            DockerEvent::Lost => self.reconcile().await,
        }
    }

    async fn on_container(&mut self, event: ContainerEvent) -> anyhow::Result<()> {
        match event.action {
            Action::Created => {
                self.unknown.0.insert(event.id, (event.name, clock::now()));
                self.inspect(event.id).await
            }
            Action::Started => {
                self.unknown.0.entry(event.id).or_insert_with(|| (event.name, clock::now()));
                self.inspect(event.id).await
            }
            Action::Renamed => self.inspect(event.id).await,
            Action::Died => {
                self.name_by_elimination(event.id)?;
                self.inspect(event.id).await
            }
            Action::Removed => {
                self.name_by_elimination(event.id)?;
                self.unknown.0.remove(&event.id);
                self.inventory.containers.remove(&event.id);
                Ok(())
            }
        }
    }

    async fn inspect(&mut self, id: ContainerId) -> anyhow::Result<()> {
        match self.docker.inspect(id).await {
            Ok(Some(container)) => {
                if container.netns.is_some() {
                    self.unknown.0.remove(&id);
                }
                self.inventory.containers.insert(id, container);
            }
            Ok(None) => {
                self.inventory.containers.remove(&id);
            }
            // Events are a hint: the next listing will tell.
            Err(error) => log::warn!("{:#}", anyhow::Error::from(error)),
        }
        self.resolve().await
    }

    /// Gives every attached interface that has come to be known its container's name, MAC address and served ports.
    pub(super) async fn resolve(&mut self) -> anyhow::Result<()> {
        for meter in self.counting.meters() {
            let placement = self.veths.placements().get(&meter.ifindex);
            let Owner::Container(container) = owner(&meter, placement, &self.inventory) else { continue };
            if meter.container.as_ref() != Some(&container) {
                self.counting.set_container(meter.slot, &container)?;
            }
            self.resolve_live(&meter, &container).await?;
        }
        Ok(())
    }

    async fn resolve_live(&mut self, meter: &Meter, container: &ContainerName) -> anyhow::Result<()> {
        let Some(link) = self.veths.link(meter.ifindex) else { return Ok(()) };
        let netns = self.veths.placements().get(&meter.ifindex).and_then(|placement| placement.netns);
        let mac = match (netns, link.peer_index) {
            (Some(netns), Some(index)) => self.links.peer_mac(netns, index).await?,
            _ => None,
        };
        let traced = self.trace.as_ref().is_some_and(|trace| is_called(container, &trace.container));
        self.counting.set_registration(meter.slot, mac, traced)?;
        let Some(owner) = netns.and_then(|netns| container_in(&self.inventory, netns)) else { return Ok(()) };
        let tenants = self.inventory.containers.values().filter(|tenant| tenant.netns == netns);
        let exposed = tenants.flat_map(|tenant| tenant.exposed.iter().copied()).collect();
        let unmarked = self.served.update(&mut self.counting, meter.slot, owner, exposed)?;
        for port in unmarked {
            log::warn!("{}: no room to note that port {} is served", container.name, port.port);
        }
        Ok(())
    }

    /// A container has ended before its namespace was seen. If it is the only one, and if there is just one interface
    /// without an owner that came while it lived, the interface was its.
    fn name_by_elimination(&mut self, id: ContainerId) -> anyhow::Result<()> {
        let Some((name, heard_of)) = self.unknown.0.get(&id).cloned() else { return Ok(()) };
        if self.unknown.0.len() != 1 {
            return Ok(());
        }
        let candidates: Vec<Meter> = self
            .counting
            .meters()
            .into_iter()
            .filter(|meter| meter.container.is_none() && meter.attached_at >= heard_of)
            .collect();
        if let [meter] = &candidates[..] {
            self.counting.set_container(meter.slot, &ContainerName { id, name })?;
            self.unknown.0.remove(&id);
        }
        Ok(())
    }
}

/// As with `docker`: by name, or by the beginning of the id.
fn is_called(container: &ContainerName, wanted: &str) -> bool {
    container.name == wanted || !wanted.is_empty() && container.id.to_string().starts_with(wanted)
}
