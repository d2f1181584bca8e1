//! What each backend does not see on a host.

use dtraf_common::abi::Family;

use crate::accounting::blind::BlindSpot;
use crate::accounting::report::Backend;
use crate::source::probe::{BridgeFilter, Facts};

/// What is missing in the backend's figures, were it to count here. A program on each interface sees all of it.
pub(crate) fn blind_spots(backend: Backend, facts: &Facts) -> Vec<BlindSpot> {
    let is_blind = |spot: &BlindSpot| match spot {
        BlindSpot::Wire
        | BlindSpot::Scopes
        | BlindSpot::ClientPorts
        | BlindSpot::HostTraffic
        | BlindSpot::NonIp
        | BlindSpot::Earlier
        | BlindSpot::ForgedSource => true,
        BlindSpot::Hidden => backend == Backend::Iptables && is_hidden(facts),
        BlindSpot::Offloaded => facts.nft.as_ref().is_some_and(|nft| nft.flow_tables),
        BlindSpot::Ipv6 => !sees_ipv6(backend, facts),
        BlindSpot::SameBridge(Family::V6) if !sees_ipv6(backend, facts) => true,
        BlindSpot::SameBridge(family) => *facts.bridge_filter.get(*family) != BridgeFilter::On,
    };
    match backend {
        Backend::Ebpf => Vec::new(),
        Backend::Iptables | Backend::Nft => BlindSpot::ALL.into_iter().filter(is_blind).collect(),
    }
}

/// Docker has made a `DOCKER-USER` for IPv6 by itself since 27; dtraf's own table is for both.
fn sees_ipv6(backend: Backend, facts: &Facts) -> bool {
    backend != Backend::Iptables || facts.iptables.v6.docker().is_some()
}

fn is_hidden(facts: &Facts) -> bool {
    let mut tables = Family::ALL.into_iter().filter_map(|family| facts.iptables.get(family).docker());
    tables.any(|(_, tables)| !tables.hiding.is_empty())
}
