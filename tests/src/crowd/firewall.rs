//! The chains that Docker makes, as far as they decide what a rule of dtraf's sees.

use anyhow::Result;

use crate::place::{Place, feed};

/// Which firewall a crowd's host has: that of a Docker 20.10, and by which of the two variants of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chains {
    #[default]
    None,
    Nft,
    Legacy,
}

/// What [`Chains`] are there for: FORWARD leads to DOCKER-USER, which ends in a RETURN. Nothing is tracked or
/// translated, so that forwarding costs as little as it can, and what is added to it shows as much as it can.
const RULES: &str =
    "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\nCOMMIT\n";

impl Chains {
    pub(crate) fn load(self, host: &Place) -> Result<()> {
        let variant = match self {
            Self::None => return Ok(()),
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        };
        for family in ["iptables", "ip6tables"] {
            host.restore_rules(&format!("{family}-{variant}-restore"), RULES)?;
        }
        Ok(())
    }
}

impl Place {
    /// Gives `rules` to an `iptables-restore`. Rules that are there stay.
    pub fn restore_rules(&self, program: &str, rules: &str) -> Result<()> {
        let mut command = self.command(program);
        feed(command.args(["--noflush", "--wait"]), rules, program)
    }
}
