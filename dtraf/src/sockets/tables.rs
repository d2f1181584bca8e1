//! Listening sockets from `/proc/PID/net`: what is read where the kernel may not be asked, and of SCTP always.
//!
//! Not free on a host with many connections: the kernel walks its table of all namespaces' connections to learn that there is
//! none of this one, which takes 10 ms on a host with a few.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::{EPHEMERAL, SocketsError, is_absence};
use crate::accounting::inventory::PortNumber;

/// Of each table. Listening TCP sockets come first in theirs, so that this holds some 1,700 of them however many
/// connections there are.
const TABLE_BYTES: u64 = 256 << 10;

/// States as the tables print them.
const TCP_LISTEN: &str = "0A";
const SCTP_LISTENING: &str = "10";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Tcp,
    Udp,
    SctpEndpoints,
}

const TABLES: [(&str, Table); 5] = [
    ("tcp", Table::Tcp),
    ("tcp6", Table::Tcp),
    ("udp", Table::Udp),
    ("udp6", Table::Udp),
    ("sctp/eps", Table::SctpEndpoints),
];

/// What the network namespace of process `pid` listens on; empty when the process is gone.
pub(super) fn listening(pid: u32) -> Result<BTreeSet<PortNumber>, SocketsError> {
    read(pid, &TABLES)
}

/// The same, of SCTP only.
pub(super) fn listening_by_sctp(pid: u32) -> Result<BTreeSet<PortNumber>, SocketsError> {
    let sctp = |(_, table): &&(&str, Table)| *table == Table::SctpEndpoints;
    read(pid, TABLES.iter().filter(sctp))
}

fn read<'a>(
    pid: u32,
    tables: impl IntoIterator<Item = &'a (&'static str, Table)>,
) -> Result<BTreeSet<PortNumber>, SocketsError> {
    let mut ports = BTreeSet::new();
    for (name, table) in tables {
        let path = PathBuf::from(format!("/proc/{pid}/net/{name}"));
        let read = File::open(&path)
            .and_then(|file| table.collect(BufReader::new(file.take(TABLE_BYTES)), &mut ports));
        match read {
            Ok(()) => {}
            // No such process, IPv6 or SCTP not in this kernel, or the process went while it was read.
            Err(error) if is_absence(&error) => {}
            Err(source) => return Err(SocketsError { pid, path, source }),
        }
    }
    Ok(ports)
}

impl Table {
    /// Adds the ports of a table's text. Rows that cannot be read are passed over.
    fn collect(self, mut rows: impl BufRead, ports: &mut BTreeSet<PortNumber>) -> io::Result<()> {
        let mut row = String::new();
        // The heading.
        rows.read_line(&mut row)?;
        loop {
            row.clear();
            if rows.read_line(&mut row)? == 0 {
                return Ok(());
            }
            let columns: Vec<&str> = row.split_ascii_whitespace().collect();
            let port = match self {
                Self::Tcp if columns.get(3) != Some(&TCP_LISTEN) => return Ok(()),
                Self::Tcp => listener(&columns, 6),
                Self::Udp => listener(&columns, 17).filter(|found| !EPHEMERAL.contains(&found.port)),
                Self::SctpEndpoints => sctp_listener(&columns),
            };
            ports.extend(port);
        }
    }
}

/// A row of the TCP or UDP tables: `sl local_address remote_address state ...`.
fn listener(columns: &[&str], protocol: u8) -> Option<PortNumber> {
    let (address, port) = socket_address(columns.get(1)?)?;
    let (_, remote_port) = socket_address(columns.get(2)?)?;
    (remote_port == 0 && port != 0 && !address.is_loopback()).then_some(PortNumber { protocol, port })
}

/// A row of the SCTP endpoints: `endpoint socket style state bucket port uid inode addresses...`.
fn sctp_listener(columns: &[&str]) -> Option<PortNumber> {
    let port = columns.get(5)?.parse().ok().filter(|port| *port != 0)?;
    (columns.get(3) == Some(&SCTP_LISTENING)).then_some(PortNumber { protocol: 132, port })
}

/// `0100007F:1F90` or its IPv6 form: 32-bit words of the address as this machine stores them, and the port's value.
fn socket_address(column: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = column.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (at, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests;
