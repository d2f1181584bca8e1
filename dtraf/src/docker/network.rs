//! An answer's network -> [`Network`].

use bollard::models::Network as Answer;
use ipnet::IpNet;

use super::Product;
use crate::accounting::inventory::Network;

/// What Docker calls the bridge of its default network when the option does not say.
const DEFAULT_BRIDGE: &str = "docker0";
/// Options that name a network's bridge: Docker's, and Podman's, which answers with it in newer versions.
const BRIDGE_OPTIONS: [&str; 2] = ["com.docker.network.bridge.name", "network_interface"];
/// Podman lists its default network under Docker's name for it, but calls it by its own in its containers' answers.
const PODMAN_ALIAS: &str = "bridge";
const PODMAN_NAME: &str = "podman";
/// Docker names the bridges of other networks after so many digits of their id.
const BRIDGE_ID_DIGITS: usize = 12;

/// `None` for what has no name or id. Subnets and gateways that cannot be read are passed over.
pub(super) fn network(answer: Answer, product: Product) -> Option<Network> {
    let (id, mut name) = (answer.id?, answer.name?);
    if product == Product::Podman && name == PODMAN_ALIAS {
        PODMAN_NAME.clone_into(&mut name);
    }
    let driver = answer.driver.unwrap_or_default();
    let options = answer.options.unwrap_or_default();
    let configs = answer.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let bridge = (driver == "bridge").then(|| {
        let option = BRIDGE_OPTIONS.iter().find_map(|key| options.get(*key).filter(|name| !name.is_empty()));
        option.cloned().or_else(|| default_bridge(&id, &name, product))
    });
    Some(Network {
        bridge: bridge.flatten(),
        subnets: configs
            .iter()
            .filter_map(|config| Some(config.subnet.as_ref()?.parse::<IpNet>().ok()?.trunc()))
            .collect(),
        gateways: configs
            .iter()
            // Some versions write the prefix length behind it.
            .filter_map(|config| config.gateway.as_ref()?.split('/').next()?.parse().ok())
            .collect(),
        id,
        name,
        driver,
    })
}

fn default_bridge(id: &str, name: &str, product: Product) -> Option<String> {
    match product {
        Product::Docker if name == "bridge" => Some(DEFAULT_BRIDGE.to_owned()),
        Product::Docker => Some(format!("br-{}", id.get(..BRIDGE_ID_DIGITS)?)),
        // Podman numbers its bridges in the order of their making.
        Product::Podman => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, product: Product) -> Vec<Network> {
        let answers: Vec<Answer> = serde_json::from_str(json).unwrap();
        answers.into_iter().filter_map(|answer| network(answer, product)).collect()
    }

    #[test]
    fn docker_says_or_implies_the_name_of_a_bridge() {
        let networks = read(include_str!("answers/docker-20.10-networks.json"), Product::Docker);
        let bridges: Vec<_> = networks
            .iter()
            .map(|network| (&*network.name, &*network.driver, network.bridge.as_deref()))
            .collect();
        insta::assert_debug_snapshot!(bridges);
        insta::assert_debug_snapshot!(
            networks
                .iter()
                .map(|network| (&*network.name, &network.subnets, &network.gateways))
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn addresses_that_cannot_be_read_are_passed_over() {
        let json = r#"[{"Name":"n","Id":"0123456789abcdef","Driver":"bridge","Options":null,"IPAM":{"Config":[
            {"Subnet":"10.1.2.3/16","Gateway":"10.1.0.1/16"},
            {"Subnet":"","Gateway":"none"},
            {"Subnet":"fd00::/64"}]}}]"#;
        let networks = read(json, Product::Docker);
        assert_eq!(networks[0].bridge.as_deref(), Some("br-0123456789ab"));
        assert_eq!(networks[0].subnets, ["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        assert_eq!(networks[0].gateways, ["10.1.0.1".parse::<std::net::IpAddr>().unwrap()]);
    }

    #[test]
    fn podman_does_not_name_its_bridges_and_hides_the_default_networks_name() {
        let networks = read(include_str!("answers/podman-4.3-networks.json"), Product::Podman);
        let found: Vec<_> =
            networks.iter().map(|network| (&*network.name, network.bridge.as_deref())).collect();
        assert_eq!(found, [("pnet", None), ("podman", None)]);
    }
}
