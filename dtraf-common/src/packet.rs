//! The walk over a frame's headers, from Ethernet to the ports.
//!
//! One walk for the kernel and for the tests, random frames included: it reads through [`PacketBytes`] and never looks at a byte
//! that the trait did not hand out. It decides nothing about counting; that is [`crate::decide`].

mod headers;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use self::headers::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_QINQ, ETHERTYPE_VLAN, EthernetHeader, Extension,
    FRAGMENT_OFFSET, FRAGMENT6_OFFSET, FragmentHeader, HEADERS_MASK, Ipv4Header, Ipv6Header, JUMBO_BYTES,
    JUMBO_OPTION, MAC_BYTES, MAX_EXTENSIONS, MAX_VLAN_TAGS, SCTP_ABORT, SCTP_COMMON_BYTES, SCTP_INIT_ACK,
    SCTP_SHUTDOWN_COMPLETE, SctpHeader, TCP_RST, TCP_SYN_ACK, TcpHeader, UDP_BYTES, UdpHeader,
    VLAN_TAGS_MASK, VlanTag,
};
use crate::abi::{Direction, ETHERNET_BYTES, Family, VLAN_BYTES, raw_enum};

/// A frame, beginning at its Ethernet header.
pub trait PacketBytes {
    /// Whether headers that are rare are walked over as well: tags in the frame's bytes and IPv6 extensions. Where not,
    /// a frame that has them counts as not readable.
    const RARE_HEADERS: bool;

    /// The `T` that stands `offset` bytes into the frame; `None` when it does not lie within what can be read.
    fn read<T: FromBytes + KnownLayout + Immutable + Copy>(&self, offset: u32) -> Option<T>;

    /// The same value, of which the implementation may forget how it came about, except that it has no bit outside of
    /// `mask`. A verifier that follows each path of the walk on its own finds them meet here.
    #[inline(always)]
    fn forget(&self, value: u32, mask: u32) -> u32 {
        value & mask
    }
}

impl PacketBytes for [u8] {
    const RARE_HEADERS: bool = true;

    fn read<T: FromBytes + KnownLayout + Immutable + Copy>(&self, offset: u32) -> Option<T> {
        let bytes = self.get(offset as usize..)?;
        T::read_from_prefix(bytes).ok().map(|(value, _)| value)
    }
}

/// IP protocol numbers that the walk or its users tell apart.
pub mod protocol {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
}

/// An address in the form of the scope trie: IPv4 as `::ffff:a.b.c.d`; each word in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub [u32; 4]);

impl Address {
    /// An address in host byte order.
    #[inline(always)]
    const fn v4(address: u32) -> Self {
        Self([0, 0, 0xffff_u32.to_be(), address.to_be()])
    }
}

raw_enum! {
    /// What a frame carries.
    Kind {
        /// An ethertype that is not IP.
        NotIp = 0,
        /// IP by its ethertype, but its fixed header is of another version, or cut short.
        Malformed = 1,
        /// IP, and a protocol without ports.
        Portless = 2,
        /// An IP fragment after the first.
        LaterFragment = 3,
        /// TCP, UDP or SCTP.
        Ports = 4,
        /// IP, but what follows the fixed header is impossible, cut short, or too long a chain of extensions.
        Unparsed = 5,
    }
}

raw_enum! {
    /// What a segment says about who opened the conversation.
    Handshake {
        /// Nothing.
        None = 0,
        /// TCP's SYN-ACK, SCTP's INIT ACK: its sender serves the port.
        Accept = 1,
        /// Its sender was asked, and may not even have wanted that: TCP's RST, SCTP's ABORT, ICMP's replies and errors.
        Reply = 2,
    }
}

/// An Ethernet frame, as far as accounting wants to know. Flat, so that the kernel can carry it in registers; what a
/// [`Kind`] does not have is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Destination MAC address, first octet in bits 40..48.
    pub destination: u64,
    /// Source MAC address, in the same form.
    pub source: u64,
    /// VLAN tags in the frame's bytes. One more may be in the skb's metadata.
    pub vlan_tags: u32,
    pub kind: Kind,
    pub family: Family,
    /// IP protocol number; for IPv6, of the header behind the extensions.
    pub protocol: u8,
    /// The first 32 bits of the other end's address, in host byte order. [`remote_address`] has the rest.
    pub remote: u32,
    /// The container's port, in host byte order.
    pub local_port: u16,
    /// The other end's port, in host byte order.
    pub remote_port: u16,
    pub handshake: Handshake,
    /// Bytes of the IP packet, as its fixed header says; 0 where that does not say it, as in packets above 64 KiB.
    pub ip_bytes: u32,
    /// IP and transport headers, extensions and options included: what each segment of a GSO packet repeats.
    pub header_bytes: u32,
    /// Bytes of a jumbo hop-by-hop header, which never reaches a wire; counted in `header_bytes`.
    pub phantom_bytes: u32,
}

impl Frame {
    /// Stands for a frame that ended before its headers did.
    pub const UNREADABLE: Self = Self {
        destination: 0,
        source: 0,
        vlan_tags: 0,
        kind: Kind::Malformed,
        family: Family::V4,
        protocol: 0,
        remote: 0,
        local_port: 0,
        remote_port: 0,
        handshake: Handshake::None,
        ip_bytes: 0,
        header_bytes: 0,
        phantom_bytes: 0,
    };

    /// The frame holds an IP packet.
    #[inline(always)]
    pub const fn is_ip(&self) -> bool {
        !matches!(self.kind, Kind::NotIp | Kind::Malformed)
    }

    /// The same frame, behind whose fixed IP header nothing can be found. Segments repeat nobody knows what.
    #[inline(always)]
    const fn unparsed(self) -> Self {
        Self { kind: Kind::Unparsed, header_bytes: 0, phantom_bytes: 0, ..self }
    }

    /// The destination is a group: the lowest bit of its first octet (IEEE 802.3, 3.2.3).
    #[inline(always)]
    pub const fn to_group(&self) -> bool {
        self.destination & 1 << 40 != 0
    }
}

/// The other end's address, of a frame that is IP. `None` when it cannot be read.
///
/// Few ask for more than the 32 bits in the frame, so that the others are read once more.
#[inline(always)]
pub fn remote_address<P: PacketBytes + ?Sized>(
    bytes: &P,
    direction: Direction,
    frame: &Frame,
) -> Option<Address> {
    if matches!(frame.family, Family::V4) {
        return Some(Address::v4(frame.remote));
    }
    let vlan_tags = bytes.forget(frame.vlan_tags, VLAN_TAGS_MASK);
    let header: Ipv6Header = bytes.read(ETHERNET_BYTES + vlan_tags * VLAN_BYTES)?;
    Some(Address(match direction {
        Direction::Received => header.source,
        Direction::Transmitted => header.destination,
    }))
}

/// Walks over a frame. `None` when `bytes` ended, or could not be read, before the ports; where rare headers are walked over,
/// only before the end of the Ethernet header and its tags.
#[inline(always)]
pub fn walk<P: PacketBytes + ?Sized>(bytes: &P, direction: Direction) -> Option<Frame> {
    let ethernet: EthernetHeader = bytes.read(0)?;
    let mut ethertype = u16::from_be(ethernet.ethertype);
    let mut vlan_tags = 0;
    while matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) && vlan_tags < MAX_VLAN_TAGS {
        if !P::RARE_HEADERS {
            return None;
        }
        let tag: VlanTag = bytes.read(ETHERNET_BYTES + vlan_tags * VLAN_BYTES)?;
        ethertype = u16::from_be(tag.ethertype);
        vlan_tags += 1;
    }
    vlan_tags = bytes.forget(vlan_tags, VLAN_TAGS_MASK);
    let destination = u64::from_be(bytes.read(0)?) >> 16;
    let source = u64::from_be(bytes.read(MAC_BYTES)?) >> 16;
    let frame = Frame { destination, source, vlan_tags, ..Frame::UNREADABLE };
    let l3 = ETHERNET_BYTES + vlan_tags * VLAN_BYTES;
    match ethertype {
        ETHERTYPE_IPV4 => walk_v4(bytes, l3, direction, frame),
        ETHERTYPE_IPV6 => walk_v6(bytes, l3, direction, frame),
        _ => Some(Frame { kind: Kind::NotIp, ..frame }),
    }
}

#[inline(always)]
fn walk_v4<P: PacketBytes + ?Sized>(bytes: &P, l3: u32, direction: Direction, frame: Frame) -> Option<Frame> {
    let Some(header) = bytes.read::<Ipv4Header>(l3) else {
        return patient::<P>(frame);
    };
    let header_bytes = u32::from(header.version_and_length & 0xf) * 4;
    if header.version_and_length >> 4 != 4 {
        return Some(frame);
    }
    let remote = match direction {
        Direction::Received => header.source,
        Direction::Transmitted => header.destination,
    };
    let protocol = header.protocol;
    let remote = u32::from_be(remote);
    let ip_bytes = u32::from(u16::from_be(header.total_length));
    let frame = Frame { family: Family::V4, protocol, remote, ip_bytes, header_bytes, ..frame };
    if header_bytes < 20 {
        return Some(frame.unparsed());
    }
    if u16::from_be(header.fragment) & FRAGMENT_OFFSET != 0 {
        return Some(Frame { kind: Kind::LaterFragment, ..frame });
    }
    walk_transport(bytes, l3 + header_bytes, direction, frame)
}

#[inline(always)]
fn walk_v6<P: PacketBytes + ?Sized>(bytes: &P, l3: u32, direction: Direction, frame: Frame) -> Option<Frame> {
    let Some(header) = bytes.read::<Ipv6Header>(l3) else {
        return patient::<P>(frame);
    };
    if header.version >> 4 != 6 {
        return Some(frame);
    }
    let remote = match direction {
        Direction::Received => header.source[0],
        Direction::Transmitted => header.destination[0],
    };
    let remote = u32::from_be(remote);
    let mut protocol = header.next;
    let payload_bytes = u32::from(u16::from_be(header.payload_length));
    if !P::RARE_HEADERS {
        if is_extension(protocol) {
            return None;
        }
        let ip_bytes = payload_bytes + 40;
        let frame = Frame { family: Family::V6, protocol, remote, ip_bytes, header_bytes: 40, ..frame };
        return walk_transport(bytes, l3 + 40, direction, frame);
    }
    // A jumbo header says how much follows (`ip6_rcv_core` of `net/ipv6/ip6_input.c`).
    let says_no_length = payload_bytes == 0 && protocol == protocol::HOP_BY_HOP;
    let ip_bytes = if says_no_length { 0 } else { payload_bytes + 40 };
    let frame = Frame { family: Family::V6, protocol, remote, ip_bytes, ..frame };
    let mut header_bytes = 40;
    let mut phantom_bytes = 0;
    for _ in 0..=MAX_EXTENSIONS {
        header_bytes = bytes.forget(header_bytes, HEADERS_MASK);
        let at = l3 + header_bytes;
        let mut kind = Kind::Ports;
        match protocol {
            _ if !is_extension(protocol) => {}
            protocol::FRAGMENT => {
                let Some(fragment) = bytes.read::<FragmentHeader>(at) else { break };
                header_bytes += 8;
                protocol = fragment.next;
                if u16::from_be(fragment.offset) & FRAGMENT6_OFFSET == 0 {
                    continue;
                }
                kind = Kind::LaterFragment;
            }
            _ => {
                let Some(extension) = bytes.read::<Extension>(at) else { break };
                let jumbo = header.payload_length == 0 && extension.option == JUMBO_OPTION;
                if protocol == protocol::HOP_BY_HOP && jumbo {
                    phantom_bytes = JUMBO_BYTES;
                }
                // Units of 8 bytes beyond the first 8 (RFC 8200, 4.2), but of 4 bytes beyond the first 8 for the
                // authentication header (RFC 4302, 2.2).
                header_bytes += if protocol == protocol::AUTHENTICATION {
                    (u32::from(extension.length) + 2) * 4
                } else {
                    (u32::from(extension.length) + 1) * 8
                };
                protocol = extension.next;
                continue;
            }
        }
        let frame = Frame { protocol, header_bytes, phantom_bytes, ..frame };
        if kind == Kind::LaterFragment {
            return Some(Frame { kind, ..frame });
        }
        return walk_transport(bytes, at, direction, frame);
    }
    Some(frame.unparsed())
}

/// A frame whose rest could not be read: what it is where the patient walk says so, nothing yet before that.
#[inline(always)]
fn patient<P: PacketBytes + ?Sized>(frame: Frame) -> Option<Frame> {
    P::RARE_HEADERS.then_some(frame)
}

/// The extensions that are walked over. Behind others, encryption for one, no ports can be found.
#[inline(always)]
const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AUTHENTICATION
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
    )
}

/// Completes `frame` with what stands behind the IP headers, at `offset`.
#[inline(always)]
fn walk_transport<P: PacketBytes + ?Sized>(
    bytes: &P,
    offset: u32,
    direction: Direction,
    frame: Frame,
) -> Option<Frame> {
    let (source, destination, handshake, header_bytes) = match frame.protocol {
        protocol::TCP => {
            let Some(tcp) = bytes.read::<TcpHeader>(offset) else { return patient::<P>(frame.unparsed()) };
            let handshake = if tcp.flags & TCP_RST != 0 {
                Handshake::Reply
            } else if tcp.flags & TCP_SYN_ACK == TCP_SYN_ACK {
                Handshake::Accept
            } else {
                Handshake::None
            };
            (tcp.source, tcp.destination, handshake, u32::from(tcp.data_offset >> 4) * 4)
        }
        protocol::UDP => {
            let Some(udp) = bytes.read::<UdpHeader>(offset) else { return patient::<P>(frame.unparsed()) };
            (udp.source, udp.destination, Handshake::None, UDP_BYTES)
        }
        protocol::SCTP => {
            let Some(sctp) = bytes.read::<SctpHeader>(offset) else { return patient::<P>(frame.unparsed()) };
            let handshake = match sctp.chunk {
                SCTP_INIT_ACK => Handshake::Accept,
                SCTP_ABORT | SCTP_SHUTDOWN_COMPLETE => Handshake::Reply,
                _ => Handshake::None,
            };
            (sctp.source, sctp.destination, handshake, SCTP_COMMON_BYTES)
        }
        protocol::ICMP | protocol::ICMPV6 => {
            let kind: Option<u8> = bytes.read(offset);
            // A message without a type is counted all the same; only the patient walk can know that there is none.
            if kind.is_none() && !P::RARE_HEADERS {
                return None;
            }
            let is_reply = kind.is_none_or(|kind| !is_icmp_request(frame.protocol, kind));
            let handshake = if is_reply { Handshake::Reply } else { Handshake::None };
            return Some(Frame { kind: Kind::Portless, handshake, ..frame });
        }
        _ => return Some(Frame { kind: Kind::Portless, ..frame }),
    };
    let (local, remote) = match direction {
        Direction::Received => (destination, source),
        Direction::Transmitted => (source, destination),
    };
    Some(Frame {
        kind: Kind::Ports,
        local_port: u16::from_be(local),
        remote_port: u16::from_be(remote),
        handshake,
        header_bytes: frame.header_bytes + header_bytes,
        ..frame
    })
}

/// Whether an ICMP message is sent on one's own account: echo, timestamp, information and mask requests (RFC 792, RFC
/// 950), `ICMPv6`'s echo request (RFC 4443). Replies, errors and neighbour discovery answer to others.
#[inline(always)]
const fn is_icmp_request(protocol: u8, kind: u8) -> bool {
    if protocol == protocol::ICMP { matches!(kind, 8 | 13 | 15 | 17) } else { kind == 128 }
}

#[cfg(test)]
mod tests;
