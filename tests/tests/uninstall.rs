//! `dtraf uninstall`: the host as it was before, other people's things included.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting};
use dtraf_tests::{Container, Dtraf, Kernel, Shared, Veth, eventually};
use rustix::process::Signal;

/// All that dtraf could leave a trace in, of one interface and of the host.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    qdiscs: String,
    filters: Vec<String>,
    pins: String,
    links: String,
    rules: String,
    files: String,
}

impl Trace {
    fn read(lab: &Shared, veth: &Veth) -> Result<Self> {
        let host = lab.host();
        let filters = ["ingress", "egress"].map(|direction| {
            // Where there is no clsact there is nothing to be listed.
            host.run("tc", &["filter", "show", "dev", &veth.name, direction]).unwrap_or_default()
        });
        let rules = host.run("iptables-save", &[])?;
        Ok(Self {
            qdiscs: host.run("tc", &["qdisc", "show"])?,
            filters: filters.into(),
            pins: host.run("find", &["/sys/fs/bpf"])?,
            links: host.run("ip", &["-oneline", "link"])?,
            rules: rules.lines().filter(|line| !line.starts_with(['#', ':'])).collect::<Vec<_>>().join("\n"),
            files: host.run("find", &["/run", "-maxdepth", "1"])?,
        })
    }
}

fn visited<'a>(lab: &'a Shared, name: &str) -> Result<(Container<'a>, Veth)> {
    let container = lab.container(name).start()?;
    let veth = container.veth()?;
    // The bridge learns and the link settles: what follows is dtraf's doing alone.
    lab.host().run("busybox", &["ping", "-c", "1", &container.address("bridge")?.to_string()])?;
    Ok((container, veth))
}

fn counts(lab: &Shared, dtraf: &Dtraf<'_>, container: &Container<'_>, port: u16) -> Result<()> {
    let _server = container.place()?.serve_tcp(port)?;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, port), 1_000, 50_000)?;
    let figures = audited(dtraf, container)?;
    ensure!(figures.total.tx.wire_bytes > 50_000);
    Ok(())
}

/// Counts with `attach`, beside a dtraf that runs or after it was killed; then everything must be as it was.
fn leaves_nothing(
    lab: &Shared,
    name: &str,
    attach: &str,
    prepare: impl Fn(&Veth) -> Result<()>,
) -> Result<Kernel> {
    let dtraf = Dtraf::new(lab)?;
    let (container, veth) = visited(lab, name)?;
    prepare(&veth)?;
    let before = Trace::read(lab, &veth)?;
    let mut running = counting(&dtraf, &[&format!("--attach={attach}")])?;
    counts(lab, &dtraf, &container, 7000)?;
    let ours = Kernel::of(lab.host())?;
    assert_eq!(ours.programs.len(), 2, "{ours:?}");
    ensure!(ours.maps.len() >= 12, "{ours:?}");
    assert_eq!(ours.links.len(), if attach == "tcx" { 2 } else { 0 }, "{ours:?}");
    ensure!(Trace::read(lab, &veth)? != before, "it was there");
    // It has what it changes in the kernel alone, so by force is as good as by a signal.
    running.process.stop(Signal::KILL, Duration::from_secs(10))?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;

    assert_eq!(Trace::read(lab, &veth)?, before);
    // The kernel frees what nobody holds a moment later.
    eventually("the kernel to free programs, links and maps", Duration::from_secs(10), || {
        Ok((ours.left(lab.host())? == Kernel::default()).then_some(()))
    })?;
    container.remove()?;
    Ok(ours)
}

#[test]
fn uninstall_leaves_no_pin_link_program_or_map_of_tcx() -> Result<()> {
    let ours = leaves_nothing(&Shared::lab()?, "plain", "tcx", |_| Ok(()))?;
    assert_eq!(ours.links.len(), 2);
    Ok(())
}

#[test]
fn uninstall_takes_the_clsact_qdisc_that_dtraf_made() -> Result<()> {
    leaves_nothing(&Shared::lab()?, "made", "clsact", |_| Ok(())).map(drop)
}

#[test]
fn uninstall_leaves_other_peoples_clsact_and_filters_alone() -> Result<()> {
    let lab = Shared::lab()?;
    for (name, attach) in [("theirs-clsact", "clsact"), ("theirs-tcx", "tcx")] {
        leaves_nothing(&lab, name, attach, |veth| foreign(&lab, veth))?;
    }
    Ok(())
}

#[test]
fn uninstall_leaves_an_empty_clsact_that_was_there_before() -> Result<()> {
    let lab = Shared::lab()?;
    leaves_nothing(&lab, "empty", "clsact", |veth| {
        lab.host().run("tc", &["qdisc", "add", "dev", &veth.name, "clsact"]).map(drop)
    })?;
    Ok(())
}

#[test]
fn uninstall_leaves_a_clsact_that_dtraf_made_and_others_use_now() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, veth) = visited(&lab, "lent")?;
    let running = counting(&dtraf, &["--attach=clsact"])?;
    audited(&dtraf, &container)?;
    lab.host().run("tc", &filter(&veth.name, "ingress", "9"))?;
    drop(running);
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    let filters = lab.host().run("tc", &["filter", "show", "dev", &veth.name, "ingress"])?;
    ensure!(filters.contains("pref 9") && !filters.contains("dtraf"), "{filters}");
    ensure!(lab.host().run("tc", &["qdisc", "show", "dev", &veth.name])?.contains("clsact"));
    Ok(())
}

/// Somebody else's filters in somebody else's clsact.
fn foreign(lab: &Shared, veth: &Veth) -> Result<()> {
    lab.host().run("tc", &["qdisc", "add", "dev", &veth.name, "clsact"])?;
    for direction in ["ingress", "egress"] {
        lab.host().run("tc", &filter(&veth.name, direction, "7"))?;
    }
    Ok(())
}

/// A filter that takes everything and does nothing.
fn filter<'a>(link: &'a str, direction: &'a str, priority: &'a str) -> Vec<&'a str> {
    let mut words = vec!["filter", "add", "dev", link, direction, "protocol", "all", "prio", priority];
    words.extend(["u32", "match", "u32", "0", "0", "flowid", "1:1"]);
    words
}

#[test]
fn other_peoples_filters_see_every_packet_that_dtraf_sees() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, host) = (Dtraf::new(&lab)?, lab.host());
    // A filter counts by its action. This one copies to where nothing comes of it; what the kernel sends there of its
    // own, reports of multicast groups above all, is no matter to the action's counter.
    host.run("ip", &["link", "add", "sink0", "up", "type", "veth", "peer", "name", "sink1"])?;
    for (name, attach) in [("crowd-tcx", "tcx"), ("crowd-clsact", "clsact")] {
        let (container, veth) = visited(&lab, name)?;
        host.run("tc", &["qdisc", "add", "dev", &veth.name, "clsact"])?;
        let mut mirror = filter(&veth.name, "ingress", "7");
        mirror.extend(["action", "mirred", "egress", "mirror", "dev", "sink0"]);
        host.run("tc", &mirror)?;
        let running = counting(&dtraf, &[&format!("--attach={attach}")])?;
        // Both, at a moment when nothing passes.
        let both = || {
            eventually("a silent moment", Duration::from_secs(10), || {
                let seen = mirrored(&lab, &veth.name)?;
                let figures = audited(&dtraf, &container)?;
                Ok((seen == mirrored(&lab, &veth.name)?).then_some((figures, seen)))
            })
        };
        let before = both()?;
        counts(&lab, &dtraf, &container, 7001)?;
        let after = both()?;
        let counted = after.0.total.tx.packets - before.0.total.tx.packets;
        ensure!(counted > 0, "{attach}: nothing was counted");
        assert_eq!(after.1 - before.1, counted, "{attach}: the filter saw what dtraf saw");
        drop(running);
        dtraf.end(&["uninstall", "--yes"])?.success()?;
        container.remove()?;
    }
    host.run("ip", &["link", "delete", "sink0"]).map(drop)
}

/// The packets that the action of the one filter at `link`'s ingress has copied, segments counted apart.
fn mirrored(lab: &Shared, link: &str) -> Result<u64> {
    let shown = lab.host().run("tc", &["-s", "-j", "filter", "show", "dev", link, "ingress"])?;
    let filters: serde_json::Value = serde_json::from_str(&shown).context("parse what tc says of filters")?;
    let counts = filters.as_array().into_iter().flatten().filter_map(|filter| {
        filter.pointer("/options/actions/0/stats/packets").and_then(serde_json::Value::as_u64)
    });
    counts.reduce(u64::saturating_add).with_context(|| format!("no action that counts in {shown}"))
}

#[test]
fn uninstall_refuses_while_a_dtraf_runs_and_removes_nothing() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, veth) = visited(&lab, "busy")?;
    let running = counting(&dtraf, &[])?;
    audited(&dtraf, &container)?;
    let before = Trace::read(&lab, &veth)?;
    let ended = dtraf.end(&["uninstall", "--yes"])?;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    ensure!(ended.errors.contains("another dtraf is running"), "{ended:?}");
    assert_eq!(Trace::read(&lab, &veth)?, before);
    counts(&lab, &dtraf, &container, 7002)?;
    drop(running);
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    // And once more, when there is nothing.
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn uninstall_asks_first_and_a_no_leaves_everything() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, veth) = visited(&lab, "kept")?;
    let running = counting(&dtraf, &[])?;
    audited(&dtraf, &container)?;
    drop(running);
    let before = Trace::read(&lab, &veth)?;
    // Its standard input is empty: that is no consent.
    dtraf.end(&["uninstall"])?.success()?;
    assert_eq!(Trace::read(&lab, &veth)?, before);
    dtraf.end(&["uninstall", "--yes"])?.success().map(drop)
}
