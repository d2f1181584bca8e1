//! Ports as the Engine API writes them.

use std::collections::BTreeSet;

use bollard::models::{PortMap, PortSummary, PortSummaryTypeEnum};

use crate::accounting::inventory::{PortNumber, PublishedPort};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// `80/tcp`, `80`, or `8000-8010/udp`; nothing for what is not like that.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = PortNumber> + use<> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Some(TCP),
        "udp" => Some(UDP),
        "sctp" => Some(SCTP),
        _ => None,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let range = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    protocol.zip(range).into_iter().flat_map(|(protocol, (first, last))| {
        (first..=last).filter(|port| *port != 0).map(move |port| PortNumber { protocol, port })
    })
}

/// The container's ports that a port map names, bound to something or not.
pub(super) fn named(map: Option<&PortMap>) -> impl Iterator<Item = PortNumber> {
    map.into_iter().flat_map(|map| map.keys().flat_map(|text| numbers(text)))
}

/// What a port map binds to ports of the host.
pub(super) fn published(map: Option<&PortMap>) -> BTreeSet<PublishedPort> {
    let mut published = BTreeSet::new();
    for (text, bindings) in map.into_iter().flatten() {
        let bindings = bindings.iter().flatten();
        for (container, binding) in
            bindings.flat_map(|binding| numbers(text).map(move |port| (port, binding)))
        {
            let host_port = binding.host_port.as_deref().and_then(|port| port.parse().ok());
            let host_address = binding.host_ip.as_deref().and_then(|address| address.parse().ok());
            published.extend(published_port(container, host_address, host_port));
        }
    }
    published
}

/// What a list of containers says of one's ports: those that are exposed, and those that are published too.
pub(super) fn listed(ports: &[PortSummary]) -> (BTreeSet<PortNumber>, BTreeSet<PublishedPort>) {
    let mut exposed = BTreeSet::new();
    let mut published = BTreeSet::new();
    for port in ports {
        let protocol = match port.typ {
            Some(PortSummaryTypeEnum::UDP) => UDP,
            Some(PortSummaryTypeEnum::SCTP) => SCTP,
            Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => TCP,
        };
        let container = PortNumber { protocol, port: port.private_port };
        let host_address = port.ip.as_deref().and_then(|address| address.parse().ok());
        exposed.insert(container);
        published.extend(published_port(container, host_address, port.public_port));
    }
    (exposed, published)
}

fn published_port(
    container: PortNumber,
    host_address: Option<std::net::IpAddr>,
    host_port: Option<u16>,
) -> Option<PublishedPort> {
    let host_port = host_port.filter(|port| *port != 0)?;
    Some(PublishedPort { container, host_address, host_port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_texts_are_read_or_passed_over() {
        for (text, expected) in [
            ("80/tcp", vec![(TCP, 80)]),
            ("53/udp", vec![(UDP, 53)]),
            ("5000/sctp", vec![(SCTP, 5000)]),
            ("80", vec![(TCP, 80)]),
            ("7000-7002/udp", vec![(UDP, 7000), (UDP, 7001), (UDP, 7002)]),
            ("65535/tcp", vec![(TCP, 65535)]),
            ("0/tcp", vec![]),
            ("9-8/tcp", vec![]),
            ("65536/tcp", vec![]),
            ("80/icmp", vec![]),
            ("/tcp", vec![]),
            ("", vec![]),
        ] {
            let found: Vec<_> = numbers(text).map(|number| (number.protocol, number.port)).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
