//! Where a frame is booked: under a port, or in a bucket, and in which scope.
//!
//! Pure: what the decision needs to know of the world it asks of [`Knowledge`], which the kernel answers from maps.

use crate::abi::{Bucket, Direction, EPHEMERAL_PORTS, Role, Scope};
use crate::packet::{Frame, Handshake, Kind, protocol};

/// What is known about the container and the network around it.
pub trait Knowledge {
    /// Scope of the other end: of the interface that the frame came in by where that says it, else of its address.
    fn scope(&self, frame: &Frame) -> Scope;
    /// The container is known to serve `port`.
    fn is_served(&self, protocol: u8, port: u16) -> bool;
    /// Somebody lately asked UDP `port`.
    fn was_asked(&self, port: u16) -> bool;
    /// The container may use this MAC address: it is its interface's, it has sent from it, or nobody knows any yet.
    fn uses_mac(&self, mac: u64) -> bool;
}

/// Whether the frame has a key, and whether the key may enter the table when it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Claim {
    /// No key: the frame goes to the bucket.
    NoKey = 0,
    /// It came from outside, uninvited: the key may not enter.
    Refused = 1,
    /// The same, and it is to be remembered that the local UDP port was asked.
    RefusedButAsked = 2,
    /// The container sent it, or serves the port.
    Allowed = 3,
    /// The same, and the container has just shown that it serves the port.
    AllowedAndServes = 4,
}

/// Where a frame's bytes go. Flat, so that the kernel can carry it in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Scope of the other end. A frame in [`Bucket::Foreign`] is in [`Scope::Flooded`] all the same: see [`Decision::total`].
    pub scope: Scope,
    pub claim: Claim,
    /// Where it goes without a key, or when its key is not in the table and may not enter.
    pub bucket: Bucket,
    pub role: Role,
    /// The key's port; 0 where the protocol has none.
    pub port: u16,
}

impl Decision {
    #[inline(always)]
    const fn bucket(scope: Scope, bucket: Bucket) -> Self {
        Self { scope, claim: Claim::NoKey, bucket, role: Role::Portless, port: 0 }
    }

    /// The scope whose total the frame is in.
    #[inline(always)]
    pub const fn total(&self) -> Scope {
        if matches!(self.bucket, Bucket::Foreign) { Scope::Flooded } else { self.scope }
    }
}

/// Decides about a frame.
#[inline(always)]
pub fn decide<K: Knowledge>(frame: &Frame, direction: Direction, knowledge: &K) -> Decision {
    if matches!(frame.kind, Kind::NotIp) {
        return Decision::bucket(Scope::Other, Bucket::L2);
    }
    if matches!(frame.kind, Kind::Malformed) {
        return Decision::bucket(Scope::Other, Bucket::Unparsed);
    }
    if frame.to_group() {
        return Decision::bucket(Scope::Multicast, Bucket::Multicast);
    }
    let scope = knowledge.scope(frame);
    if matches!(direction, Direction::Received) && !knowledge.uses_mac(frame.destination) {
        return Decision::bucket(scope, Bucket::Foreign);
    }
    if matches!(scope, Scope::Multicast) {
        return Decision::bucket(scope, Bucket::Multicast);
    }
    if matches!(frame.kind, Kind::Unparsed) {
        return Decision::bucket(scope, Bucket::Unparsed);
    }
    decide_unicast(frame, scope, direction, knowledge)
}

#[inline(always)]
fn decide_unicast<K: Knowledge>(
    frame: &Frame,
    scope: Scope,
    direction: Direction,
    knowledge: &K,
) -> Decision {
    let &Frame { kind, protocol, local_port: local, remote_port: remote, handshake, .. } = frame;
    let sent = matches!(direction, Direction::Transmitted);
    let decision = Decision::bucket(scope, Bucket::NoPort);
    if matches!(kind, Kind::LaterFragment) {
        return Decision { bucket: Bucket::Fragment, ..decision };
    }
    let opens = sent && !matches!(handshake, Handshake::Reply);
    if matches!(kind, Kind::Portless) {
        let claim = if opens { Claim::Allowed } else { Claim::Refused };
        return Decision { claim, ..decision };
    }
    let decision = Decision { bucket: Bucket::Unsolicited, ..decision };
    let server = Decision { role: Role::Server, port: local, ..decision };
    let client = Decision { role: Role::Client, port: remote, ..decision };
    if knowledge.is_served(protocol, local) {
        // What it is made to answer goes where the question says that it came from, and makes no entry there.
        let answers = sent && !matches!(handshake, Handshake::None);
        return Decision { claim: if answers { Claim::Refused } else { Claim::Allowed }, ..server };
    }
    let is_udp = protocol == protocol::UDP;
    if !sent {
        return Decision { claim: if is_udp { Claim::RefusedButAsked } else { Claim::Refused }, ..client };
    }
    let was_asked = is_udp && knowledge.was_asked(local);
    if matches!(handshake, Handshake::Accept) || was_asked && local < EPHEMERAL_PORTS {
        return Decision { claim: Claim::AllowedAndServes, ..server };
    }
    // An answer from an ephemeral port: it may be a server's or a client's, and who asked must not decide what is counted.
    Decision { claim: if opens && !was_asked { Claim::Allowed } else { Claim::Refused }, ..client }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        served: &'static [(u8, u16)],
        asked: &'static [u16],
        scope: Scope,
        mac: u64,
    }

    impl Knowledge for World {
        fn scope(&self, _: &Frame) -> Scope {
            self.scope
        }
        fn is_served(&self, protocol: u8, port: u16) -> bool {
            self.served.contains(&(protocol, port))
        }
        fn was_asked(&self, port: u16) -> bool {
            self.asked.contains(&port)
        }
        fn uses_mac(&self, mac: u64) -> bool {
            self.mac == mac
        }
    }

    const QUIET: World = World { served: &[], asked: &[], scope: Scope::Internet, mac: 0x0242_ac11_0002 };

    const TO_IT: Frame = Frame { destination: QUIET.mac, ..Frame::UNREADABLE };

    fn ports(protocol: u8, local_port: u16, remote_port: u16) -> Frame {
        Frame { kind: Kind::Ports, protocol, local_port, remote_port, ..TO_IT }
    }

    fn role_and_port(decision: Decision) -> (Role, u16, Claim) {
        assert_ne!(decision.claim, Claim::NoKey, "in bucket {:?}", decision.bucket);
        (decision.role, decision.port, decision.claim)
    }

    #[test]
    fn a_served_port_counts_as_the_containers_own_in_both_directions() {
        let world = World { served: &[(6, 80)], ..QUIET };
        for direction in Direction::ALL {
            let decision = decide(&ports(6, 80, 50000), direction, &world);
            assert_eq!(role_and_port(decision), (Role::Server, 80, Claim::Allowed));
        }
    }

    #[test]
    fn answers_of_a_served_port_make_no_entry_where_nobody_asked() {
        let world = World { served: &[(6, 80)], ..QUIET };
        for handshake in [Handshake::Accept, Handshake::Reply] {
            let answer = Frame { handshake, ..ports(6, 80, 50000) };
            let decision = decide(&answer, Direction::Transmitted, &world);
            assert_eq!(role_and_port(decision), (Role::Server, 80, Claim::Refused));
            assert_eq!(decision.bucket, Bucket::Unsolicited);
        }
    }

    #[test]
    fn a_container_that_connects_counts_under_the_remote_port() {
        let out = decide(&ports(6, 50000, 443), Direction::Transmitted, &QUIET);
        assert_eq!(role_and_port(out), (Role::Client, 443, Claim::Allowed));
    }

    #[test]
    fn nothing_from_outside_may_enter_the_table_unless_the_port_is_served() {
        let knock = decide(&ports(6, 22, 50000), Direction::Received, &QUIET);
        assert_eq!((knock.claim, knock.bucket), (Claim::Refused, Bucket::Unsolicited));
        let ping = decide(&Frame { kind: Kind::Portless, protocol: 1, ..TO_IT }, Direction::Received, &QUIET);
        assert_eq!((ping.claim, ping.bucket), (Claim::Refused, Bucket::NoPort));
    }

    #[test]
    fn what_outsiders_make_a_container_send_enters_no_table() {
        let reset = Frame { handshake: Handshake::Reply, ..ports(6, 22, 50000) };
        let refused = decide(&reset, Direction::Transmitted, &QUIET);
        assert_eq!((refused.claim, refused.bucket), (Claim::Refused, Bucket::Unsolicited));
        let pong = Frame { kind: Kind::Portless, protocol: 1, handshake: Handshake::Reply, ..TO_IT };
        let refused = decide(&pong, Direction::Transmitted, &QUIET);
        assert_eq!((refused.claim, refused.bucket), (Claim::Refused, Bucket::NoPort));
    }

    #[test]
    fn a_syn_ack_makes_its_port_a_served_one() {
        let accept = Frame { handshake: Handshake::Accept, ..ports(6, 2222, 50000) };
        let answer = decide(&accept, Direction::Transmitted, &QUIET);
        assert_eq!(role_and_port(answer), (Role::Server, 2222, Claim::AllowedAndServes));
    }

    #[test]
    fn a_udp_answer_makes_its_port_a_served_one_only_below_the_ephemeral_range() {
        let question = decide(&ports(17, 53, 40000), Direction::Received, &QUIET);
        assert_eq!(question.claim, Claim::RefusedButAsked);
        let world = World { asked: &[53, 40000], ..QUIET };
        let answer = decide(&ports(17, 53, 40000), Direction::Transmitted, &world);
        assert_eq!(role_and_port(answer), (Role::Server, 53, Claim::AllowedAndServes));
        let ephemeral = decide(&ports(17, 40000, 53), Direction::Transmitted, &world);
        assert_eq!(role_and_port(ephemeral), (Role::Client, 53, Claim::Refused));
        let unasked = decide(&ports(17, 123, 123), Direction::Transmitted, &QUIET);
        assert_eq!(role_and_port(unasked), (Role::Client, 123, Claim::Allowed));
    }

    #[test]
    fn what_has_no_port_goes_to_its_bucket() {
        let not_ip = Frame { kind: Kind::NotIp, ..TO_IT };
        let group = Frame { destination: 0x0100_5e00_0001, ..ports(17, 5353, 5353) };
        let foreign = Frame { destination: 0x0242_ac11_0003, ..ports(6, 80, 1) };
        let fragment = Frame { kind: Kind::LaterFragment, protocol: 17, ..TO_IT };
        let unparsed = Frame { kind: Kind::Unparsed, ..TO_IT };
        let lost = World { scope: Scope::Multicast, ..QUIET };
        for (name, frame, world, scope, bucket) in [
            ("not ip", &not_ip, &QUIET, Scope::Other, Bucket::L2),
            ("group address", &group, &QUIET, Scope::Multicast, Bucket::Multicast),
            ("group by its ip address", &fragment, &lost, Scope::Multicast, Bucket::Multicast),
            ("not for this container", &foreign, &QUIET, Scope::Internet, Bucket::Foreign),
            ("later fragment", &fragment, &QUIET, Scope::Internet, Bucket::Fragment),
            ("no way to the ports", &unparsed, &QUIET, Scope::Internet, Bucket::Unparsed),
            ("not walked", &Frame::UNREADABLE, &QUIET, Scope::Other, Bucket::Unparsed),
        ] {
            let decision = decide(frame, Direction::Received, world);
            assert_eq!(
                (decision.claim, decision.scope, decision.bucket),
                (Claim::NoKey, scope, bucket),
                "{name}"
            );
        }
    }

    #[test]
    fn flooded_frames_are_in_no_scope_that_is_billed() {
        let foreign = Frame { destination: 0x0242_ac11_0003, ..ports(6, 80, 1) };
        assert_eq!(decide(&foreign, Direction::Received, &QUIET).total(), Scope::Flooded);
        assert_eq!(decide(&ports(6, 80, 1), Direction::Received, &QUIET).total(), Scope::Internet);
    }

    #[test]
    fn what_the_container_sends_is_never_foreign() {
        let elsewhere = Frame { destination: 0x0242_ac11_0001, ..ports(6, 50000, 80) };
        assert_eq!(role_and_port(decide(&elsewhere, Direction::Transmitted, &QUIET)).1, 80);
    }
}
