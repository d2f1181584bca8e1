//! What happens to rules and addresses while `dtraf run` counts by them, and between two runs: of what cannot be counted, the
//! most is known.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dtraf_tests::firewall::{Tally, Witness, at_rest, ruling, wait_for_rules};
use dtraf_tests::report::Both;
use dtraf_tests::{Container, Dtraf, Outside, Running, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);
/// Packets that are under way to an address whose container is gone are nobody's.
const LATE: Tally = Tally { packets: 8, bytes: 8 * 1_500 };

fn web<'a>(lab: &'a Shared, name: &str, host_port: u16) -> Result<Container<'a>> {
    lab.container(name).publish(&format!("{host_port}:80")).web_server(80).start()
}

/// The address that Docker gives next on the same network.
fn next_of(address: IpAddr) -> Result<IpAddr> {
    let IpAddr::V4(address) = address else { bail!("{address} is none of IPv4") };
    Ok(IpAddr::V4(Ipv4Addr::from(u32::from(address) + 1)))
}

/// Waits until so much more has passed.
fn passes(witness: &Witness, bytes: u64) -> Result<()> {
    let from = witness.seen()?.tx.bytes;
    eventually("traffic", LIMIT, || Ok((witness.seen()?.tx.bytes >= from + bytes).then_some(())))
}

/// Reads reports until one was begun after this call.
fn fresh_total(running: &mut Running, name: &str) -> Result<Both<Tally>> {
    // Whatever was printed already is older.
    running.process.printed();
    running.total_of(name)?;
    running.total_of(name)
}

/// The seconds of the gap in the line that has all `words`.
fn gap(errors: &str, words: &[&str]) -> Result<f64> {
    let line = errors.lines().find(|line| words.iter().all(|word| line.contains(word)));
    let line = line.with_context(|| format!("no line has {words:?}: {errors}"))?;
    let (_, rest) = line.split_once("a gap of at most ").with_context(|| line.to_owned())?;
    Ok(rest.split(' ').next().unwrap_or_default().parse()?)
}

#[test]
fn a_jump_that_is_taken_away_is_told_and_what_passed_meanwhile_is_all_that_is_missing() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, _server) = lab.served("unreached", (8100, 80))?;
    let address = container.address("bridge")?;
    let (mut running, _) = ruling(&dtraf, "iptables", &[])?;
    wait_for_rules(lab.host(), &[address])?;
    let witness = Witness::of_address(lab.host(), address)?;
    let visit = || lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8100), 10_000, 100_000);
    visit()?;
    let before = running.agrees("unreached", || witness.seen())?;

    lab.host().run("iptables", &["-D", "FORWARD", "-j", "DOCKER-USER"])?;
    visit()?;
    let missed = witness.seen()?.since(before);
    ensure!(missed.tx.bytes > 100_000, "{missed:?}");
    assert_eq!(fresh_total(&mut running, "unreached")?, before);
    // dtraf does not put back what is not its own.
    let forward = lab.host().run("iptables", &["-S", "FORWARD"])?;
    ensure!(!forward.contains("DOCKER-USER"), "{forward}");

    lab.host().run("iptables", &["-I", "FORWARD", "-j", "DOCKER-USER"])?;
    visit()?;
    running.agrees("unreached", || Ok(witness.seen()?.since(missed)))?;
    let errors = running.stop(Signal::TERM)?.errors;
    let told = "nothing is counted: iptables: FORWARD does not lead to DOCKER-USER (";
    ensure!(errors.matches(told).count() == 1, "{errors}");
    ensure!(errors.matches("counting again after ").count() == 1, "{errors}");
    Ok(())
}

#[test]
fn a_running_container_that_is_connected_again_misses_no_more_than_the_log_tells() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (name, backend, options) in [
        ("again1", "iptables", &[][..]),
        ("again2", "iptables", &["--literal-rules=0"]),
        ("again3", "nft", &[]),
    ] {
        let (mut running, _) = ruling(&dtraf, backend, options)?;
        let container = web(&lab, name, 8101)?;
        let before = container.address("bridge")?;
        let first = Witness::of_address(lab.host(), before)?;
        running.total_of(name)?;
        let load = lab.outside().downloads(8101)?;
        passes(&first, 300_000)?;
        lab.docker(&["network", "disconnect", "bridge", name])?;
        let squatter = lab.container(&format!("squats-{name}")).start()?;
        assert_eq!(squatter.address("bridge")?, before);
        // The address that it will have is watched before it has it.
        let after = next_of(before)?;
        let second = Witness::of_address(lab.host(), after)?;
        lab.docker(&["network", "connect", "bridge", name])?;
        assert_eq!(container.address("bridge")?, after);
        let until_then = fresh_total(&mut running, name)?;
        eventually("rules to count there", LIMIT, || {
            Ok((running.total_of(name)?.tx.bytes > until_then.tx.bytes).then_some(()))
        })?;
        let missed = second.seen()?;
        passes(&second, 300_000)?;
        drop(load);

        let seen = || Ok(first.seen()?.and(second.seen()?));
        let (seen, said) = at_rest(&dtraf, backend, seen)?;
        let said = said.total(name)?.context("it is counted")?;
        for (said, seen, missed) in [(said.rx, seen.rx, missed.rx), (said.tx, seen.tx, missed.tx)] {
            ensure!(said.bytes <= seen.bytes && said.packets <= seen.packets, "{name}: {said:?} of {seen:?}");
            ensure!(
                said.bytes + missed.bytes + LATE.bytes >= seen.bytes
                    && said.packets + missed.packets + LATE.packets >= seen.packets,
                "{name}: {said:?} of {seen:?}, and at most {missed:?} are missing"
            );
        }
        let errors = running.stop(Signal::TERM)?.errors;
        let seconds = gap(&errors, &[name, "was connected to bridge while it ran", &after.to_string()])?;
        ensure!(seconds > 0.0 && seconds < 10.0, "{errors}");
        // It is the one gap there was: who starts has its rules in time.
        ensure!(errors.matches("gap").count() == 1, "{errors}");
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn rules_of_a_run_that_was_killed_are_adopted_at_addresses_that_have_changed_since() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (name, backend, options) in [
        ("orphan1", "iptables", &[][..]),
        ("orphan2", "iptables", &["--literal-rules=0"]),
        ("orphan3", "nft", &[]),
    ] {
        let (mut running, _) = ruling(&dtraf, backend, options)?;
        let container = web(&lab, name, 8102)?;
        let before = container.address("bridge")?;
        let first = Witness::of_address(lab.host(), before)?;
        running.total_of(name)?;
        let load = lab.outside().downloads(8102)?;
        passes(&first, 300_000)?;
        running.process.stop(Signal::KILL, LIMIT)?;
        // Nobody counts now but the kernel.
        passes(&first, 300_000)?;
        drop(load);
        container.stop()?;
        let (passed, said) = at_rest(&dtraf, backend, || first.seen())?;
        assert_eq!(said.total(name)?, Some(passed), "{name}");

        // Somebody else has its address when the next run begins.
        let squatter = lab.container(&format!("squats-{name}")).start()?;
        assert_eq!(squatter.address("bridge")?, before);
        lab.docker(&["start", name])?;
        let after = container.address("bridge")?;
        ensure!(after != before);
        let (running, report) = ruling(&dtraf, backend, options)?;
        let adopted = report.total(name)?.context("it is counted")?;
        ensure!(adopted.tx.bytes >= passed.tx.bytes, "{name}: {adopted:?} of {passed:?}");
        // Before they were adopted, what came for the old address was counted there, whoever had it.
        let start = first.seen()?.since(passed);
        let second = Witness::of_address(lab.host(), after)?;
        let load = lab.outside().downloads(8102)?;
        passes(&second, 300_000)?;
        drop(load);
        let (there, said) = at_rest(&dtraf, backend, || second.seen())?;
        assert_eq!(said.total(name)?, Some(passed.and(there).and(start)), "{name}");
        drop(running);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn a_table_of_nftables_that_is_emptied_or_deleted_comes_back_with_its_counts() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, host) = (Dtraf::new(&lab)?, lab.host());
    host.run(
        "nft",
        &["add table inet theirs { chain forward { type filter hook forward priority 5; counter; }; }"],
    )?;
    let (container, _server) = lab.served("emptied", (8103, 80))?;
    let witness = Witness::of_address(host, container.address("bridge")?)?;
    let tables = || host.run("nft", &["list", "tables"]);
    let before = tables()?;
    let (mut running, _) = ruling(&dtraf, "nft", &[])?;
    let visit = |running: &mut Running| -> Result<()> {
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8103), 100_000, 300_000)?;
        running.agrees("emptied", || witness.seen()).map(drop)
    };
    visit(&mut running)?;
    for harm in ["flush chain ip dtraf forward", "flush table ip dtraf", "delete table ip dtraf"] {
        host.run("nft", &[harm])?;
        eventually("the table to be back", LIMIT, || {
            let listing = host.run("nft", &["list", "table", "ip", "dtraf"]).unwrap_or_default();
            Ok(listing.contains("counter name ip daddr map @").then_some(()))
        })
        .context(harm)?;
        visit(&mut running).context(harm)?;
    }
    let errors = running.stop(Signal::TERM)?.errors;
    ensure!(gap(&errors, &["emptied", "had been taken away"])? < 10.0, "{errors}");
    dtraf.run(&["uninstall", "--yes"])?;
    assert_eq!(tables()?, before);
    host.run("nft", &["delete", "table", "inet", "theirs"]).map(drop)
}
