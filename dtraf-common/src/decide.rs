//! Where a frame is booked: under a port, or in a bucket, and in which scope.
//!
//! Pure: what the decision needs to know of the world it asks of [`Knowledge`], which the kernel answers from maps.

use crate::abi::{Bucket, Direction, EPHEMERAL_PORTS, Family, Role, Scope};
use crate::packet::{Address, Frame, Handshake, Packet, Payload, Transport, protocol};

/// What is known about the container and the network around it.
pub trait Knowledge {
    /// Scope of a remote address.
    fn scope(&self, family: Family, address: &Address) -> Scope;
    /// The container is known to serve `port`.
    fn is_served(&self, protocol: u8, port: u16) -> bool;
    /// Somebody lately asked UDP `port`.
    fn was_asked(&self, port: u16) -> bool;
    /// The container's MAC address, 0 while unknown.
    fn mac(&self) -> u64;
}

/// Whether a key that is not in the table may enter it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The container sent it, or serves the port.
    Allowed,
    /// The same, and the container has just shown that it serves the port.
    AllowedAndServes,
    /// It came from outside, uninvited: where the key is unknown the frame goes to this bucket.
    Refused(Bucket),
    /// The same, and it is remembered that UDP `port` was asked.
    RefusedButAsked(u16),
}

impl Claim {
    /// The bucket of a frame whose key is not in the table and may not enter it.
    #[inline(always)]
    pub const fn refusal(self) -> Option<Bucket> {
        match self {
            Self::Allowed | Self::AllowedAndServes => None,
            Self::Refused(bucket) => Some(bucket),
            Self::RefusedButAsked(_) => Some(Bucket::Unsolicited),
        }
    }
}

/// Where a frame's bytes go, beside the totals of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Bucket(Bucket),
    Port {
        family: Family,
        protocol: u8,
        role: Role,
        port: u16,
        local: u16,
        claim: Claim,
    },
}

/// The whole decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub scope: Scope,
    pub target: Target,
}

/// Decides about a frame; `None` is one that could not be walked.
#[inline(always)]
pub fn decide<K: Knowledge>(frame: Option<&Frame>, direction: Direction, knowledge: &K) -> Decision {
    let bucket = |scope, bucket| Decision {
        scope,
        target: Target::Bucket(bucket),
    };
    let Some(frame) = frame else {
        return bucket(Scope::Other, Bucket::Unparsed);
    };
    let packet = match &frame.payload {
        Payload::Ip(packet) => packet,
        Payload::NotIp => return bucket(Scope::Other, Bucket::L2),
        Payload::Malformed => return bucket(Scope::Other, Bucket::Unparsed),
    };
    if frame.to_group() {
        return bucket(Scope::Multicast, Bucket::Multicast);
    }
    let mac = knowledge.mac();
    if matches!(direction, Direction::Received) && mac != 0 && frame.destination != mac {
        return bucket(Scope::Other, Bucket::Foreign);
    }
    let scope = knowledge.scope(packet.family, &packet.remote);
    if matches!(scope, Scope::Multicast) {
        return bucket(scope, Bucket::Multicast);
    }
    Decision {
        scope,
        target: target(packet, direction, knowledge),
    }
}

/// The port of a unicast packet.
#[inline(always)]
fn target<K: Knowledge>(packet: &Packet, direction: Direction, knowledge: &K) -> Target {
    let &Packet {
        family,
        protocol,
        transport,
        ..
    } = packet;
    let (local, remote, handshake) = match transport {
        Transport::LaterFragment => return Target::Bucket(Bucket::Fragment),
        Transport::Portless => {
            let claim = match direction {
                Direction::Transmitted => Claim::Allowed,
                Direction::Received => Claim::Refused(Bucket::NoPort),
            };
            return Target::Port {
                family,
                protocol,
                role: Role::Portless,
                port: 0,
                local: 0,
                claim,
            };
        }
        Transport::Ports {
            local,
            remote,
            handshake,
        } => (local, remote, handshake),
    };
    let server = |claim| Target::Port {
        family,
        protocol,
        role: Role::Server,
        port: local,
        local,
        claim,
    };
    let client = |claim| Target::Port {
        family,
        protocol,
        role: Role::Client,
        port: remote,
        local,
        claim,
    };
    if knowledge.is_served(protocol, local) {
        return server(Claim::Allowed);
    }
    match direction {
        Direction::Transmitted => {
            let answers = match handshake {
                Handshake::Accept => true,
                Handshake::None => {
                    protocol == protocol::UDP && local < EPHEMERAL_PORTS && knowledge.was_asked(local)
                }
            };
            if answers {
                server(Claim::AllowedAndServes)
            } else {
                client(Claim::Allowed)
            }
        }
        Direction::Received if protocol == protocol::UDP && local < EPHEMERAL_PORTS => {
            client(Claim::RefusedButAsked(local))
        }
        Direction::Received => client(Claim::Refused(Bucket::Unsolicited)),
    }
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
        fn scope(&self, _: Family, _: &Address) -> Scope {
            self.scope
        }
        fn is_served(&self, protocol: u8, port: u16) -> bool {
            self.served.contains(&(protocol, port))
        }
        fn was_asked(&self, port: u16) -> bool {
            self.asked.contains(&port)
        }
        fn mac(&self) -> u64 {
            self.mac
        }
    }

    const QUIET: World = World {
        served: &[],
        asked: &[],
        scope: Scope::Internet,
        mac: 0x0242_ac11_0002,
    };

    fn frame(protocol: u8, transport: Transport) -> Frame {
        let packet = Packet {
            family: Family::V4,
            protocol,
            remote: Address([0; 4]),
            transport,
            header_bytes: 40,
            phantom_bytes: 0,
        };
        Frame {
            destination: QUIET.mac,
            vlan_tags: 0,
            payload: Payload::Ip(packet),
        }
    }

    fn ports(local: u16, remote: u16) -> Transport {
        Transport::Ports {
            local,
            remote,
            handshake: Handshake::None,
        }
    }

    fn role_and_port(decision: Decision) -> (Role, u16, Claim) {
        match decision.target {
            Target::Port {
                role, port, claim, ..
            } => (role, port, claim),
            Target::Bucket(bucket) => panic!("in bucket {bucket:?}"),
        }
    }

    #[test]
    fn a_served_port_counts_as_the_containers_own_in_both_directions() {
        let world = World {
            served: &[(6, 80)],
            ..QUIET
        };
        for direction in Direction::ALL {
            let decision = decide(Some(&frame(6, ports(80, 50000))), direction, &world);
            assert_eq!(role_and_port(decision), (Role::Server, 80, Claim::Allowed));
        }
    }

    #[test]
    fn a_container_that_connects_counts_under_the_remote_port() {
        let out = decide(Some(&frame(6, ports(50000, 443))), Direction::Transmitted, &QUIET);
        assert_eq!(role_and_port(out), (Role::Client, 443, Claim::Allowed));
    }

    #[test]
    fn nothing_from_outside_may_enter_the_table_unless_the_port_is_served() {
        let knock = decide(Some(&frame(6, ports(22, 50000))), Direction::Received, &QUIET);
        assert_eq!(role_and_port(knock).2.refusal(), Some(Bucket::Unsolicited));
        let ping = decide(Some(&frame(1, Transport::Portless)), Direction::Received, &QUIET);
        assert_eq!(role_and_port(ping).2.refusal(), Some(Bucket::NoPort));
    }

    #[test]
    fn a_syn_ack_makes_its_port_a_served_one() {
        let accept = Transport::Ports {
            local: 2222,
            remote: 50000,
            handshake: Handshake::Accept,
        };
        let answer = decide(Some(&frame(6, accept)), Direction::Transmitted, &QUIET);
        assert_eq!(
            role_and_port(answer),
            (Role::Server, 2222, Claim::AllowedAndServes)
        );
    }

    #[test]
    fn a_udp_answer_makes_its_port_a_served_one_only_below_the_ephemeral_range() {
        let question = decide(Some(&frame(17, ports(53, 40000))), Direction::Received, &QUIET);
        assert_eq!(role_and_port(question).2, Claim::RefusedButAsked(53));
        let world = World {
            asked: &[53, 40000],
            ..QUIET
        };
        let answer = decide(Some(&frame(17, ports(53, 40000))), Direction::Transmitted, &world);
        assert_eq!(role_and_port(answer), (Role::Server, 53, Claim::AllowedAndServes));
        let ephemeral = decide(Some(&frame(17, ports(40000, 53))), Direction::Transmitted, &world);
        assert_eq!(role_and_port(ephemeral), (Role::Client, 53, Claim::Allowed));
        let unasked = decide(Some(&frame(17, ports(123, 123))), Direction::Transmitted, &QUIET);
        assert_eq!(role_and_port(unasked), (Role::Client, 123, Claim::Allowed));
    }

    #[test]
    fn what_has_no_port_goes_to_its_bucket() {
        let not_ip = Frame {
            destination: QUIET.mac,
            vlan_tags: 0,
            payload: Payload::NotIp,
        };
        let group = Frame {
            destination: 0x0100_5e00_0001,
            ..frame(17, ports(5353, 5353))
        };
        let foreign = Frame {
            destination: 0x0242_ac11_0003,
            ..frame(6, ports(80, 1))
        };
        let fragment = frame(17, Transport::LaterFragment);
        let lost = World {
            scope: Scope::Multicast,
            ..QUIET
        };
        for (name, frame, world, scope, bucket) in [
            ("not ip", Some(&not_ip), &QUIET, Scope::Other, Bucket::L2),
            (
                "group address",
                Some(&group),
                &QUIET,
                Scope::Multicast,
                Bucket::Multicast,
            ),
            (
                "group by its ip address",
                Some(&fragment),
                &lost,
                Scope::Multicast,
                Bucket::Multicast,
            ),
            (
                "not for this container",
                Some(&foreign),
                &QUIET,
                Scope::Other,
                Bucket::Foreign,
            ),
            (
                "later fragment",
                Some(&fragment),
                &QUIET,
                Scope::Internet,
                Bucket::Fragment,
            ),
            ("not walked", None, &QUIET, Scope::Other, Bucket::Unparsed),
        ] {
            let decision = decide(frame, Direction::Received, world);
            assert_eq!(
                decision,
                Decision {
                    scope,
                    target: Target::Bucket(bucket)
                },
                "{name}"
            );
        }
    }

    #[test]
    fn what_the_container_sends_is_never_foreign() {
        let elsewhere = Frame {
            destination: 0x0242_ac11_0001,
            ..frame(6, ports(50000, 80))
        };
        assert_eq!(
            role_and_port(decide(Some(&elsewhere), Direction::Transmitted, &QUIET)).1,
            80
        );
    }
}
