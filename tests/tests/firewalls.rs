//! Other firewalls than the usual one: none of Docker's, and one for IPv6.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::counting;
use dtraf_tests::firewall::{Ruled, Witness, at_rest};
use dtraf_tests::{Dtraf, Lab, LabOptions, Running};

fn lab(dockerd: &[&str]) -> Result<Lab> {
    let dockerd = dockerd.iter().map(|&argument| argument.to_owned()).collect();
    Lab::start_with(&LabOptions { dockerd, ..LabOptions::default() })
}

fn by_rules(dtraf: &Dtraf<'_>, backend: &str) -> Result<(Running, Ruled)> {
    let mut running = dtraf.start(&["run", "--backend", backend, "--format=json", "--interval=200ms"])?;
    let report = Ruled::read(&running.process.line(Duration::from_secs(20))?)?;
    Ok((running, report))
}

#[test]
fn without_dockers_chain_a_table_of_nftables_keeps_the_same_accounts_and_says_so() -> Result<()> {
    let lab = lab(&["--iptables=false"])?;
    let dtraf = Dtraf::new(&lab)?;
    let before = lab.host().run("nft", &["list", "ruleset"])?;
    let refused = dtraf.end(&["rules", "apply"])?;
    ensure!(refused.status.code() == Some(1) && refused.errors.contains("DOCKER-USER"), "{refused:?}");

    let (running, report) = by_rules(&dtraf, "iptables")?;
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
fn by_ipv6_the_table_counts_what_the_program_counts() -> Result<()> {
    // Docker 20.10 has no DOCKER-USER in ip6tables.
    let lab = lab(&["--ipv6", "--fixed-cidr-v6=fd00:d0c::/64"])?;
    let dtraf = Dtraf::new(&lab)?;
    let _ebpf = counting(&dtraf, &["--backend=ebpf"])?;
    let (_running, report) = by_rules(&dtraf, "nft")?;
    ensure!(report.blind_spots.iter().all(|spot| spot.kind != "ipv6"), "{report:?}");
    let container = lab.container("six").option("--expose=80").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let address = container.address_v6("bridge")?;
    let witness = Witness::of(lab.host(), &format!("{address}/128"), Some(("tcp", 80)))?;
    lab.outside().place().tcp(SocketAddr::new(address, 80), 200_000, 700_000).context("visit by IPv6")?;
    let (seen, rules) = at_rest(&dtraf, "nft", || witness.seen())?;
    let (_, program) = at_rest(&dtraf, "ebpf", || witness.seen())?;
    assert_eq!(rules.port("six", "ipv6", "tcp", 80)?, seen);
    assert_eq!(program.port("six", "ipv6", "tcp", 80)?, seen);
    ensure!(seen.tx.bytes > 700_000, "{seen:?}");
    Ok(())
}
