//! `dtraf rules`: the iptables recipe, one step at a time.

mod chosen;

use std::collections::BTreeSet;

use anyhow::Context as _;
use dtraf_common::abi::Family;

use self::chosen::Chosen;
use crate::accounting::called::called;
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::Inventory;
use crate::config::rules::{Make, Rules};
use crate::docker::{Catalogue, Docker};
use crate::links::Links;
use crate::source::iptables::Iptables;
use crate::source::iptables::plan::{Plan, plan, removal, saved, zero};
use crate::source::iptables::standing::Standing;
use crate::source::rules::Target;
use crate::source::rules::claim::Claim;
use crate::source::rules::wanted::wanted;
use crate::terminal::print;
use crate::view::neutral::neutral;
use crate::view::rules::{Listing, render};
use crate::{clock, host};

/// Changes that one `apply` makes at most, and readings that it waits for.
const MOST_CHANGES: usize = 20;

pub(crate) async fn run(config: Rules) -> anyhow::Result<()> {
    host::check()?;
    let iptables = Iptables::find()?;
    let text = match config {
        Rules::Plan(make) => {
            let standing = iptables.read()?;
            let plan = made(&standing, &inventory().await?, &make)?;
            reasons(&standing) + &commands(&iptables, &plan)
        }
        Rules::Apply(make) => {
            let _claim = Claim::take()?;
            let inventory = inventory().await?;
            let mut standing = iptables.read()?;
            // A counter that was superseded is removed once what it had counted is certain.
            for _ in 0..MOST_CHANGES {
                let plan = made(&standing, &inventory, &make)?;
                if plan.is_empty() && !standing.is_unsettled() {
                    break;
                }
                iptables.carry_out(&plan).context("make the rules")?;
                standing = iptables.read()?;
            }
            outcome(&standing, "made")
        }
        Rules::List { containers, format, fit, paint } => {
            let standing = iptables.read()?;
            let chosen = Chosen::among(&standing, &containers)?;
            let mut rules = standing.listed();
            rules.retain(|rule| chosen.has(&rule.counted.key));
            let hiding = standing.hiding().into_iter().collect();
            let listing = Listing { taken_at: clock::now(), programs: programs(&iptables), hiding, rules };
            render(&listing, format, fit, paint)
        }
        Rules::Zero(containers) => {
            let _claim = Claim::take()?;
            let standing = iptables.read()?;
            let chosen = Chosen::among(&standing, &containers)?;
            iptables.carry_out(&zero(&standing, |key| chosen.has(key))).context("set counters to zero")?;
            outcome(&iptables.read()?, "set to zero")
        }
        Rules::Remove(containers) => {
            let _claim = Claim::take()?;
            let standing = iptables.read()?;
            let chosen = Chosen::among(&standing, &containers)?;
            iptables.carry_out(&removal(&standing, |key| chosen.has(key))).context("remove the rules")?;
            let left = iptables.read()?.counted().len();
            format!("Removed {} rules; {left} are left.\n", standing.counted().len() - left)
        }
        Rules::Save { family, declare_chain } => saved(&iptables.read()?, family, declare_chain),
    };
    print(&text).map(drop).context("write to standard output")
}

async fn inventory() -> anyhow::Result<Inventory> {
    let docker = Docker::connect(Links::connect()?).await?;
    Ok(Catalogue::new(docker).list().await?)
}

/// What makes the rules that are asked for. Rules of other containers stay, and follow their addresses; what was counted for
/// a container that is no more is kept until somebody removes it.
fn made(standing: &Standing, inventory: &Inventory, make: &Make) -> anyhow::Result<Plan> {
    let (mut wanted, too_many) = wanted(inventory, make.ports_per_container);
    for many in too_many {
        let name = neutral(&many.container.name).into_owned();
        log::warn!("{name}: {} of {} ports have rules (--ports-per-container)", many.counted, many.ports);
    }
    let counted: BTreeSet<ContainerId> =
        standing.counted().iter().map(|counter| counter.key.container).collect();
    if !make.containers.is_empty() {
        let known = inventory.containers.values().map(|container| (container.id, container.name.as_str()));
        let chosen = called(&known.collect::<Vec<_>>(), &make.containers)?;
        wanted.retain(|it| chosen.contains(&it.container.id) || counted.contains(&it.container.id));
    }
    let containers = inventory.containers.keys().copied().chain(counted).collect();
    let target = Target { wanted: &wanted, containers: &containers, known: &[], now: clock::now() };
    Ok(plan(standing, &target, make.literal_rules))
}

/// Comments for a shell: what keeps packets from rules that stand, or from `DOCKER-USER`.
fn reasons(standing: &Standing) -> String {
    let hiding = standing.hiding().into_iter().map(|it| format!("# {it} stands before dtraf's rules.\n"));
    let before = standing.before_docker_user().into_iter();
    let before =
        before.map(|it| format!("# {it} stands before DOCKER-USER: rules go to the top of FORWARD.\n"));
    hiding.chain(before).map(|line| neutral(line.trim_end()).into_owned() + "\n").collect()
}

/// As a shell would run them.
fn commands(iptables: &Iptables, plan: &Plan) -> String {
    let mut text = String::new();
    for family in Family::ALL {
        if let (Some(script), Some(program)) = (plan.script(family), iptables.program(family)) {
            text.extend([&program.restoring(), " <<'END'\n", &script, "END\n"]);
        }
    }
    if text.is_empty() { "# Nothing is to be done.\n".to_owned() } else { text }
}

fn programs(iptables: &Iptables) -> Vec<String> {
    let programs = Family::ALL.into_iter().filter_map(|family| iptables.program(family));
    programs.map(|program| format!("{} {}", program.variant(), program.version())).collect()
}

fn outcome(standing: &Standing, done: &str) -> String {
    format!("{} rules are {done}; `dtraf rules list` shows them.\n", standing.counted().len())
}
