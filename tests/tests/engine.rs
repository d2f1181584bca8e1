//! Docker itself goes and comes back.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::time::Duration;

use anyhow::{Result, ensure};
use dtraf_tests::books::{audited, conserved};
use dtraf_tests::report::{Figures, Report};
use dtraf_tests::{Dtraf, Lab, Process, eventually};

const LIMIT: Duration = Duration::from_secs(20);

/// Reads the run's reports up to one in which a container has figures that are `wanted`.
fn told(running: &mut Process, name: &str, wanted: impl Fn(&Figures) -> bool) -> Result<Figures> {
    eventually(&format!("what is said of {name}"), LIMIT, || {
        let report = Report::read(&running.line(LIMIT)?)?;
        conserved(&report)?;
        let figures = report.container(name).and_then(dtraf_tests::report::ContainerReport::figures).ok();
        Ok(figures.filter(|figures| wanted(figures)))
    })
}

#[test]
fn a_restart_of_docker_loses_no_count_and_what_starts_afterwards_is_counted_from_its_first_packet()
-> Result<()> {
    let mut lab = Lab::start()?;
    // Not by the lab's own means: they cannot be held while its dockerd is replaced.
    let program = Dtraf::new(&lab)?.program().to_string_lossy().into_owned();
    let mut running = lab.host().spawn(&program, &["run", "--format=json", "--interval=200ms"])?;
    running.line(LIMIT)?;
    let options = ["--detach", "--restart=always", "--stop-signal=KILL", "--publish=8080:80", "--name=stays"];
    let server = ["dtraf-lab:latest", "httpd", "-f", "-p", "80", "-h", "/www"];
    lab.docker(&[&["run"], &options[..], &server].concat())?;
    let fetch = |lab: &Lab| {
        let url = "http://127.0.0.1:8080/1m";
        eventually("a page", LIMIT, || {
            Ok(lab.host().run("busybox", &["wget", "-q", "-O", "/dev/null", url]).ok())
        })
    };
    fetch(&lab)?;
    let page = 1_000_000;
    let before = told(&mut running, "stays", |figures| figures.total.tx.wire_bytes > page)?;

    lab.restart_docker()?;
    fetch(&lab)?;
    let after = told(&mut running, "stays", |figures| {
        figures.total.tx.wire_bytes > before.total.tx.wire_bytes + page
    })?;
    ensure!(after.shortfall.is_none(), "attached to before its first packet: {:?}", after.shortfall);
    let late = lab.container("late").start()?;
    let figures = audited(&Dtraf::new(&lab)?, &late)?;
    ensure!(figures.shortfall.is_none(), "attached to before its first packet: {:?}", figures.shortfall);
    told(&mut running, "late", |figures| !figures.meters.is_empty())?;
    ensure!(!running.is_over()?, "it has lived through it");
    Ok(())
}
