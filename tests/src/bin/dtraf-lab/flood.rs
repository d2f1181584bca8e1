//! A flood of datagrams, for a bounded time: how fast the network is, and not the sender, is to be seen.

use std::io::IoSlice;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dtraf_tests::Patience;
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::answer;

/// Datagrams in one call.
const BATCH: usize = 64;
/// Nobody wants to flood for longer.
const MOST_MILLISECONDS: u64 = 60_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    to: SocketAddr,
    /// For how long, in milliseconds
    #[arg(long = "for", value_parser = clap::value_parser!(u64).range(1..=MOST_MILLISECONDS))]
    milliseconds: u64,
    /// The payload of each
    #[arg(long)]
    size: usize,
    /// The CPU to send from
    #[arg(long)]
    cpu: Option<usize>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let any: SocketAddr =
        if args.to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).context("bind")?;
    socket.connect(args.to).with_context(|| format!("connect to {}", args.to))?;
    if let Some(cpu) = args.cpu {
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only).with_context(|| format!("stay on CPU {cpu}"))?;
    }
    let payload = vec![b'x'; args.size];
    let parts = [IoSlice::new(&payload)];
    let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> =
        (0..BATCH).map(|_| SendAncillaryBuffer::default()).collect();
    let mut batch: Vec<MMsgHdr<'_>> =
        nothing.iter_mut().map(|control| MMsgHdr::new(&parts, control)).collect();

    let patience = Patience::of(Duration::from_millis(args.milliseconds));
    let begin = now();
    let mut sent = 0_u64;
    while patience.left().is_some() {
        match sendmmsg(&socket, &mut batch, SendFlags::empty()) {
            Ok(count) => sent += u64::try_from(count)?,
            // The path is full, or the other side has said that it does not listen: so it goes.
            Err(Errno::NOBUFS | Errno::AGAIN | Errno::CONNREFUSED) => {}
            Err(error) => bail!("send to {}: {error}", args.to),
        }
    }
    let nanoseconds = begin.elapsed().as_nanos();
    answer(&format!(r#"{{"sent":{sent},"nanoseconds":{nanoseconds}}}"#))
}

#[expect(clippy::disallowed_methods, reason = "how long it took is half of the answer")]
fn now() -> Instant {
    Instant::now()
}
