//! What things are called, in every view the same.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use dtraf_common::abi::{self, Direction, Family, Role, Scope};
use dtraf_common::packet::protocol as number;

use crate::accounting::amount::Unit;
use crate::accounting::attribution::{Reason, Uncounted};
use crate::accounting::bill::Counts;
use crate::accounting::bill::quota::Source;
use crate::accounting::blind::BlindSpot;
use crate::accounting::identity::Timestamp;
use crate::accounting::inventory::PublishedPort;
use crate::accounting::report::{Backend, RowState};
use crate::accounting::snapshot::{Bucket, HookKind, Life, TcHook};

pub(crate) fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Ebpf => "ebpf",
        Backend::Iptables => "iptables",
        Backend::Nft => "nft",
    }
}

pub(crate) fn hook(hook: HookKind) -> &'static str {
    match hook {
        HookKind::Tc(TcHook::Tcx) => "tcx",
        HookKind::Tc(TcHook::Clsact) => "clsact",
        HookKind::DockerUser => "docker_user",
        HookKind::NftForward => "nft_forward",
    }
}

/// Who says what a quota is.
pub(crate) fn source(source: Source) -> &'static str {
    match source {
        Source::Set => "set",
        Source::Config => "config",
        Source::Label => "label",
    }
}

/// As a field of JSON.
pub(crate) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Wire => "wire_bytes",
        Unit::SkbIp => "skb_ip_bytes",
    }
}

/// For people.
pub(crate) fn unit_in_words(unit: Unit) -> &'static str {
    match unit {
        Unit::Wire => "wire bytes",
        Unit::SkbIp => "skb IP bytes",
    }
}

pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "rx",
        Direction::Transmitted => "tx",
    }
}

pub(crate) fn life(life: Life) -> &'static str {
    match life {
        Life::Live => "live",
        Life::Retired => "retired",
    }
}

/// `None` where it is not known.
pub(crate) fn state(state: RowState) -> Option<&'static str> {
    match state {
        RowState::Running => Some("running"),
        RowState::Stopped => Some("stopped"),
        RowState::Unknown => None,
        RowState::Removed => Some("removed"),
    }
}

pub(crate) fn counts(counts: Counts) -> &'static str {
    match counts {
        Counts::Sum => "sum",
        Counts::Max => "max",
        Counts::Rx => "rx",
        Counts::Tx => "tx",
    }
}

pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Internet => "internet",
        Scope::Lan => "lan",
        Scope::Host => "host",
        Scope::Container => "container",
        Scope::Multicast => "multicast",
        Scope::Other => "other",
        Scope::Flooded => "flooded",
    }
}

pub(crate) fn bucket(bucket: Bucket) -> &'static str {
    let bucket = match bucket {
        Bucket::Program(bucket) => bucket,
        Bucket::NoRule => return "no_rule",
    };
    match bucket {
        abi::Bucket::L2 => "l2",
        abi::Bucket::Foreign => "foreign",
        abi::Bucket::Multicast => "multicast",
        abi::Bucket::Fragment => "fragment",
        abi::Bucket::NoPort => "no_port",
        abi::Bucket::Unsolicited => "unsolicited",
        abi::Bucket::OverQuota => "over_quota",
        abi::Bucket::MapFull => "map_full",
        abi::Bucket::Unparsed => "unparsed",
    }
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Portless => "portless",
        Role::Server => "server",
        Role::Client | Role::ClientOther => "client",
    }
}

pub(crate) fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// As in `/etc/protocols`; the number where it has no name that everybody knows.
pub(crate) fn protocol(protocol: u8) -> Cow<'static, str> {
    Cow::Borrowed(match protocol {
        number::ICMP => "icmp",
        2 => "igmp",
        4 => "ipip",
        number::TCP => "tcp",
        number::UDP => "udp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        number::AUTHENTICATION => "ah",
        number::ICMPV6 => "ipv6-icmp",
        number::SCTP => "sctp",
        other => return Cow::Owned(other.to_string()),
    })
}

pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NoContainer => "no_container",
        Reason::NoNamespace => "no_namespace",
        Reason::InterfaceGone => "interface_gone",
        Reason::Forgotten => "forgotten",
    }
}

pub(crate) fn uncounted(uncounted: &Uncounted) -> &'static str {
    match uncounted {
        Uncounted::HostNetwork => "host_network",
        Uncounted::NoNetwork => "no_network",
        Uncounted::InsideNamespace { .. } => "inside_namespace",
        Uncounted::Overlay => "overlay",
        Uncounted::UnknownDriver { .. } => "unknown_driver",
        Uncounted::UnknownMode { .. } => "unknown_mode",
        Uncounted::UnknownNamespace => "unknown_namespace",
        Uncounted::NotRunning => "not_running",
        Uncounted::NoInterface => "no_interface",
    }
}

pub(crate) fn blind_spot(spot: BlindSpot) -> &'static str {
    match spot {
        BlindSpot::Wire => "wire",
        BlindSpot::Scopes => "scopes",
        BlindSpot::ClientPorts => "client_ports",
        BlindSpot::HostTraffic => "host_traffic",
        BlindSpot::SameBridge(Family::V4) => "same_bridge_ipv4",
        BlindSpot::SameBridge(Family::V6) => "same_bridge_ipv6",
        BlindSpot::Ipv6 => "ipv6",
        BlindSpot::NonIp => "non_ip",
        BlindSpot::Earlier => "earlier",
        BlindSpot::ForgedSource => "forged_source",
        BlindSpot::Hidden => "hidden",
        BlindSpot::Offloaded => "offloaded",
    }
}

/// `80/tcp`; `other/tcp` for ports without an entry of their own; the protocol alone where it has no ports.
pub(crate) fn port(protocol_number: u8, port: u16, role: Role) -> String {
    match role {
        Role::Portless => protocol(protocol_number).into_owned(),
        Role::Server | Role::Client => format!("{port}/{}", protocol(protocol_number)),
        Role::ClientOther => format!("other/{}", protocol(protocol_number)),
    }
}

/// `8080->80/tcp`, with the address of the host where it is not any.
pub(crate) fn mapping(published: &PublishedPort) -> String {
    let address = published.host_address.filter(|address| !address.is_unspecified());
    let host = match address {
        Some(address) => std::net::SocketAddr::new(address, published.host_port).to_string(),
        None => published.host_port.to_string(),
    };
    format!("{host}->{}/{}", published.container.port, protocol(published.container.protocol))
}

/// `2026-09-21T13:33:20.123456789Z`
pub(crate) fn rfc3339(at: Timestamp) -> String {
    humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(at.unix_ns())).to_string()
}

/// `2026-09-21T13:33:20Z`
pub(crate) fn second(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_nanos(at.unix_ns())).to_string()
}

/// `2026-09-21 13:33Z`
pub(crate) fn minute(at: Timestamp) -> String {
    let second = second(at);
    format!("{}Z", second[..16].replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{at, published};

    #[test]
    fn a_mapping_names_the_hosts_address_unless_it_is_any() {
        let on = |address: &str| PublishedPort {
            host_address: Some(address.parse().unwrap()),
            ..published(8080, 80)
        };
        assert_eq!(mapping(&published(8080, 80)), "8080->80/tcp");
        assert_eq!(mapping(&on("0.0.0.0")), "8080->80/tcp");
        assert_eq!(mapping(&on("::")), "8080->80/tcp");
        assert_eq!(mapping(&on("127.0.0.1")), "127.0.0.1:8080->80/tcp");
        assert_eq!(mapping(&on("::1")), "[::1]:8080->80/tcp");
    }

    #[test]
    fn a_port_without_number_goes_by_its_protocol() {
        assert_eq!(port(1, 0, Role::Portless), "icmp");
        assert_eq!(port(99, 0, Role::Portless), "99");
        assert_eq!(port(6, 443, Role::Client), "443/tcp");
        assert_eq!(port(6, 0, Role::ClientOther), "other/tcp");
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(rfc3339(at(1)), "2026-09-21T14:13:21.000000000Z");
        assert_eq!(minute(at(1)), "2026-09-21 14:13Z");
    }
}
