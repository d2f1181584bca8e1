//! Weight of frames that name a segment size of their sender's choice, from within a container with Docker's default
//! capabilities.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::IpAddr;

use anyhow::{Result, ensure};
use dtraf_tests::books::{audited, counting, scope_since};
use dtraf_tests::frames::{ACK, Frame, Offload, TCP, UDP, ip, tcp, udp};
use dtraf_tests::neighbours::{DISCARD, Neighbours, Sink, bridge_mac, link_mac, network_with_v6};
use dtraf_tests::report::{Amount, Figures};
use dtraf_tests::{Dtraf, Outside, Shared};

/// Least segment that a neighbour's stack makes: the default maximum of 536 bytes less 40 of TCP options (RFC 9293, 3.7.1).
const LEAST_SEGMENT: u64 = 496;
/// Least segment that Linux makes (`TCP_MIN_GSO_SIZE`, `include/net/tcp.h`).
const LEAST_ROUTED_SEGMENT: u64 = 8;
/// Most datagrams of one buffer (`UDP_MAX_SEGMENTS`, `include/linux/udp.h`).
const MOST_DATAGRAMS: u64 = 128;

/// A frame that is to be cut.
#[derive(Debug, Clone, Copy)]
struct Case {
    source: &'static str,
    kind: Offload,
    /// Of the IP packet and all in it.
    packet_bytes: u64,
    segment: u16,
    count: u32,
}

impl Case {
    const fn new(source: &'static str, kind: Offload, packet_bytes: u64, segment: u16, count: u32) -> Self {
        Self { source, kind, packet_bytes, segment, count }
    }

    fn source(&self) -> Result<IpAddr> {
        Ok(self.source.parse()?)
    }

    /// IP's and the transport's.
    fn headers(&self) -> Result<u64> {
        let network = if self.source()?.is_ipv4() { 20 } else { 40 };
        Ok(network + if self.kind == Offload::Udp { 8 } else { 20 })
    }

    /// The transport's protocol number, and header and payload.
    fn payload(&self) -> Result<(u8, Vec<u8>)> {
        let size = usize::try_from(self.packet_bytes - self.headers()?)?;
        Ok(match self.kind {
            Offload::Udp => (UDP, udp(7, DISCARD, size)),
            Offload::TcpV4 | Offload::TcpV6 => (TCP, tcp(7, DISCARD, ACK, size)),
        })
    }

    /// What all of its frames weigh where segments below `least` bytes are not believed.
    fn weight(&self, least: u64) -> Result<Amount> {
        let (headers, segment, count) = (self.headers()?, u64::from(self.segment), u64::from(self.count));
        let mut segments = (self.packet_bytes - headers).div_ceil(segment);
        if segment < least || self.kind == Offload::Udp && segments > MOST_DATAGRAMS {
            segments = 1;
        }
        let ip_bytes = self.packet_bytes + (segments - 1) * headers;
        Ok(Amount {
            wire_bytes: count * (ip_bytes + 14 * segments),
            packets: count * segments,
            ip_bytes: count * ip_bytes,
            skb_bytes: count * (self.packet_bytes + 14),
            skb_ip_bytes: count * self.packet_bytes,
            skbs: count,
        })
    }
}

fn both(dtraf: &Dtraf<'_>, neighbours: &Neighbours<'_>) -> Result<(Figures, Figures)> {
    Ok((audited(dtraf, &neighbours.sender)?, audited(dtraf, &neighbours.receiver)?))
}

/// Sends a case's frames straight to the neighbour, and says where they did not weigh what they should.
fn weighed(dtraf: &Dtraf<'_>, neighbours: &Neighbours<'_>, sink: &Sink, case: &Case) -> Result<Vec<String>> {
    let (from, to) = both(dtraf, neighbours)?;
    let taken = sink.taken()?;
    let (protocol, payload) = case.payload()?;
    let frame = neighbours.frame(case.source()?, protocol, &payload)?;
    let sending = frame.times_cut(case.count, case.kind, usize::try_from(case.headers()?)?, case.segment);
    let result = neighbours.sender.send_frames(&[sending])?;
    if case.kind == Offload::Udp && result.sent == 0 {
        // Newer kernels refuse what no stack makes.
        return Ok(Vec::new());
    }
    result.all()?;
    let (from_now, to_now) = both(dtraf, neighbours)?;
    let arrived = sink.taken()? - taken;
    let expected = case.weight(LEAST_SEGMENT)?;
    ensure!(
        (arrived.packets, arrived.bytes) == (expected.skbs, expected.skb_ip_bytes),
        "{case:?}: the receiver's firewall has seen {arrived:?}"
    );
    let name = neighbours.sender.name();
    let sent = scope_since(&from, &from_now, "container").tx;
    let received = Amount {
        // In whatever scope it is: of weight alone is spoken here.
        ..["container", "internet"]
            .map(|scope| scope_since(&to, &to_now, scope).rx)
            .into_iter()
            .fold(Amount::default(), std::ops::Add::add)
    };
    let pair = to_now.peer(name).rx - to.peer(name).rx;
    let views = [("sent", sent), ("received", received), ("for the pair", pair)];
    let wrong = views.into_iter().filter(|(_, amount)| *amount != expected);
    Ok(wrong
        .map(|(view, amount)| {
            let Amount { wire_bytes, packets, .. } = amount;
            format!(
                "{:?} of {}, segment {}, {} times: {view} {wire_bytes} in {packets}, not {} in {}",
                case.kind, case.packet_bytes, case.segment, case.count, expected.wire_bytes, expected.packets
            )
        })
        .collect())
}

#[test]
fn a_neighbours_frame_with_segments_that_no_stack_makes_weighs_as_one() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let neighbours = Neighbours::start(&lab, "weights", &[])?;
    let sink = Sink::open(&neighbours.receiver)?;
    let (internet, internet_v6) = ("8.8.8.8", "2001:4860:4860::8888");
    let own = neighbours.sender.address(&neighbours.network)?.to_string();
    let own: &'static str = own.leak();
    let mut cases = vec![Case::new(internet, Offload::TcpV4, 60_000, 1, 1_000)];
    for segment in [1, 2, 7, 8, 40, 100, 400, 495, 496, 497, 536, 1_448] {
        cases.push(Case::new(internet, Offload::TcpV4, 60_000, segment, 20));
        cases.push(Case::new(internet_v6, Offload::TcpV6, 60_000, segment, 20));
        cases.push(Case::new(own, Offload::TcpV4, 9_000, segment, 20));
    }
    for (bytes, segment) in [(12_028, 100), (12_028, 495), (12_028, 496), (12_028, 1_200), (13_028, 100)] {
        cases.push(Case::new(internet, Offload::Udp, bytes, segment, 20));
    }
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(weighed(&dtraf, &neighbours, &sink, case)?);
    }
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok(())
}

/// What the host hands on may be of any stack that Linux talks to.
#[test]
fn a_routed_frame_weighs_as_one_below_the_least_segment_of_linux() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let network = network_with_v6(&lab, "routed")?;
    let container = lab.container("routed").network(&network).publish("8098:9").publish("8098:9/udp");
    let container = container.with_sender()?.start()?;
    let sink = Sink::open(&container)?;
    let outside = lab.outside().place();
    for program in ["tcp", "udp"] {
        outside.run("iptables", &["-w", "-A", "INPUT", "-p", program, "--dport", "9", "-j", "DROP"])?;
    }
    let bridge = bridge_mac(&container, &network)?;
    let near_host = link_mac(lab.host(), Outside::HOST_LINK)?;
    let near_outside = link_mac(outside, Outside::LINK)?;
    let mut wrong = Vec::new();
    for (kind, segment) in [
        (Offload::TcpV4, 1),
        (Offload::TcpV4, 7),
        (Offload::TcpV4, 8),
        (Offload::TcpV4, 40),
        (Offload::TcpV4, 495),
        (Offload::TcpV4, 1_448),
        (Offload::Udp, 100),
        (Offload::Udp, 1_200),
    ] {
        let case = Case::new("198.51.100.2", kind, 12_028, segment, 20);
        let expected = case.weight(LEAST_ROUTED_SEGMENT)?;
        let headers = usize::try_from(case.headers()?)?;
        let (protocol, payload) = case.payload()?;
        let own = container.address(&network)?;
        let away = Frame::ip(bridge, container.mac()?, &ip(own, Outside::V4, protocol, &payload));
        let mut inbound = payload.clone();
        inbound[2..4].copy_from_slice(&8_098_u16.to_be_bytes());
        let packet = ip(Outside::V4, Outside::HOST_V4, protocol, &inbound);
        let inbound = Frame::ip(near_host, near_outside, &packet);

        let before = audited(&dtraf, &container)?;
        let taken = sink.taken()?;
        container.send_frames(&[away.times_cut(case.count, kind, headers, segment)])?.all()?;
        let sending = [inbound.times_cut(case.count, kind, headers, segment)];
        outside.send_frames(Outside::LINK, &sending)?.all()?;
        let after = audited(&dtraf, &container)?;
        let arrived = sink.taken()? - taken;
        ensure!(
            (arrived.packets, arrived.bytes) == (expected.skbs, expected.skb_ip_bytes),
            "{case:?}: {arrived:?} of {expected:?}"
        );
        let moved = scope_since(&before, &after, "internet");
        for (view, amount) in [("sent", moved.tx), ("received", moved.rx)] {
            if amount != expected {
                wrong.push(format!("{kind:?}, segment {segment}: {view} {amount:?}, not {expected:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
