//! The crowd: that dtraf takes it for a Docker host, and that it leaves nothing behind.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::time::Duration;

use anyhow::Result;
use dtraf_tests::report::Report;
use dtraf_tests::traffic::Flood;
use dtraf_tests::{Chains, Crowd, CrowdOptions, Dtraf, HostState, Namespaces, eventually};

/// Enough for a list; each costs some ten milliseconds a hook to attach.
const MEMBERS: usize = 20;

#[test]
fn a_crowd_is_counted_and_leaves_nothing_on_the_host() -> Result<()> {
    let before = HostState::read()?;
    let options = CrowdOptions { containers: MEMBERS, chains: Chains::Nft, ..CrowdOptions::default() };
    let crowd = Crowd::start(&options)?;
    let namespaces = Namespaces::of(crowd.host())?;
    let dtraf = Dtraf::of_host(crowd.host())?;

    let once = Report::read(&dtraf.run(&["run", "--once", "--format=json"])?)?;
    assert_eq!(counted(&once), MEMBERS);
    let running = dtraf.start(&["run", "--headless"])?;
    eventually("all to be counted", Duration::from_mins(1), || {
        Ok((counted(&dtraf.stats()?) == MEMBERS).then_some(()))
    })?;
    a_flood_is_forwarded_and_counted(&crowd, &dtraf)?;

    drop(running);
    assert_eq!(HostState::read()?.links, before.links, "the crowd's links are its own");
    drop(crowd);
    assert_eq!(HostState::read()?, before);
    eventually("the end of the crowd's namespaces", Duration::from_secs(20), || {
        Ok(namespaces.members()?.is_empty().then_some(()))
    })?;
    Ok(())
}

fn a_flood_is_forwarded_and_counted(crowd: &Crowd, dtraf: &Dtraf<'_>) -> Result<()> {
    let member = &crowd.members()[MEMBERS - 1];
    // Before its container's end was up, and so before dtraf came, the host's end handed on nothing.
    let never = crowd.dropped(member)?;
    let flood = Flood { size: 18, time: Duration::from_millis(100), cpu: None };
    let sent = crowd.outside().place().flood(crowd.sink(member), &flood)?.sent;
    assert!(sent > 0);
    eventually("the books to balance with the interface's", Duration::from_secs(20), || {
        let figures = dtraf.stats()?.container(&member.name)?.figures()?;
        let (total, shortfall) = (figures.total.rx.packets, figures.shortfall.rx.skbs);
        // What the host's end could not hand on has passed dtraf's hook all the same.
        let passed = crowd.received(member)?.packets + crowd.dropped(member)? - never;
        let port = figures.port("udp", Crowd::SINK_PORT, "server").rx.packets;
        Ok((total + shortfall == passed && (1..=sent).contains(&port)).then_some(()))
    })
}

fn counted(report: &Report) -> usize {
    report.containers.iter().filter(|container| container.figures().is_ok()).count()
}
