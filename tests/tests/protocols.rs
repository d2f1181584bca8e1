//! Everything that is not TCP over IPv4.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use dtraf_tests::books::{
    Tap, audited, bucket_since, carries, counting, is_skbs_of, is_wire_of, only_port, port_since,
    scope_since, since, wire,
};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Container, Dtraf, Outside, Shared, eventually};

const SIX: &str = "six";

/// `count` unsegmented packets of `ip_bytes` each.
fn packets(count: u64, ip_bytes: u64) -> Amount {
    let bytes = count * (ip_bytes + 14);
    let ip_bytes = count * ip_bytes;
    Amount {
        wire_bytes: bytes,
        packets: count,
        ip_bytes,
        skb_bytes: bytes,
        skb_ip_bytes: ip_bytes,
        skbs: count,
    }
}

fn both(amount: Amount) -> Both<Amount> {
    Both { rx: amount, tx: amount }
}

/// A container with IPv6, and a fresh run's figures for it.
fn with_v6<'a>(lab: &'a Shared, dtraf: &Dtraf<'_>, name: &str) -> Result<(Container<'a>, Figures)> {
    if !lab.docker(&["network", "ls", "--format={{.Name}}"])?.lines().any(|network| network == SIX) {
        lab.docker(&["network", "create", "--ipv6", "--subnet=fd00:dead:beef::/64", SIX])?;
    }
    let container = lab.container(name).network(SIX).start()?;
    // Its address is usable when duplicate detection has ended.
    let place = container.place()?;
    eventually("the IPv6 address", std::time::Duration::from_secs(10), || {
        let tentative = place.run("ip", &["-6", "address", "show", "tentative"])?;
        Ok(tentative.trim().is_empty().then_some(()))
    })?;
    let figures = audited(dtraf, &container)?;
    Ok((container, figures))
}

#[test]
fn udp_of_a_published_port_counts_every_datagram_both_ways() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("dns").publish("5353:53/udp").start()?;
    let _echo = container.place()?.serve_udp(53)?;
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(1, 10) };
    let published = SocketAddr::new(Outside::HOST_V4, 5353);
    lab.outside().place().udp(published, &datagrams)?;
    let before = audited(&dtraf, &container)?;
    lab.outside().place().udp(published, &Datagrams { count: 200, size: 500, ..datagrams })?;
    let between = audited(&dtraf, &container)?;
    let expected = both(packets(200, 20 + 8 + 500));
    assert_eq!(only_port(&before, &between, "udp", 53, "server")?, expected);
    assert_eq!(scope_since(&before, &between, "internet"), expected);

    // From the host itself: docker-proxy passes it on.
    lab.host()
        .udp(SocketAddr::new("127.0.0.1".parse()?, 5353), &Datagrams { count: 50, size: 100, ..datagrams })?;
    let after = audited(&dtraf, &container)?;
    assert_eq!(only_port(&between, &after, "udp", 53, "server")?, both(packets(50, 20 + 8 + 100)));
    Ok(())
}

#[test]
fn udp_of_a_port_that_nobody_exposed_is_the_servers_once_it_has_answered() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("hidden").start()?;
    let before = audited(&dtraf, &container)?;
    let _echo = container.place()?.serve_udp(1053)?;
    let to = SocketAddr::new(container.address("bridge")?, 1053);
    lab.host().udp(to, &Datagrams { echoed: true, ..Datagrams::new(50, 100) })?;
    let after = audited(&dtraf, &container)?;
    let (each, all) = (packets(1, 20 + 8 + 100), packets(50, 20 + 8 + 100));
    let moved = port_since(&before, &after, "udp", 1053, "server");
    assert_eq!(moved.tx, all);
    // What came before the first answer came for a port that nobody was known to serve.
    let uninvited = bucket_since(&before, &after, "unsolicited").rx;
    ensure!(uninvited == each || uninvited == Amount::default(), "{uninvited:?}");
    assert_eq!(moved.rx + uninvited, all);
    Ok(())
}

#[test]
fn udp_that_a_container_sends_counts_under_the_remote_port() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let _echo = lab.outside().place().serve_udp(7777)?;
    let container = lab.container("resolver").start()?;
    let before = audited(&dtraf, &container)?;
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(100, 300) };
    container.place()?.udp(SocketAddr::new(Outside::V4, 7777), &datagrams)?;
    let after = audited(&dtraf, &container)?;
    assert_eq!(only_port(&before, &after, "udp", 7777, "client")?, both(packets(100, 20 + 8 + 300)));
    Ok(())
}

#[test]
fn of_large_datagrams_the_first_fragment_is_the_ports_and_the_others_are_in_their_bucket() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("large").publish("5354:54/udp").start()?;
    let _echo = container.place()?.serve_udp(54)?;
    let to = SocketAddr::new(container.address("bridge")?, 54);
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(1, 10) };
    lab.host().udp(to, &datagrams)?;
    let before = audited(&dtraf, &container)?;
    lab.host().udp(to, &Datagrams { count: 20, size: 20_000, ..datagrams })?;
    let after = audited(&dtraf, &container)?;
    // 20,008 bytes in pieces of 1,480: thirteen full ones and a last.
    let first = packets(20, 1_500);
    let others = packets(20 * 12, 1_500) + packets(20, 20 + 20_008 - 13 * 1_480);
    assert_eq!(port_since(&before, &after, "udp", 54, "server"), both(first));
    assert_eq!(bucket_since(&before, &after, "fragment"), both(others));
    Ok(())
}

#[test]
fn udp_that_the_kernel_cuts_counts_as_the_datagrams_of_the_wire() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let outside = lab.outside().place();
    // Nobody takes them, and nobody says so.
    outside.run("iptables", &["-w", "-A", "INPUT", "-p", "udp", "--dport", "4433", "-j", "DROP"])?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("quic").start()?;
    let before = audited(&dtraf, &container)?;
    let on_veth = Tap::client(lab.host(), &container.veth()?.name, 4433)?;
    let on_wire = Tap::client(outside, Outside::LINK, 4433)?;
    let datagrams = Datagrams { cut: Some(1_200), ..Datagrams::new(30, 12_500) };
    container.place()?.udp(SocketAddr::new(Outside::V4, 4433), &datagrams)?;
    let after = audited(&dtraf, &container)?;
    let moved = port_since(&before, &after, "udp", 4433, "client");
    is_skbs_of(&moved, &on_veth.finish()?)?;
    is_wire_of(&moved, &on_wire.finish()?)?;
    // Ten of 1,200 and one of 500 bytes each time.
    let expected = packets(300, 20 + 8 + 1_200) + packets(30, 20 + 8 + 500);
    assert_eq!((moved.tx.wire_bytes, moved.tx.packets), (expected.wire_bytes, expected.packets));
    ensure!(moved.tx.skbs == 30, "each was one skb: {moved:?}");
    Ok(())
}

#[test]
fn tcp_and_udp_over_ipv6_count_like_over_ipv4() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let outside = lab.outside().place();
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (container, _) = with_v6(&lab, &dtraf, "sixth")?;
    let address = container.address_v6(SIX)?;
    let place = container.place()?;
    let (_tcp, _udp) = (place.serve_tcp(80)?, place.serve_udp(53)?);
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(1, 10) };
    // The first visit makes both ports served ones.
    outside.tcp(SocketAddr::new(address, 80), 1, 1)?;
    outside.udp(SocketAddr::new(address, 53), &datagrams)?;

    let before = audited(&dtraf, &container)?;
    let tap = Tap::server(outside, Outside::LINK, 80)?;
    outside.tcp(SocketAddr::new(address, 80), 300_000, 700_000)?;
    let tap = tap.finish()?;
    let between = audited(&dtraf, &container)?;
    let moved = port_since(&before, &between, "tcp", 80, "server");
    is_wire_of(&moved, &tap)?;
    carries(moved.rx, 300_016)?;
    carries(moved.tx, 700_000)?;
    assert_eq!(scope_since(&before, &between, "internet").tx.wire_bytes, moved.tx.wire_bytes);
    ensure!(between.ports.iter().filter(|port| port.port == Some(80)).all(|port| port.family == "ipv6"));

    outside.udp(SocketAddr::new(address, 53), &Datagrams { count: 100, size: 400, ..datagrams })?;
    let after = audited(&dtraf, &container)?;
    assert_eq!(port_since(&between, &after, "udp", 53, "server"), both(packets(100, 40 + 8 + 400)));

    // Large ones, in pieces: 8,008 bytes in five of 1,448 and a last, each with a fragment header.
    outside.udp(SocketAddr::new(address, 53), &Datagrams { count: 10, size: 8_000, ..datagrams })?;
    let last = audited(&dtraf, &container)?;
    assert_eq!(port_since(&after, &last, "udp", 53, "server"), both(packets(10, 40 + 8 + 1_448)));
    let others = packets(10 * 4, 40 + 8 + 1_448) + packets(10, 40 + 8 + 8_008 - 5 * 1_448);
    assert_eq!(bucket_since(&after, &last, "fragment"), both(others));
    Ok(())
}

#[test]
fn pings_have_no_port_and_are_the_containers_own_once_it_has_sent_one() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (container, _) = with_v6(&lab, &dtraf, "pinged")?;
    let place = container.place()?;
    let outside = lab.outside().place();
    let cases: [(&str, IpAddr, IpAddr, u64); 2] = [
        ("icmp", container.address(SIX)?, Outside::V4, 20 + 8 + 56),
        ("ipv6-icmp", container.address_v6(SIX)?, Outside::V6, 40 + 8 + 56),
    ];
    for (protocol, own, other, size) in cases {
        if protocol == "icmp" {
            // Without Docker's rules for what may come in.
            outside.run(
                "ip",
                &["route", "replace", &format!("{own}/32"), "via", &Outside::HOST_V4.to_string()],
            )?;
            lab.host().run("iptables", &["-w", "-I", "DOCKER-USER", "-p", "icmp", "-j", "ACCEPT"])?;
        }
        let before = audited(&dtraf, &container)?;
        outside.run("busybox", &["ping", "-A", "-c", "5", "-s", "56", &own.to_string()])?;
        let pinged = audited(&dtraf, &container)?;
        let moved = scope_since(&before, &pinged, "internet");
        // An answer that comes at once may make it send one more.
        ensure!((5..=6).contains(&moved.rx.packets), "{protocol} from outside: {moved:?}");
        assert_eq!(moved, both(packets(moved.rx.packets, size)), "{protocol} from outside");

        place.run("busybox", &["ping", "-A", "-c", "5", "-s", "56", &other.to_string()])?;
        let after = audited(&dtraf, &container)?;
        let entry = |figures: &Figures| {
            let own = figures
                .ports
                .iter()
                .find(|port| port.protocol == protocol && port.port.is_none() && port.scope == "internet");
            own.map_or(Both::default(), |port| Both { rx: port.rx, tx: port.tx })
        };
        let (then, now) = (entry(&pinged), entry(&after));
        let moved = Both { rx: now.rx - then.rx, tx: now.tx - then.tx };
        ensure!((5..=6).contains(&moved.tx.packets), "{protocol} to outside: {moved:?}");
        assert_eq!(moved, both(packets(moved.tx.packets, size)), "{protocol} to outside: {:?}", after.ports);
    }
    Ok(())
}

#[test]
fn arp_is_in_the_bucket_of_what_is_not_ip() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("asked-who").start()?;
    let address = container.address("bridge")?.to_string();
    lab.host().run("busybox", &["ping", "-c", "1", &address])?;
    let before = audited(&dtraf, &container)?;
    lab.host().run("busybox", &["arping", "-c", "3", "-I", "docker0", &address])?;
    let after = audited(&dtraf, &container)?;
    let moved = bucket_since(&before, &after, "l2");
    let frame = Amount { ip_bytes: 0, skb_ip_bytes: 0, ..packets(1, 28) };
    let three = frame + frame + frame;
    ensure!(moved.rx.skbs >= 3 && moved.tx.skbs >= 3, "{moved:?}");
    assert_eq!(moved.tx, three);
    // The bridge's own multicast may pass.
    let groups = bucket_since(&before, &after, "multicast");
    let all = Both { rx: moved.rx + groups.rx, tx: moved.tx + groups.tx };
    assert_eq!(since(&before, &after), all, "and nothing else came");
    assert_eq!(scope_since(&before, &after, "other"), moved);
    Ok(())
}
