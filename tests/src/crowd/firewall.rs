//! The chains that Docker makes, as far as they decide what a rule of dtraf's sees, and what else its packets meet.

use std::fmt::Write as _;

use anyhow::Result;

use super::Crowd;
use super::plan::{Member, Network, members, networks};
use crate::place::{Place, feed};

/// Which firewall a crowd's host has: that of a Docker 20.10, and by which of the two variants of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chains {
    #[default]
    None,
    Nft,
    Legacy,
}

/// How much of Docker's firewall there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Furnishing {
    /// FORWARD leads to DOCKER-USER, which ends in a RETURN. Nothing is tracked or translated, so that forwarding costs as
    /// little as it can, and what is added to it shows as much as it can.
    #[default]
    Bare,
    /// All rules that a Docker 20.10 makes, with which connections are tracked; and one published port, the last member's
    /// sink, so that it can be reached.
    Docker,
}

const BARE: &str =
    "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\nCOMMIT\n";

impl Chains {
    pub(crate) fn load(self, host: &Place, furnishing: Furnishing, containers: usize) -> Result<()> {
        let variant = match self {
            Self::None => return Ok(()),
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        };
        let rules = match furnishing {
            Furnishing::Bare => BARE.to_owned(),
            Furnishing::Docker => docker(&networks(containers), members(containers).last()),
        };
        host.restore_rules(&format!("iptables-{variant}-restore"), &rules)?;
        host.restore_rules(&format!("ip6tables-{variant}-restore"), BARE)
    }
}

/// What `iptables-save` prints beside a Docker 20.10, in the order of its chains.
fn docker(networks: &[Network], published: Option<&Member>) -> String {
    let mut forward = String::new();
    let mut isolation = [String::new(), String::new()];
    let mut translated = String::new();
    for network in networks {
        let (bridge, subnet) = (&network.bridge, network.subnet());
        let [one, two] = &mut isolation;
        let written = writeln!(
            forward,
            "-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A FORWARD -o {bridge} -j DOCKER\n\
             -A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT\n\
             -A FORWARD -i {bridge} -o {bridge} -j ACCEPT"
        )
        .and_then(|()| {
            writeln!(one, "-A DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2")
        })
        .and_then(|()| writeln!(two, "-A DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP"))
        .and_then(|()| {
            writeln!(
                translated,
                "-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE\n-A DOCKER -i {bridge} -j RETURN"
            )
        });
        written.expect("a String takes whatever is written");
    }
    let [one, two] = isolation;
    let open = published.map_or_else(String::new, |member| {
        let bridge = &networks[member.network].bridge;
        let (address, port) = (member.address, Crowd::SINK_PORT);
        format!(
            "-A DOCKER -d {address}/32 ! -i {bridge} -o {bridge} -p udp -m udp --dport {port} -j ACCEPT\n"
        )
    });
    format!(
        "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-ISOLATION-STAGE-1 - [0:0]\n\
         :DOCKER-ISOLATION-STAGE-2 - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n\
         -A FORWARD -j DOCKER-ISOLATION-STAGE-1\n{forward}{open}{one}-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n\
         {two}-A DOCKER-ISOLATION-STAGE-2 -j RETURN\n-A DOCKER-USER -j RETURN\nCOMMIT\n\
         *nat\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
         -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n{translated}COMMIT\n"
    )
}

impl Place {
    /// Gives `rules` to an `iptables-restore`. Rules that are there stay.
    pub fn restore_rules(&self, program: &str, rules: &str) -> Result<()> {
        let mut command = self.command(program);
        feed(command.args(["--noflush", "--wait"]), rules, program).map(drop)
    }
}
