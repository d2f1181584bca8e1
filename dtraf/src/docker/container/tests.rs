use super::*;
use crate::docker::summary::{Outline, outline};

fn described(json: &str) -> Described {
    describe(serde_json::from_str(json).unwrap(), Product::Docker).unwrap()
}

fn outlines(json: &str) -> Vec<Outline> {
    let summaries: Vec<_> = serde_json::from_str(json).unwrap();
    summaries.into_iter().filter_map(|summary| outline(summary, Product::Docker)).collect()
}

/// An inspection that says only what Podman could not leave out, and `rest`.
fn sparse(rest: &str) -> Described {
    let id = "0123456789abcdef".repeat(4);
    described(&format!(r#"{{"Id":"{id}","Name":"web1","State":{{"Status":"running","Pid":7}},{rest}}}"#))
}

#[test]
fn dockers_inspection_is_understood() {
    insta::assert_debug_snapshot!(described(include_str!("../answers/docker-20.10-web.json")));
}

#[test]
fn dockers_list_is_understood() {
    insta::assert_debug_snapshot!(outlines(include_str!("../answers/docker-20.10-list.json")));
}

#[test]
fn the_list_and_the_inspection_agree_on_what_both_say() {
    let inspected = described(include_str!("../answers/docker-20.10-web.json")).container;
    let listed = outlines(include_str!("../answers/docker-20.10-list.json"));
    let listed = listed.into_iter().find(|outline| outline.container.id == inspected.id).unwrap();
    assert_eq!(Container { pid: inspected.pid, ..listed.container }, inspected);
}

#[test]
fn network_modes_are_told_apart() {
    let id = "ab".repeat(32);
    for (mode, expected, shares_with) in [
        ("default", NetworkMode::Networks, None),
        ("bridge", NetworkMode::Networks, None),
        ("shopnet", NetworkMode::Networks, None),
        ("host", NetworkMode::Host, None),
        ("none", NetworkMode::None, None),
        (&*format!("container:{id}"), NetworkMode::SharedWith(id.parse().unwrap()), None),
        ("container:web1", NetworkMode::Unknown("container:web1".to_owned()), Some("web1")),
    ] {
        for product in [Product::Docker, Product::Podman] {
            let found = mode_of(Some(mode), &HashMap::new(), product);
            assert_eq!(found, (expected.clone(), shares_with.map(str::to_owned)), "{mode}");
        }
    }
}

#[test]
fn networks_may_be_called_like_podmans_modes() {
    let is_network = |mode, product| mode_of(Some(mode), &HashMap::new(), product).0 == NetworkMode::Networks;
    for (mode, is_podmans_network) in [
        ("pasta", false),
        ("pasta:--ipv4-only", false),
        ("slirp4netns", false),
        ("slirp4netns:mtu=1500", false),
        ("ns:/run/netns/x", false),
        ("pasta_default", true),
        ("slirp4netns-net", true),
        ("pastas", true),
        ("ns", true),
    ] {
        assert!(is_network(mode, Product::Docker), "{mode}");
        assert_eq!(is_network(mode, Product::Podman), is_podmans_network, "{mode}");
    }
}

#[test]
fn a_name_is_resolved_to_the_container_that_has_it() {
    let mut found = sparse(r#""HostConfig":{"NetworkMode":"container:web0"}"#);
    let id: ContainerId = "ab".repeat(32).parse().unwrap();
    assert_eq!(found.shares_with.as_deref(), Some("web0"));
    found.share(Some(id));
    assert_eq!(found.container.network_mode, NetworkMode::SharedWith(id));
}

#[test]
fn what_podman_leaves_out_is_empty() {
    let nothing = sparse(r#""HostConfig":null,"NetworkSettings":null,"Config":null"#).container;
    assert_eq!(nothing.name, "web1");
    assert_eq!((nothing.state, nothing.pid), (ContainerState::Running, Some(7)));
    assert_eq!(nothing.network_mode, NetworkMode::Unknown(String::new()));
    assert_eq!(nothing.endpoints, []);

    let connected = sparse(
        r#""HostConfig":null,"NetworkSettings":{"Ports":null,"Networks":{"podman":{"IPAddress":"10.88.0.2","MacAddress":"x"}}}"#,
    );
    assert_eq!(connected.container.network_mode, NetworkMode::Networks);
    let endpoint =
        Endpoint { network: "podman".to_owned(), addresses: vec!["10.88.0.2".parse().unwrap()], mac: None };
    assert_eq!(connected.container.endpoints, [endpoint]);

    let id = "0123456789abcdef".repeat(4);
    let listed = outlines(&format!(
        r#"[{{"Id":"{id}","Names":["/web1"],"State":"running","Ports":null,"NetworkSettings":null,"HostConfig":null}}]"#
    ));
    assert_eq!(listed[0].container.name, "web1");
}

#[test]
fn a_shared_network_is_the_other_containers() {
    let id = "ab".repeat(32);
    let found = sparse(&format!(
        r#""HostConfig":{{"NetworkMode":"container:{id}"}},"NetworkSettings":{{
            "Ports":{{"80/tcp":[{{"HostIp":"","HostPort":"8080"}}]}},
            "Networks":{{"pnet":{{"IPAddress":"10.66.0.2","MacAddress":"12:65:20:50:61:92"}}}}}}"#
    ));
    assert_eq!(found.container.network_mode, NetworkMode::SharedWith(id.parse().unwrap()));
    assert_eq!((found.container.endpoints, found.container.published), (vec![], vec![]));
}

#[test]
fn a_container_without_a_process_does_not_run() {
    let state = |status, pid| {
        state_of(&Answer { status: Some(status), pid: Some(pid), running: Some(true), ..Answer::default() })
    };
    for (name, found, expected) in [
        ("running", state(ContainerStateStatusEnum::RUNNING, 7), (ContainerState::Running, Some(7))),
        ("paused", state(ContainerStateStatusEnum::PAUSED, 7), (ContainerState::Running, Some(7))),
        (
            "between two attempts",
            state(ContainerStateStatusEnum::RESTARTING, 0),
            (ContainerState::Stopped, None),
        ),
        ("exited", state(ContainerStateStatusEnum::EXITED, 0), (ContainerState::Stopped, None)),
        ("no word for it", state(ContainerStateStatusEnum::EMPTY, 7), (ContainerState::Running, Some(7))),
    ] {
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn macs_are_read_or_passed_over() {
    for (text, expected) in [
        ("02:42:ac:11:00:02", Some(0x0242_ac11_0002)),
        ("02:42:AC:11:00:02", Some(0x0242_ac11_0002)),
        ("02:42:ac:11:00", None),
        ("02:42:ac:11:00:02:03", None),
        ("2:42:ac:11:0:2", None),
        ("", None),
    ] {
        assert_eq!(mac(text), expected, "{text:?}");
    }
}
