//! One member: a thread in a network namespace of its own, which the kernel shows under `/proc` like a process.

use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context as _, Result};
use dtraf_tests::{Crowd, Member, Network};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::mount_bind;
use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::netlink::Netlink;

/// There are many of them, and none goes deep.
const STACK_BYTES: usize = 128 << 10;
/// The number of `lo` in every namespace.
const LOOPBACK: u32 = 1;

/// A member's thread, as the process's first one knows it.
#[derive(Debug)]
pub(super) struct Body {
    go: Sender<()>,
    born: Receiver<Result<u32>>,
    ready: Receiver<Result<()>>,
}

impl Body {
    pub(super) fn start(member: &Member, networks: &[Network]) -> Result<Self> {
        let (member, gateway) = (member.clone(), networks[member.network].gateway);
        let (go, going) = channel();
        let (birth, born) = channel();
        let (readiness, ready) = channel();
        let life = move || {
            let namespace = enter(&member);
            let alive = namespace.is_ok();
            // Where nobody listens any more, the process is about to end.
            drop(birth.send(namespace));
            if !alive || going.recv().is_err() {
                return;
            }
            let (sink, readied) = match furnish(&member, gateway) {
                Ok(sink) => (Some(sink), Ok(())),
                Err(error) => (None, Err(error)),
            };
            drop(readiness.send(readied));
            // The end of the process is the end of it.
            while sink.is_some() {
                thread::park();
            }
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(life).context("start a thread")?;
        Ok(Self { go, born, ready })
    }

    /// Its number, once it has its namespace.
    pub(super) fn pid(&self) -> Result<u32> {
        self.born.recv().context("wait for the namespace")?
    }

    /// Lets it set up its end of the link, which must be there.
    pub(super) fn go(&self) -> Result<()> {
        self.go.send(()).context("let the member go on")?;
        self.ready.recv().context("wait for the member")?
    }
}

/// Leaves the host's network for a new one, and gives that a handle as Docker does.
fn enter(member: &Member) -> Result<u32> {
    unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
    // As in a container that is on no network with IPv6: and a thousand of them would greet a thousand each.
    for links in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{links}/disable_ipv6");
        fs::write(&path, "1").with_context(|| format!("write {path}"))?;
    }
    let sandbox = member.sandbox();
    File::create(&sandbox).with_context(|| format!("create {sandbox}"))?;
    mount_bind("/proc/thread-self/ns/net", &sandbox).with_context(|| format!("mount {sandbox}"))?;
    Ok(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs())
}

fn furnish(member: &Member, gateway: Ipv4Addr) -> Result<UdpSocket> {
    let mut netlink = Netlink::open().context("open the member's netlink")?;
    netlink.set_up(LOOPBACK)?;
    let link = if_nametoindex(Member::LINK).context("find the member's link")?;
    netlink.add_address(link, member.address, Network::PREFIX_LENGTH)?;
    netlink.set_up(link)?;
    netlink.add_default_route(gateway)?;
    let sink = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, Crowd::SINK_PORT)).context("open the sink")?;
    // The kernel makes it the least there can be: what does not fit is dropped where it costs the least.
    set_socket_recv_buffer_size(&sink, 0).context("make the sink small")?;
    Ok(sink)
}
