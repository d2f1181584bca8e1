//! The few requests to the kernel that a crowd needs, one after the other: thousands of them, so no program is started.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, bail};
use dtraf_tests::Member;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// A socket for requests in the network that the thread was in when it was opened.
pub(super) struct Netlink {
    socket: Socket,
}

impl Netlink {
    pub(super) fn open() -> Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    pub(super) fn add_bridge(&mut self, name: &str, gateway: Ipv4Addr) -> Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(Member::mac_of(gateway).to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.make(RouteNetlinkMessage::NewLink(message)).with_context(|| format!("add the bridge {name}"))
    }

    /// The host's end is a port of `bridge`, the other is born in the member's namespace.
    pub(super) fn add_veth(&mut self, member: &Member, bridge: u32) -> Result<()> {
        let mut inside = LinkMessage::default();
        inside.attributes = vec![
            LinkAttribute::IfName(Member::LINK.to_owned()),
            LinkAttribute::NetNsPid(member.pid),
            LinkAttribute::Address(member.mac().to_vec()),
        ];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(member.veth.clone()),
            LinkAttribute::Controller(bridge),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(inside))),
            ]),
        ];
        let made = self.make(RouteNetlinkMessage::NewLink(message));
        made.with_context(|| format!("add the link {}", member.veth))
    }

    pub(super) fn set_up(&mut self, index: u32) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::SetLink(message), 0).with_context(|| format!("set link {index} up"))
    }

    pub(super) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix_length: u8) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = index;
        message.header.prefix_len = prefix_length;
        let local = IpAddr::V4(address);
        message.attributes = vec![AddressAttribute::Local(local), AddressAttribute::Address(local)];
        let made = self.make(RouteNetlinkMessage::NewAddress(message));
        made.with_context(|| format!("give link {index} the address {address}"))
    }

    pub(super) fn add_default_route(&mut self, gateway: Ipv4Addr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Boot;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        self.make(RouteNetlinkMessage::NewRoute(message)).with_context(|| format!("add a route by {gateway}"))
    }

    fn make(&mut self, message: RouteNetlinkMessage) -> Result<()> {
        self.ask(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        let sent = self.socket.send(&bytes, 0).context("ask the kernel")?;
        if sent != bytes.len() {
            bail!("{sent} of {} bytes were sent to the kernel", bytes.len());
        }
        let (answer, _) = self.socket.recv_from_full().context("hear the kernel")?;
        let answer =
            NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).context("read its answer")?;
        match answer.payload {
            NetlinkPayload::Error(error) if error.code.is_none() => Ok(()),
            NetlinkPayload::Error(error) => Err(error.to_io().into()),
            other => bail!("the kernel answered {other:?}"),
        }
    }
}
