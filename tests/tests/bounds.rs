//! Nobody outside makes dtraf grow, and nobody inside makes it grow beyond their own share.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use dtraf_tests::books::{audited, bucket_since, counting, port_since, since};
use dtraf_tests::report::Figures;
use dtraf_tests::traffic::Scan;
use dtraf_tests::{Dtraf, Outside, Shared, eventually};

/// Each port of a report without its figures.
fn entries(figures: &Figures) -> BTreeSet<(String, Option<u16>, String, String, String)> {
    let entry = |port: &dtraf_tests::report::Port| {
        (port.protocol.clone(), port.port, port.role.clone(), port.family.clone(), port.scope.clone())
    };
    figures.ports.iter().map(entry).collect()
}

/// Lets the outside reach every port of a container, as a routed network would.
fn open(lab: &Shared, address: IpAddr) -> Result<()> {
    let to = address.to_string();
    lab.host().run("iptables", &["-w", "-I", "DOCKER-USER", "-d", &to, "-j", "ACCEPT"])?;
    lab.host().run("iptables", &["-w", "-t", "raw", "-I", "PREROUTING", "-d", &to, "-j", "ACCEPT"])?;
    // By the address of the interface that the scan comes in by.
    let route = format!("{to}/32");
    let outside = lab.outside().place();
    outside.run("ip", &["route", "replace", &route, "via", &Outside::HOST_V4.to_string()]).map(drop)
}

#[test]
fn a_scan_of_all_tcp_ports_from_outside_adds_no_entry_and_balances() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("scanned").publish("8080:80").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let address = container.address("bridge")?;
    open(&lab, address)?;
    let outside = lab.outside().place();
    outside.tcp(SocketAddr::new(address, 80), 1_000, 1_000)?;
    let before = audited(&dtraf, &container)?;

    outside.scan(address, 1..=65_535, Scan::Tcp)?;
    // The last of the container's answers are under way when the scan is over.
    let after = audited(&dtraf, &container)?;

    // The container's refusals are answers to somebody outside, too.
    let added: Vec<_> = entries(&after).difference(&entries(&before)).cloned().collect();
    assert_eq!(added, [], "the scan has added entries");
    let unsolicited = bucket_since(&before, &after, "unsolicited");
    assert_eq!(unsolicited.rx.skbs, 65_534, "a SYN for each port but the served one");
    assert_eq!(unsolicited.rx.skb_bytes, 65_534 * (14 + 20 + 40));
    ensure!(port_since(&before, &after, "tcp", 80, "server").rx.skbs >= 1);
    Ok(())
}

#[test]
fn a_scan_of_all_udp_ports_from_outside_adds_no_server() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("udp-scanned").publish("5353:53/udp").start()?;
    let _server = container.place()?.serve_udp(53)?;
    let address = container.address("bridge")?;
    open(&lab, address)?;
    let before = audited(&dtraf, &container)?;
    lab.outside().place().scan(address, 1..=65_535, Scan::Udp)?;
    let after = audited(&dtraf, &container)?;
    let unsolicited = bucket_since(&before, &after, "unsolicited");
    assert_eq!(unsolicited.rx.skbs, 65_534, "a datagram for each port but the served one");
    assert_eq!(port_since(&before, &after, "udp", 53, "server").rx.skbs, 1);
    let added: Vec<_> = entries(&after).difference(&entries(&before)).cloned().collect();
    let expected = [("udp", Some(53), "server"), ("icmp", None, "portless")];
    for (protocol, port, role, ..) in &added {
        let entry = (protocol.as_str(), *port, role.as_str());
        ensure!(expected.contains(&entry), "the scan has added {entry:?}");
    }
    Ok(())
}

#[test]
fn a_container_that_sends_to_many_ports_fills_its_own_quota_and_no_one_elses() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    let _running = counting(&dtraf, &["--ports-per-container=16"])?;
    let greedy = lab.container("greedy").start()?;
    let modest = lab.container("modest").publish("8081:80").start()?;
    let _server = modest.place()?.serve_tcp(80)?;
    let outside = lab.outside().place();
    outside.tcp(SocketAddr::new(Outside::HOST_V4, 8081), 1, 1)?;
    let (greedy_before, modest_before) = (audited(&dtraf, &greedy)?, audited(&dtraf, &modest)?);

    greedy.place()?.scan(Outside::V4, 1_000..=2_999, Scan::Udp)?;
    outside.tcp(SocketAddr::new(Outside::HOST_V4, 8081), 10_000, 20_000)?;
    modest.place()?.scan(Outside::V4, 5_000..=5_003, Scan::Udp)?;

    let after = audited(&dtraf, &greedy)?;
    ensure!(after.ports.len() <= 16, "{} entries", after.ports.len());
    ensure!(after.ports.len() >= 8, "its share is there to be used: {:?}", after.ports);
    let listed = after.ports.iter().filter(|port| port.protocol == "udp").count();
    let over = bucket_since(&greedy_before, &after, "over_quota");
    assert_eq!(over.tx.skbs + u64::try_from(listed)?, 2_000, "{listed} entries, {over:?}");
    assert_eq!(over.tx.skb_bytes, over.tx.skbs * (14 + 20 + 8 + 1));
    ensure!(since(&greedy_before, &after).tx.skbs >= 2_000);

    let after = audited(&dtraf, &modest)?;
    let served = port_since(&modest_before, &after, "tcp", 80, "server");
    ensure!(served.rx.wire_bytes > 10_000 && served.tx.wire_bytes > 20_000, "{served:?}");
    assert_eq!(bucket_since(&modest_before, &after, "over_quota").tx.skbs, 0);
    for port in 5_000..=5_003 {
        assert_eq!(after.port("udp", port, "client").tx.skbs, 1, "port {port}");
    }
    drop(greedy);
    drop(modest);
    dtraf.end(&["uninstall", "--yes"]).map(drop)
}

#[test]
fn a_full_table_costs_ports_and_never_totals() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    drop(dtraf.end(&["uninstall", "--yes"])?);
    let running = counting(&dtraf, &["--port-entries=64", "--ports-per-container=64"])?;
    let containers = ["full1", "full2", "full3"].map(|name| lab.container(name).start());
    for container in containers {
        let container = container?;
        let before = audited(&dtraf, &container)?;
        container.place()?.scan(Outside::V4, 2_000..=2_499, Scan::Udp)?;
        let after = audited(&dtraf, &container)?;
        let rest = ["over_quota", "map_full"].map(|bucket| bucket_since(&before, &after, bucket).tx.skbs);
        let counted = after.ports.iter().filter(|port| port.protocol == "udp").count();
        assert_eq!(rest.iter().sum::<u64>() + u64::try_from(counted)?, 500, "{counted} entries, {rest:?}");
    }
    drop(running);
    // A run with other sizes goes on with the maps that are there, and one after uninstall makes its own.
    eventually("the end of the run", Duration::from_secs(10), || {
        Ok(dtraf.end(&["uninstall", "--yes"])?.status.success().then_some(()))
    })
}
