//! What an Engine would say of a crowd, written once: a crowd does not change.
//!
//! An inspection has the shape and the size of a real one: it is one, with the member's own words put in.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use dtraf_tests::{Crowd, Member, Network};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// What a Docker 20.10 said of a container; dtraf's own tests read it, too.
const INSPECTED: &str = include_str!("../../../../../dtraf/src/docker/answers/docker-20.10-web.json");
const IMAGE: &str = "crowd:1";

#[derive(Debug)]
pub(super) struct Answers {
    by_path: HashMap<String, Bytes>,
}

impl Answers {
    pub(super) fn of(members: &[Member], networks: &[Network]) -> Result<Self> {
        let template: Value = serde_json::from_str(INSPECTED).context("read a real inspection")?;
        let mut by_path = HashMap::new();
        let mut say = |path: String, answer: &Value| by_path.insert(path, Bytes::from(answer.to_string()));
        say("/version".to_owned(), &version());
        say("/info".to_owned(), &info(members.len()));
        let listed = members.iter().map(|member| listed(member, &networks[member.network]));
        say("/containers/json".to_owned(), &listed.collect());
        for member in members {
            let answer = inspected(template.clone(), member, &networks[member.network]);
            for name in [&member.id, &member.name] {
                say(format!("/containers/{name}/json"), &answer);
            }
        }
        // A list says nothing of who is connected.
        say("/networks".to_owned(), &networks.iter().map(|network| described(network, &json!({}))).collect());
        for (number, network) in networks.iter().enumerate() {
            let own = members.iter().filter(|member| member.network == number);
            let answer = described(network, &own.map(connected).collect());
            for name in [&network.id, &network.name] {
                say(format!("/networks/{name}"), &answer);
            }
        }
        by_path.insert("/_ping".to_owned(), Bytes::from_static(b"OK"));
        Ok(Self { by_path })
    }

    /// The answer for a path, with the API's version before it or without.
    pub(super) fn get(&self, path: &str) -> Option<Bytes> {
        self.by_path.get(unversioned(path)).cloned()
    }
}

/// `/v1.41/info` is `/info`.
pub(super) fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(path)
}

fn version() -> Value {
    json!({
        "Platform": { "Name": "dtraf's crowd" },
        "Components": [{ "Name": "Engine", "Version": "20.10.24", "Details": {} }],
        "Version": "20.10.24",
        "ApiVersion": "1.41",
        "MinAPIVersion": "1.12",
        "Os": "linux",
        "Arch": std::env::consts::ARCH,
    })
}

fn info(count: usize) -> Value {
    json!({
        "ID": "CROWD",
        "Name": "dtraf-lab",
        "Containers": count,
        "ContainersRunning": count,
        "ContainersPaused": 0,
        "ContainersStopped": 0,
        "Images": 1,
        "Driver": "overlay2",
        "CgroupDriver": "cgroupfs",
        "OSType": "linux",
        "ServerVersion": "20.10.24",
        "SecurityOptions": [],
        "Warnings": null,
    })
}

fn endpoint(member: &Member, network: &Network) -> Value {
    json!({ &network.name: {
        "IPAMConfig": null,
        "Links": null,
        "Aliases": null,
        "NetworkID": network.id,
        "EndpointID": member.id,
        "Gateway": network.gateway,
        "IPAddress": member.address,
        "IPPrefixLen": Network::PREFIX_LENGTH,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": mac(member),
        "DriverOpts": null,
    }})
}

fn listed(member: &Member, network: &Network) -> Value {
    json!({
        "Id": member.id,
        "Names": [format!("/{}", member.name)],
        "Image": IMAGE,
        "ImageID": "sha256:a3b13a499ad0d02ef055b25a2883be8390fa4a5c04e78ebaf707fcfe6acd1cf4",
        "Command": "sleep infinity",
        "Created": 1_795_420_545,
        "Ports": [{ "PrivatePort": 80, "Type": "tcp" }, { "PrivatePort": Crowd::SINK_PORT, "Type": "udp" }],
        "Labels": labels(member),
        "State": "running",
        "Status": "Up 2 hours",
        "HostConfig": { "NetworkMode": mode(network) },
        "NetworkSettings": { "Networks": endpoint(member, network) },
        "Mounts": [],
    })
}

fn inspected(mut answer: Value, member: &Member, network: &Network) -> Value {
    let ports: [String; 2] = ["80/tcp".to_owned(), format!("{}/udp", Crowd::SINK_PORT)];
    let exposed: Value = ports.iter().map(|port| (port.clone(), json!({}))).collect();
    let unpublished: Value = ports.iter().map(|port| (port.clone(), Value::Null)).collect();
    for (path, value) in [
        ("/Id", json!(member.id)),
        ("/Name", json!(format!("/{}", member.name))),
        ("/State/Pid", json!(member.pid)),
        ("/HostConfig/NetworkMode", json!(mode(network))),
        ("/HostConfig/PortBindings", json!({})),
        ("/Config/Hostname", json!(member.id[..12])),
        ("/Config/Image", json!(IMAGE)),
        ("/Config/Labels", labels(member)),
        ("/Config/ExposedPorts", exposed),
        ("/NetworkSettings/SandboxID", json!(member.id)),
        ("/NetworkSettings/SandboxKey", json!(member.sandbox())),
        ("/NetworkSettings/EndpointID", json!(member.id)),
        ("/NetworkSettings/Gateway", json!(network.gateway)),
        ("/NetworkSettings/IPAddress", json!(member.address)),
        ("/NetworkSettings/MacAddress", json!(mac(member))),
        ("/NetworkSettings/IPv6Gateway", json!("")),
        ("/NetworkSettings/GlobalIPv6Address", json!("")),
        ("/NetworkSettings/GlobalIPv6PrefixLen", json!(0)),
        ("/NetworkSettings/Ports", unpublished),
        ("/NetworkSettings/Networks", endpoint(member, network)),
    ] {
        *answer.pointer_mut(path).expect("a real inspection has all of these") = value;
    }
    answer
}

fn connected(member: &Member) -> (String, Value) {
    let endpoint = json!({
        "Name": member.name,
        "EndpointID": member.id,
        "MacAddress": mac(member),
        "IPv4Address": format!("{}/{}", member.address, Network::PREFIX_LENGTH),
        "IPv6Address": "",
    });
    (member.id.clone(), endpoint)
}

fn described(network: &Network, connected: &Value) -> Value {
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": "2026-11-23T07:57:38.357694673Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": false,
        "IPAM": {
            "Driver": "default",
            "Options": null,
            "Config": [{ "Subnet": network.subnet(), "Gateway": network.gateway }],
        },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": connected,
        "Options": { "com.docker.network.bridge.name": network.bridge },
        "Labels": {},
    })
}

/// Ten services make a project.
fn labels(member: &Member) -> Value {
    let (project, service) = member.name.split_at(member.name.len() - 1);
    json!({ "com.docker.compose.project": project, "com.docker.compose.service": format!("s{service}") })
}

/// Docker's default network has another name here.
fn mode(network: &Network) -> &str {
    if network.name == "bridge" { "default" } else { &network.name }
}

fn mac(member: &Member) -> String {
    member.mac().map(|octet| format!("{octet:02x}")).join(":")
}
