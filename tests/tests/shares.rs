//! Each container has its share of the books, whatever the others declare, carry or become.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use dtraf_tests::books::{
    Tap, audited, bucket_since, conserved, counting, is_wire_of, port_since, since, wire,
};
use dtraf_tests::report::{Amount, Figures};
use dtraf_tests::traffic::Scan;
use dtraf_tests::{Container, Dtraf, Outside, Process, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);

/// Sizes that a container could fill on its own.
const SMALL: [&str; 2] = ["--port-entries=1024", "--ports-per-container=64"];

/// Connections to `$1`, port `$2`, that take turns in asking for a line without end. A line is printed for each round.
const VISITORS: &str = r#"
    for i in $(seq 200); do
        exec {fd}<>"/dev/tcp/$1/$2"; fds+=("$fd")
        echo "$i" >&"$fd"; read -r -t 20 -u "$fd" || exit 1
    done
    trap 'over=1' TERM
    while [ -z "$over" ]; do
        echo round
        for fd in "${fds[@]}"; do echo more >&"$fd"; read -r -t 20 -u "$fd" || exit 1; done
    done
    exec sleep infinity"#;

/// Lets the outside reach every port of a container, as a routed network would.
fn open(lab: &Shared, address: IpAddr) -> Result<()> {
    let to = address.to_string();
    lab.host().run("iptables", &["-w", "-I", "DOCKER-USER", "-d", &to, "-j", "ACCEPT"])?;
    lab.host().run("iptables", &["-w", "-t", "raw", "-I", "PREROUTING", "-d", &to, "-j", "ACCEPT"])?;
    let route = format!("{to}/32");
    let outside = lab.outside().place();
    outside.run("ip", &["route", "replace", &route, "via", &Outside::HOST_V4.to_string()]).map(drop)
}

/// Takes what there is out of the kernel, so that the next run makes maps of its own sizes.
fn forget_all(dtraf: &Dtraf<'_>) -> Result<()> {
    eventually("the end of the run", LIMIT, || {
        Ok(dtraf.end(&["uninstall", "--yes"])?.status.success().then_some(()))
    })
}

/// Demands that a container's served port and ports that it asks are counted under their numbers, by new traffic.
fn has_its_ports(
    lab: &Shared,
    dtraf: &Dtraf<'_>,
    container: &Container<'_>,
    host_port: u16,
    asked: u16,
) -> Result<()> {
    let before = audited(dtraf, container)?;
    lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, host_port), 10_000, 20_000)?;
    let place = container.place()?;
    place.scan(Outside::V4, asked..=asked + 9, Scan::Udp)?;
    let peer = lab.outside().place().serve_tcp(9000)?;
    place.tcp(SocketAddr::new(Outside::V4, 9000), 5_000, 6_000)?;
    let after = audited(dtraf, container)?;
    drop(peer);
    let served = port_since(&before, &after, "tcp", 80, "server");
    ensure!(served.rx.wire_bytes > 10_000 && served.tx.wire_bytes > 20_000, "{served:?}");
    let client = port_since(&before, &after, "tcp", 9000, "client");
    ensure!(client.rx.wire_bytes > 6_000 && client.tx.wire_bytes > 5_000, "{client:?}");
    for port in asked..=asked + 9 {
        assert_eq!(port_since(&before, &after, "udp", port, "client").tx.skbs, 1, "port {port}");
    }
    for bucket in ["over_quota", "map_full", "unsolicited"] {
        let lost = bucket_since(&before, &after, bucket);
        ensure!(lost.rx == Amount::default() && lost.tx == Amount::default(), "{bucket}: {lost:?}");
    }
    Ok(())
}

#[test]
fn a_container_that_exposes_every_port_takes_no_one_elses_room() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    forget_all(&dtraf)?;
    let running = counting(&dtraf, &SMALL)?;
    let early = lab.container("early").publish("8080:80").start()?;
    let greedy = lab.container("greedy").option("--expose=1-65535/tcp").start()?;
    audited(&dtraf, &greedy)?;
    let late = lab.container("late").publish("8081:80").start()?;
    let _servers = [early.place()?.serve_tcp(80)?, late.place()?.serve_tcp(80)?];
    has_its_ports(&lab, &dtraf, &early, 8080, 5_000)?;
    has_its_ports(&lab, &dtraf, &late, 8081, 5_100)?;

    // What of its ports is asked for is its own affair, and complete.
    let before = audited(&dtraf, &greedy)?;
    lab.host().scan(greedy.address("bridge")?, 1..=3_000, Scan::Tcp)?;
    let after = audited(&dtraf, &greedy)?;
    ensure!(after.ports.len() <= 64, "{} entries", after.ports.len());
    let asked = |figures: &Figures| -> u64 {
        let served = figures.ports.iter().filter(|port| port.protocol == "tcp" && port.role == "server");
        let rest = ["unsolicited", "over_quota", "map_full"].map(|bucket| figures.buckets.rx[bucket].skbs);
        served.map(|port| port.rx.skbs).sum::<u64>() + rest.iter().sum::<u64>()
    };
    assert_eq!(asked(&after) - asked(&before), 3_000, "a SYN for each port");
    let moved = since(&before, &after);
    ensure!(moved.rx.skbs >= 3_000 && moved.tx.skbs >= 3_000, "{moved:?}");

    has_its_ports(&lab, &dtraf, &early, 8080, 5_200)?;
    has_its_ports(&lab, &dtraf, &late, 8081, 5_300)?;
    drop((early, greedy, late));
    drop(running);
    forget_all(&dtraf)
}

/// Waits until each of the visitors has been answered several times more.
fn more(visitors: &mut Process) -> Result<()> {
    let mut rounds = 0;
    visitors.line_where(LIMIT, |_| {
        rounds += 1;
        rounds > 5
    })?;
    Ok(())
}

/// Attaches to a server with 200 visitors who do not stop talking meanwhile.
fn busy_before_dtraf(name: &str, port: u16, options: &[&str]) -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    forget_all(&dtraf)?;
    let number = port.to_string();
    let spec = options.iter().fold(lab.container(name), |spec, option| spec.option(option));
    let container = spec.command(&["nc", "-ll", "-p", &number, "-e", "cat"]).start()?;
    let address = container.address("bridge")?;
    open(&lab, address)?;
    let outside = lab.outside().place();
    eventually("the server", LIMIT, || {
        Ok(container.exec(&["netstat", "-lnt"])?.contains(&format!(":{number} ")).then_some(()))
    })?;
    let mut visitors = outside.spawn("bash", &["-c", VISITORS, "visitors", &address.to_string(), &number])?;
    more(&mut visitors)?;

    let _running = counting(&dtraf, &[])?;
    // What was printed before dtraf counted is not meant.
    while visitors.line(Duration::ZERO).is_ok() {}
    more(&mut visitors)?;
    visitors.signal(Signal::TERM)?;
    let figures = audited(&dtraf, &container)?;
    let clients: Vec<_> = figures.ports.iter().filter(|port| port.role == "client").collect();
    ensure!(clients.is_empty(), "{} visitors were taken for servers: {clients:?}", clients.len());
    let served = figures.port("tcp", port, "server");
    ensure!(served.rx.skbs >= 800 && served.tx.skbs >= 800, "{served:?}");
    Ok(())
}

#[test]
fn the_visitors_of_a_busy_server_are_not_taken_for_servers_when_its_port_is_exposed() -> Result<()> {
    busy_before_dtraf("exposing", 80, &["--expose=80"])
}

#[test]
fn the_visitors_of_a_busy_server_are_not_taken_for_servers_when_it_only_listens() -> Result<()> {
    busy_before_dtraf("listening", 7000, &[])
}

#[test]
fn a_container_that_changes_its_mac_address_has_its_ports_again_within_seconds() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let container = lab.container("moved").option("--cap-add=NET_ADMIN").publish("8082:80").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let outside = lab.outside().place();
    let to = SocketAddr::new(Outside::HOST_V4, 8082);
    let _running = counting(&dtraf, &[])?;
    for address in ["02:42:ac:11:77:01", "02:42:ac:11:77:02"] {
        outside.tcp(to, 10_000, 20_000)?;
        audited(&dtraf, &container)?;
        container.exec(&["ip", "link", "set", "dev", "eth0", "address", address])?;
        lab.host().run("ip", &["neighbour", "flush", "dev", "docker0"])?;
        let transfer = || -> Result<_> {
            let before = audited(&dtraf, &container)?;
            outside.tcp(to, 10_000, 20_000)?;
            let after = audited(&dtraf, &container)?;
            let served = port_since(&before, &after, "tcp", 80, "server");
            ensure!(since(&before, &after).rx.wire_bytes > 10_000, "it is counted, wherever");
            Ok((served, bucket_since(&before, &after, "foreign").rx))
        };
        let found = eventually("its port's traffic", Duration::from_secs(5), || {
            let (served, foreign) = transfer()?;
            Ok((foreign == Amount::default() && served.rx.wire_bytes > 10_000).then_some(served))
        })?;
        ensure!(found.tx.wire_bytes > 20_000, "{found:?}");
    }
    container.remove()
}

#[test]
fn a_container_restarted_again_and_again_has_the_sum_of_its_lives_and_leaves_nothing() -> Result<()> {
    const LIVES: u16 = 20;
    let lab = Shared::lab()?;
    let outside = lab.outside().place();
    wire(&lab)?;
    let dtraf = Dtraf::new(&lab)?;
    forget_all(&dtraf)?;
    let running = counting(&dtraf, &SMALL)?;
    let other = lab.container("other").publish("8083:80").start()?;
    let _server = other.place()?.serve_tcp(80)?;
    let restless = lab.container("restless").publish("8084:80").start()?;
    let before = audited(&dtraf, &restless)?;
    let tap = Tap::server(outside, Outside::LINK, 8084)?;

    // What the kernel counted for each life, up to its last reading.
    let mut lives = (0, 0);
    for life in 1..=LIVES {
        restless.restart()?;
        let server = restless.place()?.serve_tcp(80)?;
        outside.tcp(SocketAddr::new(Outside::HOST_V4, 8084), 10_000, 1_000 * u64::from(life))?;
        audited(&dtraf, &restless)?;
        let counters = restless.veth()?.counters()?;
        lives = (lives.0 + counters.received.bytes, lives.1 + counters.transmitted.bytes);
        drop(server);
    }
    let after = audited(&dtraf, &restless)?;
    // A SYN that comes before Docker has said what a new life serves is unsolicited.
    let mut moved = port_since(&before, &after, "tcp", 80, "server");
    moved.rx = moved.rx + bucket_since(&before, &after, "unsolicited").rx;
    is_wire_of(&moved, &tap.finish()?)?;
    let total = since(&before, &after);
    let counted = (total.rx.skb_bytes, total.tx.skb_bytes);
    ensure!(counted.0 >= lives.0 && counted.1 >= lives.1, "{counted:?} of {lives:?}");
    has_its_ports(&lab, &dtraf, &other, 8083, 5_000)?;

    restless.remove()?;
    eventually("its slots to be freed", LIMIT, || {
        let report = dtraf.stats()?;
        conserved(&report)?;
        let names: Vec<&str> = report.containers.iter().map(|container| container.name.as_str()).collect();
        Ok((names == ["other"] && report.unattributed.is_empty()).then_some(()))
    })?;
    has_its_ports(&lab, &dtraf, &other, 8083, 5_100)?;
    assert_eq!(audited(&dtraf, &other)?.meters.len(), 1);
    drop(other);
    drop(running);
    forget_all(&dtraf)
}
