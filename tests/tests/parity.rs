//! One walk over the headers, on both sides: what the kernel has counted for a frame is what the same code says here.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use anyhow::{Context as _, Result, ensure};
use dtraf_common::abi::{ASKED_WAYS, Bucket, Direction, Family, Role, Scope};
use dtraf_common::decide::{Claim, Decision, Knowledge, decide};
use dtraf_common::packet::{Frame, walk};
use dtraf_tests::books::{audited, bucket_since, conserved, counting, scope_since};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::{Container, Dtraf, Shared, Veth};

/// Nobody's: a bridge sends what is for it to all others.
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const BROADCAST: [u8; 6] = [0xff; 6];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 0xfb];
const TAG: [u8; 4] = [0x81, 0, 0, 5];
const OUTER_TAG: [u8; 4] = [0x88, 0xa8, 0, 7];

/// A frame as it is to be sent: from the destination's address on, and then the type.
#[derive(Debug)]
struct Sent {
    name: String,
    bytes: Vec<u8>,
}

/// Makes frames of one direction: who is local and who is remote decides where their addresses and ports stand.
struct Maker {
    direction: Direction,
    mac: [u8; 6],
    frames: Vec<Sent>,
}

impl Maker {
    fn sent(&self) -> bool {
        self.direction == Direction::Transmitted
    }

    /// `(source, destination)` of what is `(local, remote)`.
    fn ends<T>(&self, local: T, remote: T) -> (T, T) {
        if self.sent() { (local, remote) } else { (remote, local) }
    }

    /// A frame between the container and a stranger.
    fn frame(&mut self, name: &str, ethertype: u16, parts: &[&[u8]]) {
        let destination = if self.sent() { NOBODY } else { self.mac };
        self.frame_to(name, destination, ethertype, parts);
    }

    fn frame_to(&mut self, name: &str, destination: [u8; 6], ethertype: u16, parts: &[&[u8]]) {
        let source = if self.sent() { self.mac } else { NOBODY };
        let bytes = [&destination[..], &source, &ethertype.to_be_bytes(), &parts.concat()].concat();
        self.frames.push(Sent { name: format!("{name} {:?}", self.direction), bytes });
    }

    fn v4(&self, protocol: u8, words: u8, fragment: u16, remote: [u8; 4]) -> Vec<u8> {
        let (source, destination) = self.ends([172, 17, 0, 250], remote);
        let mut header = vec![0x40 | words, 0, 0, 60, 0, 7];
        header.extend(fragment.to_be_bytes());
        header.extend([64, protocol, 0, 0]);
        header.extend(source);
        header.extend(destination);
        header.resize(usize::from(words.max(5)) * 4, 1);
        header
    }

    fn v6(&self, next: u8, remote: &str) -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
        let (source, destination) = self.ends(address("fd00:dead:beef::250"), address(remote));
        let mut header = vec![0x60, 0, 0, 0, 0, 40, next, 64];
        header.extend(source);
        header.extend(destination);
        header
    }

    fn tcp(&self, local: u16, remote: u16, flags: u8) -> Vec<u8> {
        let (source, destination) = self.ends(local, remote);
        let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        header.extend([b'x'; 11]);
        header
    }

    fn udp(&self, local: u16, remote: u16) -> Vec<u8> {
        let (source, destination) = self.ends(local, remote);
        let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        header.extend([0, 13, 0, 0, b'h', b'e', b'l', b'l', b'o']);
        header
    }

    fn sctp(&self, local: u16, remote: u16, chunk: u8) -> Vec<u8> {
        let (source, destination) = self.ends(local, remote);
        let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        header.extend([0, 0, 0, 0, 0, 0, 0, 0, chunk, 0, 0, 4]);
        header
    }
}

const INTERNET: [u8; 4] = [203, 0, 113, 9];
const NEIGHBOUR: [u8; 4] = [172, 17, 0, 251];
const GATEWAY: [u8; 4] = [172, 17, 0, 1];
const LAN: [u8; 4] = [10, 1, 2, 3];
const INTERNET_V6: &str = "2001:db8:9::9";

/// Every kind of frame, in one direction, in the order in which they are sent.
fn corpus(direction: Direction, mac: [u8; 6]) -> Vec<Sent> {
    let mut make = Maker { direction, mac, frames: Vec::new() };
    transports(&mut make);
    extensions(&mut make);
    tags_and_groups(&mut make);
    broken(&mut make);
    make.frames
}

fn transports(make: &mut Maker) {
    for (scope, remote) in [("internet", INTERNET), ("container", NEIGHBOUR), ("host", GATEWAY), ("lan", LAN)]
    {
        let (ip, tcp, udp) = (make.v4(6, 5, 0, remote), make.tcp(80, 50_000, 0x10), make.udp(53, 40_000));
        make.frame(&format!("served tcp, {scope}"), 0x0800, &[&ip, &tcp]);
        let ip = make.v4(17, 5, 0, remote);
        make.frame(&format!("served udp, {scope}"), 0x0800, &[&ip, &udp]);
    }
    for (name, flags) in [("syn", 0x02), ("syn-ack", 0x12), ("ack", 0x10), ("rst", 0x04), ("rst-ack", 0x14)] {
        let (ip, tcp) = (make.v4(6, 5, 0, INTERNET), make.tcp(2_000 + u16::from(flags), 443, flags));
        make.frame(&format!("tcp {name}"), 0x0800, &[&ip, &tcp]);
        make.frame(&format!("tcp {name} again"), 0x0800, &[&ip, &tcp]);
    }
    for local in [123, 32_767, 32_768, 45_000] {
        let (ip, udp) = (make.v4(17, 5, 0, INTERNET), make.udp(local, 7_000));
        make.frame(&format!("udp from {local}"), 0x0800, &[&ip, &udp]);
        make.frame(&format!("udp from {local} again"), 0x0800, &[&ip, &udp]);
    }
    for (name, chunk) in [("data", 0), ("init", 1), ("init ack", 2), ("abort", 6), ("shutdown complete", 14)]
    {
        let (ip, sctp) = (make.v4(132, 5, 0, INTERNET), make.sctp(3_000 + u16::from(chunk), 3_868, chunk));
        make.frame(&format!("sctp {name}"), 0x0800, &[&ip, &sctp]);
    }
    for kind in [0, 3, 8, 11, 13] {
        let ip = make.v4(1, 5, 0, LAN);
        make.frame(&format!("icmp type {kind}"), 0x0800, &[&ip, &[kind, 0, 0, 0, 0, 1, 0, 1]]);
    }
    for kind in [1, 128, 129, 136] {
        let ip = make.v6(58, INTERNET_V6);
        make.frame(&format!("icmpv6 type {kind}"), 0x86dd, &[&ip, &[kind, 0, 0, 0, 0, 1, 0, 1]]);
    }
    for protocol in [47, 50, 253] {
        let ip = make.v4(protocol, 5, 0, INTERNET);
        make.frame(&format!("protocol {protocol}"), 0x0800, &[&ip, &[0; 16]]);
    }
    let (ip, tcp) = (make.v6(6, INTERNET_V6), make.tcp(80, 50_001, 0x18));
    make.frame("tcp over ipv6", 0x86dd, &[&ip, &tcp]);
    let (ip, udp) = (make.v6(17, "fe80::9"), make.udp(53, 50_001));
    make.frame("udp over ipv6, link-local", 0x86dd, &[&ip, &udp]);
}

fn extensions(make: &mut Maker) {
    for words in [6, 10, 15] {
        let (ip, tcp) = (make.v4(6, words, 0, INTERNET), make.tcp(80, 50_002, 0x10));
        make.frame(&format!("options up to word {words}"), 0x0800, &[&ip, &tcp]);
    }
    for (name, fragment) in [("first", 0x2000), ("middle", 0x20b9), ("last", 0x0172)] {
        let (ip, udp) = (make.v4(17, 5, fragment, INTERNET), make.udp(53, 50_003));
        make.frame(&format!("{name} fragment"), 0x0800, &[&ip, &udp]);
    }
    let tcp = make.tcp(80, 50_004, 0x10);
    let chains: [(&str, u8, Vec<Vec<u8>>); 6] = [
        ("hop by hop", 0, vec![vec![6, 0, 5, 2, 0, 0, 1, 0]]),
        ("destination options of 24 bytes", 60, vec![[&[6, 2][..], &[0; 22]].concat()]),
        (
            "routing and authentication",
            43,
            vec![vec![51, 0, 0, 0, 0, 0, 0, 0], [&[6, 1][..], &[0; 10]].concat()],
        ),
        ("first fragment", 44, vec![vec![6, 0, 0, 1, 0, 0, 0, 9]]),
        ("later fragment", 44, vec![vec![6, 0, 5, 0xa8, 0, 0, 0, 9]]),
        ("encryption", 50, vec![vec![0; 16]]),
    ];
    for (name, next, chain) in chains {
        let ip = make.v6(next, INTERNET_V6);
        make.frame(&format!("ipv6 with {name}"), 0x86dd, &[&ip, &chain.concat(), &tcp]);
    }
    for count in [7, 8, 9] {
        let chain: Vec<u8> =
            (1..=count).flat_map(|at| [if at == count { 6 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]).collect();
        let ip = make.v6(60, INTERNET_V6);
        make.frame(&format!("ipv6 with {count} extensions"), 0x86dd, &[&ip, &chain, &tcp]);
    }
}

fn tags_and_groups(make: &mut Maker) {
    let (ip, tcp) = (make.v4(6, 5, 0, INTERNET), make.tcp(80, 50_005, 0x10));
    let inner = [&0x0800_u16.to_be_bytes()[..], &ip, &tcp].concat();
    make.frame("one tag", 0x8100, &[&TAG[2..], &inner]);
    make.frame("two tags", 0x88a8, &[&OUTER_TAG[2..], &TAG, &inner]);
    make.frame("three tags", 0x88a8, &[&OUTER_TAG[2..], &TAG, &TAG, &inner]);
    make.frame("four tags", 0x88a8, &[&OUTER_TAG[2..], &TAG, &TAG, &TAG, &inner]);
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[0; 20]].concat();
    make.frame_to("arp for all", BROADCAST, 0x0806, &[&arp]);
    make.frame("arp for one", 0x0806, &[&arp]);
    make.frame("a type that nobody knows", 0x88b5, &[&[0; 46]]);
    make.frame("a length in place of a type", 0x0026, &[&[0; 46]]);
    let udp = make.udp(5_353, 5_353);
    let ip = make.v4(17, 5, 0, [224, 0, 0, 251]);
    make.frame_to("a group", GROUP, 0x0800, &[&ip, &udp]);
    make.frame("a group's address in a frame for one", 0x0800, &[&ip, &udp]);
    let ip = make.v4(17, 5, 0, [255, 255, 255, 255]);
    make.frame_to("all", BROADCAST, 0x0800, &[&ip, &udp]);
    let ip = make.v6(17, "ff02::fb");
    make.frame_to("a group of ipv6", [0x33, 0x33, 0, 0, 0, 0xfb], 0x86dd, &[&ip, &udp]);
    make.frame_to("for another address", [2, 0, 0, 0, 0, 0x77], 0x0800, &[&make.v4(6, 5, 0, INTERNET), &tcp]);
    let loopback = make.v4(17, 5, 0, [127, 0, 0, 1]);
    make.frame("a loopback address", 0x0800, &[&loopback, &udp]);
}

fn broken(make: &mut Maker) {
    let (ip, tcp) = (make.v4(6, 5, 0, INTERNET), make.tcp(80, 50_006, 0x10));
    let whole = [&ip[..], &tcp].concat();
    for length in [0, 1, 19, 20, 21, 33, 34, 40] {
        make.frame(&format!("tcp cut after {length} bytes"), 0x0800, &[&whole[..length]]);
    }
    for (name, first) in [("version 6 as ipv4", 0x65), ("a header of 16 bytes", 0x44), ("no version", 0x05)] {
        let mut bytes = whole.clone();
        bytes[0] = first;
        make.frame(name, 0x0800, &[&bytes]);
    }
    let (ip, udp) = (make.v4(17, 15, 0, INTERNET), make.udp(53, 1));
    make.frame("options cut short", 0x0800, &[&ip[..44]]);
    make.frame("udp cut after its ports", 0x0800, &[&ip, &udp[..4]]);
    let (ip, tcp) = (make.v6(6, INTERNET_V6), make.tcp(80, 50_006, 0x10));
    let whole = [&ip[..], &tcp].concat();
    for length in [0, 39, 40, 52, 54] {
        make.frame(&format!("ipv6 cut after {length} bytes"), 0x86dd, &[&whole[..length]]);
    }
    let mut wrong = whole;
    wrong[0] = 0x45;
    make.frame("version 4 as ipv6", 0x86dd, &[&wrong]);
    let ip = make.v6(60, INTERNET_V6);
    make.frame("an extension cut short", 0x86dd, &[&ip, &[6]]);
    make.frame("an extension longer than the frame", 0x86dd, &[&ip, &[6, 255, 0, 0, 0, 0, 0, 0]]);
    let ip = make.v4(1, 5, 0, INTERNET);
    make.frame("icmp without a type", 0x0800, &[&ip]);
    let ip = make.v4(132, 5, 0, INTERNET);
    make.frame(
        "sctp cut before its first chunk",
        0x0800,
        &[&ip, &[0x0b, 0xb8, 0x0f, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0]],
    );
}

/// What the kernel knows of the container and has learned, as it would have from the same frames.
struct Model {
    mac: u64,
    served: RefCell<BTreeSet<(u8, u16)>>,
    asked: RefCell<[Option<u16>; ASKED_WAYS]>,
    keys: RefCell<BTreeSet<Key>>,
}

/// A port counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    protocol: u8,
    port: u16,
    role: Role,
    family: Family,
    scope: Scope,
}

impl Knowledge for Model {
    fn scope(&self, frame: &Frame) -> Scope {
        match (frame.family, frame.remote.to_be_bytes()) {
            (Family::V4, [172, 17, 0, 1] | [127, ..]) => Scope::Host,
            (Family::V4, [172, 17, ..]) => Scope::Container,
            (Family::V4, [10, ..]) | (Family::V6, [0xfe, 0x80, ..]) => Scope::Lan,
            (Family::V4, [224 | 255, ..]) | (Family::V6, [0xff, ..]) => Scope::Multicast,
            _ => Scope::Internet,
        }
    }

    fn is_served(&self, protocol: u8, port: u16) -> bool {
        self.served.borrow().contains(&(protocol, port))
    }

    fn was_asked(&self, port: u16) -> bool {
        self.asked.borrow()[usize::from(port) % ASKED_WAYS] == Some(port)
    }

    fn uses_mac(&self, mac: u64) -> bool {
        self.mac == mac
    }
}

/// Where a frame is to be found in a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Port { protocol: String, port: Option<u16>, role: String, family: String, scope: String },
    Bucket(&'static str),
}

impl Model {
    /// Where the kernel must count a frame.
    fn place(&self, frame: &Frame, direction: Direction) -> (Scope, Place) {
        let decision = decide(frame, direction, self);
        let Decision { scope, claim, bucket, role, port } = decision;
        let &Frame { family, protocol, local_port: local, .. } = frame;
        if claim == Claim::NoKey {
            return (decision.total(), Place::Bucket(bucket_name(bucket)));
        }
        let key = Key { protocol, port, role, family, scope };
        let mut keys = self.keys.borrow_mut();
        let is_there = match claim {
            Claim::Refused | Claim::RefusedButAsked => keys.contains(&key),
            _ => {
                keys.insert(key);
                true
            }
        };
        if claim == Claim::RefusedButAsked && !is_there {
            self.asked.borrow_mut()[usize::from(local) % ASKED_WAYS] = Some(local);
        }
        if claim == Claim::AllowedAndServes {
            self.served.borrow_mut().insert((protocol, local));
        }
        if !is_there {
            return (scope, Place::Bucket(bucket_name(bucket)));
        }
        let place = Place::Port {
            protocol: protocol_name(protocol),
            port: matches!(role, Role::Server | Role::Client).then_some(port),
            role: match role {
                Role::Portless => "portless",
                Role::Server => "server",
                Role::Client | Role::ClientOther => "client",
            }
            .to_owned(),
            family: match family {
                Family::V4 => "ipv4",
                Family::V6 => "ipv6",
            }
            .to_owned(),
            scope: scope_name(scope).to_owned(),
        };
        (scope, place)
    }
}

fn protocol_name(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        47 => "gre",
        50 => "esp",
        58 => "ipv6-icmp",
        132 => "sctp",
        other => return other.to_string(),
    };
    name.to_owned()
}

fn scope_name(scope: Scope) -> &'static str {
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

fn bucket_name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::L2 => "l2",
        Bucket::Foreign => "foreign",
        Bucket::Multicast => "multicast",
        Bucket::Fragment => "fragment",
        Bucket::NoPort => "no_port",
        Bucket::Unsolicited => "unsolicited",
        Bucket::OverQuota => "over_quota",
        Bucket::MapFull => "map_full",
        Bucket::Unparsed => "unparsed",
    }
}

/// What a reading has more than the one before, by place: only places where something was added.
fn added(before: &Figures, after: &Figures, direction: Direction) -> BTreeMap<Place, Amount> {
    let side = |both: Both<Amount>| if direction == Direction::Received { both.rx } else { both.tx };
    let ports = |figures: &Figures| -> BTreeMap<Place, Amount> {
        let mut ports = BTreeMap::new();
        for port in &figures.ports {
            let place = Place::Port {
                protocol: port.protocol.clone(),
                port: port.port,
                role: port.role.clone(),
                family: port.family.clone(),
                scope: port.scope.clone(),
            };
            ports.insert(place, side(Both { rx: port.rx, tx: port.tx }));
        }
        ports
    };
    let then = ports(before);
    let mut places: BTreeMap<Place, Amount> = ports(after)
        .into_iter()
        .map(|(place, now)| {
            let then = then.get(&place).copied().unwrap_or_default();
            (place, now - then)
        })
        .collect();
    for bucket in Bucket::ALL.map(bucket_name) {
        places.insert(Place::Bucket(bucket), side(bucket_since(before, after, bucket)));
    }
    places.retain(|_, amount| *amount != Amount::default());
    places
}

/// As the hook sees a frame: the kernel has put the outermost tag of what it receives beside the frame.
fn as_seen(bytes: &[u8], direction: Direction) -> (Vec<u8>, u32) {
    let tagged = matches!(bytes.get(12..14), Some([0x81, 0] | [0x88, 0xa8]));
    if direction == Direction::Transmitted && tagged {
        ([&bytes[..12], &bytes[16..]].concat(), 1)
    } else {
        (bytes.to_vec(), 0)
    }
}

fn hardware_address(container: &Container<'_>, veth: &Veth) -> Result<[u8; 6]> {
    let path = format!("/sys/class/net/{}/address", veth.inside);
    let text = container.exec(&["cat", &path])?;
    let octets: Vec<u8> =
        text.trim().split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
    octets.try_into().ok().context("six octets")
}

#[test]
fn the_kernel_counts_every_frame_of_the_corpus_where_the_same_walk_on_this_side_does() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let running = counting(&dtraf, &[])?;
    let container = lab.container("corpus").option("--expose=80/tcp").option("--expose=53/udp").start()?;
    let (veth, place) = (container.veth()?, container.place()?);
    let mac = hardware_address(&container, &veth)?;
    audited(&dtraf, &container)?;
    // The programs alone, and nothing that container, bridge or host would say of their own.
    drop(running);
    place.run("ip", &["address", "flush", "dev", &veth.inside])?;
    for link in ["docker0", &veth.name] {
        let silence = format!("echo 1 >/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
        lab.host().run("sh", &["-c", &silence])?;
    }

    let model = Model {
        mac: mac.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)),
        served: RefCell::new([(6, 80), (17, 53)].into()),
        asked: RefCell::new([None; ASKED_WAYS]),
        keys: RefCell::default(),
    };
    let mut wrong = Vec::new();
    // What came from outside first finds what the container has sent before, the second time.
    for direction in [Direction::Received, Direction::Transmitted, Direction::Received] {
        for frame in corpus(direction, mac) {
            let before = reading(&dtraf, &container)?;
            match direction {
                Direction::Transmitted => place.send_frame(&veth.inside, &frame.bytes, 1),
                Direction::Received => lab.host().send_frame(&veth.name, &frame.bytes, 1),
            }
            .with_context(|| frame.name.clone())?;
            let after = reading(&dtraf, &container)?;
            let (seen, _) = as_seen(&frame.bytes, direction);
            let walked = walk(&seen[..], direction).unwrap_or(Frame::UNREADABLE);
            let (scope, expected) = model.place(&walked, direction);
            let mut found = added(&before, &after, direction);
            // The host may still be leaving a group that it had joined on the bridge.
            let chatter = Place::Bucket(bucket_name(Bucket::Multicast));
            found.retain(|place, _| *place == expected || *place != chatter);
            let size = u64::try_from(frame.bytes.len())?;
            let skb_bytes = u64::try_from(seen.len())?;
            let is_it = |amount: &Amount| {
                (amount.wire_bytes, amount.packets, amount.skb_bytes, amount.skbs) == (size, 1, skb_bytes, 1)
            };
            let in_scope = scope_since(&before, &after, scope_name(scope));
            let in_scope = if direction == Direction::Received { in_scope.rx } else { in_scope.tx };
            if found.len() != 1 || !found.get(&expected).is_some_and(is_it) || !is_it(&in_scope) {
                wrong.push(format!("{}: {size} bytes expected in {expected:?}, found {found:?}", frame.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} frames:\n{}", wrong.len(), wrong.join("\n"));

    // And all of them together are what the interface has counted. It counts a tag that a container has written into the
    // frame's bytes; the kernel takes it out before anybody else sees the frame, and as skb bytes it is then gone.
    let tagged = corpus(Direction::Transmitted, mac);
    let tagged = tagged.iter().filter(|frame| as_seen(&frame.bytes, Direction::Transmitted).1 > 0).count();
    let (counters, figures) = veth.while_still(|| reading(&dtraf, &container))?;
    let (Both { rx, tx }, missed) = (figures.total, figures.shortfall);
    let sent = tx.skb_bytes + missed.tx.skb_bytes + 4 * u64::try_from(tagged)?;
    assert_eq!((sent, tx.skbs + missed.tx.skbs), (counters.transmitted.bytes, counters.transmitted.packets));
    let received = rx.skb_bytes + missed.rx.skb_bytes;
    assert_eq!((received, rx.skbs + missed.rx.skbs), (counters.received.bytes, counters.received.packets));
    Ok(())
}

fn reading(dtraf: &Dtraf<'_>, container: &Container<'_>) -> Result<Figures> {
    let report = dtraf.stats()?;
    conserved(&report)?;
    report.container(container.name())?.figures()
}
