//! What headers look like, and the values in them that matter. Fields are in network byte order.

use zerocopy::{FromBytes, Immutable, KnownLayout};

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct EthernetHeader {
    _destination_and_source: [u16; 6],
    pub(super) ethertype: u16,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct VlanTag {
    _control: u16,
    pub(super) ethertype: u16,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Ipv4Header {
    pub(super) version_and_length: u8,
    _service: u8,
    pub(super) total_length: u16,
    _identification: u16,
    pub(super) fragment: u16,
    _ttl: u8,
    pub(super) protocol: u8,
    _checksum: u16,
    pub(super) source: u32,
    pub(super) destination: u32,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Ipv6Header {
    pub(super) version: u8,
    _flow: [u8; 3],
    pub(super) payload_length: u16,
    pub(super) next: u8,
    _hop_limit: u8,
    pub(super) source: [u32; 4],
    pub(super) destination: [u32; 4],
}

/// The first bytes of an extension header; of a jumbo hop-by-hop header, `option` is 0xC2 (RFC 2675).
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Extension {
    pub(super) next: u8,
    pub(super) length: u8,
    pub(super) option: u8,
    _option_length: u8,
}

/// `offset` holds the fragment's offset in its upper 13 bits.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct FragmentHeader {
    pub(super) next: u8,
    _reserved: u8,
    pub(super) offset: u16,
    _identification: u32,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct TcpHeader {
    pub(super) source: u16,
    pub(super) destination: u16,
    _sequence: u32,
    _acknowledgment: u32,
    pub(super) data_offset: u8,
    pub(super) flags: u8,
    _window: u16,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct UdpHeader {
    pub(super) source: u16,
    pub(super) destination: u16,
    _length: u16,
    _checksum: u16,
}

/// The common header and the type of the first chunk.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SctpHeader {
    pub(super) source: u16,
    pub(super) destination: u16,
    _tag: u32,
    _checksum: u32,
    pub(super) chunk: u8,
    _flags: u8,
    _length: u16,
}

/// Bytes of a MAC address.
pub(super) const MAC_BYTES: u32 = 6;
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86DD;
pub(super) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(super) const ETHERTYPE_QINQ: u16 = 0x88A8;

/// Tags in the frame's bytes that are walked over: with the one in metadata, more than Linux ever sends.
pub(super) const MAX_VLAN_TAGS: u32 = 2;
pub(super) const VLAN_TAGS_MASK: u32 = 3;
/// Extension headers that are walked over. RFC 8200 (4.1) knows six kinds, one of them up to twice.
pub(super) const MAX_EXTENSIONS: u32 = 7;
/// Room for an IPv6 header and seven extensions of 2,048 bytes.
pub(super) const HEADERS_MASK: u32 = 0x3fff;

/// The offset in IPv4's fragment word (RFC 791, 3.1).
pub(super) const FRAGMENT_OFFSET: u16 = 0x1fff;
/// The offset in IPv6's fragment header (RFC 8200, 4.5).
pub(super) const FRAGMENT6_OFFSET: u16 = 0xfff8;
/// SYN and ACK of a TCP header's flags (RFC 9293, 3.1).
pub(super) const TCP_SYN_ACK: u8 = 0x12;
/// An SCTP chunk of type INIT ACK (RFC 9260, 3.2).
pub(super) const SCTP_INIT_ACK: u8 = 2;
/// The common header, which each packet of an SCTP GSO skb repeats.
pub(super) const SCTP_COMMON_BYTES: u32 = 12;
pub(super) const UDP_BYTES: u32 = 8;
/// RST of a TCP header's flags (RFC 9293, 3.1).
pub(super) const TCP_RST: u8 = 0x04;
/// SCTP chunks that answer packets out of the blue: ABORT and SHUTDOWN COMPLETE (RFC 9260, 8.4).
pub(super) const SCTP_ABORT: u8 = 6;
pub(super) const SCTP_SHUTDOWN_COMPLETE: u8 = 14;
pub(super) const JUMBO_OPTION: u8 = 0xC2;
pub(super) const JUMBO_BYTES: u32 = 8;
