//! The firewall that keeps the counters: one of two, and the same questions to both.

use std::collections::BTreeSet;
use std::fmt;

use dtraf_common::abi::Family;

use super::{Counted, Target};
use crate::accounting::report::Backend;
use crate::accounting::snapshot::HookKind;
use crate::source::iptables::error::IptablesError;
use crate::source::iptables::plan::Blocked;
use crate::source::iptables::standing::DockerUser;
use crate::source::iptables::verdict::Verdict;
use crate::source::iptables::{self, Iptables};
use crate::source::nft::{self, Nft, NftError};

/// Programs of a firewall that dtraf's rules are kept with.
#[derive(Clone, Debug)]
pub(crate) enum RuleSet {
    /// Rules in `DOCKER-USER`; so many stand in the chain itself, as in the recipe.
    Iptables { iptables: Iptables, literal_rules: usize },
    /// A table of dtraf's own.
    Nft(Nft),
}

/// What stood when it was last looked at.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    Iptables(iptables::standing::Standing),
    Nft(nft::Standing),
}

/// What is to be changed.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Iptables(iptables::plan::Plan),
    Nft(nft::Plan),
}

/// Why rules of a family do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Obstacle {
    family: Family,
    kind: ObstacleKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ObstacleKind {
    /// `FORWARD` does not lead to `DOCKER-USER`.
    Unreached,
    NoChain,
    /// No iptables for the family in whose tables Docker works.
    NoProgram,
}

/// A rule of somebody else's that may keep packets from dtraf's rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hiding {
    pub(crate) family: Family,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    #[error(transparent)]
    Nft(#[from] NftError),
}

impl RuleSet {
    pub(crate) fn iptables(literal_rules: usize) -> Result<Self, RulesError> {
        Ok(Self::Iptables { iptables: Iptables::find()?, literal_rules })
    }

    pub(crate) fn nft() -> Result<Self, RulesError> {
        Ok(Self::Nft(Nft::find()?))
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Iptables { .. } => Backend::Iptables,
            Self::Nft(_) => Backend::Nft,
        }
    }

    pub(crate) fn hook(&self) -> HookKind {
        match self {
            Self::Iptables { .. } => HookKind::DockerUser,
            Self::Nft(_) => HookKind::NftForward,
        }
    }

    pub(crate) fn read(&self) -> Result<Standing, RulesError> {
        Ok(match self {
            Self::Iptables { iptables, .. } => Standing::Iptables(iptables.read()?),
            Self::Nft(nft) => Standing::Nft(nft.read()?),
        })
    }

    /// What has to change so that what stands is as the target wants it.
    pub(crate) fn plan(&self, standing: &Standing, target: &Target<'_>) -> Plan {
        match standing {
            Standing::Iptables(standing) => {
                let literal_rules = match self {
                    Self::Iptables { literal_rules, .. } => *literal_rules,
                    Self::Nft(_) => 0,
                };
                Plan::Iptables(iptables::plan::plan(standing, target, literal_rules))
            }
            Standing::Nft(standing) => Plan::Nft(nft::plan(standing, target)),
        }
    }

    pub(crate) fn carry_out(&self, plan: &Plan) -> Result<(), RulesError> {
        match (self, plan) {
            (Self::Iptables { iptables, .. }, Plan::Iptables(plan)) => Ok(iptables.carry_out(plan)?),
            (Self::Nft(nft), Plan::Nft(plan)) => Ok(nft.carry_out(plan)?),
            _ => unreachable!("a plan is made for the firewall that it is carried out on"),
        }
    }
}

impl Standing {
    pub(crate) fn counted(&self) -> Vec<Counted> {
        match self {
            Self::Iptables(standing) => standing.counted(),
            Self::Nft(standing) => standing.counted(),
        }
    }

    /// Lists other people's rules that may keep packets from those that count.
    pub(crate) fn hiding(&self) -> BTreeSet<Hiding> {
        match self {
            Self::Iptables(standing) => standing.hiding(),
            // A verdict in another table's chain is no end here, unless it drops the packet for good.
            Self::Nft(_) => BTreeSet::new(),
        }
    }

    /// Whether there is anything of dtraf's.
    pub(crate) fn is_empty(&self) -> bool {
        self.counted().is_empty()
    }
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Iptables(plan) => plan.is_empty(),
            Self::Nft(plan) => plan.is_empty(),
        }
    }

    /// What keeps rules that are wanted from counting, once this plan is carried out on `standing`.
    pub(crate) fn obstacles(&self, standing: &Standing) -> BTreeSet<Obstacle> {
        let (Self::Iptables(plan), Standing::Iptables(standing)) = (self, standing) else {
            return BTreeSet::new();
        };
        let kind = |family| match plan.blocked(family) {
            Some(Blocked::NoChain) => Some(ObstacleKind::NoChain),
            Some(Blocked::NoProgram) => Some(ObstacleKind::NoProgram),
            None => {
                let table = standing.table(family)?;
                let counts = plan.script(family).is_some() || table.has_counters();
                (counts && table.docker_user() == DockerUser::Unreached).then_some(ObstacleKind::Unreached)
            }
        };
        Family::ALL.into_iter().filter_map(|family| Some(Obstacle { family, kind: kind(family)? })).collect()
    }
}

impl Obstacle {
    pub(crate) fn advice(self) -> &'static str {
        match self.kind {
            ObstacleKind::Unreached | ObstacleKind::NoChain => {
                "restart Docker, which makes the chain and what leads to it; counts go on by themselves then"
            }
            ObstacleKind::NoProgram => "let Docker make its rules for this family, and install iptables",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self.family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        match self.kind {
            ObstacleKind::Unreached => write!(f, "{program}: FORWARD does not lead to DOCKER-USER"),
            ObstacleKind::NoChain => write!(f, "{program}: there is no chain DOCKER-USER"),
            ObstacleKind::NoProgram => write!(f, "{program}: none has a chain DOCKER-USER"),
        }
    }
}

impl fmt::Display for Hiding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self.family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        let Verdict { chain, number, spec } = &self.verdict;
        write!(f, "{program}: {chain} {number} (`{spec}`)")
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iptables { iptables, .. } => match iptables.program(Family::V4) {
                Some(program) => write!(f, "rules of {} {}", program.variant(), program.version()),
                None => f.write_str("rules of ip6tables"),
            },
            Self::Nft(nft) => write!(f, "a table of nftables {}", nft.version()),
        }
    }
}
