//! Other firewalls than the usual one: none of Docker's, one for IPv6, and the old one.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::counting;
use dtraf_tests::firewall::{Witness, at_rest, ruling, shape, wait_for_rules};
use dtraf_tests::report::Both;
use dtraf_tests::{Dtraf, Lab, LabOptions, Outside, eventually};
use rustix::process::Signal;

fn lab(dockerd: &[&str]) -> Result<Lab> {
    let dockerd = dockerd.iter().map(|&argument| argument.to_owned()).collect();
    Lab::start_with(&LabOptions { dockerd, ..LabOptions::default() })
}

#[test]
fn without_dockers_chain_a_table_of_nftables_keeps_the_same_accounts_and_says_so() -> Result<()> {
    let lab = lab(&["--iptables=false"])?;
    let dtraf = Dtraf::new(&lab)?;
    let before = lab.host().run("nft", &["list", "ruleset"])?;
    for command in ["apply", "plan", "list", "zero", "remove", "save"] {
        let refused = dtraf.end(&["rules", command])?;
        ensure!(refused.status.code() == Some(1) && refused.lines.is_empty(), "{command}: {refused:?}");
        for word in ["DOCKER-USER", "--iptables=false"] {
            ensure!(refused.errors.contains(word), "{command} says nothing of {word}: {refused:?}");
        }
        assert_eq!(lab.host().run("nft", &["list", "ruleset"])?, before, "{command}");
    }

    let (running, report) = ruling(&dtraf, "iptables", &[])?;
    assert_eq!(report.backend, "nft");
    ensure!(
        report.refused.iter().any(|it| it.backend == "iptables" && it.reason.contains("DOCKER-USER")),
        "{report:?}"
    );
    ensure!(report.blind_spots.iter().any(|spot| spot.kind == "host_traffic"), "{report:?}");
    let container = lab.container("chainless").option("--expose=80").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let address = container.address("bridge")?;
    let witness = Witness::of(lab.host(), &format!("{address}/32"), None)?;
    let port = Witness::of(lab.host(), &format!("{address}/32"), Some(("tcp", 80)))?;
    // Without Docker's rules nothing is translated: the outside asks for the container itself.
    lab.outside().place().tcp(SocketAddr::new(address, 80), 300_000, 900_000)?;
    let (seen, said) = at_rest(&dtraf, "nft", || Ok((witness.seen()?, port.seen()?)))?;
    assert_eq!(
        (said.total("chainless")?, said.port("chainless", "ipv4", "tcp", 80)?),
        (Some(seen.0), seen.1)
    );
    ensure!(seen.1.tx.bytes > 900_000, "{seen:?}");
    drop(running);
    drop((witness, port));
    dtraf.run(&["uninstall", "--yes"])?;
    let after = lab.host().run("nft", &["list", "ruleset"])?;
    ensure!(!after.contains("dtraf") && before.contains("table") <= after.contains("table"), "{after}");
    Ok(())
}

#[test]
fn by_ipv6_rules_count_what_the_program_counts() -> Result<()> {
    let lab = lab(&["--ipv6", "--fixed-cidr-v6=fd00:d0c::/64", "--experimental", "--ip6tables"])?;
    // Docker makes this one since 27.
    let chain = "ip6tables -N DOCKER-USER && ip6tables -A DOCKER-USER -j RETURN && ip6tables -I FORWARD -j DOCKER-USER";
    lab.host().run("sh", &["-c", chain])?;
    let dtraf = Dtraf::new(&lab)?;
    let _ebpf = counting(&dtraf, &["--backend=ebpf"])?;
    // The tables of witnesses stay.
    drop((Witness::of(lab.host(), "fd00::/16", None)?, Witness::of(lab.host(), "172.17.0.0/16", None)?));
    let before = shape(lab.host())?;
    for (name, backend, options) in [
        ("six-chain", "iptables", &[][..]),
        ("six-tree", "iptables", &["--literal-rules=0"]),
        ("six-table", "nft", &[]),
    ] {
        let (running, report) = ruling(&dtraf, backend, options)?;
        ensure!(report.blind_spots.iter().all(|spot| spot.kind != "ipv6"), "{report:?}");
        let container = lab.container(name).publish("8080:80").start()?;
        let place = container.place()?;
        eventually("the end of duplicate detection", Duration::from_secs(20), || {
            let tentative = place.run("ip", &["-6", "address", "show", "tentative"])?;
            Ok(tentative.trim().is_empty().then_some(()))
        })?;
        let _server = place.serve_tcp(80)?;
        let address = container.address_v6("bridge")?;
        let witness = Witness::of(lab.host(), &format!("{address}/128"), Some(("tcp", 80)))?;
        if backend == "iptables" {
            wait_for_rules(lab.host(), &[container.address("bridge")?, address])?;
        }
        let published = SocketAddr::new(Outside::HOST_V6, 8080);
        lab.outside().place().tcp(published, 200_000, 700_000).context("visit by IPv6")?;
        let (seen, by_rules) = at_rest(&dtraf, backend, || witness.seen())?;
        let (_, by_program) = at_rest(&dtraf, "ebpf", || witness.seen())?;
        assert_eq!(by_rules.port(name, "ipv6", "tcp", 80)?, seen, "{name}");
        assert_eq!(by_program.port(name, "ipv6", "tcp", 80)?, seen, "{name}");
        assert_eq!(by_rules.port(name, "ipv4", "tcp", 80)?, Both::default(), "{name}");
        ensure!(seen.tx.bytes > 700_000, "{seen:?}");
        drop((running, witness));
        // The program's own go on.
        dtraf.run(&["rules", "remove"])?;
        drop(container);
    }
    assert_eq!(shape(lab.host())?, before);
    Ok(())
}

#[test]
fn where_docker_uses_the_old_iptables_rules_stand_in_its_tables_and_nowhere_else() -> Result<()> {
    let lab = Lab::start_with(&LabOptions { legacy_iptables: true, ..LabOptions::default() })?;
    let host = lab.host();
    let version = host.run("iptables", &["--version"])?;
    ensure!(version.contains("legacy"), "{version}");
    let elsewhere = || -> Result<String> { Ok(host.run("iptables-nft-save", &[])?.replace('#', "")) };
    ensure!(!elsewhere()?.contains("DOCKER-USER"), "Docker has made nothing in the new one");
    let dtraf = Dtraf::new(&lab)?;
    let (web, _server) = lab.served("old", (8080, 80))?;
    let address = web.address("bridge")?;
    let witness = Witness::of_address(host, address)?;
    let port = Witness::of(host, &format!("{address}/32"), Some(("tcp", 80)))?;
    let visit = || lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8080), 200_000, 700_000);
    host.run("iptables", &["-I", "DOCKER-USER", "-s", "203.0.113.7", "-j", "DROP"])?;
    let before = shape(host)?;

    // By hand, in the chain and in the tree.
    for limit in ["40", "0"] {
        let start = (witness.seen()?, port.seen()?);
        dtraf.run(&["rules", "apply", "--literal-rules", limit])?;
        visit()?;
        let (seen, said) = at_rest(&dtraf, "iptables", || Ok((witness.seen()?, port.seen()?)))?;
        assert_eq!(said.total("old")?, Some(seen.0.since(start.0)), "{limit}");
        assert_eq!(said.port("old", "ipv4", "tcp", 80)?, seen.1.since(start.1), "{limit}");
        ensure!(seen.1.since(start.1).tx.bytes > 700_000, "{seen:?}");
        ensure!(!elsewhere()?.to_lowercase().contains("dtraf"), "{}", elsewhere()?);
        dtraf.run(&["rules", "remove"])?;
        assert_eq!(shape(host)?, before, "{limit}");
    }

    // By a daemon, through two edits of somebody's.
    let start = witness.seen()?;
    let (mut running, _) = ruling(&dtraf, "iptables", &[])?;
    for _ in 0..2 {
        visit()?;
        running.agrees("old", || Ok(witness.seen()?.since(start)))?;
        let flush = "iptables -F DOCKER-USER && iptables -A DOCKER-USER -s 203.0.113.7 -j DROP && \
                     iptables -A DOCKER-USER -j RETURN";
        host.run("sh", &["-c", flush])?;
        wait_for_rules(host, &[address])?;
    }
    visit()?;
    running.agrees("old", || Ok(witness.seen()?.since(start)))?;
    let ended = running.stop(Signal::TERM)?;
    ensure!(ended.errors.contains("rules of iptables-legacy"), "{}", ended.errors);
    ensure!(ended.errors.contains("a gap of at most"), "{}", ended.errors);
    dtraf.run(&["uninstall", "--yes"])?;
    assert_eq!(shape(host)?, before);
    Ok(())
}
