//! What stands, and what is to stand -> what is to be changed.
//!
//! Nothing here touches a firewall. A change is one script for each family, and a script is one transaction: packets meet
//! the rules as they were before, or as they are after.

mod reconcile;
mod script;

use std::collections::BTreeSet;

use dtraf_common::abi::Family;

use super::chain::DOCKER_USER;
use super::rule::Rule;
use super::standing::{DockerUser, LineNumber, Place, Presets, Spot, Standing, Table};
use crate::source::rules::{CounterKey, Tally, Target, family_of};

/// How many rules stand in `DOCKER-USER` itself unless somebody says otherwise: the book of a small host reads as by hand.
/// So many cost a packet about as much as the tree.
pub(crate) const LITERAL_RULES: usize = 24;

/// A change of the filter tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    v4: Changes,
    v6: Changes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// In the words of `iptables-restore`.
    commands: Vec<String>,
    blocked: Option<Blocked>,
}

/// Why a family has addresses to be counted, but nothing that could count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// No iptables for it, or none in whose tables Docker works.
    NoProgram,
    /// `DOCKER-USER` is gone.
    NoChain,
}

/// What changes among the rules that count.
#[derive(Debug, Default)]
struct Change<'a> {
    removed: BTreeSet<LineNumber<'a>>,
    /// Those of an address stand together, its ports first.
    added: Vec<Added>,
}

#[derive(Clone, Debug)]
struct Added {
    rule: Rule,
    tally: Tally,
    place: Place,
}

/// What has to change so that the tables are as the target wants them. New addresses have their rules in `DOCKER-USER` itself
/// as long as those of all addresses are no more than `literal_rules`.
pub(crate) fn plan(standing: &Standing, target: &Target<'_>, literal_rules: usize) -> Plan {
    Plan::of(|family| {
        let wanted = target.wanted.iter().any(|wanted| family_of(wanted.address) == family);
        match standing.table(family) {
            Some(table) if table.docker_user != DockerUser::Missing => {
                let change = reconcile::reconcile(table, target, literal_rules);
                Changes { commands: script::script(table, &change), blocked: None }
            }
            Some(table) if wanted || table.spots().next().is_some() => Changes::blocked(Blocked::NoChain),
            None if wanted => Changes::blocked(Blocked::NoProgram),
            _ => Changes::default(),
        }
    })
}

/// Takes away the counters of these keys, and with the last of them everything else that is dtraf's.
pub(crate) fn removal(standing: &Standing, which: impl Fn(&CounterKey) -> bool) -> Plan {
    Plan::of(|family| {
        let commands = standing.table(family).map(|table| {
            let removed = table.spots().filter(|spot| which(&spot.rule.key)).map(|spot| spot.line);
            script::script(table, &Change { removed: removed.collect(), added: Vec::new() })
        });
        Changes { commands: commands.unwrap_or_default(), blocked: None }
    })
}

/// Lets the counters of these keys begin at zero, where they stand.
pub(crate) fn zero(standing: &Standing, which: impl Fn(&CounterKey) -> bool) -> Plan {
    Plan::of(|family| {
        let spots = standing.table(family).into_iter().flat_map(Table::spots);
        let mut spots: Vec<_> =
            spots.filter(|spot| which(&spot.rule.key) && spot.tally != Tally::default()).collect();
        spots.sort_unstable_by_key(|spot| std::cmp::Reverse(spot.line));
        Changes { commands: spots.iter().flat_map(zeroing).collect(), blocked: None }
    })
}

/// What a rule carries on cannot be set to zero: another takes its place.
fn zeroing(spot: &Spot<'_>) -> Vec<String> {
    let LineNumber { chain, number } = spot.line;
    if spot.rule.carried == Tally::default() {
        return vec![format!("-Z {chain} {number}")];
    }
    let fresh = spot.rule.carrying(Tally::default());
    vec![format!("-D {chain} {}", spot.rule.spec()), format!("[0:0] -I {chain} {number} {}", fresh.spec())]
}

impl Plan {
    fn of(changes: impl Fn(Family) -> Changes) -> Self {
        Self { v4: changes(Family::V4), v6: changes(Family::V6) }
    }

    fn changes(&self, family: Family) -> &Changes {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        Family::ALL.iter().all(|family| self.changes(*family).commands.is_empty())
    }

    /// What `iptables-restore --noflush --counters` is to read; nothing if nothing changes.
    pub(crate) fn script(&self, family: Family) -> Option<String> {
        let commands = &self.changes(family).commands;
        let lines = || ["*filter"].into_iter().chain(commands.iter().map(String::as_str)).chain(["COMMIT"]);
        (!commands.is_empty()).then(|| lines().flat_map(|line| [line, "\n"]).collect())
    }

    pub(crate) fn blocked(&self, family: Family) -> Option<Blocked> {
        self.changes(family).blocked
    }
}

impl Changes {
    fn blocked(why: Blocked) -> Self {
        Self { commands: Vec::new(), blocked: Some(why) }
    }
}

/// A rule and the counter it begins with, as far as the table's program keeps one.
fn preset(presets: Presets, rule: &Rule, tally: Tally) -> (Tally, Rule) {
    let (counter, carried) = match presets {
        Presets::Kept => (tally, Tally::default()),
        Presets::Lost => (Tally::default(), tally),
    };
    (counter, rule.carrying(carried))
}

/// The dtraf rules of a family in the form of `iptables-restore`, with what they counted. `DOCKER-USER` is made, or emptied,
/// if `declare_chain` says so; otherwise they go to the top of the one that is there.
pub(crate) fn saved(standing: &Standing, family: Family, declare_chain: bool) -> String {
    let table = standing.table(family);
    let chains = table.into_iter().flat_map(|table| table.chains.keys());
    let declared = chains.filter(|chain| declare_chain || *chain != DOCKER_USER);
    let mut text = String::from("*filter\n");
    text.extend(declared.map(|chain| format!(":{chain} - [0:0]\n")));
    text.extend(table.into_iter().flat_map(|table| script::again(table, declare_chain)));
    text.push_str("COMMIT\n");
    text
}
