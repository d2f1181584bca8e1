//! The crowd: that dtraf takes it for a Docker host, and that it leaves nothing behind.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::time::Duration;

use anyhow::Result;
use dtraf_tests::report::Report;
use dtraf_tests::traffic::Flood;
use dtraf_tests::{Chains, Crowd, CrowdOptions, Dtraf, HostState, Namespaces, eventually};

const MEMBERS: usize = 100;

#[test]
fn a_crowd_is_counted_and_leaves_nothing_on_the_host() -> Result<()> {
    let before = HostState::read()?;
    let options = CrowdOptions { containers: MEMBERS, chains: Chains::Nft, tool: None };
    let crowd = Crowd::start(&options)?;
    let namespaces = Namespaces::of(crowd.host())?;
    let dtraf = Dtraf::of_host(crowd.host())?;

    let once = Report::read(&dtraf.run(&["run", "--once", "--format=json"])?)?;
    assert_eq!(counted(&once), MEMBERS);
    let running = dtraf.start(&["run", "--headless"])?;
    eventually("all to be counted", Duration::from_secs(20), || {
        Ok((counted(&dtraf.stats()?) == MEMBERS).then_some(()))
    })?;
    a_flood_is_forwarded_and_counted(&crowd, &dtraf)?;

    drop(running);
    assert_eq!(HostState::read()?.links, before.links, "the crowd's links are its own");
    drop(crowd);
    assert_eq!(HostState::read()?, before);
    assert!(namespaces.members()?.is_empty());
    Ok(())
}

fn a_flood_is_forwarded_and_counted(crowd: &Crowd, dtraf: &Dtraf<'_>) -> Result<()> {
    let member = &crowd.members()[MEMBERS - 1];
    let before = crowd.received(member)?;
    let flood = Flood { size: 18, time: Duration::from_millis(100), cpu: None };
    let sent = crowd.outside().place().flood(crowd.sink(member), &flood)?.sent;
    assert!(sent > 0);
    eventually("the flood's last packet", Duration::from_secs(5), || {
        let received = crowd.received(member)?.packets - before.packets;
        let figures = dtraf.stats()?.container(&member.name)?.figures()?;
        let port = figures.port("udp", Crowd::SINK_PORT, "server").rx.packets;
        // An answer to an ARP question comes on top; what is too much for the way is lost on it.
        Ok((port > 0 && (port..=port + 2).contains(&received) && received <= sent + 2).then_some(()))
    })
}

fn counted(report: &Report) -> usize {
    report.containers.iter().filter(|container| container.figures().is_ok()).count()
}
