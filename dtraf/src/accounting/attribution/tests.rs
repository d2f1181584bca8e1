use super::*;
use crate::accounting::fixtures::{
    at, container, endpoint, id, ifindex, in_mode, inventory, meter, reading, stopped,
};

fn placed(netns: i32, bridge: &str) -> Placement {
    Placement { netns: Some(NetnsId(netns)), bridge: Some(bridge.to_owned()), ..Placement::default() }
}

fn owned_by(number: u8, name: &str) -> Owner {
    Owner::Container(ContainerName { id: id(number), name: name.to_owned() })
}

fn known_as(number: u8, name: &str) -> ContainerName {
    ContainerName { id: id(number), name: name.to_owned() }
}

#[test]
fn a_meter_belongs_to_the_container_behind_its_namespace() {
    let inventory = inventory([container(1, "web"), container(2, "db")]);
    assert_eq!(
        owner(None, Some(&placed(2, "docker0")), &inventory, &Tenants::of(&inventory)),
        owned_by(2, "db")
    );
}

#[test]
fn every_meter_without_a_container_says_why() {
    let inventory = inventory([container(1, "web")]);
    let cases = [
        ("a namespace nobody owns", Some(placed(9, "docker0")), Reason::NoContainer),
        ("no namespace", Some(Placement::default()), Reason::NoNamespace),
        ("no interface any more", None, Reason::InterfaceGone),
    ];
    for (case, placement, reason) in cases {
        let owner = owner(None, placement.as_ref(), &inventory, &Tenants::of(&inventory));
        assert_eq!(owner, Owner::Unattributed(reason), "{case}");
    }
}

#[test]
fn the_one_whose_namespace_it_is_owns_what_co_tenants_share() {
    let tenant = |number, name| {
        let mode = NetworkMode::SharedWith(id(5));
        Container { netns: Some(NetnsId(5)), ..in_mode(container(number, name), mode) }
    };
    let shared = inventory([tenant(1, "sidecar"), container(5, "app"), tenant(9, "debug")]);
    assert_eq!(owner(None, Some(&placed(5, "docker0")), &shared, &Tenants::of(&shared)), owned_by(5, "app"));

    let app_stopped = inventory([tenant(1, "sidecar"), stopped(container(5, "app"))]);
    assert_eq!(
        owner(None, Some(&placed(5, "docker0")), &app_stopped, &Tenants::of(&app_stopped)),
        owned_by(5, "app")
    );
}

#[test]
fn joining_one_another_in_a_circle_ends() {
    let joins = |number, name, other| in_mode(container(number, name), NetworkMode::SharedWith(id(other)));
    let inventory = inventory([joins(1, "a", 2), joins(2, "b", 1)]);
    let a = &inventory.containers[&id(1)];
    assert_eq!(namespace_owner(&inventory, a).id, id(1));
    assert_eq!(
        coverage(a, &inventory, &Attached::default()),
        Coverage::NotCounted(Uncounted::UnknownNamespace)
    );
}

#[test]
fn a_meter_keeps_its_container_when_the_namespace_is_gone() {
    let gone = inventory([]);
    assert_eq!(owner(Some(&known_as(1, "web")), None, &gone, &Tenants::of(&gone)), owned_by(1, "web"));
    let renamed = inventory([stopped(container(1, "web-old"))]);
    assert_eq!(
        owner(Some(&known_as(1, "web")), None, &renamed, &Tenants::of(&renamed)),
        owned_by(1, "web-old")
    );
}

#[test]
fn what_is_seen_now_goes_before_what_was_known() {
    let inventory = inventory([container(1, "web"), container(2, "db")]);
    let owner =
        owner(Some(&known_as(1, "web")), Some(&placed(2, "docker0")), &inventory, &Tenants::of(&inventory));
    assert_eq!(owner, owned_by(2, "db"));
}

#[test]
fn every_reading_comes_out_with_an_owner_and_its_network() {
    let inventory = inventory([container(1, "web")]);
    let snapshot =
        Snapshot { taken_at: at(1), meters: vec![reading(meter(7), 1, 1), reading(meter(8), 2, 2)] };
    let placements = BTreeMap::from([(ifindex(7), placed(1, "br-f00"))]);
    let attributed = attribute(snapshot, &inventory, &placements);
    let owners: Vec<_> =
        attributed.meters.iter().map(|meter| (&meter.owner, meter.network.as_deref())).collect();
    assert_eq!(
        owners,
        [(&owned_by(1, "web"), Some("front")), (&Owner::Unattributed(Reason::InterfaceGone), None)]
    );
}

fn not(reason: Uncounted) -> Coverage {
    Coverage::NotCounted(reason)
}

fn covered(container: &Container, attached: &Attached<'_>) -> Coverage {
    coverage(container, &inventory([container.clone()]), attached)
}

fn on(networks: &[&str]) -> Container {
    let endpoints = networks.iter().map(|name| endpoint(name, [10, 0, 0, 1])).collect();
    Container { endpoints, ..container(1, "web") }
}

#[test]
fn coverage_of_networks_names_those_that_are_not_counted() {
    let none = Attached::default();
    let bridge = Attached { live: vec![Some("bridge")], ever: true };
    let unplaced = Attached { live: vec![None], ever: true };
    let past = Attached { live: vec![], ever: true };
    let macvlan = || Uncounted::InsideNamespace { driver: "macvlan".to_owned() };
    let partly = |network: &str, reason| Coverage::Partly(vec![Gap { network: network.to_owned(), reason }]);
    let cases = [
        ("one bridge", on(&["bridge"]), &bridge, Coverage::Counted),
        ("a bridge that is not known yet", on(&["bridge"]), &unplaced, Coverage::Counted),
        ("not attached yet", on(&["bridge"]), &none, not(Uncounted::NoInterface)),
        ("attached before, not now", on(&["bridge"]), &past, partly("bridge", Uncounted::NoInterface)),
        ("one of two bridges", on(&["bridge", "front"]), &bridge, partly("front", Uncounted::NoInterface)),
        ("bridge and macvlan", on(&["bridge", "vlan7"]), &bridge, partly("vlan7", macvlan())),
        ("bridge not known yet and macvlan", on(&["bridge", "vlan7"]), &unplaced, partly("vlan7", macvlan())),
        ("macvlan", on(&["vlan7"]), &none, not(macvlan())),
        ("overlay", on(&["swarm"]), &none, not(Uncounted::Overlay)),
        ("disconnected", on(&[]), &none, not(Uncounted::NoNetwork)),
        ("disconnected later", on(&[]), &past, Coverage::Counted),
        ("never ran", stopped(on(&["bridge"])), &none, not(Uncounted::NotRunning)),
        ("stopped", stopped(on(&["bridge"])), &past, Coverage::Counted),
    ];
    for (case, container, attached, expected) in cases {
        assert_eq!(covered(&container, attached), expected, "{case}");
    }
}

#[test]
fn coverage_without_networks_says_why_there_is_none() {
    let warp = || NetworkMode::Unknown("warp".to_owned());
    let cases = [
        (NetworkMode::Host, Uncounted::HostNetwork),
        (NetworkMode::None, Uncounted::NoNetwork),
        (warp(), Uncounted::UnknownMode { mode: "warp".to_owned() }),
        // Whose namespace it is, is not in the inventory.
        (NetworkMode::SharedWith(id(7)), Uncounted::UnknownNamespace),
    ];
    for (mode, reason) in cases {
        let container = in_mode(container(1, "web"), mode.clone());
        assert_eq!(covered(&container, &Attached::default()), not(reason), "{mode:?}");
    }
    let attached = Attached { live: vec![None], ever: true };
    assert_eq!(covered(&in_mode(container(1, "web"), warp()), &attached), Coverage::Counted);
}

#[test]
fn a_co_tenant_points_to_where_it_is_counted() {
    let tenant = in_mode(container(1, "sidecar"), NetworkMode::SharedWith(id(5)));
    let app = inventory([tenant.clone(), container(5, "app")]);
    assert_eq!(
        coverage(&tenant, &app, &Attached::default()),
        Coverage::SharedWith(ContainerName { id: id(5), name: "app".to_owned() })
    );
    let host = inventory([tenant.clone(), in_mode(container(5, "app"), NetworkMode::Host)]);
    assert_eq!(coverage(&tenant, &host, &Attached::default()), Coverage::NotCounted(Uncounted::HostNetwork));
}

#[test]
fn everything_on_a_bridge_will_be_counted() {
    let macvlan = Uncounted::InsideNamespace { driver: "macvlan".to_owned() };
    let gap = Gap { network: "vlan7".to_owned(), reason: macvlan.clone() };
    let cases = [
        ("two bridges", on(&["bridge", "front"]), Coverage::Counted),
        ("a network that is not known", on(&["new"]), Coverage::Counted),
        ("bridge and macvlan", on(&["bridge", "vlan7"]), Coverage::Partly(vec![gap])),
        ("macvlan", on(&["vlan7"]), not(macvlan)),
        ("host", in_mode(container(1, "web"), NetworkMode::Host), not(Uncounted::HostNetwork)),
    ];
    for (case, container, expected) in cases {
        assert_eq!(prospect(&container, &inventory([container.clone()])), expected, "{case}");
    }
}
