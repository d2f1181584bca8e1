//! The frames that programs are run with, as they pass the host's end of a container's veth.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_tests::Member;

/// Which of the two programs a frame goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// The container transmits it: ingress of the host's end.
    Out,
    /// The container receives it: egress.
    In,
}

/// A frame, and what the kernel knows of it beside.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) name: &'static str,
    pub(super) way: Way,
    pub(super) bytes: Vec<u8>,
    /// Payload of a segment, and how many there are.
    pub(super) cut: Option<(u32, u32)>,
    /// The interface of the container that it comes from, where it is handed on by a bridge.
    pub(super) entered_at: Option<u32>,
    /// Whether there are ports in it to be read.
    pub(super) has_ports: bool,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ACK: u8 = 0x10;
const SYN: u8 = 0x02;
/// What the container serves, and what it asks of others.
const SERVED: u16 = 8080;
const EPHEMERAL: u16 = 40_000;
/// The bridge's.
const ROUTER: [u8; 6] = [0x02, 0x42, 0xac, 0x11, 0x00, 0x01];
/// Kept for documentation, and so from the internet for dtraf.
const INTERNET: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77));
const INTERNET_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2606, 0xdb8, 7, 0, 0, 0, 0, 0x77));
/// The host's own network begins with the same 32 bits, so that more of it must be looked at.
const NEAR_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0x77));
const OWN_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5));
const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 7, 9));
/// The crowd's first bridge.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));
const OTHER_CONTAINER: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 255, 9));

/// What a container says and hears.
#[derive(Debug)]
struct Wire {
    mac: [u8; 6],
    own: IpAddr,
}

/// Everything that is measured; `other` is another container's interface. The container transmits first, so that what is received belongs to something.
pub(super) fn frames(member: &Member, other: u32) -> Vec<Frame> {
    let wire = Wire { mac: member.mac(), own: IpAddr::V4(member.address) };
    let wire_6 = Wire { mac: member.mac(), own: OWN_6 };
    let mut frames = Vec::new();
    for way in [Way::Out, Way::In] {
        let tcp = |wire: &Wire, local, remote, port, payload| {
            wire.ip(way, TCP, remote, &tcp(way, local, port, ACK, payload))
        };
        let udp = |local, remote, port, payload| wire.ip(way, UDP, remote, &udp(way, local, port, payload));
        let with_ports =
            |name, bytes| Frame { name, way, bytes, cut: None, entered_at: None, has_ports: true };
        let portless =
            |name, bytes| Frame { name, way, bytes, cut: None, entered_at: None, has_ports: false };
        frames.extend([
            with_ports("TCP, server, internet", tcp(&wire, SERVED, INTERNET, 50_000, 1448)),
            with_ports("TCP, client, internet", tcp(&wire, EPHEMERAL, INTERNET, 443, 1448)),
            with_ports("TCP, client, internet, IPv6", tcp(&wire_6, EPHEMERAL, INTERNET_6, 443, 1428)),
            with_ports(
                "TCP, client, internet, IPv6 near the host's",
                tcp(&wire_6, EPHEMERAL, NEAR_6, 443, 1428),
            ),
            with_ports("TCP, client, LAN", tcp(&wire, EPHEMERAL, LAN, 443, 1448)),
            Frame {
                name: "TCP, client, container",
                way,
                bytes: tcp(&wire, EPHEMERAL, OTHER_CONTAINER, 443, 1448),
                cut: None,
                entered_at: matches!(way, Way::In).then_some(other),
                has_ports: true,
            },
            with_ports("TCP, client, host", tcp(&wire, EPHEMERAL, HOST, 443, 1448)),
            with_ports("UDP of 18 bytes, client, internet", udp(EPHEMERAL, INTERNET, 53, 18)),
            with_ports("UDP of 18 bytes, server, internet", udp(SINK, INTERNET, 50_000, 18)),
            Frame {
                name: "TCP in 4 segments, client, internet",
                way,
                bytes: tcp(&wire, EPHEMERAL, INTERNET, 443, 2000),
                cut: Some((500, 4)),
                entered_at: None,
                has_ports: true,
            },
            portless("later fragment", wire.fragment(way, INTERNET)),
            portless("ICMP echo", wire.ip(way, ICMP, INTERNET, &echo(way))),
            portless("ARP", wire.link(way, 0x0806, &[0; 28])),
        ]);
    }
    let scan = wire.ip(Way::In, TCP, INTERNET, &tcp(Way::In, 22, 50_000, SYN, 0));
    frames.push(Frame {
        name: "TCP to a closed port",
        way: Way::In,
        bytes: scan,
        cut: None,
        entered_at: None,
        has_ports: true,
    });
    frames
}

/// Where each member of the crowd takes datagrams.
const SINK: u16 = dtraf_tests::Crowd::SINK_PORT;

/// A frame that makes its port known for one that is served.
pub(super) fn accept(member: &Member) -> Frame {
    let wire = Wire { mac: member.mac(), own: IpAddr::V4(member.address) };
    let bytes = wire.ip(Way::Out, TCP, INTERNET, &tcp(Way::Out, SERVED, 50_000, SYN | ACK, 0));
    Frame { name: "SYN-ACK", way: Way::Out, bytes, cut: None, entered_at: None, has_ports: true }
}

/// A frame that makes an entry for its remote port.
pub(super) fn entry(member: &Member, port: u16) -> Frame {
    let wire = Wire { mac: member.mac(), own: IpAddr::V4(member.address) };
    let bytes = wire.ip(Way::Out, TCP, INTERNET, &tcp(Way::Out, EPHEMERAL, port, ACK, 0));
    Frame { name: "one more port", way: Way::Out, bytes, cut: None, entered_at: None, has_ports: true }
}

impl Wire {
    fn link(&self, way: Way, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let (to, from) = match way {
            Way::Out => (ROUTER, self.mac),
            Way::In => (self.mac, ROUTER),
        };
        [&to[..], &from, &ethertype.to_be_bytes(), payload].concat()
    }

    fn ip(&self, way: Way, protocol: u8, remote: IpAddr, payload: &[u8]) -> Vec<u8> {
        let (from, to) = match way {
            Way::Out => (self.own, remote),
            Way::In => (remote, self.own),
        };
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                self.link(way, 0x0800, &[&v4(from, to, protocol, payload.len())[..], payload].concat())
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let [high, low] = length(payload.len());
                let start = [0x60, 0, 0, 0, high, low, protocol, 64];
                self.link(way, 0x86dd, &[&start, &from.octets()[..], &to.octets(), payload].concat())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                unreachable!("both ends of a frame are of one family")
            }
        }
    }

    /// The second one of a datagram.
    fn fragment(&self, way: Way, remote: IpAddr) -> Vec<u8> {
        let mut frame = self.ip(way, UDP, remote, &[0; 1000]);
        // 185 * 8 bytes have come before.
        frame[20..22].copy_from_slice(&185_u16.to_be_bytes());
        frame
    }
}

fn v4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: usize) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&length(20 + payload));
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    header
}

/// Source first.
fn ports(way: Way, local: u16, remote: u16) -> [u8; 4] {
    let (from, to) = match way {
        Way::Out => (local, remote),
        Way::In => (remote, local),
    };
    let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
    [a, b, c, d]
}

/// With time stamps, as all have them today.
fn tcp(way: Way, local: u16, remote: u16, flags: u8, payload: usize) -> Vec<u8> {
    let mut segment = vec![0; 32 + payload];
    segment[..4].copy_from_slice(&ports(way, local, remote));
    segment[12] = 8 << 4;
    segment[13] = flags;
    segment[20..24].copy_from_slice(&[1, 1, 8, 10]);
    segment
}

fn udp(way: Way, local: u16, remote: u16, payload: usize) -> Vec<u8> {
    let mut datagram = vec![0; 8 + payload];
    datagram[..4].copy_from_slice(&ports(way, local, remote));
    datagram[4..6].copy_from_slice(&length(8 + payload));
    datagram
}

/// The container asks, and is answered.
fn echo(way: Way) -> Vec<u8> {
    let mut message = vec![0; 64];
    message[0] = match way {
        Way::Out => 8,
        Way::In => 0,
    };
    message
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("a frame is smaller").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_its_headers_say() {
        let member = &dtraf_tests::members(1)[0];
        for Frame { name, bytes, .. } in frames(member, 0) {
            let word = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            let expected = match word(12) {
                0x0800 => 14 + word(16),
                0x86dd => 14 + 40 + word(18),
                _ => 14 + 28,
            };
            assert_eq!(bytes.len(), expected, "{name}");
        }
    }
}
