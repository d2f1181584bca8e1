//! Details of containers, kept until the batch with their last amounts is written.
//!
//! A container may begin and end between two batches, and events, inspections and lists each tell a part of it. This module
//! keeps the union of what was told, so that a batch never knows less of a container than the process did. It refuses to keep
//! labels that dtraf does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::account::{AccountKey, LABELS, project};
use super::journal::{AddressPeriod, Circumstances, Described};
use crate::accounting::bill::label::TermLabel;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::{Container, ContainerState};

/// Characters that are kept of a label's value.
const LONGEST_LABEL: usize = 500;
/// Containers that are removed and not yet booked. Beyond it the ones removed first are forgotten: the ledger has not been
/// written for hours then.
const MOST_REMOVED: usize = 20_000;
/// Silence after which a container that Docker does not list is taken for removed: its event was lost.
const SILENCE: Duration = Duration::from_mins(2);
/// Age of an address that an answer must know of which may be older than the address.
const SETTLED: Duration = Duration::from_secs(10);

/// Everything that was told of containers since they were last booked.
#[derive(Debug, Default)]
pub(crate) struct KnownContainers {
    containers: BTreeMap<ContainerId, Details>,
}

#[derive(Debug)]
struct Details {
    name: String,
    /// `None` while only the name is known.
    told: Option<Told>,
    addresses: BTreeMap<(String, String), Period>,
    since: Timestamp,
    heard_at: Timestamp,
    /// It was among those that Docker was known to have at the last batch.
    is_listed: bool,
    /// When it was removed.
    until: Option<Timestamp>,
}

/// Image and labels.
#[derive(Debug, Default)]
struct Told {
    image: String,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug)]
struct Period {
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Details {
    fn new(name: &str, at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            told: None,
            addresses: BTreeMap::new(),
            since: at,
            heard_at: at,
            is_listed: false,
            until: None,
        }
    }

    fn tell(&mut self, image: &str, labels: &BTreeMap<String, String>) {
        let told = self.told.get_or_insert_with(Told::default);
        if told.image.is_empty() {
            image.clone_into(&mut told.image);
        }
        // Labels never change, but an engine's events may leave some out.
        for (name, value) in used(labels) {
            told.labels.entry(name.to_owned()).or_insert_with(|| value.chars().take(LONGEST_LABEL).collect());
        }
    }

    fn take_address(&mut self, network: &str, address: String, at: Timestamp) {
        let ended = self.until;
        let period = self.addresses.entry((network.to_owned(), address));
        let period = period.or_insert(Period { since: at, until: ended });
        if ended.is_none() {
            period.until = None;
        }
    }

    /// Ends addresses of that age that a container no longer has.
    fn end_addresses(&mut self, container: &Container, at: Timestamp, age: Duration) {
        let has: BTreeSet<_> = addresses(container).collect();
        for ((network, address), period) in &mut self.addresses {
            if at.since(period.since) >= age && !has.contains(&(network.as_str(), address.clone())) {
                period.until.get_or_insert(at);
            }
        }
    }

    fn describe(&self, id: ContainerId) -> Described {
        let circumstances = self.told.as_ref().map(|told| Circumstances {
            image: told.image.clone(),
            project: project(&told.labels).map(str::to_owned),
            addresses: self.address_periods().collect(),
            labels: TermLabel::among(&told.labels),
        });
        let key = match &self.told {
            Some(told) => AccountKey::new(&told.labels, &self.name),
            None => AccountKey::of_name(&self.name),
        };
        Described { id, name: self.name.clone(), key, since: self.since, circumstances }
    }

    fn address_periods(&self) -> impl Iterator<Item = AddressPeriod> {
        self.addresses.iter().map(|((network, address), period)| AddressPeriod {
            network: network.clone(),
            address: address.clone(),
            since: period.since,
            until: period.until,
        })
    }
}

impl KnownContainers {
    /// Takes what an event says. Events that are replayed may be older than what is known already.
    pub(crate) fn announce(
        &mut self,
        id: ContainerId,
        name: &str,
        (image, labels): (&str, &BTreeMap<String, String>),
        at: Timestamp,
    ) {
        let details = self.containers.entry(id).or_insert_with(|| Details::new(name, at));
        if !name.is_empty() && at >= details.heard_at {
            name.clone_into(&mut details.name);
            details.heard_at = at;
        }
        details.since = details.since.min(at);
        details.tell(image, labels);
    }

    /// Takes a name and addresses on one network.
    pub(crate) fn connect(
        &mut self,
        id: ContainerId,
        name: &str,
        network: &str,
        addresses: impl IntoIterator<Item = String>,
        at: Timestamp,
    ) {
        let details = self.containers.entry(id).or_insert_with(|| Details::new(name, at));
        for address in addresses {
            details.take_address(network, address, at);
        }
    }

    /// Takes the latest inspection. Addresses that it does not name are no longer the container's. One that does not
    /// run yet may have been given addresses since.
    pub(crate) fn observe(&mut self, container: &Container, at: Timestamp) {
        let details = self.details(container, at);
        for (network, address) in addresses(container) {
            details.take_address(network, address, at);
        }
        let age = if container.state == ContainerState::Running { Duration::ZERO } else { SETTLED };
        details.end_addresses(container, at, age);
    }

    /// Takes what may be older than what was heard of the container since: an address that it has lost does not come back.
    pub(crate) fn recall(&mut self, container: &Container, at: Timestamp) {
        let details = self.details(container, at);
        for (network, address) in addresses(container) {
            let period = Period { since: at, until: details.until };
            details.addresses.entry((network.to_owned(), address)).or_insert(period);
        }
        details.end_addresses(container, at, SETTLED);
    }

    fn details(&mut self, container: &Container, at: Timestamp) -> &mut Details {
        let details =
            self.containers.entry(container.id).or_insert_with(|| Details::new(&container.name, at));
        details.heard_at = details.heard_at.max(at);
        details.name.clone_from(&container.name);
        details.tell(&container.image, &container.labels);
        details
    }

    /// Notes that a container's process has ended, and its network with it.
    pub(crate) fn stop(&mut self, id: ContainerId, at: Timestamp) {
        if let Some(details) = self.containers.get_mut(&id) {
            for period in details.addresses.values_mut().filter(|period| period.since <= at) {
                period.until.get_or_insert(at);
            }
        }
    }

    /// Notes that a container was removed.
    pub(crate) fn remove(&mut self, id: ContainerId, at: Timestamp) {
        let Some(details) = self.containers.get_mut(&id) else { return };
        let at = at.max(details.since);
        let until = *details.until.get_or_insert(at);
        for period in details.addresses.values_mut() {
            period.until.get_or_insert(until);
        }
        if self.containers.len() > MOST_REMOVED {
            self.forget_first_removed();
        }
    }

    fn forget_first_removed(&mut self) {
        let removed = self.containers.iter().filter_map(|(id, details)| Some((details.until?, *id)));
        let removed: BTreeSet<_> = removed.collect();
        if let (true, Some((_, first))) = (removed.len() > MOST_REMOVED, removed.first()) {
            self.containers.remove(first);
        }
    }

    /// Takes what Docker is known to have now. Containers that it had before and has no more are removed; and those that were
    /// only heard of, after a silence: the event of their removal was lost.
    pub(super) fn list(&mut self, containers: &BTreeMap<ContainerId, Container>, at: Timestamp) {
        for container in containers.values() {
            if let Some(details) = self.containers.get_mut(&container.id) {
                details.until = None;
            }
            self.recall(container, at);
        }
        let mut removed = Vec::new();
        for (id, details) in &mut self.containers {
            let was_listed = std::mem::replace(&mut details.is_listed, containers.contains_key(id));
            if details.until.is_some() || details.is_listed {
                continue;
            }
            if was_listed {
                removed.push((*id, at));
            } else if at.since(details.heard_at) >= SILENCE {
                removed.push((*id, details.heard_at));
            }
        }
        for (id, at) in removed {
            self.remove(id, at);
        }
    }

    /// Containers that were not removed.
    pub(super) fn present(&self) -> impl Iterator<Item = ContainerId> {
        self.containers.iter().filter(|(_, details)| details.until.is_none()).map(|(id, _)| *id)
    }

    /// Containers that were removed, and whether they had addresses that are not written yet.
    pub(super) fn removed(&self) -> impl Iterator<Item = (ContainerId, bool)> {
        let removed = self.containers.iter().filter(|(_, details)| details.until.is_some());
        removed.map(|(id, details)| (*id, !details.addresses.is_empty()))
    }

    pub(super) fn removed_at(&self, id: ContainerId) -> Option<Timestamp> {
        self.containers.get(&id)?.until
    }

    pub(super) fn describe(&self, id: ContainerId) -> Option<Described> {
        Some(self.containers.get(&id)?.describe(id))
    }

    /// Forgets addresses whose end is written.
    pub(super) fn settle_addresses(&mut self, described: &Described) {
        let Some(details) = self.containers.get_mut(&described.id) else { return };
        for period in described.addresses().iter().filter(|period| period.until.is_some()) {
            let address = (period.network.clone(), period.address.clone());
            if details.addresses.get(&address).is_some_and(|known| known.until == period.until) {
                details.addresses.remove(&address);
            }
        }
    }

    pub(crate) fn is_known(&self, id: ContainerId) -> bool {
        self.containers.contains_key(&id)
    }

    pub(super) fn forget(&mut self, id: ContainerId) {
        self.containers.remove(&id);
    }

    /// Forgets containers that were removed so long ago that nothing more will be booked for them.
    pub(super) fn forget_idle(&mut self, now: Timestamp, after: Duration) {
        self.containers.retain(|_, details| details.until.is_none_or(|until| now.since(until) < after));
    }
}

fn addresses(container: &Container) -> impl Iterator<Item = (&str, String)> {
    container.endpoints.iter().flat_map(|endpoint| {
        endpoint.addresses.iter().map(|address| (endpoint.network.as_str(), address.to_string()))
    })
}

/// The labels that dtraf uses.
fn used(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, &String)> {
    let names = LABELS.into_iter().chain(TermLabel::ALL.map(TermLabel::name));
    names.filter_map(|name| Some((name, labels.get(name)?)))
}

#[cfg(test)]
mod tests;
