//! Counters kept as rules without target in Docker's chain `DOCKER-USER`: the recipe that people follow by hand.
//!
//! The rules of the first addresses stand in that chain itself. Those of further ones stand below a tree of chains of
//! dtraf's own, so that a packet meets few of them. This file alone has the programs run; what they are to do is planned in
//! [`plan`], from nothing but what they said.

pub(crate) mod error;
pub(crate) mod plan;
pub(crate) mod program;
pub(crate) mod standing;

mod chain;
mod printed;
mod rule;
mod tree;
pub(crate) mod verdict;

use dtraf_common::abi::Family;

use self::error::IptablesError;
use self::plan::Plan;
use self::program::Program;
use self::standing::{DockerUser, Standing};

/// The iptables that Docker works with.
#[derive(Clone, Debug)]
pub(crate) struct Iptables {
    v4: Program,
    /// None where Docker makes no IPv6 rules.
    v6: Option<Program>,
}

impl Iptables {
    /// Looks for the variant in whose tables `DOCKER-USER` is, and best where packets come by it: two variants' tables can
    /// stand side by side.
    pub(crate) fn find() -> Result<Self, IptablesError> {
        let candidates = Program::candidates(Family::V4)?;
        let looked_at: Vec<String> = candidates.iter().map(|program| program.variant().to_owned()).collect();
        let v4 = match best(candidates)? {
            Some(program) => program,
            None if looked_at.is_empty() => return Err(IptablesError::NoProgram),
            None => return Err(IptablesError::NoChain { looked_at }),
        };
        Ok(Self { v4, v6: best(Program::candidates(Family::V6)?)? })
    }

    /// Looks for the variant that has rules of dtraf's, where `DOCKER-USER` is no more.
    pub(crate) fn find_leftovers() -> Result<Option<Self>, IptablesError> {
        let (v4, v6) = (Program::candidates(Family::V4)?, Program::candidates(Family::V6)?);
        let (with_v4, with_v6) = (with_rules(&v4), with_rules(&v6));
        if with_v4.is_none() && with_v6.is_none() {
            return Ok(None);
        }
        Ok(with_v4.or(v4.into_iter().next()).map(|v4| Self { v4, v6: with_v6 }))
    }

    pub(crate) fn program(&self, family: Family) -> Option<&Program> {
        match family {
            Family::V4 => Some(&self.v4),
            Family::V6 => self.v6.as_ref(),
        }
    }

    pub(crate) fn read(&self) -> Result<Standing, IptablesError> {
        let v6 = self.v6.as_ref().map(Program::read).transpose()?;
        Ok(Standing { v4: Some(self.v4.read()?), v6 })
    }

    /// One transaction for each family. Nothing of a family's has changed if its own fails.
    pub(crate) fn carry_out(&self, plan: &Plan) -> Result<(), IptablesError> {
        for family in Family::ALL {
            if let Some(script) = plan.script(family) {
                self.program(family).ok_or(IptablesError::NoFamily { family })?.write(&script)?;
            }
        }
        Ok(())
    }
}

fn best(candidates: Vec<Program>) -> Result<Option<Program>, IptablesError> {
    let mut second = None;
    for program in candidates {
        match program.read() {
            Ok(table) if table.docker_user() == DockerUser::Reached => return Ok(Some(program)),
            Ok(table) if table.docker_user() == DockerUser::Unreached => second = second.or(Some(program)),
            Ok(_) | Err(IptablesError::Incompatible { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(second)
}

fn with_rules(candidates: &[Program]) -> Option<Program> {
    let has_rules = |program: &&Program| program.read().is_ok_and(|table| table.has_counters());
    candidates.iter().find(has_rules).cloned()
}

#[cfg(test)]
mod tests;
