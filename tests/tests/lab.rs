//! The lab itself: that it is a Docker host, that its numbers can be trusted, and that it leaves nothing behind.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dtraf_tests::traffic::{Carried, Datagrams, Scan};
use dtraf_tests::{Capture, HostState, Lab, Namespaces, Outside, cgroups_of, eventually};

/// An Ethernet header, and an IPv4 and a TCP one with timestamps.
const TCP_HEADERS: u64 = 14 + 20 + 32;

#[test]
fn a_lab_carries_known_traffic_and_leaves_nothing_on_the_host() -> Result<()> {
    let before = HostState::read()?;
    let lab = Lab::start()?;
    let namespaces = Namespaces::of(lab.host())?;
    assert!(!namespaces.members()?.is_empty());

    published_port_is_served_to_the_outside(&lab)?;
    counters_are_those_of_the_transfer(&lab)?;
    capture_behind_a_cutting_link_has_no_super_packets(&lab)?;
    networks_datagrams_and_scans_work(&lab)?;

    assert_eq!(HostState::read()?.links, before.links, "the lab's links are its own");
    let name = lab.name().to_owned();
    assert!(!cgroups_of(&name)?.is_empty());
    drop(lab);
    assert_eq!(cgroups_of(&name)?, Vec::<PathBuf>::new());
    assert_eq!(HostState::read()?, before);
    assert_eq!(namespaces.members()?, Vec::<PathBuf>::new());
    Ok(())
}

fn published_port_is_served_to_the_outside(lab: &Lab) -> Result<()> {
    let web = lab.container("web").publish("8080:80").web_server(80).start()?;
    let url = format!("http://{}:8080/100k", Outside::HOST_V4);
    let page = eventually("the web server", Duration::from_secs(5), || {
        Ok(lab.outside().place().run("busybox", &["wget", "-q", "-O", "-", &url]).ok())
    });
    assert_eq!(page.context("fetch a page")?.len(), 100_000);
    assert_eq!(web.exec(&["cat", "/www/1k"])?.len(), 1_000);
    web.remove()?;
    Ok(())
}

fn counters_are_those_of_the_transfer(lab: &Lab) -> Result<()> {
    let served = lab.container("served").publish("8080:80").start()?;
    let _server = served.place()?.serve_tcp(80)?;
    let veth = served.veth()?;
    assert_eq!(veth.inside, "eth0");

    let (before, ()) = veth.while_still(|| Ok(()))?;
    let to = SocketAddr::new(Outside::HOST_V4, 8080);
    let carried = lab.outside().place().tcp(to, 1_000_000, 3_000_000)?;
    assert_eq!(carried, Carried { sent: 1_000_016, received: 3_000_000 });
    let (after, ()) = veth.while_still(|| Ok(()))?;

    let moved = after.since(&before);
    for (side, payload) in [(moved.received, carried.sent), (moved.transmitted, carried.received)] {
        assert!(side.bytes >= payload + side.packets * (TCP_HEADERS - 12), "{side:?} carries {payload}");
        // A handshake, ARP and acknowledgements beside it, each of them small.
        assert!(side.bytes <= payload + side.packets * (TCP_HEADERS + 20), "{side:?} carries {payload}");
    }
    Ok(())
}

fn capture_behind_a_cutting_link_has_no_super_packets(lab: &Lab) -> Result<()> {
    let served = lab.container("cut").publish("8080:80").start()?;
    let _server = served.place()?.serve_tcp(80)?;
    let switches = ["tso", "off", "gso", "off", "gro", "off"];
    lab.host().offloads(Outside::HOST_LINK, &switches)?;
    lab.outside().place().offloads(Outside::LINK, &switches)?;

    let veth = served.veth()?;
    let (before, ()) = veth.while_still(|| Ok(()))?;
    let capture = Capture::start(lab.outside().place(), Outside::LINK, "tcp port 8080")?;
    lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8080), 0, 1_000_000)?;
    let captured = capture.finish()?;
    let (after, ()) = veth.while_still(|| Ok(()))?;

    assert_eq!(captured.super_packets, 0);
    assert!(captured.frames > 690, "{captured:?}");
    assert!(captured.bytes > 1_000_000 + 690 * TCP_HEADERS, "{captured:?}");
    let skbs = after.since(&before).transmitted.packets;
    assert!(skbs < captured.frames / 3, "on the veth they were super-packets: {skbs} against {captured:?}");
    Ok(())
}

fn networks_datagrams_and_scans_work(lab: &Lab) -> Result<()> {
    lab.docker(&["network", "create", "--ipv6", "--subnet=fd00:dead:beef::/64", "six"])?;
    let container = lab.container("six").network("six").start()?;
    let place = container.place()?;
    let _echo = place.serve_udp(53)?;
    let veth = container.veth()?;

    for address in [container.address("six")?, container.address_v6("six")?] {
        let datagrams = Datagrams { echoed: true, ..Datagrams::new(20, 500) };
        let carried = lab.host().udp(SocketAddr::new(address, 53), &datagrams)?;
        assert_eq!(carried, Carried { sent: 10_000, received: 10_000 });
    }
    let to = SocketAddr::new(container.address_v6("six")?, 53);
    let datagrams = Datagrams { echoed: true, ..Datagrams::new(1, 1_000) };
    lab.outside().place().udp(to, &datagrams)?;

    let address = container.address("six")?;
    for scan in [Scan::Tcp, Scan::Udp] {
        let (before, ()) = veth.while_still(|| Ok(()))?;
        lab.host().scan(address, 1..=65_535, scan)?;
        let (after, ()) = veth.while_still(|| Ok(()))?;
        let received = after.since(&before).received.packets;
        assert!((65_535..66_000).contains(&received), "{scan:?}: {received}");
    }

    // A frame of no protocol that anybody knows, to all.
    let frame: Vec<u8> =
        [[0xff; 6], [2, 0, 0, 0, 0, 1]].concat().into_iter().chain([0x88, 0xb5]).chain([0; 46]).collect();
    let (before, ()) = veth.while_still(|| Ok(()))?;
    place.send_frame("eth0", &frame, 10)?;
    let (after, ()) = veth.while_still(|| Ok(()))?;
    assert_eq!(after.since(&before).transmitted.bytes, 600);
    Ok(())
}

#[test]
fn a_lab_whose_test_is_killed_leaves_nothing_either() -> Result<()> {
    let before = HostState::read()?;
    let mut test = Command::new(env!("CARGO_BIN_EXE_dtraf-lab"))
        .arg("hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(test.stdout.take().context("its output is a pipe")?).read_line(&mut line)?;
    let (name, root) = line.trim().split_once(' ').context("a lab's name and root")?;
    let root = PathBuf::from(root);
    let namespaces = Namespaces::of_process(root.parent().context("a process's directory")?)?;
    assert!(!cgroups_of(name)?.is_empty());
    assert!(fs::exists(root.join("run/docker.sock"))?);

    test.kill()?;
    test.wait()?;
    eventually("the lab's end", Duration::from_secs(20), || {
        let gone =
            namespaces.members()?.is_empty() && cgroups_of(name)?.is_empty() && HostState::read()? == before;
        Ok(gone.then_some(()))
    })?;
    Ok(())
}
