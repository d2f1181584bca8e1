//! The ports that each container serves: what Docker says of it, and what listens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Daemon;
use crate::accounting::attribution::Tenants;
use crate::accounting::identity::{ContainerId, Slot};
use crate::accounting::inventory::{Container, PortNumber};
use crate::clock;
use crate::sockets::Looker;
use crate::source::ebpf::{Counting, EbpfError, Marks};
use crate::view::neutral::neutral;

/// When a new container is looked into. What begins to listen later is known by its first answer, and what ends by
/// [`Daemon::review_marks`].
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(15)];

/// Between two looks at a container whose marked ports have fallen silent.
const LOOK_AGAIN: Duration = Duration::from_secs(8);
/// Between two looks at a container of which Docker does not say that it serves all ports that are marked.
const LOOK_ANYWAY: Duration = Duration::from_mins(1);

/// What was found to listen in a container.
#[derive(Debug)]
pub(super) struct Found {
    container: ContainerId,
    ports: BTreeSet<PortNumber>,
}

/// The ports that the programs were told of, and what that was made of.
#[derive(Debug)]
pub(super) struct Served {
    told: BTreeMap<Slot, BTreeSet<PortNumber>>,
    /// What they were to be told, for which there may not have been room.
    wanted: BTreeMap<Slot, BTreeSet<PortNumber>>,
    /// Ports that Docker says are served.
    exposed: BTreeMap<Slot, BTreeSet<PortNumber>>,
    listening: BTreeMap<(ContainerId, u32), BTreeSet<PortNumber>>,
    looked_at: BTreeMap<(ContainerId, u32), Instant>,
    /// Marks as they were at the last review.
    marks: Marks,
    /// Marked ports that counted nothing between the last two reviews.
    silent: BTreeMap<Slot, BTreeSet<PortNumber>>,
    /// Slots in which a port that Docker does not name has fallen silent since their container was looked into.
    fallen_silent: BTreeSet<Slot>,
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
            exposed: BTreeMap::new(),
            listening: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            marks: Marks::new(),
            silent: BTreeMap::new(),
            fallen_silent: BTreeSet::new(),
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
        let mut ports = exposed.clone();
        self.exposed.insert(slot, exposed);
        if let Some(pid) = owner.pid {
            if let Some(listening) = self.listening.get(&(owner.id, pid)) {
                ports.extend(listening);
            } else {
                self.listening.insert((owner.id, pid), BTreeSet::new());
                self.look_into(owner.id, pid, &LOOKS);
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
        self.exposed.remove(&slot);
    }

    /// Forgets what listened in containers that have ended.
    pub(super) fn keep(&mut self, is_running: impl Fn(&ContainerId, u32) -> bool) {
        self.listening.retain(|(id, pid), _| is_running(id, *pid));
        self.looked_at.retain(|(id, pid), _| is_running(id, *pid));
    }

    /// Looks in the background.
    fn look_into(&mut self, container: ContainerId, pid: u32, waits: &'static [Duration]) {
        self.looked_at.insert((container, pid), clock::instant());
        let (found, looker) = (self.found.clone(), Arc::clone(&self.looker));
        tokio::spawn(async move {
            for wait in waits {
                tokio::time::sleep(*wait).await;
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
                *known = ports;
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
            self.served.expire(&mut self.counting, attachment.slot)?;
            self.counting.open_table(attachment.slot)?;
        }
        Ok(())
    }

    /// Looks again into containers that have marks of which Docker does not say that they serve them: when such a port has
    /// fallen silent, and now and then. Where nothing listens any more the mark goes, and the container's own connections
    /// from that port count as a client's.
    pub(super) fn review_marks(&mut self) {
        self.served.note(self.counting.marks());
        let now = clock::instant();
        for attachment in self.counting.attachments() {
            let container = attachment.container.and_then(|name| self.inventory.containers.get(&name.id));
            let Some((id, pid)) = container.and_then(|container| Some((container.id, container.pid?))) else {
                continue;
            };
            if self.served.is_due(attachment.slot, (id, pid), now) {
                self.served.fallen_silent.remove(&attachment.slot);
                self.served.look_into(id, pid, &LOOKS[..1]);
            }
        }
    }
}

impl Served {
    /// Notes marks as they are now, and which of them have counted nothing since the last time.
    fn note(&mut self, marks: Marks) {
        let mut silent = BTreeMap::<Slot, BTreeSet<PortNumber>>::new();
        for (slot, ports) in &marks {
            for (port, skbs) in ports {
                if self.marks.get(slot).and_then(|before| before.get(port)) != Some(skbs) {
                    continue;
                }
                silent.entry(*slot).or_default().insert(*port);
                let was_silent = self.silent.get(slot).is_some_and(|ports| ports.contains(port));
                if !was_silent && !self.is_exposed(*slot, *port) {
                    self.fallen_silent.insert(*slot);
                }
            }
        }
        self.fallen_silent.retain(|slot| marks.contains_key(slot));
        (self.marks, self.silent) = (marks, silent);
    }

    fn is_exposed(&self, slot: Slot, port: PortNumber) -> bool {
        self.exposed.get(&slot).is_some_and(|exposed| exposed.contains(&port))
    }

    fn is_due(&self, slot: Slot, container: (ContainerId, u32), now: Instant) -> bool {
        let Some(last) = self.looked_at.get(&container) else { return false };
        let passed = now.saturating_duration_since(*last);
        let has_others = || {
            let mut ports = self.marks.get(&slot).into_iter().flat_map(BTreeMap::keys);
            ports.any(|port| !self.is_exposed(slot, *port))
        };
        passed >= LOOK_AGAIN && self.fallen_silent.contains(&slot) || passed >= LOOK_ANYWAY && has_others()
    }

    /// Takes marks away that a container has earned by answering, that are silent, and behind which nothing listens.
    fn expire(&mut self, counting: &mut Counting, slot: Slot) -> Result<(), EbpfError> {
        let told = self.told.get(&slot).cloned().unwrap_or_default();
        let wanted = self.wanted.get(&slot);
        let is_wanted = |port: &PortNumber| wanted.is_some_and(|wanted| wanted.contains(port));
        let silent = self.silent.get(&slot).into_iter().flatten().copied();
        let mut ended: BTreeSet<_> = silent.filter(|port| !is_wanted(port)).collect();
        if !ended.is_empty() {
            ended.extend(&told);
            counting.set_served(slot, &ended, &told)?;
        }
        Ok(())
    }
}
