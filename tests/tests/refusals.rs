//! What dtraf cannot work with: one error that says what to do, and nothing left attached.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting};
use dtraf_tests::report::Report;
use dtraf_tests::{Container, Dtraf, Kernel, Shared};

const PINS: &str = "/sys/fs/bpf/dtraf";

/// The lab without what a case before this one has left when it failed.
fn fresh() -> Result<Shared> {
    let lab = Shared::lab()?;
    lab.host().run("rm", &["-rf", PINS])?;
    Ok(lab)
}

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    printed: String,
    errors: String,
}

/// Runs dtraf behind the words of `before` (a wrapper, an environment).
fn run(lab: &Shared, before: &[&str], args: &[&str]) -> Result<Ended> {
    let dtraf = Dtraf::new(lab)?;
    let mut command: Command = lab.host().command("timeout");
    let output =
        command.args(["--signal=KILL", "20"]).args(before).arg(dtraf.program()).args(args).output()?;
    Ok(Ended {
        status: output.status.code(),
        printed: String::from_utf8(output.stdout).context("its output is text")?,
        errors: String::from_utf8(output.stderr).context("its errors are text")?,
    })
}

/// Demands exit status 1 and one error whose lines hold each of `words`.
fn refused(ended: &Ended, words: &[&str]) -> Result<()> {
    ensure!(ended.status == Some(1), "{ended:?}");
    ensure!(ended.printed.is_empty(), "{ended:?}");
    let errors: Vec<&str> = ended.errors.lines().filter(|line| line.starts_with("dtraf: ")).collect();
    ensure!(errors.len() == 1, "one error, told once: {ended:?}");
    for word in words {
        ensure!(ended.errors.contains(word), "says nothing of {word:?}: {ended:?}");
    }
    Ok(())
}

/// Demands that no program, pin or qdisc of ours is on the container's interface.
fn untouched(lab: &Shared, container: &Container<'_>) -> Result<()> {
    let found = lab.host().run("sh", &["-c", &format!("ls -A {PINS} 2>/dev/null || true")])?;
    ensure!(found.trim().is_empty(), "left in {PINS}: {found}");
    let qdiscs = lab.host().run("tc", &["qdisc", "show", "dev", &container.veth()?.name])?;
    ensure!(!qdiscs.contains("clsact"), "{qdiscs}");
    Ok(())
}

#[test]
fn without_capabilities_it_says_which_and_touches_nothing() -> Result<()> {
    let lab = fresh()?;
    let container = lab.container("powerless").start()?;
    let without = |capabilities: &'static str| {
        vec!["setpriv", "--bounding-set", capabilities, "--inh-caps", capabilities]
    };
    for args in [&["run", "--once"][..], &["stats"], &["uninstall", "--yes"]] {
        let ended = run(&lab, &without("-all"), args)?;
        refused(&ended, &["root"]).with_context(|| args.join(" "))?;
        let ended = run(&lab, &without("-net_admin"), args)?;
        refused(&ended, &["CAP_NET_ADMIN"]).with_context(|| args.join(" "))?;
        untouched(&lab, &container)?;
    }
    let ended = run(&lab, &["setpriv", "--reuid=65534", "--clear-groups"], &["run", "--once"])?;
    refused(&ended, &["root"])?;
    // Root of a user namespace of its own is nobody here.
    let ended = run(&lab, &["unshare", "--user", "--map-root-user"], &["run", "--once"])?;
    ensure!(ended.status == Some(1) && ended.errors.contains("dtraf: "), "{ended:?}");
    untouched(&lab, &container)
}

#[test]
fn without_docker_it_says_where_it_looked_and_touches_nothing() -> Result<()> {
    let lab = fresh()?;
    let container = lab.container("dockerless").start()?;
    for (host, words) in [
        (
            "unix:///run/nobody.sock",
            &["unix:///run/nobody.sock", "systemctl start docker", "DOCKER_HOST"][..],
        ),
        ("tcp://127.0.0.1:1", &["127.0.0.1:1", "start it"]),
        ("/run/docker.sock", &["DOCKER_HOST must be like"]),
        ("carrier-pigeon://loft", &["DOCKER_HOST must be like"]),
    ] {
        let ended = run(&lab, &["env", &format!("DOCKER_HOST={host}")], &["run", "--once"])?;
        refused(&ended, words).with_context(|| host.to_owned())?;
        untouched(&lab, &container)?;
    }
    Ok(())
}

#[test]
fn without_a_bpf_file_system_it_says_how_to_mount_one() -> Result<()> {
    let lab = fresh()?;
    let container = lab.container("bpfless").start()?;
    for command in ["run", "stats", "uninstall"] {
        let consent: &[&str] = if command == "uninstall" { &["--yes"] } else { &[] };
        for dir in ["/run", "/nowhere"] {
            // Left alone, `run` would take a backend that does without.
            let ebpf: &[&str] = if command == "uninstall" { &[] } else { &["--backend", "ebpf"] };
            let args = [&[command, "--bpffs", dir], ebpf, consent].concat();
            refused(&run(&lab, &[], &args)?, &["mount -t bpf", dir]).with_context(|| args.join(" "))?;
            untouched(&lab, &container)?;
        }
    }
    Ok(())
}

#[test]
fn stats_without_a_run_says_how_to_start_one() -> Result<()> {
    let lab = fresh()?;
    refused(&run(&lab, &[], &["stats"])?, &["dtraf run"])
}

#[test]
fn a_container_that_is_not_there_is_an_error_and_not_an_empty_table() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    drop(counting(&dtraf, &[])?);
    refused(&run(&lab, &[], &["stats", "no-such-one"])?, &["no-such-one"])?;
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn what_was_typed_wrong_is_exit_status_2() -> Result<()> {
    let lab = fresh()?;
    let container = lab.container("typo").start()?;
    for args in [
        &["run", "--interval=50ms"][..],
        &["run", "--scope=10.0.0.0/8=moon"],
        &["run", "--port-entries=64", "--ports-per-container=65"],
        &["run", "--bpffs=relative"],
        &["stats", "--interval=2s"],
        &["walk"],
        &[],
    ] {
        let ended = run(&lab, &[], args)?;
        ensure!(
            ended.status == Some(2) && ended.printed.is_empty() && !ended.errors.is_empty(),
            "{args:?}: {ended:?}"
        );
        untouched(&lab, &container)?;
    }
    Ok(())
}

#[test]
fn a_second_run_is_refused_and_the_first_goes_on() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let container = lab.container("contested").start()?;
    let mut first = counting(&dtraf, &[])?;
    let before = audited(&dtraf, &container)?;
    let ended = run(&lab, &[], &["run", "--once"])?;
    refused(&ended, &["another dtraf is running", "dtraf stats"])?;
    lab.host().run("busybox", &["ping", "-c", "1", &container.address("bridge")?.to_string()])?;
    let after = audited(&dtraf, &container)?;
    ensure!(after.total.tx.skbs > before.total.tx.skbs, "{after:?}");
    ensure!(!first.process.is_over()?);
    drop(first);
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn pins_of_another_layout_are_refused_and_uninstall_removes_them() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let container = lab.container("layered").start()?;
    lab.host().run("mkdir", &["-p", &format!("{PINS}/99/links")])?;
    map(&lab, &format!("{PINS}/99/TOTALS"), "32", "1")?;
    let ended = run(&lab, &[], &["run", "--once"])?;
    refused(&ended, &["layout", "99", "dtraf uninstall"])?;
    let left = lab.host().run("find", &[PINS, "-type", "f"])?;
    assert_eq!(left.trim(), format!("{PINS}/99/TOTALS"), "nothing of ours beside theirs");
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    untouched(&lab, &container)
}

#[test]
fn a_pinned_map_of_another_shape_is_refused_and_uninstall_removes_it() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let container = lab.container("misfit").start()?;
    // A geometry that is none.
    lab.host().run("mkdir", &["-p", &format!("{}/links", Kernel::PINS)])?;
    map(&lab, &format!("{}/GEOMETRY", Kernel::PINS), "8", "1")?;
    let ended = run(&lab, &[], &["run", "--once"])?;
    refused(&ended, &["GEOMETRY", "value size", "8", "32", "dtraf uninstall"])?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    untouched(&lab, &container)?;

    // A map among ours that is not ours.
    let running = counting(&dtraf, &[])?;
    audited(&dtraf, &container)?;
    drop(running);
    lab.host().run("rm", &[&format!("{}/METERS", Kernel::PINS)])?;
    map(&lab, &format!("{}/METERS", Kernel::PINS), "8", "1")?;
    for args in [&["run", "--once"][..], &["stats"]] {
        refused(&run(&lab, &[], args)?, &["METERS", "dtraf uninstall"]).with_context(|| args.join(" "))?;
    }
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    untouched(&lab, &container)
}

/// Pins an array of somebody's.
fn map(lab: &Shared, path: &str, value: &str, entries: &str) -> Result<()> {
    let words = [
        "map", "create", path, "type", "array", "key", "4", "value", value, "entries", entries, "name",
        "other",
    ];
    lab.host().run("bpftool", &words).map(drop)
}

#[test]
fn a_container_that_there_is_no_room_for_is_not_counted_and_the_error_names_the_option() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let containers = ["room1", "room2"].map(|name| lab.container(name).start());
    let [first, second] = containers;
    let (first, second) = (first?, second?);
    let ended = run(&lab, &[], &["run", "--once", "--format=json", "--max-containers=1"])?;
    ensure!(ended.status == Some(0), "the other one is counted: {ended:?}");
    for word in ["no room", "--max-containers", "dtraf uninstall"] {
        ensure!(ended.errors.contains(word), "says nothing of {word:?}: {ended:?}");
    }
    let report = Report::read(&ended.printed)?;
    let uncounted = report.containers.iter().filter(|container| container.is_uncounted());
    assert_eq!(uncounted.count(), 1, "{report:?}");
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    untouched(&lab, &first)?;
    untouched(&lab, &second)
}

#[test]
fn a_reader_that_goes_away_ends_it_without_an_error() -> Result<()> {
    let lab = fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let script =
        format!("{} run --format=json --interval=100ms | head -n 1 >/dev/null", dtraf.program().display());
    let mut piped = lab.host().spawn("bash", &["-o", "pipefail", "-c", &script])?;
    let ended = piped.end(Duration::from_secs(20))?;
    ensure!(ended.status.success(), "{ended:?}");
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}
