//! Whose an interface is, and what an address and a name mean, at any moment.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, conserved, counting};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Dtraf, Lab, LabOptions, Outside, Patience, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn jobs_on_two_networks_own_both_interfaces_however_short_they_are() -> Result<()> {
    const JOBS: usize = 48;
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    for network in ["left", "right"] {
        lab.docker(&["network", "create", network])?;
    }
    let running = dtraf.start(&["run", "--headless", "--backend=ebpf", &db, "--flush=1s"])?;
    eventually("a ledger", LIMIT, || {
        Ok(ledger.number("SELECT sequence FROM progress").ok().filter(|sequence| *sequence > 0))
    })?;
    let mut script = String::from(
        "for cpu in 1 2 3; do timeout 300 sh -c 'while :; do :; done' & burners=\"$burners $!\"; done\n",
    );
    for job in 0..JOBS {
        writeln!(
            script,
            "(docker create --rm --name job{job} --network left dtraf-lab:latest ping -c 1 -W 5 {outside} && docker network \
             connect right job{job} && docker start -a job{job}) >/dev/null & jobs=\"$jobs $!\"\n\
             while [ $(docker ps -aq | wc -l) -gt 6 ]; do sleep 0.05; done",
            outside = Outside::V4
        )?;
    }
    script.push_str("wait $jobs; kill $burners\n");
    let mut shell = lab.host().spawn("bash", &["-c", &script])?;
    shell.end(Duration::from_mins(5))?.success()?;
    // The last one's slots are freed only then.
    eventually("all jobs' interfaces to be booked", LIMIT, || {
        Ok((ledger.number("SELECT count(*) FROM meter WHERE until_ns IS NULL")? == 0).then_some(()))
    })?;
    let ended = running.stop(Signal::TERM)?;
    let nobodys = "SELECT count(*) FROM meter JOIN holder ON holder.id = holder WHERE container IS NULL";
    let (nobodys, all) = (ledger.number(nobodys)?, ledger.number("SELECT count(*) FROM meter")?);
    println!("{JOBS} jobs, {all} interfaces, {nobodys} of them nobody's");
    assert_eq!(nobodys, 0, "interfaces of nobody, of {all}: {}", ended.errors);
    let jobs = "SELECT count(*) FROM account WHERE name LIKE 'job%'";
    assert_eq!(ledger.number(jobs)?, u64::try_from(JOBS)?);
    let on_both = "SELECT count(*) FROM (SELECT holder FROM meter GROUP BY holder HAVING count(*) = 2)";
    assert_eq!(ledger.number(on_both)?, u64::try_from(JOBS)?, "jobs with two interfaces");
    for network in ["left", "right"] {
        lab.docker(&["network", "rm", network])?;
    }
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn labels_of_containers_that_ended_without_a_dtraf_come_from_dockers_memory() -> Result<()> {
    let lab = Shared::fresh()?;
    for backend in ["ebpf", "iptables"] {
        let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
        let (db, backend) = (ledger.option(), format!("--backend={backend}"));
        // Nothing is written before the kill but the first batch.
        let run = ["run", "--headless", &backend, &db, "--flush=1h"];
        let mut running = dtraf.start(&run)?;
        eventually("a ledger", LIMIT, || {
            Ok(ledger.number("SELECT sequence FROM progress").ok().filter(|sequence| *sequence > 0))
        })?;
        let container = lab.container("orphan").label("dtraf.account=acme").start()?;
        eventually("the container to be counted", LIMIT, || {
            container.exec(&["ping", "-c", "1", "-W", "1", &Outside::V4.to_string()])?;
            let stats = dtraf.run(&["stats", &backend, "--format=json"])?;
            Ok(stats.contains("\"name\":\"orphan\"").then_some(()))
        })?;
        running.process.stop(Signal::KILL, LIMIT)?;
        container.remove()?;
        dtraf.end(&["run", "--once", &backend, &db])?.success()?;
        let accounts = "SELECT count(*) FROM account WHERE name = 'acme'";
        assert_eq!(ledger.number(accounts)?, 1, "{backend}");
        assert_eq!(ledger.number("SELECT count(*) FROM account WHERE name = 'orphan'")?, 0, "{backend}");
        ensure!(
            ledger.number("SELECT sum(tx_ip_bytes) FROM traffic JOIN holder ON holder.id = holder WHERE account IS NOT NULL")? > 0,
            "{backend}"
        );
        dtraf.end(&["uninstall", "--yes"])?.success()?;
    }
    Ok(())
}

#[test]
fn new_address_of_the_host_is_the_hosts_at_once() -> Result<()> {
    // By the periodic look alone, one in three would be: all of them, one in 59,000 times.
    const SOON: Duration = Duration::from_secs(3);
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    lab.docker(&["network", "create", "--ipv6", "--subnet=2001:db8:77::/64", "six"])?;
    let container = lab.container("asker").network("six").start()?;
    audited(&dtraf, &container)?;
    let host = |dtraf: &Dtraf<'_>| -> Result<u64> {
        let figures = dtraf.stats()?.container("asker")?.figures()?;
        Ok(figures.scopes.tx.get("host").map_or(0, |amount| amount.ip_bytes))
    };
    for number in 1..=5 {
        for (address, length, ping) in
            [(format!("203.0.113.{number}"), 32, "ping"), (format!("2001:db8:cafe::{number}"), 128, "ping6")]
        {
            let before = host(&dtraf)?;
            let with_length = format!("{address}/{length}");
            lab.host().run("ip", &["address", "add", &with_length, "dev", "lo"])?;
            let patience = Patience::of(SOON);
            loop {
                // The first one may find the container's own address not ready yet.
                let ask = format!("{ping} -c 1 -W 1 -s 1000 {address} || true");
                container.exec(&["sh", "-c", &ask])?;
                if host(&dtraf)? > before + 1000 {
                    break;
                }
                patience.left().with_context(|| format!("{address} is not the host's after {SOON:?}"))?;
            }
            lab.host().run("ip", &["address", "del", &with_length, "dev", "lo"])?;
        }
    }
    container.remove()?;
    lab.docker(&["network", "rm", "six"])?;
    Ok(())
}

#[test]
fn projects_called_like_podmans_modes_are_networks_like_any_other() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    for project in ["pasta", "slirp4netns"] {
        for network in [format!("{project}_default"), project.to_owned()] {
            lab.docker(&["network", "create", &network])?;
            let container = lab.container(&format!("{network}-web")).network(&network).start()?;
            audited(&dtraf, &container)?;
            let report = dtraf.stats()?;
            let coverage = &report.container(container.name())?.coverage;
            assert_eq!(coverage.kind, "counted", "{network}: {coverage:?}");
            container.remove()?;
            lab.docker(&["network", "rm", &network])?;
        }
    }
    Ok(())
}

#[test]
fn removed_container_is_in_stats_until_it_is_in_the_ledger() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let running = counting(&dtraf, &[&db, "--flush=500ms"])?;
    let container = lab.container("leaver").start()?;
    audited(&dtraf, &container)?;
    eventually("the container to be in the ledger", LIMIT, || {
        Ok((ledger.number("SELECT count(*) FROM account WHERE name = 'leaver'")? == 1).then_some(()))
    })?;
    // The ledger cannot be written for longer than counters stay in any case.
    let hold = ledger.hold()?;
    container.exec(&["ping", "-c", "1", "-s", "1000", &Outside::V4.to_string()])?;
    let counted = audited(&dtraf, &container)?.total;
    container.remove()?;
    let patience = Patience::of(Duration::from_secs(9));
    while patience.left().is_some() {
        let report = dtraf.stats()?;
        conserved(&report)?;
        let row = report.container("leaver")?;
        ensure!(row.figures()?.total.tx.ip_bytes >= counted.tx.ip_bytes, "{row:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(dtraf.stats()?.container("leaver")?.state.as_deref(), Some("removed"));
    drop(hold);
    eventually("its counters to be freed", LIMIT, || {
        Ok(dtraf.stats()?.container("leaver").is_err().then_some(()))
    })?;
    ensure!(ledger.total("leaver")?.tx.ip_bytes >= counted.tx.ip_bytes, "{:?}", ledger.total("leaver")?);
    running.stop(Signal::TERM)?;
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn running_container_is_not_called_removed_while_docker_is_away() -> Result<()> {
    let lab =
        Lab::start_with(&LabOptions { dockerd: vec!["--live-restore".to_owned()], ..LabOptions::default() })?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container("stayer").start()?;
    audited(&dtraf, &container)?;
    lab.host().run("sh", &["-c", "mv /run/docker.sock /run/docker.away"])?;
    let report = dtraf.stats();
    lab.host().run("sh", &["-c", "mv /run/docker.away /run/docker.sock"])?;
    let report = report?;
    let row = report.container("stayer")?;
    assert_eq!(row.state, None, "{row:?}");
    row.figures()?;
    assert_eq!(dtraf.stats()?.container("stayer")?.state.as_deref(), Some("running"));
    Ok(())
}
