use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::view::fixtures::{by_rules, full, peers, small};

fn parsed(report: &Report) -> Value {
    let line = render(report);
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line");
    serde_json::from_str(&line).unwrap()
}

fn container<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["containers"].as_array().unwrap().iter().find(|container| container["name"] == name).unwrap()
}

#[test]
fn the_whole_document_of_one_container() {
    let broken = render(&small()).replace("},\"", "},\n\"").replace("[{", "[\n{");
    assert_snapshot!(broken, @r#"
    {"version":1,"backend":"ebpf","unit":"wire_bytes","taken_at":"2026-09-21T14:13:22.000000000Z","taken_at_unix_ns":1790000002000000000,"host":{"name":"host1","kernel":"6.12.0"},
    "refused":[],"blind_spots":[],"containers":[
    {"id":"0101010101010101010101010101010101010101010101010101010101010101","name":"web","image":"busybox","state":"running","networks":["bridge"],"addresses":["172.17.0.1"],"published":[
    {"protocol":"tcp","container_port":80,"host_address":null,"host_port":8080}],"coverage":{"kind":"counted","reason":null,"text":null,"shared_with":null,"gaps":[]},
    "since":"2026-09-21T14:13:20.000000000Z","since_unix_ns":1790000000000000000,"hooks":["tcx"],"rx":{"wire_bytes":12000,"packets":12,"ip_bytes":11832,"skb_bytes":12000,"skb_ip_bytes":11832,"skbs":12},
    "tx":{"wire_bytes":34000,"packets":34,"ip_bytes":33524,"skb_bytes":34000,"skb_ip_bytes":33524,"skbs":34},
    "rates":null,"shortfall":{"rx":{"skb_bytes":0,"skbs":0,"settled":true},
    "tx":{"skb_bytes":0,"skbs":0,"settled":true}},
    "scopes":{"rx":{"container":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "flooded":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "host":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "internet":{"wire_bytes":12000,"packets":12,"ip_bytes":11832,"skb_bytes":12000,"skb_ip_bytes":11832,"skbs":12},
    "lan":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "multicast":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "other":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}},
    "tx":{"container":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "flooded":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "host":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "internet":{"wire_bytes":34000,"packets":34,"ip_bytes":33524,"skb_bytes":34000,"skb_ip_bytes":33524,"skbs":34},
    "lan":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "multicast":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "other":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}}},
    "buckets":{"rx":{"foreign":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "fragment":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "l2":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "map_full":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "multicast":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "no_port":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "over_quota":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "unparsed":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "unsolicited":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}},
    "tx":{"foreign":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "fragment":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "l2":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "map_full":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "multicast":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "no_port":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "over_quota":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "unparsed":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "unsolicited":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}}},
    "flooded":{},
    "ports":[
    {"protocol":"tcp","protocol_number":6,"port":80,"role":"server","family":"ipv4","scope":"internet","mappings":["8080->80/tcp"],"rx":{"wire_bytes":12000,"packets":12,"ip_bytes":11832,"skb_bytes":12000,"skb_ip_bytes":11832,"skbs":12},
    "tx":{"wire_bytes":34000,"packets":34,"ip_bytes":33524,"skb_bytes":34000,"skb_ip_bytes":33524,"skbs":34}}],"meters":[
    {"interface":"veth7","ifindex":7,"addresses":null,"network":"bridge","life":"live","hook":"tcx","since":"2026-09-21T14:13:20.000000000Z","since_unix_ns":1790000000000000000,"shortfall":{"rx":{"skb_bytes":0,"skbs":0,"settled":true},
    "tx":{"skb_bytes":0,"skbs":0,"settled":true}},
    "rx":{"wire_bytes":12000,"packets":12,"ip_bytes":11832,"skb_bytes":12000,"skb_ip_bytes":11832,"skbs":12},
    "tx":{"wire_bytes":34000,"packets":34,"ip_bytes":33524,"skb_bytes":34000,"skb_ip_bytes":33524,"skbs":34}}],"peers":[
    {"kind":"elsewhere","id":null,"name":null,"rx":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0},
    "tx":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}}]}],"unattributed":[],"orphans":null}
    "#);
}

#[test]
fn what_is_not_counted_is_null() {
    let document = parsed(&full());
    let metrics = container(&document, "metrics");
    for field in ["since", "rx", "tx", "rates", "shortfall", "scopes", "buckets", "ports", "meters", "hooks"]
    {
        assert_eq!(metrics[field], Value::Null, "{field}");
    }
    assert_snapshot!(metrics["coverage"], @r#"{"gaps":[],"kind":"not_counted","reason":"host_network","shared_with":null,"text":"host network"}"#);
    assert_snapshot!(container(&document, "sidecar")["coverage"], @r#"{"gaps":[],"kind":"shared","reason":null,"shared_with":{"id":"0101010101010101010101010101010101010101010101010101010101010101","name":"web"},"text":null}"#);
    assert_snapshot!(container(&document, "db")["coverage"], @r#"{"gaps":[{"network":"vlan7","reason":"inside_namespace","text":"macvlan: the device is inside the container's namespace"}],"kind":"partly","reason":null,"shared_with":null,"text":null}"#);
    assert_snapshot!(container(&document, "job")["image"], @"null");
    assert_snapshot!(document["unattributed"][0]["reason"], @r#""no_container""#);
}

#[test]
fn rates_are_null_without_an_earlier_reading() {
    assert_eq!(parsed(&small())["containers"][0]["rates"], Value::Null);
    assert_eq!(container(&parsed(&full()), "web")["rates"]["rx"]["wire_bytes_per_second"], 10_000);
}

#[test]
fn ports_and_buckets_are_the_total() {
    let document = parsed(&full());
    let web = container(&document, "web");
    let sum = |values: Vec<&Value>| values.iter().map(|value| value.as_u64().unwrap()).sum::<u64>();
    for direction in ["rx", "tx"] {
        let buckets =
            web["buckets"][direction].as_object().unwrap().values().map(|bucket| &bucket["wire_bytes"]);
        let ports = web["ports"].as_array().unwrap().iter().map(|port| &port[direction]["wire_bytes"]);
        let scopes = web["scopes"][direction].as_object().unwrap().values().map(|scope| &scope["wire_bytes"]);
        let total = web[direction]["wire_bytes"].as_u64().unwrap();
        assert_eq!(sum(buckets.chain(ports).collect()), total, "{direction}");
        assert_eq!(sum(scopes.collect()), total, "{direction}");
    }
}

#[test]
fn the_true_name_is_kept_and_nothing_in_the_text_is_obeyed() {
    let report = full();
    container(&parsed(&report), "evil\u{1b}[2J\u{202e}");
    let line = render(&report);
    assert!(line.contains(r"evil\u001b[2J\u202e"), "{line}");
    assert!(!line.trim_end().contains(is_hostile));
}

#[test]
fn peers_are_all_that_came_from_containers() {
    let [_, report] = peers();
    let document = parsed(&report);
    let app = container(&document, "app");
    let names: Vec<_> =
        app["peers"].as_array().unwrap().iter().map(|peer| (&peer["kind"], &peer["name"])).collect();
    assert_snapshot!(serde_json::to_string(&names).unwrap(), @r#"[["container","proxy"],["container","db"],["elsewhere",null]]"#);
    for peered in document["containers"].as_array().unwrap() {
        let received =
            peered["peers"].as_array().unwrap().iter().map(|peer| peer["rx"]["skbs"].as_u64().unwrap());
        assert_eq!(received.sum::<u64>(), peered["scopes"]["rx"]["container"]["skbs"].as_u64().unwrap());
    }
    let [_, report] = by_rules();
    assert_eq!(container(&parsed(&report), "web")["peers"], Value::Null);
}

/// All names of fields in `value`.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            names.extend(object.keys().cloned());
            object.values().for_each(|value| fields(value, names));
        }
        Value::Array(array) => array.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn every_field_is_documented() {
    let documentation = include_str!("../../../../docs/json.md");
    let mut names = BTreeSet::new();
    fields(&parsed(&full()), &mut names);
    for name in names {
        assert!(documentation.contains(&format!("`{name}`")), "{name}");
    }
}
