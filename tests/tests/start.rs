//! What a start finds, and what it does about it: programs that run already, filters that were taken away, and more
//! interfaces at once than TCX takes in a second.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting};
use dtraf_tests::{Container, Dtraf, Kernel, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(20);

/// Starts dtraf with these options, and kills it once it counts.
fn started(lab: &Shared, dtraf: &Dtraf<'_>, container: &Container<'_>, options: &[&str]) -> Result<()> {
    let mut running = counting(dtraf, options)?;
    counts(lab, dtraf, container)?;
    running.process.stop(Signal::KILL, LIMIT).map(drop)
}

/// Both programs, when no older ones are left.
fn programs(lab: &Shared) -> Result<Vec<u32>> {
    eventually("two programs and no others", LIMIT, || {
        let programs: Vec<u32> = Kernel::of(lab.host())?.programs.into_iter().map(|(id, _)| id).collect();
        Ok((programs.len() == 2).then_some(programs))
    })
}

fn counts(lab: &Shared, dtraf: &Dtraf<'_>, container: &Container<'_>) -> Result<()> {
    let _server = container.place()?.serve_tcp(7000)?;
    let before = audited(dtraf, container)?.total.tx.wire_bytes;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, 7000), 1_000, 50_000)?;
    let counted = audited(dtraf, container)?.total.tx.wire_bytes - before;
    ensure!(counted > 50_000, "{counted} bytes of 50,000");
    Ok(())
}

fn go_on_as_they_are(name: &str, attach: &str) -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let container = lab.container(name).start()?;
    let attach = format!("--attach={attach}");
    started(&lab, &dtraf, &container, &[&attach])?;
    let first = programs(&lab)?;
    started(&lab, &dtraf, &container, &[&attach])?;
    assert_eq!(programs(&lab)?, first, "the same program need not be loaded again");

    // Programs that trace are others, and so are those after them.
    started(&lab, &dtraf, &container, &[&attach, &format!("--trace={name}")])?;
    let tracing = programs(&lab)?;
    ensure!(tracing.iter().all(|id| !first.contains(id)), "{tracing:?} after {first:?}");
    started(&lab, &dtraf, &container, &[&attach])?;
    let last = programs(&lab)?;
    ensure!(last.iter().all(|id| !tracing.contains(id)), "{last:?} after {tracing:?}");

    // A process that is killed between its two pins leaves one.
    lab.host().run("sh", &["-c", &format!("rm {}/programs/*/egress", Kernel::PINS)])?;
    started(&lab, &dtraf, &container, &[&attach])?;
    ensure!(programs(&lab)? != last, "half of a pair is not taken");

    // Where others may have put them there, they are not taken.
    let last = programs(&lab)?;
    lab.host().run("chmod", &["o+w", &format!("{}/programs", Kernel::PINS)])?;
    started(&lab, &dtraf, &container, &[&attach])?;
    ensure!(programs(&lab)?.iter().all(|id| !last.contains(id)), "who may have pinned these?");
    Ok(())
}

#[test]
fn programs_that_an_earlier_process_has_left_go_on_as_they_are_with_tcx() -> Result<()> {
    go_on_as_they_are("left-tcx", "tcx")
}

#[test]
fn programs_that_an_earlier_process_has_left_go_on_as_they_are_with_clsact() -> Result<()> {
    go_on_as_they_are("left-clsact", "clsact")
}

#[test]
fn what_was_taken_off_an_interface_is_put_back_by_the_next_start() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, host) = (Dtraf::new(&lab)?, lab.host());
    let container = lab.container("robbed").start()?;
    let veth = container.veth()?;
    let by_filters = || counting(&dtraf, &["--attach=clsact"])?.process.stop(Signal::KILL, LIMIT);
    by_filters()?;
    let ours = |direction: &str| -> Result<usize> {
        let filters = host.run("tc", &["filter", "show", "dev", &veth.name, direction])?;
        Ok(filters.lines().filter(|line| line.contains(&format!("dtraf_{direction}"))).count())
    };
    for taken in [
        &["filter", "del", "dev", &veth.name, "egress"][..],
        &["filter", "del", "dev", &veth.name, "ingress"],
        &["qdisc", "del", "dev", &veth.name, "clsact"],
    ] {
        host.run("tc", taken)?;
        by_filters()?;
        assert_eq!((ours("ingress")?, ours("egress")?), (1, 1), "after tc {}", taken.join(" "));
    }
    Ok(())
}

/// More than TCX takes in a second.
const MANY: usize = 48;

/// The host's ends of pairs of links on Docker's bridge, which are attached to whoever is behind them.
fn crowded(lab: &Shared) -> Result<Vec<String>> {
    let names: Vec<String> = (0..MANY).map(|number| format!("many{number}")).collect();
    let pair = |name: &String| {
        format!("link add {name} type veth peer name {name}p\nlink set {name} master docker0\n")
    };
    let batch: String = names.iter().map(pair).collect();
    lab.host().run("sh", &["-c", &format!("printf '{batch}' | ip -batch -")])?;
    Ok(names)
}

/// How many of our filters are at an interface's hooks, and how many of our links.
fn hooks(lab: &Shared, name: &str) -> Result<(usize, usize)> {
    let script = format!(
        "{{ tc filter show dev {name} ingress; tc filter show dev {name} egress; }} | grep -c ' dtraf_'; \
         read index </sys/class/net/{name}/ifindex; ls {}/links | grep -c \"^$index-\"; true",
        Kernel::PINS
    );
    let counts = lab.host().run("sh", &["-c", &script])?;
    let counts: Vec<usize> = counts.lines().map(str::parse).collect::<Result<_, _>>()?;
    let [filters, links] = counts[..] else { anyhow::bail!("two numbers: {counts:?}") };
    Ok((filters, links))
}

#[test]
fn many_interfaces_at_once_get_filters_and_those_that_come_later_tcx() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, host) = (Dtraf::new(&lab)?, lab.host());
    let early = lab.container("early").start()?;
    let many = crowded(&lab)?;
    let is_everywhere = |wanted: (usize, usize)| -> Result<()> {
        for name in many.iter().chain([&early.veth()?.name]) {
            assert_eq!(hooks(&lab, name)?, wanted, "{name}");
        }
        Ok(())
    };
    let mut running = counting(&dtraf, &[])?;
    is_everywhere((2, 0))?;
    let late = lab.container("late").start()?;
    let by_tcx = || -> Result<()> {
        assert_eq!(hooks(&lab, &late.veth()?.name)?, (0, 2));
        Ok(())
    };
    for (container, hook) in [(&early, "clsact"), (&late, "tcx")] {
        counts(&lab, &dtraf, container)?;
        assert_eq!(audited(&dtraf, container)?.meters[0].hook, hook, "{}", container.name());
    }
    by_tcx()?;

    // Whatever is asked for, each interface stays with what it has.
    for options in [&[][..], &["--attach=tcx"], &["--attach=clsact"]] {
        running.process.stop(Signal::KILL, LIMIT)?;
        running = counting(&dtraf, options)?;
        is_everywhere((2, 0))?;
        by_tcx()?;
        counts(&lab, &dtraf, &early)?;
        counts(&lab, &dtraf, &late)?;
    }
    let ours = Kernel::of(host)?;
    assert_eq!((ours.programs.len(), ours.links.len()), (2, 2), "{ours:?}");

    running.process.stop(Signal::KILL, LIMIT)?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    eventually("the kernel to free programs, links and maps", LIMIT, || {
        Ok((ours.left(host)? == Kernel::default()).then_some(()))
    })?;
    let qdiscs = host.run("tc", &["qdisc", "show"])?;
    ensure!(!qdiscs.contains("clsact"), "{qdiscs}");
    host.run("sh", &["-c", &format!("for link in {}; do ip link delete $link; done", many.join(" "))])
        .map(drop)
}

#[test]
fn tcx_and_clsact_are_taken_for_many_when_they_are_asked_for() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let many = crowded(&lab)?;
    for (attach, wanted) in [("tcx", (0, 2)), ("clsact", (2, 0))] {
        counting(&dtraf, &[&format!("--attach={attach}")])?.process.stop(Signal::KILL, LIMIT)?;
        for name in &many {
            assert_eq!(hooks(&lab, name)?, wanted, "{name} by {attach}");
        }
        dtraf.end(&["uninstall", "--yes"])?.success()?;
    }
    lab.host()
        .run("sh", &["-c", &format!("for link in {}; do ip link delete $link; done", many.join(" "))])
        .context("remove the crowd")
        .map(drop)
}
