//! A port scan: one packet to each port, answers or not.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

pub(crate) fn run(protocol: Protocol, address: IpAddr, ports: RangeInclusive<u16>) -> Result<()> {
    match protocol {
        Protocol::Tcp => tcp(address, ports),
        Protocol::Udp => udp(address, ports),
    }
}

fn tcp(address: IpAddr, ports: RangeInclusive<u16>) -> Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    for port in ports {
        let socket =
            socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK, None).context("open a socket")?;
        // The SYN is under way when this returns; closing the socket then sends nothing more.
        match connect(&socket, &SocketAddr::new(address, port)) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::CONNREFUSED) => {}
            Err(error) => return Err(error).with_context(|| format!("send a SYN to port {port}")),
        }
    }
    Ok(())
}

fn udp(address: IpAddr, ports: RangeInclusive<u16>) -> Result<()> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    // Not connected: an ICMP error for one port is not one for the next.
    let socket = UdpSocket::bind(any).context("bind")?;
    for port in ports {
        socket.send_to(b"x", (address, port)).with_context(|| format!("send to port {port}"))?;
    }
    Ok(())
}
