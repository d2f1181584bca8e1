//! A link as the kernel describes it. Keeps what dtraf decides by, drops the other sixty attributes.

use std::num::NonZeroU32;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Stats64};

use crate::accounting::identity::{IfIndex, NetnsId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) ifindex: IfIndex,
    pub(crate) name: String,
    pub(crate) kind: LinkKind,
    pub(crate) up: bool,
    /// Its Ethernet address, first octet in bits 40..48.
    pub(crate) mac: Option<u64>,
    /// Both ends are up.
    pub(crate) carrier: bool,
    /// The bridge it is a port of.
    pub(crate) master: Option<IfIndex>,
    /// Where the other end is, when it is in another network namespace.
    pub(crate) peer_netns: Option<NetnsId>,
    /// The other end's ifindex, as its own network namespace numbers it.
    pub(crate) peer_index: Option<u32>,
    /// `None` in the message that says that the link is gone: the kernel fills in zeros there.
    pub(crate) counters: Option<LinkCounters>,
    /// Length of the transmit queue, in packets.
    pub(crate) queue_length: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Veth,
    Bridge,
    Other,
}

/// The interface's own counters, in the host's view: skb bytes with Ethernet headers, and skbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkCounters {
    pub(crate) rx_bytes: u64,
    pub(crate) rx_packets: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) tx_packets: u64,
    pub(crate) rx_dropped: u64,
    pub(crate) tx_dropped: u64,
}

impl From<&Stats64> for LinkCounters {
    fn from(stats: &Stats64) -> Self {
        Self {
            rx_bytes: stats.rx_bytes,
            rx_packets: stats.rx_packets,
            tx_bytes: stats.tx_bytes,
            tx_packets: stats.tx_packets,
            rx_dropped: stats.rx_dropped,
            tx_dropped: stats.tx_dropped,
        }
    }
}

impl Link {
    /// `None` for what describes a bridge's port and not a link: those messages come under the same type and in the same
    /// group, with another address family, and their `RTM_DELLINK` means that the link left the bridge.
    pub(super) fn from_message(message: &LinkMessage) -> Option<Self> {
        if message.header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let mut link = Self {
            ifindex: IfIndex(NonZeroU32::new(message.header.index)?),
            name: String::new(),
            kind: LinkKind::Other,
            up: message.header.flags.contains(LinkFlags::Up),
            mac: mac_of(message),
            carrier: message.header.flags.contains(LinkFlags::LowerUp),
            master: None,
            peer_netns: None,
            peer_index: None,
            counters: None,
            queue_length: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::LinkInfo(info) => link.kind = kind_of(info),
                LinkAttribute::Controller(index) => link.master = NonZeroU32::new(*index).map(IfIndex),
                LinkAttribute::LinkNetNsId(id) => link.peer_netns = (*id >= 0).then_some(NetnsId(*id)),
                LinkAttribute::Link(index) => link.peer_index = (*index != 0).then_some(*index),
                LinkAttribute::TxQueueLen(length) => link.queue_length = Some(*length),
                LinkAttribute::Stats64(stats) => link.counters = Some(stats.into()),
                _ => {}
            }
        }
        Some(link)
    }
}

/// The link's Ethernet address, first octet in bits 40..48.
pub(super) fn mac_of(message: &LinkMessage) -> Option<u64> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(octets) if octets.len() == 6 => {
            Some(octets.iter().fold(0, |mac, octet| mac << 8 | u64::from(*octet)))
        }
        _ => None,
    })
}

fn kind_of(info: &[LinkInfo]) -> LinkKind {
    let kind = info.iter().find_map(|part| match part {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        Some(InfoKind::Veth) => LinkKind::Veth,
        Some(InfoKind::Bridge) => LinkKind::Bridge,
        _ => LinkKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veth() -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.flags = LinkFlags::Up | LinkFlags::Broadcast;
        message.attributes = vec![
            LinkAttribute::IfName("veth1a2b".to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
            LinkAttribute::Controller(3),
            LinkAttribute::Link(2),
            LinkAttribute::LinkNetNsId(0),
            LinkAttribute::Address(vec![0x02, 0x42, 0xac, 0x11, 0x00, 0x02]),
        ];
        message
    }

    #[test]
    fn a_veth_says_where_its_other_end_is() {
        let link = Link::from_message(&veth()).unwrap();
        assert_eq!(link.name, "veth1a2b");
        assert_eq!(link.kind, LinkKind::Veth);
        assert!(link.up);
        assert_eq!(link.master, NonZeroU32::new(3).map(IfIndex));
        assert_eq!((link.peer_netns, link.peer_index), (Some(NetnsId(0)), Some(2)));
        assert_eq!(link.counters, None);
        assert_eq!(mac_of(&veth()), Some(0x0242_ac11_0002));
    }

    #[test]
    fn a_namespace_without_a_number_is_none() {
        let mut message = veth();
        message.attributes = vec![LinkAttribute::LinkNetNsId(-1), LinkAttribute::Link(0)];
        let link = Link::from_message(&message).unwrap();
        assert_eq!((link.peer_netns, link.peer_index), (None, None));
    }

    #[test]
    fn a_message_about_a_bridge_port_is_no_link() {
        let mut message = veth();
        message.header.interface_family = AddressFamily::Bridge;
        assert_eq!(Link::from_message(&message), None);
    }
}
