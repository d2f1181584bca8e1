use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::accounting::fixtures::{container, endpoint, in_mode, inventory, stopped};
use crate::accounting::inventory::{Inventory, NetworkMode};
use crate::source::probe::fixtures::{debian, unprivileged};
use crate::view::neutral::is_hostile;

const LOOK: Look = Look { format: Format::Table, width: None, paint: Paint::Plain };

/// Three of whose running containers cannot be counted wholly.
fn containers() -> Inventory {
    let mut both = container(2, "both");
    both.endpoints.push(endpoint("vlan7", [192, 168, 7, 2]));
    let host = in_mode(container(3, "exporter"), NetworkMode::Host);
    let evil = in_mode(container(4, "evil\u{1b}[2J\n"), NetworkMode::None);
    let gone = stopped(in_mode(container(5, "gone"), NetworkMode::Host));
    inventory([container(1, "web"), both, host, evil, gone])
}

fn root() -> Diagnosis {
    Diagnosis::new(debian(), Some(&containers()), "host1".to_owned())
}

fn nobody() -> Diagnosis {
    Diagnosis::new(unprivileged(), None, "host1".to_owned())
}

#[test]
fn root_on_a_plain_debian() {
    assert_snapshot!(render(&root(), &LOOK), @r#"
    host1, Linux 6.1.0-13-amd64: `dtraf run` takes ebpf

          LOOKED AT                 FOUND
    ok    kernel                    Linux 6.1.0-13-amd64
    ok    privileges                CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON
    ok    eBPF programs             the kernel takes them
    ok    hooks                     clsact; TCX takes Linux 6.6
    ok    bpf file system           mounted on /sys/fs/bpf
    ok    pinned maps               none
    ok    BPF compiler              on
    ok    BTF                       there is some; it is not needed
    ok    security modules          AppArmor profile unconfined
    ok    Docker                    Docker 20.10.24+dfsg1 (API 1.41)
    ok    Docker's bridges          in this network namespace
    ok    Docker's firewall         iptables: engines before API 1.49 have no other
    ok    iptables                  FORWARD goes to DOCKER-USER, says /usr/sbin/iptables-nft
    note  ip6tables                 nft: no DOCKER-USER; legacy: no DOCKER-USER
                                    -> only if rules are to count that: let Docker make its rules for IPv6, too: `"ip6tables": true` in /etc/docker/daemon.json
    ok    bridge-nf-call-iptables   1: rules see what stays within a bridge
    ok    bridge-nf-call-ip6tables  1: rules see what stays within a bridge
    ok    nft                       1.0.6

              BACKEND   BECAUSE
    taken     ebpf      sees everything on the interfaces it is attached to
    possible  iptables  does not see everything: see below
    possible  nft       does not see everything: see below

    WOULD SHOW HERE             EBPF  IPTABLES  NFT
    wire bytes and packets      yes   no        no
    who the other end is        yes   no        no
    ports of the other end      yes   no        no
    between host and container  yes   no        no
    within one bridge, IPv4     yes   yes       yes
    within one bridge, IPv6     yes   no        yes
    IPv6                        yes   no        yes
    ARP and other non-IP        yes   no        no
    how much came before it     yes   no        no
    who forged an address       yes   no        no
    what other rules end first  yes   yes       yes
    what a flow table forwards  yes   yes       yes

    running containers: 4; not wholly counted, whatever the backend: 3
    both: not counted in vlan7 (macvlan: the device is inside the container's namespace)
    evil\u{1b}[2J\n: no network
    exporter: host network
    "#);
}

#[test]
fn somebody_without_privileges_on_a_terminal_of_eighty_columns() {
    assert_snapshot!(render(&nobody(), &Look { width: Some(80), ..LOOK }), @r#"
    host1, Linux 6.1.0-13-amd64: nothing can count here

             LOOKED AT                 FOUND
    ok       kernel                    Linux 6.1.0-13-amd64
    problem  privileges                dtraf has no CAP_BPF, CAP_NET_ADMIN
                                       -> run dtraf as root
    note     eBPF programs             not without the privileges: Operation not
                                         permitted (os error 1)
    note     hooks                     there are some, to judge by the kernel's
                                         version; who has no CAP_NET_ADMIN is not
                                         told
    note     bpf file system           mounted on /sys/fs/bpf, but not open to us
    note     pinned maps               not for us to see
    note     BPF compiler              not for us to see
    ok       BTF                       there is some; it is not needed
    ok       security modules          AppArmor profile unconfined
    problem  Docker                    no answer: unix:///var/run/docker.sock:
                                         Permission denied (os error 13)
                                       -> run dtraf as root
    note     iptables                  nft: iptables: Permission denied (you must be
                                         root); legacy: no DOCKER-USER
    note     ip6tables                 nft: iptables: Permission denied (you must be
                                         root); legacy: no DOCKER-USER
    ok       bridge-nf-call-iptables   1: rules see what stays within a bridge
    ok       bridge-nf-call-ip6tables  1: rules see what stays within a bridge
    note     nft                       1.0.6; Operation not permitted (os error 1)

             BACKEND   BECAUSE
    refused  ebpf      dtraf has no CAP_BPF
                       -> run dtraf as root
    refused  ebpf      dtraf has no CAP_NET_ADMIN
                       -> run dtraf as root
    refused  iptables  dtraf has no CAP_NET_ADMIN
                       -> run dtraf as root
    refused  nft       dtraf has no CAP_NET_ADMIN
                       -> run dtraf as root

    WOULD SHOW HERE             EBPF  IPTABLES  NFT
    wire bytes and packets      yes   no        no
    who the other end is        yes   no        no
    ports of the other end      yes   no        no
    between host and container  yes   no        no
    within one bridge, IPv4     yes   yes       yes
    within one bridge, IPv6     yes   no        yes
    IPv6                        yes   no        yes
    ARP and other non-IP        yes   no        no
    how much came before it     yes   no        no
    who forged an address       yes   no        no
    what other rules end first  yes   yes       yes
    what a flow table forwards  yes   yes       yes
    "#);
}

#[test]
fn colours_go_with_the_marks() {
    let text = render(&nobody(), &Look { paint: Paint::Colour, ..LOOK });
    let painted = |begin: &str| text.lines().any(|line| line.starts_with(begin));
    assert!(painted("\u{1b}[31mproblem"), "{text}");
    assert!(painted("\u{1b}[33mnote"), "{text}");
    assert!(painted("ok "), "{text}");
}

#[test]
fn one_line_of_json_for_root() {
    assert_snapshot!(render(&root(), &Look { format: Format::Json, ..LOOK }).replace("},", "},\n"), @r#"
    {"version":1,"host":{"name":"host1","kernel":"6.1.0-13-amd64"},
    "docker":{"product":"docker","version":"20.10.24+dfsg1","api_version":"1.41"},
    "backend":"ebpf","findings":[{"topic":"kernel","mark":"ok","text":"Linux 6.1.0-13-amd64","advice":null},
    {"topic":"privileges","mark":"ok","text":"CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON","advice":null},
    {"topic":"ebpf_programs","mark":"ok","text":"the kernel takes them","advice":null},
    {"topic":"hooks","mark":"ok","text":"clsact; TCX takes Linux 6.6","advice":null},
    {"topic":"bpffs","mark":"ok","text":"mounted on /sys/fs/bpf","advice":null},
    {"topic":"pins","mark":"ok","text":"none","advice":null},
    {"topic":"jit","mark":"ok","text":"on","advice":null},
    {"topic":"btf","mark":"ok","text":"there is some; it is not needed","advice":null},
    {"topic":"security","mark":"ok","text":"AppArmor profile unconfined","advice":null},
    {"topic":"docker","mark":"ok","text":"Docker 20.10.24+dfsg1 (API 1.41)","advice":null},
    {"topic":"bridges","mark":"ok","text":"in this network namespace","advice":null},
    {"topic":"firewall","mark":"ok","text":"iptables: engines before API 1.49 have no other","advice":null},
    {"topic":"iptables","mark":"ok","text":"FORWARD goes to DOCKER-USER, says /usr/sbin/iptables-nft","advice":null},
    {"topic":"ip6tables","mark":"note","text":"nft: no DOCKER-USER; legacy: no DOCKER-USER","advice":"only if rules are to count that: let Docker make its rules for IPv6, too: `\"ip6tables\": true` in /etc/docker/daemon.json"},
    {"topic":"bridge_nf_call_iptables","mark":"ok","text":"1: rules see what stays within a bridge","advice":null},
    {"topic":"bridge_nf_call_ip6tables","mark":"ok","text":"1: rules see what stays within a bridge","advice":null},
    {"topic":"nft","mark":"ok","text":"1.0.6","advice":null}],"backends":[{"backend":"ebpf","refused":[],"blind_spots":[]},
    {"backend":"iptables","refused":[],"blind_spots":[{"kind":"wire","text":"wire bytes and packets: a packet of up to 64 KB counts once, with one header","advice":null},
    {"kind":"scopes","text":"who the other end is: all scopes are one","advice":null},
    {"kind":"client_ports","text":"ports of the other end: what a container opened itself counts without a port","advice":null},
    {"kind":"host_traffic","text":"traffic between the host and its containers, through docker-proxy or not","advice":null},
    {"kind":"same_bridge_ipv6","text":"IPv6 between containers on one bridge","advice":"`modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-ip6tables=1`"},
    {"kind":"ipv6","text":"IPv6","advice":"let Docker make its rules for IPv6, too: `\"ip6tables\": true` in /etc/docker/daemon.json"},
    {"kind":"non_ip","text":"ARP, and whatever else is not IP","advice":null},
    {"kind":"earlier","text":"what a container carried before its rules were there","advice":null},
    {"kind":"forged_source","text":"who sent a packet: it counts for the container whose address it bears, even if another one forged that","advice":"run containers that others pay for with `--cap-drop=NET_RAW`, or let eBPF count: it knows the interface"}]},
    {"backend":"nft","refused":[],"blind_spots":[{"kind":"wire","text":"wire bytes and packets: a packet of up to 64 KB counts once, with one header","advice":null},
    {"kind":"scopes","text":"who the other end is: all scopes are one","advice":null},
    {"kind":"client_ports","text":"ports of the other end: what a container opened itself counts without a port","advice":null},
    {"kind":"host_traffic","text":"traffic between the host and its containers, through docker-proxy or not","advice":null},
    {"kind":"non_ip","text":"ARP, and whatever else is not IP","advice":null},
    {"kind":"earlier","text":"what a container carried before its rules were there","advice":null},
    {"kind":"forged_source","text":"who sent a packet: it counts for the container whose address it bears, even if another one forged that","advice":"run containers that others pay for with `--cap-drop=NET_RAW`, or let eBPF count: it knows the interface"}]}],"containers":{"running":4,"uncovered":[{"id":"0202020202020202020202020202020202020202020202020202020202020202","name":"both","gaps":[{"network":"vlan7","reason":"inside_namespace","text":"macvlan: the device is inside the container's namespace"}]},
    {"id":"0404040404040404040404040404040404040404040404040404040404040404","name":"evil\u001b[2J\n","gaps":[{"network":null,"reason":"no_network","text":"no network"}]},
    {"id":"0303030303030303030303030303030303030303030303030303030303030303","name":"exporter","gaps":[{"network":null,"reason":"host_network","text":"host network"}]}]}}
    "#);
}

#[test]
fn one_line_of_json_for_somebody_without_privileges() {
    assert_snapshot!(render(&nobody(), &Look { format: Format::Json, ..LOOK }).replace("},", "},\n"), @r#"
    {"version":1,"host":{"name":"host1","kernel":"6.1.0-13-amd64"},
    "docker":null,"backend":null,"findings":[{"topic":"kernel","mark":"ok","text":"Linux 6.1.0-13-amd64","advice":null},
    {"topic":"privileges","mark":"problem","text":"dtraf has no CAP_BPF, CAP_NET_ADMIN","advice":"run dtraf as root"},
    {"topic":"ebpf_programs","mark":"note","text":"not without the privileges: Operation not permitted (os error 1)","advice":null},
    {"topic":"hooks","mark":"note","text":"there are some, to judge by the kernel's version; who has no CAP_NET_ADMIN is not told","advice":null},
    {"topic":"bpffs","mark":"note","text":"mounted on /sys/fs/bpf, but not open to us","advice":null},
    {"topic":"pins","mark":"note","text":"not for us to see","advice":null},
    {"topic":"jit","mark":"note","text":"not for us to see","advice":null},
    {"topic":"btf","mark":"ok","text":"there is some; it is not needed","advice":null},
    {"topic":"security","mark":"ok","text":"AppArmor profile unconfined","advice":null},
    {"topic":"docker","mark":"problem","text":"no answer: unix:///var/run/docker.sock: Permission denied (os error 13)","advice":"run dtraf as root"},
    {"topic":"iptables","mark":"note","text":"nft: iptables: Permission denied (you must be root); legacy: no DOCKER-USER","advice":null},
    {"topic":"ip6tables","mark":"note","text":"nft: iptables: Permission denied (you must be root); legacy: no DOCKER-USER","advice":null},
    {"topic":"bridge_nf_call_iptables","mark":"ok","text":"1: rules see what stays within a bridge","advice":null},
    {"topic":"bridge_nf_call_ip6tables","mark":"ok","text":"1: rules see what stays within a bridge","advice":null},
    {"topic":"nft","mark":"note","text":"1.0.6; Operation not permitted (os error 1)","advice":null}],"backends":[{"backend":"ebpf","refused":[{"reason":"capability","text":"dtraf has no CAP_BPF","advice":"run dtraf as root"},
    {"reason":"capability","text":"dtraf has no CAP_NET_ADMIN","advice":"run dtraf as root"}],"blind_spots":[]},
    {"backend":"iptables","refused":[{"reason":"capability","text":"dtraf has no CAP_NET_ADMIN","advice":"run dtraf as root"}],"blind_spots":[{"kind":"wire","text":"wire bytes and packets: a packet of up to 64 KB counts once, with one header","advice":null},
    {"kind":"scopes","text":"who the other end is: all scopes are one","advice":null},
    {"kind":"client_ports","text":"ports of the other end: what a container opened itself counts without a port","advice":null},
    {"kind":"host_traffic","text":"traffic between the host and its containers, through docker-proxy or not","advice":null},
    {"kind":"same_bridge_ipv6","text":"IPv6 between containers on one bridge","advice":"`modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-ip6tables=1`"},
    {"kind":"ipv6","text":"IPv6","advice":"let Docker make its rules for IPv6, too: `\"ip6tables\": true` in /etc/docker/daemon.json"},
    {"kind":"non_ip","text":"ARP, and whatever else is not IP","advice":null},
    {"kind":"earlier","text":"what a container carried before its rules were there","advice":null},
    {"kind":"forged_source","text":"who sent a packet: it counts for the container whose address it bears, even if another one forged that","advice":"run containers that others pay for with `--cap-drop=NET_RAW`, or let eBPF count: it knows the interface"}]},
    {"backend":"nft","refused":[{"reason":"capability","text":"dtraf has no CAP_NET_ADMIN","advice":"run dtraf as root"}],"blind_spots":[{"kind":"wire","text":"wire bytes and packets: a packet of up to 64 KB counts once, with one header","advice":null},
    {"kind":"scopes","text":"who the other end is: all scopes are one","advice":null},
    {"kind":"client_ports","text":"ports of the other end: what a container opened itself counts without a port","advice":null},
    {"kind":"host_traffic","text":"traffic between the host and its containers, through docker-proxy or not","advice":null},
    {"kind":"non_ip","text":"ARP, and whatever else is not IP","advice":null},
    {"kind":"earlier","text":"what a container carried before its rules were there","advice":null},
    {"kind":"forged_source","text":"who sent a packet: it counts for the container whose address it bears, even if another one forged that","advice":"run containers that others pay for with `--cap-drop=NET_RAW`, or let eBPF count: it knows the interface"}]}],"containers":null}
    "#);
}

#[test]
fn nothing_in_a_name_is_obeyed() {
    for format in [Format::Table, Format::Json] {
        let text = render(&root(), &Look { format, ..LOOK });
        assert!(!text.contains(|character| character != '\n' && is_hostile(character)), "{text}");
    }
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
    let (_, documentation) =
        documentation.split_once("# The doctor").expect("the documentation has the doctor");
    let mut names = BTreeSet::new();
    for diagnosis in [root(), nobody()] {
        let line = render(&diagnosis, &Look { format: Format::Json, ..LOOK });
        fields(&serde_json::from_str(&line).unwrap(), &mut names);
    }
    for name in names {
        assert!(documentation.contains(&format!("`{name}`")), "{name}");
    }
}
