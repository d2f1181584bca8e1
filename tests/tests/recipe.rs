//! The three situations of the recipe, and every direction that traffic can have.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use dtraf_tests::books::{
    Tap, audited, carries, counting, is_skbs_of, is_wire_of, only_port, scope_since, wire,
};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::{Container, Dtraf, Outside, Place, Process, Shared};

/// A container with a server at `port`, and what was counted for it after one visit: by then dtraf knows all that it will.
fn served<'a>(
    lab: &'a Shared,
    dtraf: &Dtraf<'_>,
    name: &str,
    published: (u16, u16),
) -> Result<(Container<'a>, Process, Figures)> {
    let (host_port, port) = published;
    let container = lab.container(name).publish(&format!("{host_port}:{port}")).start()?;
    let server = container.place()?.serve_tcp(port)?;
    lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, host_port), 1, 1)?;
    let figures = audited(dtraf, &container)?;
    Ok((container, server, figures))
}

/// Transfers from the outside by a published port; both captures and both audits have to agree with the books.
fn situation(lab: &Shared, dtraf: &Dtraf<'_>, name: &str, published: (u16, u16)) -> Result<()> {
    let (host_port, port) = published;
    let (container, _server, before) = served(lab, dtraf, name, published)?;
    let on_veth = Tap::server(lab.host(), &container.veth()?.name, port)?;
    let on_wire = Tap::server(lab.outside().place(), Outside::LINK, host_port)?;
    let outside = lab.outside().place();
    let download = outside.tcp(SocketAddr::new(Outside::HOST_V4, host_port), 0, 3_000_000)?;
    let upload = outside.tcp(SocketAddr::new(Outside::HOST_V4, host_port), 2_000_000, 0)?;
    let (on_veth, on_wire) = (on_veth.finish()?, on_wire.finish()?);
    let after = audited(dtraf, &container)?;

    let moved = only_port(&before, &after, "tcp", port, "server")?;
    is_skbs_of(&moved, &on_veth)?;
    is_wire_of(&moved, &on_wire)?;
    carries(moved.tx, download.received + upload.received)?;
    carries(moved.rx, download.sent + upload.sent)?;
    assert_eq!(scope_since(&before, &after, "internet"), moved, "198.51.100.2 is in the internet");
    ensure!(on_veth.tx.super_packets > 0, "nothing was to be cut: {on_veth:?}");
    let mapping = format!("{host_port}->{port}/tcp");
    let entry = after.ports.iter().find(|entry| entry.port == Some(port) && entry.role == "server");
    assert!(
        entry.is_some_and(|entry| entry.mappings.iter().any(|shown| shown.contains(&mapping))),
        "{entry:?}"
    );
    Ok(())
}

#[test]
fn a_port_published_under_its_own_number_counts_what_was_transferred() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    situation(&lab, &dtraf, "same", (8038, 8038))
}

#[test]
fn a_port_published_under_another_number_counts_as_the_containers_port() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    situation(&lab, &dtraf, "other", (8080, 80))
}

#[test]
fn two_containers_with_the_same_port_have_totals_of_their_own() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (one, _one, one_before) = served(&lab, &dtraf, "webapp1", (8081, 80))?;
    let (two, _two, two_before) = served(&lab, &dtraf, "webapp2", (8082, 80))?;
    let taps = [
        Tap::server(lab.outside().place(), Outside::LINK, 8081)?,
        Tap::server(lab.outside().place(), Outside::LINK, 8082)?,
    ];
    let outside = lab.outside().place();
    std::thread::scope(|scope| -> Result<()> {
        let other = scope.spawn(|| outside.tcp(SocketAddr::new(Outside::HOST_V4, 8082), 700_000, 100_000));
        outside.tcp(SocketAddr::new(Outside::HOST_V4, 8081), 100_000, 900_000)?;
        other.join().expect("a transfer does not panic").map(drop)
    })?;
    let [first, second] = taps.map(Tap::finish);
    let first = (only_port(&one_before, &audited(&dtraf, &one)?, "tcp", 80, "server")?, first?);
    let second = (only_port(&two_before, &audited(&dtraf, &two)?, "tcp", 80, "server")?, second?);
    for ((counted, captured), (rx, tx)) in [(first, (100_016, 900_000)), (second, (700_016, 100_000))] {
        is_wire_of(&counted, &captured)?;
        carries(counted.rx, rx)?;
        carries(counted.tx, tx)?;
    }
    Ok(())
}

/// Transfers both ways and demands that all of it is the server's port 80, in one scope.
fn visit(
    dtraf: &Dtraf<'_>,
    container: &Container<'_>,
    from: &Place,
    to: SocketAddr,
    scope: &str,
) -> Result<Both<Amount>> {
    let before = audited(dtraf, container)?;
    from.tcp(to, 400_000, 600_000)?;
    let after = audited(dtraf, container)?;
    let moved = only_port(&before, &after, "tcp", 80, "server")?;
    carries(moved.rx, 400_016)?;
    carries(moved.tx, 600_000)?;
    assert_eq!(scope_since(&before, &after, scope), moved, "visited from {scope}");
    Ok(moved)
}

#[test]
fn the_host_itself_is_scope_host_by_docker_proxy_and_by_the_containers_address() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (container, _server, _) = served(&lab, &dtraf, "visited", (8083, 80))?;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for to in [
        SocketAddr::new(loopback, 8083),
        SocketAddr::new(Outside::HOST_V4, 8083),
        SocketAddr::new(container.address("bridge")?, 80),
    ] {
        visit(&dtraf, &container, lab.host(), to, "host")?;
    }
    Ok(())
}

#[test]
fn between_two_containers_each_has_its_own_side_in_scope_container() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (server, _server, _) = served(&lab, &dtraf, "asked", (8084, 80))?;
    let client = lab.container("asking").start()?;
    let before = audited(&dtraf, &client)?;
    let to = SocketAddr::new(server.address("bridge")?, 80);
    let answered = visit(&dtraf, &server, &client.place()?, to, "container")?;
    let after = audited(&dtraf, &client)?;
    let asked = only_port(&before, &after, "tcp", 80, "client")?;
    assert_eq!(scope_since(&before, &after, "container"), asked);
    assert_eq!((asked.rx, asked.tx), (answered.tx, answered.rx), "one's tx is the other's rx");

    // By the host's published port both talk to docker-proxy: Docker translates no addresses on the way back to a bridge.
    visit(&dtraf, &server, &client.place()?, SocketAddr::new(Outside::HOST_V4, 8084), "host")?;
    let last = audited(&dtraf, &client)?;
    let asked = only_port(&after, &last, "tcp", 8084, "client")?;
    assert_eq!(scope_since(&after, &last, "host"), asked);
    carries(asked.tx, 400_016)?;
    carries(asked.rx, 600_000)?;
    Ok(())
}

#[test]
fn a_container_that_asks_outside_counts_under_the_remote_port_in_the_others_scope() -> Result<()> {
    let lab = Shared::lab()?;
    wire(&lab)?;
    let (outside, host) = (lab.outside().place(), lab.host());
    let lan = IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9));
    outside.run("ip", &["address", "replace", &format!("{lan}/32"), "dev", Outside::LINK])?;
    host.run("ip", &["route", "replace", &format!("{lan}/32"), "via", &Outside::V4.to_string()])?;
    let _server = outside.serve_tcp(9000)?;
    let dtraf = Dtraf::new(&lab)?;
    let running = counting(&dtraf, &[])?;
    let client = lab.container("client").start()?;
    for (address, scope) in [(Outside::V4, "internet"), (lan, "lan")] {
        let before = audited(&dtraf, &client)?;
        let tap = Tap::client(outside, Outside::LINK, 9000)?;
        client.place()?.tcp(SocketAddr::new(address, 9000), 500_000, 800_000)?;
        let tap = tap.finish()?;
        let after = audited(&dtraf, &client)?;
        let moved = only_port(&before, &after, "tcp", 9000, "client")?;
        is_wire_of(&moved, &tap)?;
        carries(moved.rx, 800_000)?;
        carries(moved.tx, 500_016)?;
        assert_eq!(scope_since(&before, &after, scope), moved, "{address} is {scope}");
    }

    // What the user says goes before what dtraf finds out.
    drop(running);
    let _running = counting(&dtraf, &["--scope=198.51.100.0/24=lan"])?;
    let before = audited(&dtraf, &client)?;
    client.place()?.tcp(SocketAddr::new(Outside::V4, 9000), 1_000, 1_000)?;
    let after = audited(&dtraf, &client)?;
    assert_eq!(scope_since(&before, &after, "lan"), only_port(&before, &after, "tcp", 9000, "client")?);
    Ok(())
}
