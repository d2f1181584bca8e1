//! What can go wrong between dtraf and rtnetlink.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::accounting::identity::{IfIndex, NetnsId};

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Links,
    Link(IfIndex),
    LinkByName,
    Addresses,
    NetnsId,
    Peer { netns: NetnsId, index: u32 },
    RemoveClsact(IfIndex),
    SetQueueLength(IfIndex),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Links => f.write_str("list the host's interfaces"),
            Self::Link(ifindex) => write!(f, "read interface {ifindex}"),
            Self::LinkByName => f.write_str("read an interface by its name"),
            Self::Addresses => f.write_str("list the host's addresses"),
            Self::RemoveClsact(ifindex) => write!(f, "remove the clsact qdisc of interface {ifindex}"),
            Self::SetQueueLength(ifindex) => write!(f, "set the queue length of interface {ifindex}"),
            Self::NetnsId => f.write_str("ask for a network namespace's number"),
            Self::Peer { netns, index } => {
                write!(f, "read interface {index} in network namespace {}", netns.0)
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LinksError {
    #[error(
        "open a netlink socket for {purpose} (a systemd unit's RestrictAddressFamilies= must allow AF_NETLINK)"
    )]
    Open { purpose: &'static str, source: io::Error },
    #[error("{operation} by netlink{}", hint(source))]
    Refused { operation: Operation, source: io::Error },
    #[error("{operation} by netlink: the socket is closed; restart dtraf")]
    Closed { operation: Operation, source: rtnetlink::Error },
    #[error("{operation} by netlink: this version of dtraf cannot read the kernel's answer")]
    Unreadable { operation: Operation },
}

impl LinksError {
    /// Whether the kernel refused with this error.
    pub(super) fn is(&self, errno: Errno) -> bool {
        matches!(self, Self::Refused { source, .. } if source.raw_os_error() == Some(errno.raw_os_error()))
    }
}

fn hint(refusal: &io::Error) -> &'static str {
    match refusal.kind() {
        io::ErrorKind::PermissionDenied => " (run dtraf as root or with CAP_NET_ADMIN)",
        _ => "",
    }
}
