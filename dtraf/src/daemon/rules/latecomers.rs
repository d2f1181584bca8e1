//! Addresses that running containers are given: packets pass there before rules can stand, since Docker tells of a connection
//! only when it has made it. What that may have cost is told, by the time at which the kernel told of the link.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::Daemon;
use crate::accounting::identity::{ContainerId, IfIndex, NetnsId};
use crate::accounting::inventory::Container;
use crate::accounting::snapshot::Life;
use crate::clock;
use crate::links::{Link, LinkEvent, LinkKind};
use crate::source::rules::Counted;
use crate::view::neutral::neutral;

/// The host's links, as far as they lead to containers, and who was given an address since.
#[derive(Debug, Default)]
pub(super) struct Latecomers {
    bridges: BTreeMap<IfIndex, String>,
    ports: BTreeMap<IfIndex, Port>,
    waiting: BTreeMap<(ContainerId, IpAddr), Latecomer>,
}

/// A bridge's port, and where it leads.
#[derive(Debug)]
struct Port {
    bridge: IfIndex,
    netns: Option<NetnsId>,
    /// When it joined; `None` when it had before.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Latecomer {
    network: String,
    since: Option<Instant>,
}

impl Latecomers {
    /// Takes links that were there before.
    pub(super) fn note_links(&mut self, links: Vec<Link>) {
        for link in links {
            self.note(link, None);
        }
    }

    fn note(&mut self, link: Link, now: Option<Instant>) {
        match (link.kind, link.master) {
            (LinkKind::Bridge, _) => drop(self.bridges.insert(link.ifindex, link.name)),
            (LinkKind::Veth, Some(bridge)) => {
                let known = self.ports.get(&link.ifindex).filter(|port| port.bridge == bridge);
                let since = known.map_or(now, |port| port.since);
                // A link on its way out says no more where it leads.
                let netns = link.peer_netns.or(known.and_then(|port| port.netns));
                self.ports.insert(link.ifindex, Port { bridge, netns, since });
            }
            _ => {}
        }
    }

    /// When a link from a bridge to a namespace came. Of several that may be it, the first: the gap is no longer than that.
    fn since(&self, bridge: &str, netns: Option<NetnsId>) -> Option<Instant> {
        let on_bridge = || {
            let is_its = |port: &&Port| self.bridges.get(&port.bridge).is_some_and(|name| name == bridge);
            self.ports.values().filter(is_its)
        };
        let leads_there = on_bridge().filter(|port| netns.is_some() && port.netns == netns);
        let may_lead_there = || on_bridge().filter(|port| netns.is_none() || port.netns.is_none());
        let first = leads_there.filter_map(|port| port.since).min();
        first.or_else(|| may_lead_there().filter_map(|port| port.since).min())
    }
}

impl Daemon {
    pub(super) async fn on_link(&mut self, event: LinkEvent) -> anyhow::Result<()> {
        match event {
            LinkEvent::Changed(link) => self.latecomers.note(link, Some(clock::instant())),
            LinkEvent::Gone(ifindex) => {
                self.latecomers.ports.remove(&ifindex);
                self.latecomers.bridges.remove(&ifindex);
            }
            LinkEvent::Address(..) => {}
            LinkEvent::Overflow => self.latecomers.note_links(self.links.dump().await?),
        }
        Ok(())
    }

    /// Compares what is known of a container with what `before` was.
    pub(super) fn note_latecomers(&mut self, before: &Container) {
        let Some(after) = self.inventory.containers.get(&before.id) else { return };
        // Before its process runs, rules stand.
        if before.pid.is_none() || after.pid.is_some_and(|pid| Some(pid) != before.pid) {
            return;
        }
        let had =
            |address: &IpAddr| before.endpoints.iter().any(|endpoint| endpoint.addresses.contains(address));
        for endpoint in &after.endpoints {
            let network = self.inventory.networks.iter().find(|network| network.name == endpoint.network);
            let bridge = network.and_then(|network| network.bridge.as_deref());
            let since = bridge.and_then(|bridge| self.latecomers.since(bridge, after.netns));
            for address in endpoint.addresses.iter().filter(|address| !had(address)) {
                let latecomer = Latecomer { network: endpoint.network.clone(), since };
                self.latecomers.waiting.entry((before.id, *address)).or_insert(latecomer);
            }
        }
    }

    /// Forgets those whose rules have stood all the time, and those that are to have none any more.
    pub(super) fn review_latecomers(&mut self, counted: &[Counted]) {
        let containers = &self.inventory.containers;
        self.latecomers.waiting.retain(|(id, address), _| {
            let has = |container: &Container| {
                container.endpoints.iter().any(|endpoint| endpoint.addresses.contains(address))
            };
            containers.get(id).is_some_and(has) && !counts(counted, *id, *address)
        });
    }

    /// Says what may be missing of those that are counted now.
    pub(super) fn tell_latecomers(&mut self, counted: &[Counted]) {
        let now = clock::instant();
        for ((id, address), latecomer) in
            self.latecomers.waiting.extract_if(.., |(id, address), _| counts(counted, *id, *address))
        {
            let name = self.inventory.containers.get(&id).map_or("", |container| &container.name);
            let gap = latecomer.since.map(|since| now.saturating_duration_since(since).as_secs_f64());
            let gap = gap.map_or("of unknown length".to_owned(), |gap| format!("of at most {gap:.3} s"));
            log::warn!(
                "{}: was connected to {} while it ran; what passed by {address} before its rules stood was not counted: a gap {gap}",
                neutral(name),
                neutral(&latecomer.network),
            );
        }
    }
}

fn counts(counted: &[Counted], id: ContainerId, address: IpAddr) -> bool {
    let is_its = |counter: &Counted| counter.key.container == id && counter.address == address;
    counted.iter().any(|counter| counter.life == Life::Live && is_its(counter))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn index(number: u32) -> IfIndex {
        IfIndex(NonZeroU32::new(number).unwrap())
    }

    fn link(number: u32, kind: LinkKind, master: Option<u32>, peer_netns: Option<i32>) -> Link {
        Link {
            ifindex: index(number),
            name: format!("link{number}"),
            kind,
            up: true,
            mac: None,
            carrier: true,
            master: master.map(index),
            peer_netns: peer_netns.map(NetnsId),
            peer_index: None,
            counters: None,
            queue_length: None,
        }
    }

    #[test]
    fn a_gap_begins_with_the_link_that_leads_to_the_container_or_may_do_so() {
        let start = clock::instant();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut links = Latecomers::default();
        links.note_links(vec![
            link(1, LinkKind::Bridge, None, None),
            link(2, LinkKind::Veth, Some(1), Some(7)),
            link(3, LinkKind::Bridge, None, None),
        ]);
        assert_eq!(links.since("link1", Some(NetnsId(7))), None, "it was there before");
        links.note(link(4, LinkKind::Veth, Some(3), None), Some(at(1)));
        links.note(link(5, LinkKind::Veth, Some(3), None), Some(at(2)));
        assert_eq!(links.since("link3", Some(NetnsId(7))), Some(at(1)), "either may be its");
        // Seen again, with more known of it; then on its way out.
        links.note(link(5, LinkKind::Veth, Some(3), Some(7)), Some(at(3)));
        links.note(link(5, LinkKind::Veth, Some(3), None), Some(at(4)));
        assert_eq!(links.since("link3", Some(NetnsId(7))), Some(at(2)));
        assert_eq!(links.since("link3", Some(NetnsId(8))), Some(at(1)));
        assert_eq!(links.since("link3", None), Some(at(1)));
        assert_eq!(links.since("link9", Some(NetnsId(7))), None);
    }
}
