//! Datagrams.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};

use crate::answer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    to: SocketAddr,
    #[arg(long)]
    count: u32,
    /// The payload of each
    #[arg(long)]
    size: usize,
    /// Wait for each to come back
    #[arg(long)]
    echoed: bool,
    /// Let the kernel cut each into datagrams of this size
    #[arg(long)]
    cut: Option<u16>,
}

pub(crate) fn serve(port: u16) -> Result<()> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).context("bind")?;
    answer("ready")?;
    let mut buffer = vec![0; 65_536];
    loop {
        let (size, from) = socket.recv_from(&mut buffer).context("receive")?;
        socket.send_to(&buffer[..size], from).context("send back")?;
    }
}

pub(crate) fn send(args: &Args) -> Result<()> {
    let any: SocketAddr =
        if args.to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).context("bind")?;
    socket.connect(args.to).with_context(|| format!("connect to {}", args.to))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    if let Some(cut) = args.cut {
        setsockopt(&socket, UdpGsoSegment, &i32::from(cut)).context("switch UDP GSO on")?;
    }
    let payload = vec![b'x'; args.size];
    let mut back = vec![0; 65_536];
    let (mut sent, mut received) = (0, 0);
    for _ in 0..args.count {
        let size = socket.send(&payload).context("send")?;
        ensure!(size == payload.len(), "{size} of {} bytes were sent", payload.len());
        sent += size;
        if args.echoed {
            received += socket.recv(&mut back).context("wait for the echo")?;
        }
    }
    answer(&format!(r#"{{"sent":{sent},"received":{received}}}"#))
}
