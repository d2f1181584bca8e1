//! Frames for other MAC addresses: those that a container has sent from are its own, those that a bridge floods are nobody's.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, bucket_since, counting, scope_since};
use dtraf_tests::frames::{Frame, Mac, Sending, UDP, udp, v4};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::neighbours::{DISCARD, Neighbours, bridge_link, bridge_mac};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::statements::{Statement, agreeing};
use dtraf_tests::{Capture, Container, Dtraf, Outside, Place, Process, Shared, Veth};
use rustix::process::Signal;
use serde_json::Value;

const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const BROADCAST: Mac = [0xff; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const LIMIT: Duration = Duration::from_secs(20);
const DOWNLOAD: u64 = 5_000_000;

fn octets(address: IpAddr) -> Result<Ipv4Addr> {
    let IpAddr::V4(address) = address else { anyhow::bail!("{address} is no IPv4 address") };
    Ok(address)
}

/// Another address of a container's network.
fn beside(container: &Container<'_>, last: u8) -> Result<Ipv4Addr> {
    let [first, second, third, _] = octets(container.address("bridge")?)?.octets();
    Ok(Ipv4Addr::new(first, second, third, last))
}

/// What a stack says that has an address: by an answer to everybody.
fn arp_reply(mac: Mac, address: Ipv4Addr) -> Frame {
    let own = [&mac[..], &address.octets()].concat();
    let packet = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &own, &BROADCAST, &address.octets()].concat();
    Frame::new(BROADCAST, mac, ETHERTYPE_ARP, &packet)
}

/// Demands that nothing was taken for somebody else's.
fn nothing_foreign(before: &Figures, after: &Figures) -> Result<()> {
    let foreign = bucket_since(before, after, "foreign");
    ensure!(foreign == Both::default(), "foreign: {foreign:?}");
    Ok(())
}

#[test]
fn a_stack_of_a_containers_own_that_answers_for_a_second_mac_is_billed() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("second-mac").with_sender()?.start()?;
    let (second, address) = ([2, 0, 0, 0, 0x77, 1], beside(&container, 201)?);
    let before = audited(&dtraf, &container)?;
    container.send_frames(&[arp_reply(second, address).times(1)])?.all()?;
    let capture = Capture::start(&container.place()?, "eth0", "udp dst port 9")?;
    let packet = v4(INTERNET, address, UDP, &udp(443, DISCARD, 1_386));
    let frame = Frame::ip(second, bridge_mac(&container, "bridge")?, &packet);
    lab.host().send_frames("docker0", &[frame.times(1_500)])?.all()?;
    let after = audited(&dtraf, &container)?;
    let captured = capture.finish()?;
    ensure!(captured.frames == 1_500, "{captured:?}");
    nothing_foreign(&before, &after)?;
    let moved = scope_since(&before, &after, "internet").rx;
    ensure!((moved.wire_bytes, moved.packets) == (captured.bytes, captured.frames), "{moved:?}");
    Ok(())
}

#[test]
fn each_of_twenty_macs_of_a_container_is_its_own_while_it_speaks() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("twenty-macs").with_sender()?.start()?;
    let bridge = bridge_mac(&container, "bridge")?;
    let before = audited(&dtraf, &container)?;
    let rounds = 2;
    for _ in 0..rounds {
        for number in 1..=20 {
            let (mac, address) = ([2, 0, 0, 0, 0x78, number], beside(&container, 200 + number)?);
            container.send_frames(&[arp_reply(mac, address).times(1)])?.all()?;
            let packet = v4(INTERNET, address, UDP, &udp(443, DISCARD, 958));
            lab.host().send_frames("docker0", &[Frame::ip(mac, bridge, &packet).times(10)])?.all()?;
        }
    }
    let after = audited(&dtraf, &container)?;
    nothing_foreign(&before, &after)?;
    let moved = scope_since(&before, &after, "internet").rx;
    ensure!((moved.packets, moved.wire_bytes) == (rounds * 200, rounds * 200_000), "{moved:?}");
    Ok(())
}

/// A network below a container's: the namespace, and what keeps it.
fn child_of(lab: &Shared, container: &Container<'_>) -> Result<(Place, String, Process)> {
    let mut anchor =
        container.place()?.spawn("unshare", &["--net", "sh", "-c", "echo $$; exec sleep infinity"])?;
    let pid = anchor.line(LIMIT)?;
    Ok((lab.host().network_of(pid.parse()?), pid, anchor))
}

/// Gives a child an address and a way out, and has it fetch something.
fn fetched(lab: &Shared, container: &Container<'_>, child: &Place, link: &str, last: u8) -> Result<()> {
    let (address, gateway) = (beside(container, last)?, beside(container, 1)?);
    child.run("ip", &["address", "add", &format!("{address}/16"), "dev", link])?;
    child.run("ip", &["link", "set", link, "up"])?;
    child.run("ip", &["route", "add", "default", "via", &gateway.to_string()])?;
    let _server = lab.outside().place().serve_tcp(443)?;
    child.tcp(SocketAddr::new(Outside::V4, 443), 0, DOWNLOAD).map(drop)
}

/// Demands that the container has the download, in its port and as its interface has carried it.
fn has_download(before: &Figures, after: &Figures, veth: &Veth) -> Result<()> {
    nothing_foreign(before, after)?;
    let port = after.port("tcp", 443, "client").rx - before.port("tcp", 443, "client").rx;
    let carried = veth.counters()?.received.bytes;
    ensure!(
        port.wire_bytes > DOWNLOAD && port.skb_bytes <= carried,
        "{port:?} of a download of {DOWNLOAD}, {carried} carried: {:?}",
        after.buckets.rx
    );
    Ok(())
}

#[test]
fn a_download_of_a_macvlan_child_in_a_container_is_the_containers() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("with-macvlan").start()?;
    let place = container.place()?;
    let before = audited(&dtraf, &container)?;
    let (child, pid, _anchor) = child_of(&lab, &container)?;
    place.run("ip", &["link", "add", "link", "eth0", "name", "mv0", "type", "macvlan", "mode", "bridge"])?;
    place.run("ip", &["link", "set", "mv0", "netns", &pid])?;
    fetched(&lab, &container, &child, "mv0", 211)?;
    has_download(&before, &audited(&dtraf, &container)?, &container.veth()?)
}

#[test]
fn a_download_of_what_is_behind_a_bridge_in_a_container_is_the_containers() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("with-bridge").start()?;
    let (place, veth) = (container.place()?, container.veth()?);
    let before = audited(&dtraf, &container)?;
    let (child, pid, _anchor) = child_of(&lab, &container)?;
    place.run("ip", &["link", "add", "br0", "type", "bridge"])?;
    place.run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", &pid])?;
    for link in ["eth0", "v0"] {
        place.run("ip", &["link", "set", link, "master", "br0"])?;
    }
    for link in ["v0", "br0"] {
        place.run("ip", &["link", "set", link, "up"])?;
    }
    fetched(&lab, &container, &child, "v1", 212)?;
    place.run("ip", &["link", "delete", "v0"])?;
    has_download(&before, &audited(&dtraf, &container)?, &veth)
}

#[test]
fn a_download_right_after_a_change_of_the_mac_is_the_containers() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("changed-mac").start()?;
    let place = container.place()?;
    let _server = lab.outside().place().serve_tcp(443)?;
    let mut before = audited(&dtraf, &container)?;
    for number in 1..=5 {
        lab.host().run("ip", &["neighbour", "flush", "dev", "docker0"])?;
        place.run("ip", &["link", "set", "eth0", "address", &format!("02:00:00:00:79:{number:02x}")])?;
        place.tcp(SocketAddr::new(Outside::V4, 443), 0, DOWNLOAD)?;
        let after = audited(&dtraf, &container)?;
        has_download(&before, &after, &container.veth()?).with_context(|| format!("change {number}"))?;
        before = after;
    }
    Ok(())
}

/// What is in the scope of flooded frames.
fn flooded(figures: &Figures) -> Result<Amount> {
    figures.scopes.rx.get("flooded").copied().context("the scope flooded")
}

fn document(dtraf: &Dtraf<'_>, ledger: &Ledger, command: &[&str]) -> Result<Value> {
    let text = dtraf.run(&[command, &["--format=json", &ledger.option()]].concat())?;
    serde_json::from_str(&text).context("read a document")
}

/// What an account's bill and its quota have of what it received.
fn billed(dtraf: &Dtraf<'_>, ledger: &Ledger, name: &str) -> Result<(u64, u64)> {
    let bill = document(dtraf, ledger, &["report", "--bill", "--counts=rx"])?;
    let lines = bill["lines"].as_array().context("lines")?;
    let billed = lines.iter().find(|line| line["name"] == name).and_then(|line| line["rx_bytes"].as_u64());
    let quotas = document(dtraf, ledger, &["quota", "list"])?;
    let quotas = quotas["quotas"].as_array().context("quotas")?;
    let used = quotas.iter().find(|quota| quota["account"] == name).and_then(|it| it["used_bytes"].as_u64());
    Ok((billed.context("a line of the bill")?, used.context("a quota")?))
}

#[test]
fn frames_for_a_mac_that_nobody_has_are_flooded_and_in_no_bill() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let once = || dtraf.end(&["run", "--once", &ledger.option()])?.success();
    let mut running = counting(&dtraf, &[&ledger.option(), "--flush=1s"])?;
    let neighbours =
        Neighbours::start(&lab, "floods", &["--label=dtraf.quota=1TB", "--label=dtraf.quota-at=100"])?;
    let victim = &neighbours.receiver;
    let name = victim.name().to_owned();
    let before = audited(&dtraf, victim)?;
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    once()?;
    let bill_before = billed(&dtraf, &ledger, &name)?;

    running = counting(&dtraf, &[])?;
    let capture = Capture::start(&victim.place()?, "eth0", "udp dst port 9")?;
    let unknown: Mac = [2, 0, 0, 0, 0x7a, 1];
    let sendings = || -> Result<[Sending; 2]> {
        let packet =
            v4(INTERNET, octets(victim.address(&neighbours.network)?)?, UDP, &udp(443, DISCARD, 958));
        let host = Frame::ip(unknown, bridge_mac(victim, &neighbours.network)?, &packet);
        Ok([Frame::ip(unknown, neighbours.sender_mac, &packet).times(1_000), host.times(1_000)])
    };
    let [from_neighbour, from_host] = sendings()?;
    neighbours.sender.send_frames(&[from_neighbour])?.all()?;
    lab.host().send_frames(&bridge_link(&lab, &neighbours.network)?, &[from_host])?.all()?;
    let after = audited(&dtraf, victim)?;
    let captured = capture.finish()?;
    ensure!((captured.frames, captured.bytes) == (2_000, 2_000_000), "{captured:?}");
    let foreign = bucket_since(&before, &after, "foreign").rx;
    ensure!(
        (foreign.wire_bytes, foreign.packets, foreign.ip_bytes) == (2_000_000, 2_000, 2_000_000 - 2_000 * 14),
        "foreign: {foreign:?}"
    );
    running.process.stop(Signal::TERM, LIMIT)?.success()?;
    once()?;
    let bill_after = billed(&dtraf, &ledger, &name)?;
    agreeing(&dtraf, &ledger)?;
    // Groups and address resolution may come at any time.
    for (what, before, after) in
        [("bill", bill_before.0, bill_after.0), ("quota", bill_before.1, bill_after.1)]
    {
        ensure!(after < before + 20_000, "the {what} of {name} went from {before} to {after}");
    }
    let scope = flooded(&after)? - flooded(&before)?;
    ensure!(scope == foreign, "the scope has {scope:?}, the bucket {foreign:?}");
    let by_scope = Statement::of(&dtraf, &ledger, &["--by=scope", &name])?.named("flooded").rx;
    ensure!(by_scope == flooded(&after)?, "the report has {by_scope:?}");
    Ok(())
}
