//! Scope and weight of what a neighbour sends with forged headers, from within a container with Docker's default capabilities.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting, scope_since, since};
use dtraf_tests::frames::{ACK, Frame, TCP, UDP, echo_request, ip, tcp, udp};
use dtraf_tests::neighbours::{
    DISCARD, Neighbours, Sink, address_like, bridge_mac, echo_protocol, network_with_v6, settled,
};
use dtraf_tests::report::{Amount, Figures};
use dtraf_tests::{Capture, Dtraf, Lab, LabOptions, Outside, Shared};

/// Scopes that a neighbour's frames are never in.
const ELSEWHERE: [&str; 5] = ["internet", "lan", "host", "multicast", "other"];

/// Sources that a frame may name, without the network's own addresses.
const SOURCES: [&str; 15] = [
    "8.8.8.8",
    "10.1.2.3",
    "192.168.77.9",
    "198.51.100.2",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "2001:4860:4860::8888",
    "fd77::9",
    "::1",
    "fe80::77",
    "ff02::1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
];

/// Those and the addresses of the network: of the host's bridge, of the receiver itself and of a third container.
fn sources(lab: &Shared, neighbours: &Neighbours<'_>) -> Result<Vec<IpAddr>> {
    let mut sources = Vec::new();
    let third = lab.container("third").network(&neighbours.network).start()?;
    let inspected = neighbours.receiver.inspect()?;
    let network = &inspected["NetworkSettings"]["Networks"][&neighbours.network];
    for key in ["Gateway", "IPv6Gateway"] {
        let gateway: IpAddr = network[key].as_str().context("a gateway")?.parse()?;
        sources.push(gateway);
        sources.push(neighbours.receiver_address(gateway)?);
        sources.push(address_like(&third, &neighbours.network, gateway)?);
    }
    for text in SOURCES {
        sources.push(text.parse()?);
    }
    Ok(sources)
}

/// The figures of both, each of them what its interface has counted.
fn both(dtraf: &Dtraf<'_>, neighbours: &Neighbours<'_>) -> Result<(Figures, Figures)> {
    Ok((audited(dtraf, &neighbours.sender)?, audited(dtraf, &neighbours.receiver)?))
}

/// Unsegmented frames: each is what it weighs on any wire.
fn plain(count: u64, length: u64) -> Amount {
    let (bytes, ip_bytes) = (count * length, count * (length - 14));
    Amount {
        wire_bytes: bytes,
        packets: count,
        ip_bytes,
        skb_bytes: bytes,
        skb_ip_bytes: ip_bytes,
        skbs: count,
    }
}

/// Says where `expected` was not counted: as received by the one, as transmitted by the other and for the pair, in the scope of
/// containers and in no other.
fn misplaced(
    name: &str,
    (from, to): (&Figures, &Figures),
    (from_now, to_now): (&Figures, &Figures),
    peer: &str,
    expected: Amount,
) -> Vec<String> {
    let received = scope_since(to, to_now, "container").rx;
    let transmitted = scope_since(from, from_now, "container").tx;
    let pair = to_now.peer(peer).rx - to.peer(peer).rx;
    let mut wrong = Vec::new();
    for (what, amount) in [("received", received), ("transmitted", transmitted), ("the pair", pair)] {
        if amount != expected {
            let (got, wanted) = (amount.wire_bytes, expected.wire_bytes);
            wrong.push(format!("{name}: {what} in container {got} bytes, not {wanted}: {amount:?}"));
        }
    }
    for scope in ELSEWHERE {
        let moved = scope_since(to, to_now, scope).rx;
        // Address resolution and groups are under way at any time, but not so many bytes of them.
        let is_noise = ["multicast", "other"].contains(&scope) && moved.wire_bytes < expected.wire_bytes / 2;
        if moved != Amount::default() && !is_noise {
            wrong.push(format!("{name}: received in {scope} {} bytes", moved.wire_bytes));
        }
    }
    wrong
}

#[test]
fn a_frame_straight_from_a_neighbour_is_container_traffic_whatever_source_it_names() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let neighbours = Neighbours::start(&lab, "sources", &[])?;
    let _sink = Sink::open(&neighbours.receiver)?;
    let place = neighbours.receiver.place()?;
    let from_source = |source: IpAddr| -> Result<Vec<String>> {
        let (from, to) = both(&dtraf, &neighbours)?;
        let capture = Capture::start(&place, "eth0", &format!("dst port 9 and src host {source}"))?;
        let frame = neighbours.frame(source, UDP, &udp(7, DISCARD, 1_000))?;
        let (length, count) = (frame.length(), 50);
        ensure!(neighbours.sender.send_frames(&[frame.times(50)])?.all()? == count);
        // What has arrived is the judge: a host may refuse to hand on what cannot be true.
        let captured = capture.finish()?;
        ensure!(captured.frames == count && captured.bytes == count * length, "{captured:?}");
        let (from_now, to_now) = both(&dtraf, &neighbours)?;
        let name = neighbours.sender.name();
        let (before, after) = ((&from, &to), (&from_now, &to_now));
        Ok(misplaced(&source.to_string(), before, after, name, plain(count, length)))
    };
    let mut wrong = Vec::new();
    for source in sources(&lab, &neighbours)? {
        match from_source(source) {
            Ok(found) => wrong.extend(found),
            // Books that do not balance do not do so again.
            Err(error) => {
                wrong.push(format!("{source}: {error:#}"));
                break;
            }
        }
    }
    ensure!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn an_echo_request_with_a_forged_source_bills_nothing_but_the_answer() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let neighbours = Neighbours::start(&lab, "pings", &[])?;
    // Or the host would tell it that there is no way to them.
    for (family, way) in [("-4", Outside::V4), ("-6", Outside::V6)] {
        lab.host().run("ip", &[family, "route", "replace", "default", "via", &way.to_string()])?;
    }
    for source in ["8.8.8.8", "2001:4860:4860::8888"] {
        let source: IpAddr = source.parse()?;
        let protocol = echo_protocol(source);
        let mut request = echo_request(protocol, 500);
        // A right checksum where it is of this message alone: it may then be answered.
        if source.is_ipv4() {
            let words = request.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
            let sum: u32 = words.sum();
            let folded = (sum >> 16) + (sum & 0xffff);
            request[2..4].copy_from_slice(&(!u16::try_from(folded)?).to_be_bytes());
        }
        let (from, to) = both(&dtraf, &neighbours)?;
        let frame = neighbours.frame(source, protocol, &request)?;
        let length = frame.length();
        neighbours.sender.send_frames(&[frame.times(100)])?.all()?;
        let (from_now, to_now) = both(&dtraf, &neighbours)?;
        let name = neighbours.sender.name();
        let expected = plain(100, length);
        let wrong = misplaced(&source.to_string(), (&from, &to), (&from_now, &to_now), name, expected);
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        // The answer goes out by the host, to whoever was named: that much anybody can make it send.
        let answers = scope_since(&to, &to_now, "internet").tx;
        ensure!(answers.skbs <= 100 && answers.wire_bytes <= 100 * length, "{answers:?}");
        println!("{source}: {} answers of {} bytes", answers.skbs, answers.wire_bytes);
    }
    Ok(())
}

/// A container of one network reaches another one's only by way of the host: its frames come in by a bridge all the same.
#[test]
fn what_a_container_sends_to_a_published_port_of_another_network_is_container_traffic() -> Result<()> {
    // Docker's proxy would take it, and be the other end.
    let options = LabOptions { dockerd: vec!["--userland-proxy=false".to_owned()], ..LabOptions::default() };
    let lab = Lab::start_with(&options)?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let near = network_with_v6(&lab, "near")?;
    let far = network_with_v6(&lab, "far")?;
    let sender = lab.container("near-sender").network(&near).with_sender()?.start()?;
    let receiver = lab.container("far-receiver").network(&far).publish("8099:9/udp").start()?;
    let _sink = Sink::open(&receiver)?;
    settled(&receiver.place()?)?;
    let host = lab.host();
    host.run("sh", &["-c", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done"])?;
    host.run("iptables", &["-w", "-I", "DOCKER-USER", "-p", "udp", "--dport", "9", "-j", "ACCEPT"])?;
    let bridge = bridge_mac(&sender, &near)?;
    let published = (Outside::HOST_V4, 8099);
    let routed = (receiver.address(&far)?, DISCARD);
    for (source, (address, port)) in
        [("8.8.8.8", published), ("10.99.1.2", published), ("8.8.4.4", routed), ("10.99.1.3", routed)]
    {
        let before = audited(&dtraf, &receiver)?;
        let capture = Capture::start(&receiver.place()?, "eth0", &format!("src host {source}"))?;
        let packet = ip(source.parse()?, address, UDP, &udp(7, port, 1_000));
        sender.send_frames(&[Frame::ip(bridge, sender.mac()?, &packet).times(200)])?.all()?;
        let after = audited(&dtraf, &receiver)?;
        let captured = capture.finish()?;
        ensure!(captured.frames == 200, "{source} to {address} {port}: {captured:?}");
        let moved = ["container", "internet", "lan", "host"]
            .map(|scope| (scope, scope_since(&before, &after, scope).rx.wire_bytes));
        let expected = [("container", captured.bytes), ("internet", 0), ("lan", 0), ("host", 0)];
        ensure!(moved == expected, "{source} to {address} {port}: received {moved:?}");
    }
    Ok(())
}

#[test]
fn plain_frames_of_a_neighbour_weigh_what_they_are() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let neighbours = Neighbours::start(&lab, "plain", &[])?;
    let sink = Sink::open(&neighbours.receiver)?;
    let (from, to) = both(&dtraf, &neighbours)?;
    let payload = tcp(7, DISCARD, ACK, 721 - 14 - 20 - 20);
    let frame = neighbours.frame("8.8.8.8".parse()?, TCP, &payload)?;
    ensure!(frame.length() == 721);
    neighbours.sender.send_frames(&[frame.times(1_000)])?.all()?;
    let (from_now, to_now) = both(&dtraf, &neighbours)?;
    sink.has(1_000, 721_000 - 14_000)?;
    let name = neighbours.sender.name();
    let wrong = misplaced("plain", (&from, &to), (&from_now, &to_now), name, plain(1_000, 721));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(since(&to, &to_now).rx.wire_bytes < 721_000 + 20_000);
    Ok(())
}
