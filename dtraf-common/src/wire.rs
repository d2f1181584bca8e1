//! What a frame weighs on a wire, after segmentation.

use crate::abi::{ETHERNET_BYTES, VLAN_BYTES};
use crate::packet::Frame;

/// `gso_size` of skbs whose segments differ in size (SCTP): `GSO_BY_FRAGS` of `include/linux/skbuff.h`.
const GSO_BY_FRAGS: u32 = 0xffff;

/// What `__sk_buff` says about an skb's size.
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
    pub vlan_bytes: u64,
}

/// The size of a frame on a wire:
///
/// `segments = ceil((l3 - headers) / gso_size)` and `wire = skb + (segments - 1) * (ethernet + tags + headers) + tags in
/// metadata`, less the jumbo header in each segment. Derived from `skb_segment` of `net/core/skbuff.c`, which copies the
/// headers before each `gso_size` bytes of payload, and compared with captures behind a segmenting hop.
///
/// What is not IP, or cannot be read, has no headers to go by: there `gso_segs` must do, and only Ethernet headers are
/// added.
#[inline(always)]
pub fn measure(skb: SkbSize, frame: &Frame) -> Size {
    let in_band = frame.vlan_tags;
    let tags = in_band + skb.metadata_tags;
    if skb.gso_size == 0 {
        return Size {
            skb_bytes: u64::from(skb.bytes),
            added_bytes: u64::from(skb.metadata_tags * VLAN_BYTES),
            added_packets: 0,
            vlan_bytes: u64::from(tags * VLAN_BYTES),
        };
    }
    let (headers, phantom) = (frame.header_bytes, frame.phantom_bytes);
    let link = ETHERNET_BYTES + in_band * VLAN_BYTES;
    let segments = if skb.gso_size == GSO_BY_FRAGS || headers == 0 {
        skb.gso_segs.max(1)
    } else {
        skb.bytes.saturating_sub(link + headers).div_ceil(skb.gso_size).max(1)
    };
    let repeated = u64::from(segments - 1) * u64::from(link + headers);
    let added = repeated + u64::from(segments) * u64::from(skb.metadata_tags * VLAN_BYTES);
    Size {
        skb_bytes: u64::from(skb.bytes),
        added_bytes: added.wrapping_sub(u64::from(segments) * u64::from(phantom)),
        added_packets: u64::from(segments - 1),
        vlan_bytes: u64::from(segments) * u64::from(tags * VLAN_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Kind;

    fn tcp(header_bytes: u32, phantom_bytes: u32, vlan_tags: u32) -> Frame {
        Frame { kind: Kind::Ports, protocol: 6, header_bytes, phantom_bytes, vlan_tags, ..Frame::UNREADABLE }
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
            payload in 1u32..500_000, gso_size in 1u32..9000, headers in 28u32..120, in_band in 0u32..3, metadata_tags in 0u32..2, jumbo: bool,
        ) {
            let phantom = if jumbo { 8 } else { 0 };
            let bytes = 14 + in_band * 4 + headers + phantom + payload;
            let skb = SkbSize { bytes, metadata_tags, gso_size, gso_segs: 0 };
            let size = measure(skb, &tcp(headers + phantom, phantom, in_band));
            let link = 14 + (in_band + metadata_tags) * 4;
            let (wire, packets) = segmented(payload, link, headers, gso_size);
            prop_assert_eq!(size.skb_bytes.wrapping_add(size.added_bytes), wire);
            prop_assert_eq!(1 + size.added_packets, packets);
            prop_assert_eq!(size.vlan_bytes, packets * u64::from(4 * (in_band + metadata_tags)));
        }
    }

    #[test]
    fn a_measured_upload_weighs_what_its_capture_says() {
        // 64,240 bytes of payload in one skb, 1,448 a segment, 12 bytes of TCP options: 45 segments.
        let skb = SkbSize { bytes: 14 + 52 + 64_240, metadata_tags: 0, gso_size: 1448, gso_segs: 1 };
        let size = measure(skb, &tcp(52, 0, 0));
        assert_eq!((size.skb_bytes + size.added_bytes, size.added_packets), (64_240 + 45 * 66, 44));
    }

    #[test]
    fn sctp_segments_differ_in_size_and_are_counted_by_the_sender() {
        let skb = SkbSize { bytes: 14 + 32 + 3000, metadata_tags: 0, gso_size: GSO_BY_FRAGS, gso_segs: 3 };
        let size = measure(skb, &tcp(32, 0, 0));
        assert_eq!((size.added_bytes, size.added_packets), (2 * 46, 2));
    }

    #[test]
    fn a_frame_that_cannot_be_walked_still_weighs_its_segments() {
        let skb = SkbSize { bytes: 5000, metadata_tags: 1, gso_size: 1000, gso_segs: 5 };
        let size = measure(skb, &Frame::UNREADABLE);
        assert_eq!((size.added_bytes, size.added_packets), (4 * 14 + 5 * 4, 4));
    }
}
