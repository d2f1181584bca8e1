//! Frames made byte by byte, and random ones.

use proptest::prelude::*;

use super::*;

const MACS: [u8; 12] = [2, 0x42, 0xac, 0x11, 0, 2, 2, 0x42, 0, 0, 0, 1];

fn ethernet(ethertype: u16, rest: &[&[u8]]) -> Vec<u8> {
    [&MACS[..], &ethertype.to_be_bytes(), &rest.concat()].concat()
}

fn v4(protocol: u8, words: u8, fragment: u16) -> Vec<u8> {
    let mut header = vec![0x40 | words, 0, 0, 0, 0, 7];
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend([172, 17, 0, 2, 192, 0, 2, 1]);
    header.resize(usize::from(words) * 4, 1);
    header
}

fn v6(next: u8, payload_length: u16) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(payload_length.to_be_bytes());
    header.extend([next, 64]);
    header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header
}

fn tcp(source: u16, destination: u16, words: u8, flags: u8) -> Vec<u8> {
    let mut header = source.to_be_bytes().to_vec();
    header.extend(destination.to_be_bytes());
    header.extend([0; 8]);
    header.extend([words << 4, flags, 0, 0, 0, 0, 0, 0]);
    header.resize(usize::from(words) * 4, 1);
    header
}

fn udp(source: u16, destination: u16) -> Vec<u8> {
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &[0; 4]].concat()
}

fn sent(bytes: &[u8]) -> Frame {
    walk(bytes, Direction::Transmitted).unwrap()
}

/// Local and remote port.
fn ports(frame: &Frame) -> (u16, u16) {
    assert_eq!(frame.kind, Kind::Ports);
    (frame.local_port, frame.remote_port)
}

#[test]
fn ports_and_addresses_are_in_the_containers_view() {
    let bytes = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(80, 50000, 5, 0x10)]);
    let sent = sent(&bytes);
    assert_eq!(ports(&sent), (80, 50000));
    assert_eq!(sent.remote.to_be_bytes(), [192, 0, 2, 1]);
    let received = walk(&bytes[..], Direction::Received).unwrap();
    assert_eq!(ports(&received), (50000, 80));
    assert_eq!(received.remote.to_be_bytes(), [172, 17, 0, 2]);
}

#[test]
fn whole_addresses_are_those_of_the_other_end() {
    let octets = |bytes: &[u8], direction| {
        let frame = walk(bytes, direction).unwrap();
        let address = remote_address(bytes, direction, &frame).unwrap();
        address.0.map(u32::to_ne_bytes).concat()
    };
    let header = v6(17, 8);
    let plain = ethernet(0x86dd, &[&header, &udp(5, 6)]);
    let tagged = ethernet(0x8100, &[&[0, 1, 0x86, 0xdd], &header, &udp(5, 6)]);
    for bytes in [plain, tagged] {
        assert_eq!(octets(&bytes, Direction::Received), header[8..24]);
        assert_eq!(octets(&bytes, Direction::Transmitted), header[24..40]);
    }
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
    let bytes = ethernet(0x0800, &[&v4(17, 5, 0), &udp(5, 6)]);
    assert_eq!(octets(&bytes, Direction::Transmitted), mapped);
}

#[test]
fn options_lengthen_the_headers_that_segments_repeat() {
    let bytes = ethernet(0x0800, &[&v4(6, 7, 0), &tcp(1, 2, 8, 0x10)]);
    assert_eq!(sent(&bytes).header_bytes, 28 + 32);
    let bytes = ethernet(0x0800, &[&v4(17, 15, 0), &udp(1, 2)]);
    assert_eq!(sent(&bytes).header_bytes, 60 + 8);
}

#[test]
fn only_answers_to_a_handshake_are_accepts() {
    for (name, flags, accepts) in
        [("syn", 0x02, false), ("syn-ack", 0x12, true), ("syn-ack-ece", 0x52, true), ("ack", 0x10, false)]
    {
        let bytes = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(80, 1, 5, flags)]);
        assert_eq!(sent(&bytes).handshake == Handshake::Accept, accepts, "{name}");
    }
    for (name, flags) in [("rst", 0x04), ("rst-ack", 0x14)] {
        let bytes = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(80, 1, 5, flags)]);
        assert_eq!(sent(&bytes).handshake, Handshake::Reply, "{name}");
    }
    let init_ack = [&[0, 80, 0, 81][..], &[0; 8], &[2, 0, 0, 4]].concat();
    let frame = sent(&ethernet(0x0800, &[&v4(132, 5, 0), &init_ack]));
    assert_eq!((ports(&frame), frame.handshake, frame.header_bytes), ((80, 81), Handshake::Accept, 32));
}

#[test]
fn fragments_after_the_first_have_no_ports() {
    let first = ethernet(0x0800, &[&v4(17, 5, 0x2000), &udp(53, 9)]);
    assert_eq!(ports(&sent(&first)), (53, 9));
    let later = ethernet(0x0800, &[&v4(17, 5, 0x20b9), &udp(53, 9)]);
    assert_eq!(sent(&later).kind, Kind::LaterFragment);
    let later = ethernet(0x86dd, &[&v6(44, 16), &[17, 0, 5, 0xa8, 0, 0, 0, 1], &udp(53, 9)]);
    let frame = sent(&later);
    assert_eq!((frame.kind, frame.protocol), (Kind::LaterFragment, 17));
}

#[test]
fn extension_headers_are_walked_over() {
    let bytes = ethernet(
        0x86dd,
        &[
            &v6(0, 80),
            &[60, 0, 5, 2, 0, 0, 1, 0],
            &[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[51, 0, 0, 0, 0, 0, 0, 0],
            &[44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[6, 0, 0, 1, 0, 0, 0, 9],
            &tcp(443, 50000, 5, 0x10),
        ],
    );
    let frame = sent(&bytes);
    assert_eq!(ports(&frame), (443, 50000));
    assert_eq!((frame.protocol, frame.header_bytes), (6, 40 + 8 + 16 + 8 + 12 + 8 + 20));
    assert_eq!(frame.remote.to_be_bytes(), [0x20, 1, 0xd, 0xb8]);
}

#[test]
fn too_long_a_chain_of_extensions_hides_the_ports_and_nothing_else() {
    let extension = [60, 0, 1, 4, 0, 0, 0, 0];
    for (number, kind) in [(7, Kind::Ports), (8, Kind::Unparsed), (20, Kind::Unparsed)] {
        let mut chain = extension.repeat(number);
        let last = chain.len() - extension.len();
        chain[last] = 17;
        let bytes = ethernet(0x86dd, &[&v6(60, 200), &chain, &udp(5, 6)]);
        let frame = sent(&bytes);
        assert_eq!((frame.kind, frame.family, frame.ip_bytes), (kind, Family::V6, 240), "{number}");
        assert_eq!(frame.remote.to_be_bytes(), [0x20, 1, 0xd, 0xb8], "{number}");
    }
}

#[test]
fn a_jumbo_header_is_known_not_to_reach_the_wire() {
    let jumbo = [6, 0, 0xc2, 4, 0, 1, 0x11, 0x70];
    let bytes = ethernet(0x86dd, &[&v6(0, 0), &jumbo, &tcp(443, 50000, 8, 0x10)]);
    let frame = sent(&bytes);
    assert_eq!((frame.header_bytes, frame.phantom_bytes), (40 + 8 + 32, 8));
}

#[test]
fn tags_are_walked_over_and_other_ethertypes_are_not_ip() {
    let inner = [&v4(17, 5, 0)[..], &udp(5, 6)].concat();
    let bytes = ethernet(0x88a8, &[&[0, 1, 0x81, 0, 0, 2, 8, 0], &inner]);
    let frame = walk(&bytes[..], Direction::Transmitted).unwrap();
    assert_eq!(frame.vlan_tags, 2);
    assert_eq!(ports(&frame), (5, 6));
    assert_eq!(frame.destination, 0x0242_ac11_0002);
    assert_eq!(walk(&ethernet(0x0806, &[])[..], Direction::Received).unwrap().kind, Kind::NotIp);
}

#[test]
fn protocols_without_ports_are_known_by_their_number() {
    for number in [1u8, 2, 47, 50, 112] {
        let frame = sent(&ethernet(0x0800, &[&v4(number, 5, 0)]));
        assert_eq!((frame.protocol, frame.kind), (number, Kind::Portless));
    }
    let frame = sent(&ethernet(0x86dd, &[&v6(58, 8), &[128; 8]]));
    assert_eq!((frame.protocol, frame.header_bytes), (58, 40));
}

#[test]
fn icmp_requests_are_told_from_what_answers() {
    for (name, ethertype, header, kind, handshake) in [
        ("echo request", 0x0800, v4(1, 5, 0), 8, Handshake::None),
        ("echo reply", 0x0800, v4(1, 5, 0), 0, Handshake::Reply),
        ("unreachable", 0x0800, v4(1, 5, 0), 3, Handshake::Reply),
        ("echo request v6", 0x86dd, v6(58, 8), 128, Handshake::None),
        ("echo reply v6", 0x86dd, v6(58, 8), 129, Handshake::Reply),
        ("neighbour advertisement", 0x86dd, v6(58, 8), 136, Handshake::Reply),
    ] {
        let frame = sent(&ethernet(ethertype, &[&header, &[kind; 8]]));
        assert_eq!((frame.kind, frame.handshake), (Kind::Portless, handshake), "{name}");
    }
}

#[test]
fn headers_of_another_version_are_not_ip() {
    let mut wrong = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(1, 2, 5, 0)]);
    wrong[14] = 0x65;
    let frame = walk(&wrong[..], Direction::Received).unwrap();
    assert_eq!((frame.kind, frame.is_ip()), (Kind::Malformed, false));
}

#[test]
fn behind_a_fixed_header_only_the_ports_can_be_missing() {
    let mut short = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(1, 2, 5, 0)]);
    short[14] = 0x44;
    assert_eq!(sent(&short).kind, Kind::Unparsed);
    let v4 = (ethernet(0x0800, &[&v4(6, 5, 0), &tcp(1, 2, 5, 0)]), 34, [192, 0, 2, 1]);
    let v6 = (
        ethernet(0x86dd, &[&v6(60, 28), &[6, 0, 1, 4, 0, 0, 0, 0], &tcp(1, 2, 5, 0)]),
        54,
        [0x20, 1, 0xd, 0xb8],
    );
    for (whole, fixed_header, remote) in [v4, v6] {
        for length in 0..whole.len() - 4 {
            let cut = walk(&whole[..length], Direction::Transmitted);
            let kind = cut.map(|frame| frame.kind);
            let expected = match length {
                ..14 => None,
                _ if length < fixed_header => Some(Kind::Malformed),
                _ => Some(Kind::Unparsed),
            };
            assert_eq!(kind, expected, "{length} bytes");
            if let Some(frame) = cut.filter(Frame::is_ip) {
                assert_eq!((frame.remote.to_be_bytes(), frame.header_bytes), (remote, 0), "{length} bytes");
            }
        }
    }
}

#[test]
fn packets_are_as_long_as_their_headers_say() {
    let mut bytes = ethernet(0x0800, &[&v4(17, 5, 0), &udp(5, 6)]);
    bytes[16..18].copy_from_slice(&28u16.to_be_bytes());
    assert_eq!(sent(&bytes).ip_bytes, 28);
    assert_eq!(sent(&ethernet(0x86dd, &[&v6(17, 8), &udp(5, 6)])).ip_bytes, 48);
    assert_eq!(sent(&ethernet(0x86dd, &[&v6(59, 0)])).ip_bytes, 40);
    assert_eq!(sent(&ethernet(0x86dd, &[&v6(0, 0), &[17, 0, 0xc2, 4, 0, 1, 0, 0], &udp(5, 6)])).ip_bytes, 0);
}

proptest! {
    #[test]
    fn no_frame_makes_the_walk_fail(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..4) {
        if let (Some(ethertype), 0..=2) = (bytes.get_mut(12..14), kind) {
            ethertype.copy_from_slice(&[0x0800u16, 0x86dd, 0x8100][kind].to_be_bytes());
        }
        for direction in Direction::ALL {
            let frame = walk(&bytes[..], direction).unwrap_or(Frame::UNREADABLE);
            prop_assert!(frame.vlan_tags <= 2);
            // Headers may claim to be longer than the frame, but never shorter than an IP header.
            let is_walked = frame.is_ip() && frame.kind != Kind::Unparsed;
            prop_assert!(!is_walked || frame.header_bytes >= 20);
        }
    }

    #[test]
    fn cutting_a_frame_behind_its_headers_changes_nothing(payload in 0usize..100, cut in 0usize..100) {
        let whole = ethernet(0x0800, &[&v4(6, 5, 0), &tcp(1, 2, 5, 0), &vec![0; payload]]);
        let part = &whole[..54 + cut.min(payload)];
        prop_assert_eq!(walk(part, Direction::Received), walk(&whole[..], Direction::Received));
    }
}
