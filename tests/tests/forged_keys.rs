//! Entries of a container's quota: what a neighbour forges takes none of them.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, bucket_since, counting, port_since};
use dtraf_tests::frames::{ACK, PROVIDER_TAG, Sending, TAG, TCP, tcp};
use dtraf_tests::neighbours::{Neighbours, Sink};
use dtraf_tests::report::{Both, Port};
use dtraf_tests::traffic::Scan;
use dtraf_tests::{Dtraf, Outside, Shared};

/// Ports that the receiver is known to serve.
const SERVED: [u16; 10] = [8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008, 8009, 8010];

/// A source of each scope and family.
fn sources(neighbours: &Neighbours<'_>) -> Result<Vec<IpAddr>> {
    let inspected = neighbours.receiver.inspect()?;
    let network = &inspected["NetworkSettings"]["Networks"][&neighbours.network];
    let texts = ["8.8.8.8", "10.1.2.3", "2001:4860:4860::8888", "fd77::9"];
    let mut sources = texts.iter().map(|text| text.parse()).collect::<Result<Vec<IpAddr>, _>>()?;
    for key in ["Gateway", "IPv6Gateway"] {
        let gateway: IpAddr = network[key].as_str().context("a gateway")?.parse()?;
        sources.push(gateway);
        let own = &neighbours.sender;
        let network = &neighbours.network;
        sources.push(if gateway.is_ipv4() { own.address(network)? } else { own.address_v6(network)? });
    }
    Ok(sources)
}

/// Frames to each of `ports` with each source and each number of tags, and what all of them to one port are: how many, their
/// bytes on the wire, and from the IP header on.
fn combinations(neighbours: &Neighbours<'_>, ports: &[u16]) -> Result<(Vec<Sending>, [u64; 3])> {
    const TAGS: [&[[u8; 4]]; 5] =
        [&[], &[TAG], &[PROVIDER_TAG, TAG], &[PROVIDER_TAG, TAG, TAG], &[PROVIDER_TAG]];
    let mut frames = Vec::new();
    let mut sum = [0, 0, 0];
    for (number, &port) in ports.iter().enumerate() {
        for source in sources(neighbours)? {
            for tags in TAGS {
                let frame = neighbours.frame(source, TCP, &tcp(7, port, ACK, 100))?;
                let ip_bytes = frame.length() - 14;
                let frame = frame.tagged(tags);
                if number == 0 {
                    sum = [sum[0] + 1, sum[1] + frame.length(), sum[2] + ip_bytes];
                }
                frames.push(frame.times(1));
            }
        }
    }
    Ok((frames, sum))
}

/// The entries of a port.
fn entries(ports: &[Port], port: u16) -> Vec<&Port> {
    ports.iter().filter(|entry| entry.port == Some(port) && entry.role == "server").collect()
}

#[test]
fn forged_scopes_tags_and_families_make_two_entries_of_a_served_port_at_most() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let options: Vec<String> = SERVED.iter().map(|port| format!("--expose={port}/tcp")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let neighbours = Neighbours::start(&lab, "keys", &options)?;
    let victim = &neighbours.receiver;
    let before = audited(&dtraf, victim)?;

    let (frames, [count, wire_bytes, ip_bytes]) = combinations(&neighbours, &SERVED)?;
    ensure!(frames.len() >= 400, "{} frames", frames.len());
    // Its answers are its own, and go to whoever was named: of what is sent to it alone is spoken here.
    let silence = Sink::of_everything(victim)?;
    neighbours.sender.send_frames(&frames)?.all()?;
    let after = audited(&dtraf, victim)?;
    drop(silence);
    let mut wrong = Vec::new();
    for port in SERVED {
        let rows = entries(&after.ports, port);
        if rows.len() > 2 || rows.iter().any(|row| row.scope != "container") {
            let shown: Vec<_> = rows.iter().map(|row| (row.family.as_str(), row.scope.as_str())).collect();
            wrong.push(format!("port {port}: {} entries: {shown:?}", rows.len()));
        }
        // Tags are an amount: on the wire and in no IP byte.
        let moved = port_since(&before, &after, "tcp", port, "server").rx;
        if [moved.packets, moved.wire_bytes, moved.ip_bytes] != [count, wire_bytes, ip_bytes] {
            wrong
                .push(format!("port {port}: {moved:?} of {count} frames, {wire_bytes} and {ip_bytes} bytes"));
        }
    }

    // And its own conversations have their ports.
    victim.place()?.scan(Outside::V4, 5_001..=5_060, Scan::Udp)?;
    let _server = lab.outside().place().serve_tcp(443)?;
    victim.place()?.tcp(SocketAddr::new(Outside::V4, 443), 0, 1_000_000)?;
    let last = audited(&dtraf, victim)?;
    let over = bucket_since(&before, &last, "over_quota");
    if over != Both::default() {
        wrong.push(format!("over the quota: {over:?}"));
    }
    let download = port_since(&after, &last, "tcp", 443, "client").rx;
    if download.wire_bytes < 1_000_000 {
        wrong.push(format!("its download from 443: {download:?}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_neighbour_that_asks_served_ports_leaves_room_for_a_containers_own() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    let running = counting(&dtraf, &["--ports-per-container=32"])?;
    let options: Vec<String> = SERVED.iter().map(|port| format!("--expose={port}/tcp")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let neighbours = Neighbours::start(&lab, "reserve", &options)?;
    let victim = &neighbours.receiver;
    let before = audited(&dtraf, victim)?;
    let (frames, _) = combinations(&neighbours, &SERVED)?;
    let silence = Sink::of_everything(victim)?;
    neighbours.sender.send_frames(&frames)?.all()?;
    drop(silence);

    let _server = lab.outside().place().serve_tcp(443)?;
    victim.place()?.tcp(SocketAddr::new(Outside::V4, 443), 0, 1_000_000)?;
    let after = audited(&dtraf, victim)?;
    let download = port_since(&before, &after, "tcp", 443, "client").rx;
    let over = bucket_since(&before, &after, "over_quota").rx;
    ensure!(download.wire_bytes > 1_000_000, "its download has {download:?}, over the quota are {over:?}");
    drop((neighbours, running));
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}
