//! What a backend does not see or know, wherever its counters stand.
//!
//! A report says so beside its figures: a total that leaves something out is not taken for one that does not. What is missing of
//! single containers is [`coverage`](super::attribution::Coverage)'s business.

use dtraf_common::abi::Family;

/// Something that a backend's figures on a host do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum BlindSpot {
    #[error("wire bytes and packets: a packet of up to 64 KB counts once, with one header")]
    Wire,
    #[error("who the other end is: all scopes are one")]
    Scopes,
    #[error("ports of the other end: what a container opened itself counts without a port")]
    ClientPorts,
    #[error("traffic between the host and its containers, through docker-proxy or not")]
    HostTraffic,
    #[error("{} between containers on one bridge", ip(*.0))]
    SameBridge(Family),
    #[error("IPv6")]
    Ipv6,
    #[error("ARP, and whatever else is not IP")]
    NonIp,
    #[error("what a container carried before its rules were there")]
    Earlier,
    #[error(
        "who sent a packet: it counts for the container whose address it bears, even if another one forged that"
    )]
    ForgedSource,
    #[error("packets that other people's rules end before dtraf's: `dtraf rules list` names these rules")]
    Hidden,
    #[error("connections that a flow table of nftables forwards: they pass no rule")]
    Offloaded,
}

impl BlindSpot {
    pub(crate) const ALL: [Self; 12] = [
        Self::Wire,
        Self::Scopes,
        Self::ClientPorts,
        Self::HostTraffic,
        Self::SameBridge(Family::V4),
        Self::SameBridge(Family::V6),
        Self::Ipv6,
        Self::NonIp,
        Self::Earlier,
        Self::ForgedSource,
        Self::Hidden,
        Self::Offloaded,
    ];

    /// What is not seen, in few words.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::Wire => "wire bytes and packets",
            Self::Scopes => "who the other end is",
            Self::ClientPorts => "ports of the other end",
            Self::HostTraffic => "between host and container",
            Self::SameBridge(Family::V4) => "within one bridge, IPv4",
            Self::SameBridge(Family::V6) => "within one bridge, IPv6",
            Self::Ipv6 => "IPv6",
            Self::NonIp => "ARP and other non-IP",
            Self::Earlier => "how much came before it",
            Self::ForgedSource => "who forged an address",
            Self::Hidden => "what other rules end first",
            Self::Offloaded => "what a flow table forwards",
        }
    }

    /// What makes the backend see it, if anything does.
    pub(crate) fn advice(self) -> Option<&'static str> {
        match self {
            Self::SameBridge(Family::V4) => {
                Some("`modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1`")
            }
            Self::SameBridge(Family::V6) => {
                Some("`modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-ip6tables=1`")
            }
            Self::Ipv6 => Some(
                "let Docker make its rules for IPv6, too: `\"ip6tables\": true` in /etc/docker/daemon.json",
            ),
            Self::ForgedSource => Some(
                "run containers that others pay for with `--cap-drop=NET_RAW`, or let eBPF count: it knows the interface",
            ),
            Self::Hidden => Some("`dtraf rules apply` moves dtraf's rules to the top"),
            Self::Offloaded => Some("remove the flow table (`nft list flowtables`), or let eBPF count"),
            _ => None,
        }
    }
}

fn ip(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}
