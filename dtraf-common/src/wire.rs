//! Size of a frame on a wire, after segmentation.

use crate::abi::{ETHERNET_BYTES, VLAN_BYTES};
use crate::packet::{Frame, protocol};

/// `gso_size` of skbs whose segments differ in size (SCTP): `GSO_BY_FRAGS` of `include/linux/skbuff.h`.
const GSO_BY_FRAGS: u32 = 0xffff;

/// The least payload of a segment that Linux makes of a TCP stream: `TCP_MIN_GSO_SIZE` of `include/net/tcp.h`, the least
/// MSS of 48 bytes less 40 of options. A container that writes its own frames (`AF_PACKET` with `PACKET_VNET_HDR`) may
/// ask for less.
const MIN_GSO_SIZE: u32 = 8;

/// The same between two ports of one bridge, where nothing cuts an skb into segments and nobody else sees them: what a stack
/// sends to a peer that says nothing of its MSS, 536 bytes (RFC 9293, 3.7.1), less 40 bytes of options.
pub const MIN_GSO_SIZE_BRIDGED: u32 = 496;

/// The most segments of a datagram that Linux cuts up: `UDP_MAX_SEGMENTS` of `include/linux/udp.h`, 64 before Linux 6.9.
const MAX_UDP_SEGMENTS: u32 = 128;

/// The size of an skb, as `__sk_buff` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkbSize {
    /// `len`: from the Ethernet header on, without a tag in metadata.
    pub bytes: u32,
    /// A VLAN tag is in metadata: 1, else 0.
    pub metadata_tags: u32,
    /// `gso_size`: payload of each segment, or 0.
    pub gso_size: u32,
    /// `gso_segs`: number of segments as the sender knew it; 0 and 1 are unreliable.
    pub gso_segs: u32,
}

/// What one skb adds to each counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub skb_bytes: u64,
    /// Modulo 2^64.
    pub added_bytes: u64,
    pub added_packets: u64,
    /// [`crate::abi::Overhead::wire_bytes`].
    pub wire_overhead: u64,
    /// [`crate::abi::Overhead::skb_bytes`].
    pub skb_overhead: u64,
}

impl Size {
    /// Some of the bytes are neither IP nor an Ethernet header.
    #[inline(always)]
    pub const fn has_overhead(&self) -> bool {
        self.wire_overhead | self.skb_overhead != 0
    }
}

/// The size of a frame on a wire:
///
/// `segments = ceil((l3 - headers) / gso_size)` and `wire = skb + (segments - 1) * (ethernet + tags + headers) + tags in
/// metadata`, less the jumbo header in each segment. Derived from `skb_segment` of `net/core/skbuff.c`, which copies the
/// headers before each `gso_size` bytes of payload, and compared with captures behind a segmenting hop.
///
/// What is not IP, or cannot be read, has no headers to go by: there `gso_segs` must do, and only Ethernet headers are
/// added. Segments that no stack would make are not believed: such an skb weighs what the one frame weighs that it is.
/// `is_bridged` tells whether the frame goes from one port of a bridge to another; asked only where that matters.
#[inline(always)]
pub fn measure(skb: SkbSize, frame: &Frame, is_bridged: impl FnOnce() -> bool) -> Size {
    let skb_bytes = u64::from(skb.bytes);
    if skb.gso_size == 0 && skb.metadata_tags == 0 && frame.ip_bytes + ETHERNET_BYTES == skb.bytes {
        return Size { skb_bytes, ..Size::default() };
    }
    let cut = segments(skb, frame, is_bridged);
    let segments = cut.unwrap_or(1);
    let link = ETHERNET_BYTES + frame.vlan_tags * VLAN_BYTES;
    let repeated = u64::from(segments - 1) * u64::from(link + frame.header_bytes);
    let metadata_bytes = u64::from(segments) * u64::from(skb.metadata_tags * VLAN_BYTES);
    let phantom_bytes = if cut.is_some() { u64::from(segments) * u64::from(frame.phantom_bytes) } else { 0 };
    let added_bytes = (repeated + metadata_bytes).wrapping_sub(phantom_bytes);
    let added_packets = u64::from(segments - 1);
    // Neither Ethernet header nor IP packet, as the kernel hands the skb on.
    let skb_overhead = u64::from(skb.bytes.saturating_sub(ETHERNET_BYTES + ip_bytes(skb, frame, link)));
    let wire_overhead = if frame.is_ip() {
        // Each segment has its own tags. Padding is behind what is no segment.
        skb_overhead + added_packets * u64::from(frame.vlan_tags * VLAN_BYTES) + metadata_bytes
    } else {
        skb_overhead + added_bytes - added_packets * u64::from(ETHERNET_BYTES)
    };
    Size { skb_bytes, added_bytes, added_packets, wire_overhead, skb_overhead }
}

/// No packet is shorter than an IPv4 header (RFC 791, 3.1): what says that it is does not say how long it is.
const MIN_IP_BYTES: u32 = 20;

/// Bytes of the IP packet that an skb holds behind `link` bytes; 0 where it holds none.
#[inline(always)]
fn ip_bytes(skb: SkbSize, frame: &Frame, link: u32) -> u32 {
    let there = skb.bytes.saturating_sub(link);
    if !frame.is_ip() {
        0
    } else if skb.gso_size == 0 && frame.ip_bytes >= MIN_IP_BYTES && frame.ip_bytes < there {
        // What follows is padding.
        frame.ip_bytes
    } else {
        there
    }
}

/// How many segments an skb is cut into. `None` where it is one frame as it is.
#[inline(always)]
fn segments(skb: SkbSize, frame: &Frame, is_bridged: impl FnOnce() -> bool) -> Option<u32> {
    let SkbSize { gso_size, .. } = skb;
    if gso_size == 0 || gso_size < MIN_GSO_SIZE_BRIDGED && is_too_small(gso_size, frame, is_bridged) {
        return None;
    }
    if gso_size == GSO_BY_FRAGS || frame.header_bytes == 0 {
        return Some(skb.gso_segs.max(1));
    }
    let link = ETHERNET_BYTES + frame.vlan_tags * VLAN_BYTES;
    let segments = skb.bytes.saturating_sub(link + frame.header_bytes).div_ceil(gso_size).max(1);
    if frame.protocol == protocol::UDP && segments > MAX_UDP_SEGMENTS { None } else { Some(segments) }
}

/// No stack makes segments of so little payload.
#[inline(always)]
fn is_too_small(gso_size: u32, frame: &Frame, is_bridged: impl FnOnce() -> bool) -> bool {
    is_bridged() || frame.protocol != protocol::UDP && gso_size < MIN_GSO_SIZE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Kind;

    const ROUTED: fn() -> bool = || false;
    const BRIDGED: fn() -> bool = || true;

    fn tcp(header_bytes: u32, phantom_bytes: u32, vlan_tags: u32) -> Frame {
        Frame { kind: Kind::Ports, protocol: 6, header_bytes, phantom_bytes, vlan_tags, ..Frame::UNREADABLE }
    }

    fn on_the_wire(size: Size) -> u64 {
        size.skb_bytes.wrapping_add(size.added_bytes)
    }

    /// Cuts the payload into segments, as a segmenting hop does, and weighs each.
    fn segmented(payload: u32, link: u32, headers: u32, gso_size: u32) -> (u64, u64) {
        let (mut bytes, mut packets, mut left) = (0, 0, payload);
        loop {
            let part = left.min(gso_size);
            bytes += u64::from(link + headers + part);
            packets += 1;
            left -= part;
            if left == 0 {
                return (bytes, packets);
            }
        }
    }

    proptest! {
        #[test]
        fn wire_bytes_are_those_of_the_segments(
            payload in 1u32..500_000, gso_size in 8u32..9000, headers in 28u32..120, in_band in 0u32..3, metadata_tags in 0u32..2, jumbo: bool,
        ) {
            let phantom = if jumbo { 8 } else { 0 };
            let bytes = 14 + in_band * 4 + headers + phantom + payload;
            let skb = SkbSize { bytes, metadata_tags, gso_size, gso_segs: 0 };
            let size = measure(skb, &tcp(headers + phantom, phantom, in_band), ROUTED);
            let link = 14 + (in_band + metadata_tags) * 4;
            let (wire, packets) = segmented(payload, link, headers, gso_size);
            prop_assert_eq!(on_the_wire(size), wire);
            prop_assert_eq!(1 + size.added_packets, packets);
            prop_assert_eq!(size.wire_overhead, packets * u64::from(4 * (in_band + metadata_tags)));
            prop_assert_eq!(size.skb_overhead, u64::from(4 * in_band));
        }
    }

    #[test]
    fn a_measured_upload_weighs_what_its_capture_says() {
        // 64,240 bytes of payload in one skb, 1,448 a segment, 12 bytes of TCP options: 45 segments.
        let skb = SkbSize { bytes: 14 + 52 + 64_240, metadata_tags: 0, gso_size: 1448, gso_segs: 1 };
        let size = measure(skb, &tcp(52, 0, 0), BRIDGED);
        assert_eq!((size.skb_bytes + size.added_bytes, size.added_packets), (64_240 + 45 * 66, 44));
    }

    #[test]
    fn sctp_segments_differ_in_size_and_are_counted_by_the_sender() {
        let skb = SkbSize { bytes: 14 + 32 + 3000, metadata_tags: 0, gso_size: GSO_BY_FRAGS, gso_segs: 3 };
        let size = measure(skb, &tcp(32, 0, 0), BRIDGED);
        assert_eq!((size.added_bytes, size.added_packets), (2 * 46, 2));
    }

    #[test]
    fn a_frame_that_cannot_be_walked_still_weighs_its_segments() {
        let skb = SkbSize { bytes: 5000, metadata_tags: 1, gso_size: 1000, gso_segs: 5 };
        let size = measure(skb, &Frame::UNREADABLE, BRIDGED);
        assert_eq!((size.added_bytes, size.added_packets), (4 * 14 + 5 * 4, 4));
    }

    #[test]
    fn segments_that_no_stack_makes_are_not_believed() {
        let udp = |header_bytes| Frame { protocol: 17, ..tcp(header_bytes, 0, 0) };
        for (name, frame, gso_size, is_bridged, packets) in [
            ("a byte a segment", tcp(40, 0, 0), 1, ROUTED, 1),
            ("less than any MSS leaves", tcp(40, 0, 0), 7, ROUTED, 1),
            ("the least MSS, to somewhere else", tcp(40, 0, 0), 8, ROUTED, 7500),
            ("a small MSS, to somewhere else", tcp(40, 0, 0), 495, ROUTED, 122),
            ("the same on a bridge", tcp(40, 0, 0), 495, BRIDGED, 1),
            ("what stacks make on a bridge", tcp(40, 0, 0), 496, BRIDGED, 121),
            ("more datagrams than the kernel cuts", udp(28), 468, ROUTED, 1),
            ("as many", udp(28), 469, ROUTED, 128),
        ] {
            let skb =
                SkbSize { bytes: 14 + frame.header_bytes + 60_000, metadata_tags: 0, gso_size, gso_segs: 0 };
            let size = measure(skb, &frame, is_bridged);
            assert_eq!(1 + size.added_packets, packets, "{name}");
            assert_eq!(size.added_bytes, (packets - 1) * u64::from(14 + frame.header_bytes), "{name}");
        }
    }

    #[test]
    fn padding_behind_an_ip_packet_is_no_part_of_it() {
        for (name, ip_bytes, metadata_tags, expected) in [
            ("none", 46, 0, (0, 0)),
            ("six bytes", 40, 0, (6, 6)),
            ("six bytes and a tag", 40, 1, (10, 6)),
            ("a header that says more than there is", 1500, 0, (0, 0)),
            ("a header that does not say", 0, 0, (0, 0)),
            ("a header that says less than it is long", 19, 0, (0, 0)),
        ] {
            let frame = Frame { ip_bytes, ..tcp(40, 0, 0) };
            let size =
                measure(SkbSize { bytes: 60, metadata_tags, gso_size: 0, gso_segs: 0 }, &frame, ROUTED);
            assert_eq!((size.wire_overhead, size.skb_overhead), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_not_ip_has_no_ip_bytes(bytes in 14u32..70_000, metadata_tags in 0u32..2, gso_size in 0u32..3000, gso_segs in 0u32..50) {
            for kind in [Kind::NotIp, Kind::Malformed] {
                let frame = Frame { kind, ..Frame::UNREADABLE };
                let size = measure(SkbSize { bytes, metadata_tags, gso_size, gso_segs }, &frame, ROUTED);
                let packets = 1 + size.added_packets;
                prop_assert_eq!(on_the_wire(size), 14 * packets + size.wire_overhead);
                prop_assert_eq!(size.skb_bytes, 14 + size.skb_overhead);
            }
        }
    }
}
