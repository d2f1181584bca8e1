//! Keeps a second dtraf from changing the rules of one network namespace.
//!
//! A socket with an abstract name: it belongs to the network namespace, as the rules do, it is gone when the process is,
//! and it leaves no file.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

const NAME: &str = "dtraf-rules";

/// Held for as long as the rules may be changed.
#[derive(Debug)]
pub(crate) struct Claim {
    _socket: UnixListener,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error(
        "another dtraf keeps the firewall's rules of this host; stop it first, or use its figures: `dtraf stats`"
    )]
    Taken,
    #[error("keep other dtrafs from changing the firewall's rules")]
    Socket(#[source] io::Error),
}

impl Claim {
    pub(crate) fn take() -> Result<Self, ClaimError> {
        let bound = SocketAddr::from_abstract_name(NAME).and_then(|name| UnixListener::bind_addr(&name));
        bound.map(|socket| Self { _socket: socket }).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ClaimError::Taken,
            _ => ClaimError::Socket(source),
        })
    }
}
