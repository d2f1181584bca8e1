//! Listening sockets as the kernel tells of them by netlink (`sock_diag`, Linux 3.3): those who listen stand in a table of
//! their own, and only that is looked through.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{EPHEMERAL, is_absence};
use crate::accounting::inventory::PortNumber;

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`, `NLMSG_ERROR` and `NLMSG_DONE` of `linux/netlink.h`.
const REQUEST_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// `TCPF_LISTEN`, and `TCPF_CLOSE`, which is where an unconnected UDP socket is (`net/tcp_states.h`).
const LISTENING: u32 = 1 << 10;
const UNCONNECTED: u32 = 1 << 7;

/// Of each question. A container may have any number of sockets.
const MOST: usize = 4096;
/// What the kernel puts into one datagram at the most.
const DATAGRAM: usize = 32 << 10;

/// `struct nlmsghdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// `struct inet_diag_sockid`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SocketId {
    local_port: [u8; 2],
    remote_port: [u8; 2],
    local: [u8; 16],
    remote: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
}

/// `struct inet_diag_req_v2` behind its header.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    header: Header,
    family: u8,
    protocol: u8,
    extensions: u8,
    padding: u8,
    states: u32,
    id: SocketId,
}

/// The beginning of `struct inet_diag_msg`.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Answer {
    family: u8,
    _state: u8,
    _timer: u8,
    _retransmits: u8,
    id: SocketId,
}

/// A thread that may go into other network namespaces: nobody else runs in it.
#[derive(Debug)]
pub(super) struct Visitor {
    own: File,
}

impl Visitor {
    /// The calling thread.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { own: File::open("/proc/thread-self/ns/net")? })
    }

    /// What the network namespace of process `pid` listens on by TCP and UDP; empty when the process is gone.
    pub(super) fn listening(&self, pid: u32) -> io::Result<BTreeSet<PortNumber>> {
        let namespace = match File::open(format!("/proc/{pid}/ns/net")) {
            Err(error) if is_absence(&error) => return Ok(BTreeSet::new()),
            opened => opened?,
        };
        let socket = self.socket_in(namespace.as_fd())?;
        let mut ports = BTreeSet::new();
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            ask(&socket, family, TCP, LISTENING, &mut ports)?;
            ask(&socket, family, UDP, UNCONNECTED, &mut ports)?;
        }
        Ok(ports)
    }

    /// A socket belongs to the namespace in which it was made, wherever the thread is afterwards. It must not stay there: that
    /// would keep the namespace of a container that has ended.
    fn socket_in(&self, namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        );
        move_into_link_name_space(self.own.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("a thread may go back to where its process is");
        Ok(socket?)
    }
}

fn ask(
    socket: &OwnedFd,
    family: AddressFamily,
    protocol: u8,
    states: u32,
    ports: &mut BTreeSet<PortNumber>,
) -> io::Result<()> {
    let length = u32::try_from(size_of::<Request>()).expect("some bytes");
    let id = SocketId {
        local_port: [0; 2],
        remote_port: [0; 2],
        local: [0; 16],
        remote: [0; 16],
        interface: 0,
        cookie: [0; 2],
    };
    let request = Request {
        header: Header { length, kind: BY_FAMILY, flags: REQUEST_DUMP, sequence: 0, port: 0 },
        family: u8::try_from(family.as_raw()).expect("a family has a small number"),
        protocol,
        extensions: 0,
        padding: 0,
        states,
        id,
    };
    send(socket, request.as_bytes(), SendFlags::empty())?;
    let (mut datagram, mut left) = (vec![0; DATAGRAM], MOST);
    loop {
        let (length, _) = recv(socket, &mut datagram[..], RecvFlags::empty())?;
        if collect(&datagram[..length], protocol, &mut left, ports)? == Told::All || left == 0 {
            return Ok(());
        }
    }
}

/// Whether an answer has more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Some,
    All,
}

/// Adds the ports of a datagram's messages.
fn collect(
    mut messages: &[u8],
    protocol: u8,
    left: &mut usize,
    ports: &mut BTreeSet<PortNumber>,
) -> io::Result<Told> {
    while let Ok((header, behind)) = Header::read_from_prefix(messages) {
        let length = (header.length as usize).saturating_sub(size_of::<Header>());
        let body = behind.get(..length).ok_or(io::ErrorKind::InvalidData)?;
        match header.kind {
            DONE => return Ok(Told::All),
            ERROR => {
                let (error, _) = i32::read_from_prefix(body).map_err(|_short| io::ErrorKind::InvalidData)?;
                return Err(io::Error::from_raw_os_error(-error));
            }
            _ => {}
        }
        if let Ok((answer, _)) = Answer::read_from_prefix(body) {
            *left = left.saturating_sub(1);
            ports.extend(port(&answer, protocol));
        }
        messages = behind.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Told::Some)
}

fn port(answer: &Answer, protocol: u8) -> Option<PortNumber> {
    let SocketId { local_port, remote_port, local, .. } = answer.id;
    let address = if u16::from(answer.family) == AddressFamily::INET.as_raw() {
        let [first, second, third, fourth, ..] = local;
        IpAddr::V4(Ipv4Addr::new(first, second, third, fourth))
    } else {
        Ipv6Addr::from(local).to_canonical()
    };
    let port = u16::from_be_bytes(local_port);
    let is_clients = protocol == UDP && EPHEMERAL.contains(&port);
    let is_server = remote_port == [0; 2] && port != 0 && !address.is_loopback() && !is_clients;
    is_server.then_some(PortNumber { protocol, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes it, without what is behind the sockets' identities.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(size_of::<Header>() + body.len()).unwrap();
        let header = Header { length, kind, flags: 2, sequence: 0, port: 0 };
        let mut bytes = [header.as_bytes(), body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn socket(family: AddressFamily, local: &[u8], port: u16, remote_port: u16) -> Vec<u8> {
        let mut address = [0; 16];
        address[..local.len()].copy_from_slice(local);
        let id = SocketId {
            local_port: port.to_be_bytes(),
            remote_port: remote_port.to_be_bytes(),
            local: address,
            remote: [0; 16],
            interface: 0,
            cookie: [0; 2],
        };
        let family = u8::try_from(family.as_raw()).unwrap();
        message(BY_FAMILY, &[&[family, 10, 0, 0], id.as_bytes(), &[0; 20]].concat())
    }

    fn ports(protocol: u8, datagram: &[u8]) -> Vec<u16> {
        let mut ports = BTreeSet::new();
        assert_eq!(collect(datagram, protocol, &mut MOST.clone(), &mut ports).unwrap(), Told::Some);
        assert!(ports.iter().all(|port| port.protocol == protocol));
        ports.into_iter().map(|port| port.port).collect()
    }

    #[test]
    fn sockets_are_told_apart() {
        const V4: AddressFamily = AddressFamily::INET;
        const V6: AddressFamily = AddressFamily::INET6;
        let mapped = [&[0; 10][..], &[0xff, 0xff, 127, 0, 0, 1]].concat();
        let loopback = [&[0; 15][..], &[1]].concat();
        for (name, protocol, sockets, expected) in [
            ("on every address", TCP, socket(V4, &[0; 4], 80, 0), &[80][..]),
            ("on every address of IPv6", TCP, socket(V6, &[0; 16], 80, 0), &[80]),
            ("on a high port", TCP, socket(V4, &[172, 17, 0, 2], 50000, 0), &[50000]),
            ("Docker's name server", TCP, socket(V4, &[127, 0, 0, 11], 39467, 0), &[]),
            ("the loopback address of IPv6", TCP, socket(V6, &loopback, 80, 0), &[]),
            ("IPv4's, mapped", TCP, socket(V6, &mapped, 80, 0), &[]),
            ("a server's by UDP", UDP, socket(V4, &[0; 4], 53, 0), &[53]),
            ("a client's by UDP", UDP, socket(V4, &[0; 4], 32768, 0), &[]),
            ("above the clients'", UDP, socket(V4, &[0; 4], 61000, 0), &[61000]),
            ("connected by UDP", UDP, socket(V4, &[0; 4], 53, 5353), &[]),
            (
                "two of them",
                TCP,
                [socket(V4, &[0; 4], 80, 0), socket(V4, &[0; 4], 443, 0)].concat(),
                &[80, 443],
            ),
        ] {
            assert_eq!(ports(protocol, &sockets), expected, "{name}");
        }
    }

    #[test]
    fn an_end_is_an_end_and_an_error_one() {
        let mut found = BTreeSet::new();
        let done = [socket(AddressFamily::INET, &[0; 4], 80, 0), message(DONE, &[0; 4])].concat();
        assert_eq!(collect(&done, TCP, &mut MOST.clone(), &mut found).unwrap(), Told::All);
        assert_eq!(found.len(), 1);
        let refused = message(ERROR, &[&(-libc::ENOENT).to_ne_bytes()[..], &[0; 16]].concat());
        let error = collect(&refused, TCP, &mut MOST.clone(), &mut found).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        let cut = &done[..done.len() - 30];
        assert!(collect(cut, TCP, &mut MOST.clone(), &mut found).is_err());
    }
}
