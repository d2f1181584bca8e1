//! What Docker does with a container's networks, and what of it is counted.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{Tap, audited, conserved, counting, is_wire_of, since, wire};
use dtraf_tests::report::{ContainerReport, Figures};
use dtraf_tests::{Container, Dtraf, Outside, Shared, eventually};

const LIMIT: Duration = Duration::from_secs(20);

/// Fetches from a server at port 80, and demands that the figures have it.
fn fetched(
    lab: &Shared,
    dtraf: &Dtraf<'_>,
    container: &Container<'_>,
    address: IpAddr,
    before: &Figures,
) -> Result<Figures> {
    lab.host().tcp(SocketAddr::new(address, 80), 10_000, 100_000)?;
    let after = audited(dtraf, container)?;
    let moved = since(before, &after);
    ensure!(moved.tx.wire_bytes > 100_000 && moved.rx.wire_bytes > 10_000, "{moved:?}");
    Ok(after)
}

/// Waits until a report says of a container what is wanted.
fn told(dtraf: &Dtraf<'_>, name: &str, wanted: impl Fn(&ContainerReport) -> bool) -> Result<ContainerReport> {
    eventually(&format!("what is said of {name}"), LIMIT, || {
        let report = dtraf.stats()?;
        conserved(&report)?;
        Ok(report.container(name).ok().filter(|container| wanted(container)).cloned())
    })
}

/// The networks that the container is counted in now.
fn networks(figures: &Figures) -> Vec<Option<&str>> {
    let live = figures.meters.iter().filter(|meter| meter.life == "live");
    let mut networks: Vec<_> = live.map(|meter| meter.network.as_deref()).collect();
    networks.sort_unstable();
    networks
}

#[test]
fn two_networks_are_two_meters_of_one_container() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    lab.docker(&["network", "create", "front"])?;
    lab.docker(&["network", "create", "back"])?;
    let two = lab.container("two").network("front").start()?;
    lab.docker(&["network", "connect", "back", "two"])?;
    // It begins with both.
    two.restart()?;
    let _server = two.place()?.serve_tcp(80)?;
    let start = audited(&dtraf, &two)?;
    assert_eq!(networks(&start), [Some("back"), Some("front")]);
    let by_front = fetched(&lab, &dtraf, &two, two.address("front")?, &start)?;
    let by_back = fetched(&lab, &dtraf, &two, two.address("back")?, &by_front)?;
    for (network, at_start, at_end) in [("front", &start, &by_front), ("back", &by_front, &by_back)] {
        let meter = |figures: &Figures| {
            figures.meters.iter().find(|meter| meter.network.as_deref() == Some(network)).cloned()
        };
        let (then, now) = (meter(at_start).context("meter")?, meter(at_end).context("meter")?);
        ensure!(now.tx.skb_bytes - then.tx.skb_bytes > 100_000, "{network} has what came by it");
    }
    Ok(())
}

#[test]
fn a_network_that_comes_and_goes_leaves_its_counts() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let mut running = counting(&dtraf, &[])?;
    lab.docker(&["network", "create", "guest"])?;
    let moving = lab.container("moving").start()?;
    let _server = moving.place()?.serve_tcp(80)?;
    let alone = audited(&dtraf, &moving)?;
    assert_eq!(networks(&alone), [Some("bridge")]);

    lab.docker(&["network", "connect", "guest", "moving"])?;
    let both = audited(&dtraf, &moving)?;
    assert_eq!(networks(&both), [Some("bridge"), Some("guest")]);
    let guest = moving.address("guest")?;
    let used = fetched(&lab, &dtraf, &moving, guest, &both)?;

    lab.docker(&["network", "disconnect", "guest", "moving"])?;
    let after = audited(&dtraf, &moving)?;
    let moved = since(&used, &after);
    ensure!(moved.tx.skbs < 20, "what the network had carried is neither lost nor doubled: {moved:?}");
    fetched(&lab, &dtraf, &moving, moving.address("bridge")?, &after)?;
    // And again in the run's own books, later.
    let report = running.report_where(|report| {
        report.container("moving").is_ok_and(|container| container.networks == ["bridge"])
    })?;
    conserved(&report)
}

#[test]
fn a_restart_goes_on_with_the_same_totals() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let mut running = counting(&dtraf, &[])?;
    let container = lab.container("restarted").start()?;
    let mut before = audited(&dtraf, &container)?;
    for _ in 0..3 {
        let server = container.place()?.serve_tcp(80)?;
        before = fetched(&lab, &dtraf, &container, container.address("bridge")?, &before)?;
        drop(server);
        container.restart()?;
        let after = audited(&dtraf, &container)?;
        let moved = since(&before, &after);
        ensure!(moved.tx.skbs < 20, "neither lost nor doubled: {moved:?}");
        ensure!(after.shortfall.is_none(), "attached to before the first packet: {:?}", after.shortfall);
        before = after;
    }
    let report = running.report_where(|report| {
        report
            .container("restarted")
            .and_then(ContainerReport::figures)
            .is_ok_and(|figures| figures.total.tx.wire_bytes >= before.total.tx.wire_bytes)
    })?;
    conserved(&report)
}

#[test]
fn a_recreated_container_with_another_address_keeps_the_old_ones_counts_apart() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let mut running = counting(&dtraf, &[])?;
    let first = lab.container("recreated").start()?;
    let server = first.place()?.serve_tcp(80)?;
    let old = audited(&dtraf, &first)?;
    let old = fetched(&lab, &dtraf, &first, first.address("bridge")?, &old)?;
    let (old_id, old_address) = (first.id().to_owned(), first.address("bridge")?);
    drop(server);
    first.remove()?;
    // Somebody else has the address now.
    let squatter = lab.container("squatter").start()?;
    let second = lab.container("recreated").start()?;
    assert_eq!(squatter.address("bridge")?, old_address);
    let _server = second.place()?.serve_tcp(80)?;
    let new = audited(&dtraf, &second)?;
    ensure!(new.total.tx.wire_bytes < 100_000, "it begins with nothing: {:?}", new.total);
    let new = fetched(&lab, &dtraf, &second, second.address("bridge")?, &new)?;

    let report = running.report_where(|report| {
        let is_new = |container: &ContainerReport| container.id == second.id();
        let figures =
            report.containers.iter().find(|container| is_new(container)).map(ContainerReport::figures);
        figures.is_some_and(|figures| figures.is_ok_and(|figures| figures.total.tx.skbs >= new.total.tx.skbs))
    })?;
    conserved(&report)?;
    let removed = report.containers.iter().find(|container| container.id == old_id).context("the old one")?;
    assert_eq!((removed.name.as_str(), removed.state.as_deref()), ("recreated", Some("removed")));
    let kept = removed.figures()?.total;
    ensure!(kept.rx.skb_bytes >= old.total.rx.skb_bytes && kept.tx.skb_bytes >= old.total.tx.skb_bytes);
    let squatter = audited(&dtraf, &squatter)?;
    ensure!(squatter.total.tx.wire_bytes < 100_000, "the address is not the identity: {:?}", squatter.total);
    Ok(())
}

#[test]
fn a_renamed_container_is_shown_under_its_new_name_with_its_old_counts() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let mut running = counting(&dtraf, &[])?;
    let container = lab.container("before").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let figures = audited(&dtraf, &container)?;
    let figures = fetched(&lab, &dtraf, &container, container.address("bridge")?, &figures)?;
    lab.docker(&["rename", "before", "afterwards"])?;
    let report = running.report_where(|report| report.container("afterwards").is_ok())?;
    let renamed = report.container("afterwards")?;
    assert_eq!(renamed.id, container.id());
    ensure!(renamed.figures()?.total.tx.skb_bytes >= figures.total.tx.skb_bytes);
    ensure!(report.container("before").is_err(), "there is no one of the old name");
    told(&dtraf, "afterwards", |_| true).map(drop)
}

#[test]
fn a_container_of_half_a_second_is_in_the_report_with_all_its_bytes_when_it_is_gone() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let outside = lab.outside().place();
    wire(&lab)?;
    let _server = outside.serve_tcp(9000)?;
    let mut running = counting(&dtraf, &[])?;
    for name in ["moth1", "moth2", "moth3"] {
        let tap = Tap::client(outside, Outside::LINK, 9000)?;
        let fetch =
            r"printf '\0\0\0\0\0\0\0\0\240\206\1\0\0\0\0\0' | nc 198.51.100.2 9000 | wc -c; sleep 0.4";
        let got = lab.docker(&["run", "--rm", "--name", name, "dtraf-lab:latest", "sh", "-c", fetch])?;
        assert_eq!(got.trim(), "100000");
        let tap = tap.finish()?;
        let report = running
            .report_where(|report| {
                report.container(name).is_ok_and(|container| container.state.as_deref() == Some("removed"))
            })
            .with_context(|| format!("{name} under its name"))?;
        conserved(&report)?;
        assert_eq!(report.unattributed, []);
        let figures = report.container(name)?.figures()?;
        is_wire_of(&figures.port("tcp", 9000, "client"), &tap)?;
        ensure!(figures.shortfall.is_none(), "{:?}", figures.shortfall);
    }
    Ok(())
}

#[test]
fn a_shared_network_is_counted_at_the_container_that_has_it() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let owner = lab.container("owner").start()?;
    let lodger = lab.container("lodger").network("container:owner").start()?;
    let _server = lodger.place()?.serve_tcp(80)?;
    let before = audited(&dtraf, &owner)?;
    fetched(&lab, &dtraf, &owner, owner.address("bridge")?, &before)?;
    let told = told(&dtraf, "lodger", |container| container.coverage.kind == "shared")?;
    assert_eq!(told.id, lodger.id());
    ensure!(told.is_uncounted(), "{told:?}");
    let json: serde_json::Value = serde_json::from_str(&dtraf.run(&["stats", "--format=json", "lodger"])?)?;
    assert_eq!(json["containers"][0]["coverage"]["shared_with"]["name"], "owner", "{json}");
    Ok(())
}

#[test]
fn what_is_not_counted_has_a_reason_and_no_figures() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let _containers = [("hosty", "host"), ("nonely", "none")]
        .map(|(name, network)| lab.container(name).network(network).start());
    for (name, reason) in [("hosty", "host_network"), ("nonely", "no_network")] {
        let told = told(&dtraf, name, |_| true)?;
        assert_eq!(told.coverage.kind, "not_counted", "{told:?}");
        assert_eq!(told.coverage.reason.as_deref(), Some(reason));
        ensure!(told.is_uncounted(), "{told:?}");
    }
    let table = dtraf.run(&["stats"])?;
    for (name, reason) in [("hosty", "host network"), ("nonely", "no network")] {
        let line = table.lines().find(|line| line.starts_with(name)).context("a line of its own")?;
        ensure!(!line.contains(" 0 B"), "never as 0: {line}");
        ensure!(table.contains(reason), "{reason}: {table}");
    }
    Ok(())
}

#[test]
fn names_and_labels_that_terminals_would_obey_are_shown_harmless_and_kept_true() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let long = "n".repeat(200);
    let hostile = "evil \u{1b}[2J\u{7}\u{202e}\"net\\,;|";
    for network in [hostile, &long] {
        lab.docker(&["network", "create", network])?;
    }
    let odd = lab
        .container("A_b.c-1")
        .network(hostile)
        .label("com.docker.compose.project=\u{1b}]0;owned\u{7}\r\n\"quoted\"")
        .label("com.docker.compose.service=<b>&amp;</b>")
        .label("dtraf.account=../../../../etc/passwd")
        .start()?;
    let wide = lab.container(&"x".repeat(255)).network(&long).start()?;
    for (container, network) in [(&odd, hostile), (&wide, long.as_str())] {
        let figures = audited(&dtraf, container)?;
        assert_eq!(networks(&figures), [Some(network)]);
        let told = told(&dtraf, container.name(), |_| true)?;
        assert_eq!(told.networks, [network]);
    }
    for args in [&["stats"][..], &["stats", "--ports", "--no-trunc"], &["stats", "--format=json"]] {
        let text = dtraf.run(args)?;
        let bad = text.chars().find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert_eq!(bad, None, "{args:?}");
    }
    Ok(())
}
