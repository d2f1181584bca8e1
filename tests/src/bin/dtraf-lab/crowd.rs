//! A crowd's namespaces, and what answers for them on Docker's socket: one process, one thread a member.

mod answers;
mod engine;
mod member;
mod netlink;

use std::fs;

use anyhow::{Context as _, Result, bail};
use dtraf_tests::{Member, Network, members, networks};
use nix::net::if_::if_nametoindex;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::answer;
use answers::Answers;
use member::Body;
use netlink::Netlink;

/// Two thousand members have two networks; more of either has never been tried.
const MOST: usize = 2000;

pub(crate) fn run(count: usize) -> Result<()> {
    if count > MOST {
        bail!("a crowd has {MOST} members at most");
    }
    allow_many_files()?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("let the host forward")?;
    let mut netlink = Netlink::open().context("open the host's netlink")?;
    let networks = networks(count);
    let bridges: Vec<u32> =
        networks.iter().map(|network| bridge(&mut netlink, network)).collect::<Result<_>>()?;
    fs::create_dir_all("/run/docker/netns").context("make a place for the namespaces' handles")?;

    let mut members = members(count);
    // All are made at once; the host's part goes one by one: the kernel does it under one lock anyway.
    let mut bodies: Vec<Body> =
        members.iter().map(|member| Body::start(member, &networks)).collect::<Result<_>>()?;
    for (member, body) in members.iter_mut().zip(&mut bodies) {
        connect(&mut netlink, member, body, bridges[member.network])
            .with_context(|| format!("connect {}", member.name))?;
    }
    let listening = engine::listen()?;
    answer(&serde_json::to_string(&members)?)?;
    engine::serve(listening, Answers::of(&members, &networks)?)
}

/// Makes a bridge as Docker does: with an address of its own, so that it does not take that of some port.
fn bridge(netlink: &mut Netlink, network: &Network) -> Result<u32> {
    let Network { bridge, gateway, .. } = network;
    let made = netlink.add_bridge(bridge, *gateway).and_then(|()| {
        let index = if_nametoindex(bridge.as_str())?;
        netlink.add_address(index, *gateway, Network::PREFIX_LENGTH)?;
        netlink.set_up(index)?;
        Ok(index)
    });
    made.with_context(|| format!("make the bridge {bridge}"))
}

/// In Docker's order: the link is enslaved while it is down, then goes up, then the container's end does.
fn connect(netlink: &mut Netlink, member: &mut Member, body: &mut Body, bridge: u32) -> Result<()> {
    member.pid = body.pid()?;
    netlink.add_veth(member, bridge)?;
    netlink.set_up(if_nametoindex(member.veth.as_str())?)?;
    body.go()
}

/// Each member has a socket.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("ask for as many files as are allowed")
}
