//! An answer's network -> who is connected to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::models::NetworkInspect;

use super::container::mac;
use crate::accounting::identity::ContainerId;

/// The containers on one network, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    /// Its name.
    pub(crate) network: String,
    pub(crate) id: String,
    pub(crate) containers: BTreeMap<ContainerId, Member>,
}

/// A container on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// First octet in bits 40..48.
    pub(crate) mac: Option<u64>,
}

impl Connected {
    /// `None` for a network without a name. Endpoints that are no container's are passed over.
    pub(super) fn of(answer: NetworkInspect) -> Option<Self> {
        let members = answer.containers.unwrap_or_default().into_iter().filter_map(|(id, endpoint)| {
            let addresses = [endpoint.ipv4_address, endpoint.ipv6_address];
            // They come with the length of their prefix.
            let addresses =
                addresses.iter().flatten().filter_map(|text| text.split('/').next()?.parse().ok());
            let member = Member {
                name: endpoint.name.unwrap_or_default(),
                addresses: addresses.collect(),
                mac: endpoint.mac_address.as_deref().and_then(mac),
            };
            Some((id.parse().ok()?, member))
        });
        let containers = members.collect();
        Some(Self { network: answer.name?, id: answer.id.unwrap_or_default(), containers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_without_their_prefix_and_only_for_containers() {
        let id = "0123456789abcdef".repeat(4);
        let json = format!(
            r#"{{"Name":"bridge","Id":"n1","Driver":"bridge","Containers":{{
                "{id}":{{"Name":"web","EndpointID":"e","MacAddress":"02:42:ac:11:00:02","IPv4Address":"172.17.0.2/16","IPv6Address":""}},
                "ep-77":{{"Name":"gateway","EndpointID":"e","IPv4Address":"172.17.0.9/16"}}}}}}"#
        );
        let connected = Connected::of(serde_json::from_str(&json).unwrap()).unwrap();
        let member = Member {
            name: "web".to_owned(),
            addresses: vec![[172, 17, 0, 2].into()],
            mac: Some(0x0242_ac11_0002),
        };
        let containers = BTreeMap::from([(id.parse().unwrap(), member)]);
        let (network, id) = ("bridge".to_owned(), "n1".to_owned());
        assert_eq!(connected, Connected { network, id, containers });
    }
}
