//! Which ports each container serves: what Docker says of it, and what listens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Daemon;
use crate::accounting::attribution::Tenants;
use crate::accounting::identity::{ContainerId, Slot};
use crate::accounting::inventory::{Container, PortNumber};
use crate::sockets::Looker;
use crate::source::ebpf::{Counting, EbpfError};
use crate::view::neutral::neutral;

/// When a new container is looked into. What begins to listen later is known by its first answer.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(15)];

/// What was found to listen in a container.
#[derive(Debug)]
pub(super) struct Found {
    container: ContainerId,
    ports: BTreeSet<PortNumber>,
}

/// What the programs were told, and what it was made of.
#[derive(Debug)]
pub(super) struct Served {
    told: BTreeMap<Slot, BTreeSet<PortNumber>>,
    /// What they were to be told, for which there may not have been room.
    wanted: BTreeMap<Slot, BTreeSet<PortNumber>>,
    listening: BTreeMap<(ContainerId, u32), BTreeSet<PortNumber>>,
    found: mpsc::UnboundedSender<Found>,
    looker: Arc<Looker>,
}

impl Served {
    /// And the stream of what is found later.
    pub(super) fn new() -> io::Result<(Self, mpsc::UnboundedReceiver<Found>)> {
        let (found, receiver) = mpsc::unbounded_channel();
        let served = Self {
            told: BTreeMap::new(),
            wanted: BTreeMap::new(),
            listening: BTreeMap::new(),
            found,
            looker: Arc::new(Looker::start()?),
        };
        Ok((served, receiver))
    }

    /// Tells the programs what is served behind a slot, if that has changed.
    pub(super) fn update(
        &mut self,
        counting: &mut Counting,
        slot: Slot,
        owner: &Container,
        exposed: BTreeSet<PortNumber>,
    ) -> Result<(), EbpfError> {
        let mut ports = exposed;
        if let Some(pid) = owner.pid {
            if let Some(listening) = self.listening.get(&(owner.id, pid)) {
                ports.extend(listening);
            } else {
                self.listening.insert((owner.id, pid), BTreeSet::new());
                self.look_into(owner.id, pid);
            }
        }
        if self.wanted.get(&slot) == Some(&ports) {
            return Ok(());
        }
        let before = self.told.remove(&slot).unwrap_or_default();
        let told = counting.set_served(slot, &before, &ports)?;
        if told.len() < ports.len() {
            let name = neutral(&owner.name);
            log::warn!("{name}: {} of {} served ports are not noted", ports.len() - told.len(), ports.len());
        }
        self.told.insert(slot, told);
        self.wanted.insert(slot, ports);
        Ok(())
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        self.told.remove(&slot);
        self.wanted.remove(&slot);
    }

    /// Forgets what listened in containers that have ended.
    pub(super) fn keep(&mut self, is_running: impl Fn(&ContainerId, u32) -> bool) {
        self.listening.retain(|(id, pid), _| is_running(id, *pid));
    }

    /// Looks in the background.
    fn look_into(&self, container: ContainerId, pid: u32) {
        let (found, looker) = (self.found.clone(), Arc::clone(&self.looker));
        tokio::spawn(async move {
            for wait in LOOKS {
                tokio::time::sleep(wait).await;
                match looker.listening(pid).await {
                    Some(Ok(ports)) => {
                        if found.send(Found { container, ports }).is_err() {
                            return;
                        }
                    }
                    Some(Err(error)) => log::debug!("{error}"),
                    None => return,
                }
            }
        });
    }
}

impl Daemon {
    pub(super) fn on_listening(&mut self, found: Vec<Found>) -> anyhow::Result<()> {
        let mut heard_of = BTreeSet::new();
        for Found { container, ports } in found {
            let pid = self.inventory.containers.get(&container).and_then(|owner| owner.pid);
            if let Some(known) = pid.and_then(|pid| self.served.listening.get_mut(&(container, pid))) {
                known.extend(ports);
                heard_of.insert(container);
            }
        }
        let tenants = Tenants::of(&self.inventory);
        for attachment in self.counting.attachments() {
            let Some(owner) = attachment
                .container
                .filter(|container| heard_of.contains(&container.id))
                .and_then(|container| self.inventory.containers.get(&container.id))
            else {
                continue;
            };
            if self.veths.get(attachment.ifindex).is_none() {
                continue;
            }
            let all = owner.netns.into_iter().flat_map(|netns| tenants.within(netns, &self.inventory));
            let exposed = all.flat_map(|tenant| tenant.exposed.iter().copied()).collect();
            self.served.update(&mut self.counting, attachment.slot, owner, exposed)?;
            self.counting.open_table(attachment.slot)?;
        }
        Ok(())
    }
}
