//! The host's interfaces and network namespaces, by rtnetlink.
//!
//! Owns the netlink sockets and turns their messages into [`Link`]s and numbers. Refuses to change anything, to enter a
//! namespace, and to know what a container is.
//!
//! Requests and notifications do not share a socket: when notifications fill its buffer, the kernel drops the answer to a
//! request like anything else, and the request would wait for ever.

mod cards;
mod error;
mod events;
mod link;
mod qdisc;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use futures_util::StreamExt as _;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::accounting::identity::{IfIndex, NetnsId};

pub(crate) use self::cards::Cards;
pub(crate) use self::error::{LinksError, Operation};
pub(crate) use self::events::LinkEvent;
pub(crate) use self::link::{Link, LinkCounters, LinkKind};

/// How often a dump is asked for again when the kernel says that it changed under way.
const DUMP_ATTEMPTS: usize = 5;

/// A socket for requests. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    handle: rtnetlink::Handle,
}

/// What came back for a request.
struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    /// The kernel says that what was dumped changed under way: something may be missing or twice.
    interrupted: bool,
}

impl Links {
    /// Opens the socket, in the network namespace of the calling thread. Wants a tokio runtime.
    pub(crate) fn connect() -> Result<Self, LinksError> {
        let (connection, handle, _unsolicited) =
            rtnetlink::new_connection().map_err(|source| LinksError::Open { purpose: "requests", source })?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Subscribes to changes of links. Subscribe before [`Self::dump`], so that nothing falls between the two.
    pub(crate) fn events() -> Result<mpsc::Receiver<LinkEvent>, LinksError> {
        events::subscribe()
    }

    /// All links with their counters.
    pub(crate) async fn dump(&self) -> Result<Vec<Link>, LinksError> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let messages = self.list(&request, Operation::Links).await?;
        Ok(messages.iter().filter_map(link_of).collect())
    }

    /// One link with its counters, as they are now; `None` when it is gone.
    pub(crate) async fn link(&self, ifindex: IfIndex) -> Result<Option<Link>, LinksError> {
        let mut request = LinkMessage::default();
        request.header.index = ifindex.0.get();
        self.one(request, Operation::Link(ifindex)).await
    }

    /// The link of that name; `None` when there is none. A list of all takes the kernel a look at each network namespace for
    /// each link: 50 ms with a thousand of them.
    pub(crate) async fn named(&self, name: &str) -> Result<Option<Link>, LinksError> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.one(request, Operation::LinkByName).await
    }

    /// All addresses of the host.
    pub(crate) async fn addresses(&self) -> Result<BTreeSet<IpAddr>, LinksError> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let messages = self.list(&request, Operation::Addresses).await?;
        Ok(messages.iter().filter_map(address_of).collect())
    }

    /// The number that this network namespace has for another one; `None` when it has none.
    pub(crate) async fn netns_id(&self, netns: BorrowedFd<'_>) -> Result<Option<NetnsId>, LinksError> {
        let mut request = NsidMessage::default();
        let descriptor = u32::try_from(netns.as_raw_fd()).expect("an open descriptor is not negative");
        request.attributes.push(NsidAttribute::Fd(descriptor));
        let operation = Operation::NetnsId;
        let answer = self.ask(RouteNetlinkMessage::GetNsId(request), NLM_F_ACK, operation).await?;
        let id = answer.messages.iter().find_map(|message| match message {
            RouteNetlinkMessage::NewNsId(message) => {
                message.attributes.iter().find_map(|attribute| match attribute {
                    NsidAttribute::Id(id) => Some(*id),
                    _ => None,
                })
            }
            _ => None,
        });
        let id = id.ok_or(LinksError::Unreadable { operation })?;
        Ok((id >= 0).then_some(NetnsId(id)))
    }

    /// The MAC address of link `index` in another network namespace, first octet in bits 40..48, read without entering
    /// the namespace; `None` when there is no such link or namespace. Needs Linux 4.15 and `CAP_NET_ADMIN`.
    pub(crate) async fn peer_mac(&self, netns: NetnsId, index: u32) -> Result<Option<u64>, LinksError> {
        let mut request = LinkMessage::default();
        request.header.index = index;
        // Today's name of IFLA_IF_NETNSID is IFLA_TARGET_NETNSID.
        request.attributes.push(LinkAttribute::IfNetnsId(netns.0));
        let operation = Operation::Peer { netns, index };
        let answer = match self.ask(RouteNetlinkMessage::GetLink(request), NLM_F_ACK, operation).await {
            Ok(answer) => answer,
            // EINVAL: no namespace has this number.
            Err(error) if error.is(Errno::NODEV) || error.is(Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error),
        };
        let message =
            answer.messages.iter().find_map(new_link).ok_or(LinksError::Unreadable { operation })?;
        // A kernel that does not know the attribute answers with a link of this namespace.
        if !message.attributes.contains(&LinkAttribute::IfNetnsId(netns.0)) {
            return Ok(None);
        }
        Ok(link::mac_of(message))
    }

    /// Sets the length of a link's transmit queue.
    pub(crate) async fn set_queue_length(&self, ifindex: IfIndex, length: u32) -> Result<(), LinksError> {
        let mut request = LinkMessage::default();
        request.header.index = ifindex.0.get();
        request.attributes.push(LinkAttribute::TxQueueLen(length));
        let operation = Operation::SetQueueLength(ifindex);
        self.ask(RouteNetlinkMessage::SetLink(request), NLM_F_ACK, operation).await.map(drop)
    }

    async fn one(&self, request: LinkMessage, operation: Operation) -> Result<Option<Link>, LinksError> {
        match self.ask(RouteNetlinkMessage::GetLink(request), NLM_F_ACK, operation).await {
            Ok(answer) => {
                let link = answer.messages.iter().find_map(link_of);
                link.map(Some).ok_or(LinksError::Unreadable { operation })
            }
            Err(error) if error.is(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Dumps until one dump was not interrupted, or patience ends: events tell what the last one missed.
    async fn list(
        &self,
        request: &RouteNetlinkMessage,
        operation: Operation,
    ) -> Result<Vec<RouteNetlinkMessage>, LinksError> {
        let mut answer = self.ask(request.clone(), NLM_F_DUMP, operation).await?;
        for _ in 1..DUMP_ATTEMPTS {
            if !answer.interrupted {
                break;
            }
            answer = self.ask(request.clone(), NLM_F_DUMP, operation).await?;
        }
        Ok(answer.messages)
    }

    /// Sends one request. With `NLM_F_ACK` or `NLM_F_DUMP` the answer has an end, even when its message cannot be read.
    async fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
        operation: Operation,
    ) -> Result<Answer, LinksError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let refused = |source| LinksError::Closed { operation, source };
        let mut stream = self.handle.clone().request(request).map_err(refused)?;
        let mut answer = Answer { messages: Vec::new(), interrupted: false };
        while let Some(message) = stream.next().await {
            answer.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(message) => answer.messages.push(message),
                NetlinkPayload::Error(error) => {
                    return Err(LinksError::Refused { operation, source: error.to_io() });
                }
                _ => {}
            }
        }
        Ok(answer)
    }
}

fn new_link(message: &RouteNetlinkMessage) -> Option<&LinkMessage> {
    match message {
        RouteNetlinkMessage::NewLink(message) => Some(message),
        _ => None,
    }
}

fn link_of(message: &RouteNetlinkMessage) -> Option<Link> {
    new_link(message).and_then(Link::from_message)
}

fn address_of(message: &RouteNetlinkMessage) -> Option<IpAddr> {
    match message {
        RouteNetlinkMessage::NewAddress(message) => local_address(message),
        _ => None,
    }
}

/// The local end's address: on point-to-point links `IFA_ADDRESS` is the other's.
fn local_address(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}
