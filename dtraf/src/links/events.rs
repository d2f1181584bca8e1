//! Notifications of links and of the host's addresses coming, changing and going.
//!
//! Owns the socket subscribed to `RTNLGRP_LINK` and the groups of addresses. The kernel's receive buffer is the only queue of any size: when it
//! overflows, the kernel says so, and so does this module. Refuses to guess what was lost.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::{io, thread};

use netlink_packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::sync::mpsc;

use super::error::LinksError;
use super::link::Link;
use super::local_address;
use crate::accounting::identity::IfIndex;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// The kernel doubles it. Room for some seven thousand notifications: five hundred containers starting at once.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// No notification is larger: the kernel allocates at most 32 KiB for one.
const DATAGRAM_BYTES: usize = 64 << 10;
const QUEUE: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// New or changed.
    Changed(Link),
    Gone(IfIndex),
    /// A link has got an address, or lost it.
    Address(IfIndex, IpAddr),
    /// Notifications were lost: dump and compare.
    Overflow,
}

/// Events end when the receiver is dropped, or when the socket fails for good (logged).
///
/// They are read by a thread of its own: whatever the event loop is doing, it finds them when it asks next.
pub(super) fn subscribe() -> Result<mpsc::Receiver<LinkEvent>, LinksError> {
    let failed = |source| LinksError::Open { purpose: "link events", source };
    let socket = open().map_err(failed)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let forwarding = thread::Builder::new().name("links".to_owned()).spawn(move || forward(&socket, &sender));
    forwarding.map(drop).map_err(failed)?;
    Ok(receiver)
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    // Beyond net.core.rmem_max only with CAP_NET_ADMIN. A smaller buffer overflows sooner, nothing else.
    if let Err(error) = sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES) {
        log::debug!("link events: cannot force a receive buffer of {RECEIVE_BUFFER_BYTES} bytes: {error}");
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
    }
    socket.bind(&SocketAddr::new(0, GROUPS))?;
    Ok(socket)
}

fn forward(socket: &Socket, sender: &mpsc::Sender<LinkEvent>) {
    let mut datagram = Vec::with_capacity(DATAGRAM_BYTES);
    loop {
        datagram.clear();
        let events = match socket.recv(&mut datagram, 0) {
            Ok(_) => decode(&datagram),
            Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                log::debug!("link events: the receive buffer overflowed");
                vec![LinkEvent::Overflow]
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return log::error!("link events ended: read the netlink socket: {error}"),
        };
        for event in events {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    }
}

/// What a datagram says. What cannot be read is a loss like any other.
fn decode(mut datagram: &[u8]) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    while !datagram.is_empty() {
        let Some((message, rest)) = split(datagram) else {
            events.push(LinkEvent::Overflow);
            break;
        };
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
            Ok(message) => events.extend(event_of(message.payload)),
            Err(error) => {
                log::warn!("link events: cannot read a notification: {error}");
                events.push(LinkEvent::Overflow);
            }
        }
        datagram = rest;
    }
    events
}

/// The first message of a datagram, and the others.
fn split(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(NetlinkBuffer::new_checked(datagram).ok()?.length()).ok()?;
    let message = datagram.get(..length)?;
    Some((message, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn event_of(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<LinkEvent> {
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            Link::from_message(&message).map(LinkEvent::Changed)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            Link::from_message(&message).map(|link| LinkEvent::Gone(link.ifindex))
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewAddress(message) | RouteNetlinkMessage::DelAddress(message),
        ) => {
            let ifindex = IfIndex(NonZeroU32::new(message.header.index)?);
            Some(LinkEvent::Address(ifindex, local_address(&message)?))
        }
        NetlinkPayload::Overrun(_) => Some(LinkEvent::Overflow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::AddressFamily;
    use netlink_packet_route::address::{AddressAttribute, AddressMessage};
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};

    use super::*;

    fn message(index: u32) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(LinkAttribute::IfName("veth0".to_owned()));
        message
    }

    fn datagram(messages: impl IntoIterator<Item = RouteNetlinkMessage>) -> Vec<u8> {
        let mut datagram = Vec::new();
        for message in messages {
            let mut message = NetlinkMessage::from(message);
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut datagram[start..]);
        }
        datagram
    }

    fn gone(index: u32) -> LinkEvent {
        LinkEvent::Gone(IfIndex(NonZeroU32::new(index).unwrap()))
    }

    #[test]
    fn a_datagram_may_hold_several_messages() {
        let datagram =
            datagram([RouteNetlinkMessage::NewLink(message(5)), RouteNetlinkMessage::DelLink(message(6))]);
        let changed = LinkEvent::Changed(Link::from_message(&message(5)).unwrap());
        assert_eq!(decode(&datagram), [changed, gone(6)]);
    }

    #[test]
    fn a_veth_that_leaves_a_bridge_is_not_gone() {
        let mut port = message(5);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(decode(&datagram([RouteNetlinkMessage::DelLink(port)])), []);
    }

    #[test]
    fn address_that_comes_or_goes_is_an_event() {
        let address = |last| {
            let mut message = AddressMessage::default();
            message.header.index = 5;
            message.attributes.push(AddressAttribute::Address([192, 0, 2, last].into()));
            message
        };
        let datagram = datagram([
            RouteNetlinkMessage::NewAddress(address(1)),
            RouteNetlinkMessage::DelAddress(address(2)),
        ]);
        let ifindex = IfIndex(NonZeroU32::new(5).unwrap());
        let event = |last| LinkEvent::Address(ifindex, [192, 0, 2, last].into());
        assert_eq!(decode(&datagram), [event(1), event(2)]);
    }

    #[test]
    fn what_cannot_be_read_counts_as_lost() {
        let mut unreadable = datagram([RouteNetlinkMessage::NewLink(message(5))]);
        // The length of the first attribute, longer than the message.
        unreadable[32] = 0xff;
        unreadable.extend(datagram([RouteNetlinkMessage::DelLink(message(6))]));
        assert_eq!(decode(&unreadable), [LinkEvent::Overflow, gone(6)]);
        assert_eq!(decode(&unreadable[..20]), [LinkEvent::Overflow]);
    }
}
