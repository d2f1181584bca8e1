//! Who is in a crowd, by number alone: its networks, names and addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A bridge has 1,023 ports; there is another network for each further thousand.
const NETWORK_MEMBERS: usize = 1000;
/// An odd number: numbers multiplied by it, in 48 bits, are all different, and differ in their first digits.
const SPREAD: u64 = 0x9e37_79b9_7f4b;

/// A network of Docker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: String,
    pub name: String,
    pub bridge: String,
    pub gateway: Ipv4Addr,
}

impl Network {
    pub const PREFIX_LENGTH: u8 = 16;

    pub fn subnet(&self) -> String {
        let [first, second, ..] = self.gateway.octets();
        format!("{first}.{second}.0.0/{}", Self::PREFIX_LENGTH)
    }
}

/// What goes for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub id: String,
    pub name: String,
    /// The network's, in [`networks`].
    pub network: usize,
    pub address: Ipv4Addr,
    /// The other end of its interface, on the host.
    pub veth: String,
    /// What is in its network namespace, by its number in the crowd's world: 0 before it is there.
    pub pid: u32,
}

impl Member {
    /// Its interface, as it knows it.
    pub const LINK: &str = "eth0";

    pub fn mac(&self) -> [u8; 6] {
        Self::mac_of(self.address)
    }

    /// As Docker has it: from the address.
    pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
        let [a, b, c, d] = address.octets();
        [0x02, 0x42, a, b, c, d]
    }

    /// Where the handle of its network namespace lies.
    pub fn sandbox(&self) -> String {
        format!("/run/docker/netns/{}", &self.id[..12])
    }
}

/// The networks of a crowd of `count`: Docker's default one first.
pub fn networks(count: usize) -> Vec<Network> {
    let network = |number: u8| {
        let id = id(u64::from(number) + (1 << 32));
        let (name, bridge) = match number {
            0 => ("bridge".to_owned(), "docker0".to_owned()),
            _ => (format!("crowd{number}"), format!("br-{}", &id[..12])),
        };
        Network { gateway: Ipv4Addr::new(172, 17 + number, 0, 1), id, name, bridge }
    };
    (0..).take(count.div_ceil(NETWORK_MEMBERS).max(1)).map(network).collect()
}

/// All members of a crowd of `count`.
pub fn members(count: usize) -> Vec<Member> {
    let member = |number: u32| {
        let network = usize::try_from(number).expect("32 bits are an index") / NETWORK_MEMBERS;
        let id = id(u64::from(number) + 1);
        let within = u16::try_from(usize::try_from(number).expect("32 bits are an index") % NETWORK_MEMBERS);
        let [third, fourth] = (within.expect("a thousand") + 2).to_be_bytes();
        let second = 17 + u8::try_from(network).expect("a crowd has few networks");
        Member {
            name: format!("crowd-{number:04}"),
            network,
            address: Ipv4Addr::new(172, second, third, fourth),
            veth: format!("veth{}", &id[..7]),
            id,
            pid: 0,
        }
    };
    (0..).take(count).map(member).collect()
}

/// 64 hexadecimal digits.
fn id(number: u64) -> String {
    format!("{:012x}{number:052x}", number.wrapping_mul(SPREAD) & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_members_of_the_largest_crowd_share_a_name() {
        const COUNT: usize = 2000;
        let (members, networks) = (members(COUNT), networks(COUNT));
        for (what, name) in [
            ("id", (|member: &Member| member.id.clone()) as fn(&Member) -> String),
            ("name", |member| member.name.clone()),
            ("address", |member| member.address.to_string()),
            ("link", |member| member.veth.clone()),
            ("handle", Member::sandbox),
        ] {
            assert_eq!(members.iter().map(name).collect::<HashSet<_>>().len(), COUNT, "{what}");
        }
        assert!(members.iter().all(|member| member.address != networks[member.network].gateway));
    }
}
