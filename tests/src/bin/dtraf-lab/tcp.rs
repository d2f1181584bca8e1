//! TCP transfers: the client says how much it sends and how much it wants, and both carry that to the byte.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context as _, Result, ensure};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType};

use crate::answer;

const CHUNK: usize = 64 * 1024;

pub(crate) fn serve(port: u16) -> Result<()> {
    // The IPv6 wildcard takes IPv4 as well.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).context("listen")?;
    answer("ready")?;
    loop {
        let (stream, _) = listener.accept().context("accept")?;
        // A client that goes away is its own affair.
        std::thread::spawn(move || drop(serve_one(stream)));
    }
}

fn serve_one(mut stream: TcpStream) -> Result<()> {
    let mut request = [0; 16];
    stream.read_exact(&mut request)?;
    let (up, down) = request.split_at(8);
    take(&mut stream, u64::from_le_bytes(up.try_into()?))?;
    give(&mut stream, u64::from_le_bytes(down.try_into()?))
}

pub(crate) fn transfer(to: SocketAddr, up: u64, down: u64, from: Option<u16>) -> Result<()> {
    let stream = from.map_or_else(|| Ok(TcpStream::connect(to)?), |port| connect_from(port, to));
    let mut stream = stream.with_context(|| format!("connect to {to}"))?;
    let request = [up.to_le_bytes(), down.to_le_bytes()].concat();
    stream.write_all(&request)?;
    give(&mut stream, up).context("send")?;
    take(&mut stream, down).context("receive")?;
    // The server closes first: nothing is under way any more when this end says so.
    ensure!(stream.read(&mut [0])? == 0, "more came than was asked for");
    let sent = u64::try_from(request.len())? + up;
    answer(&format!(r#"{{"sent":{sent},"received":{down}}}"#))
}

/// Connects from a local port, which a server may have had before.
fn connect_from(port: u16, to: SocketAddr) -> Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddr::new(any, port))?;
    rustix::net::connect(&socket, &to)?;
    Ok(socket.into())
}

fn give(stream: &mut TcpStream, count: u64) -> Result<()> {
    let copied =
        io::copy(&mut io::repeat(b'x').take(count), &mut io::BufWriter::with_capacity(CHUNK, stream))?;
    ensure!(copied == count, "{copied} of {count} bytes were sent");
    Ok(())
}

fn take(stream: &mut TcpStream, count: u64) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut left = count;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let got = stream.read(&mut buffer[..wanted])?;
        ensure!(got > 0, "the connection ended {left} bytes early");
        left -= u64::try_from(got)?;
    }
    Ok(())
}
