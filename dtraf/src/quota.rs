//! `dtraf quota`: what accounts may use, and whether they use more.

use anyhow::{Context as _, ensure};

use crate::accounting::bill::declared::Declared;
use crate::accounting::bill::quota::{Quota, Standing};
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::{CycleDay, cycle};
use crate::clock;
use crate::config::file::File;
use crate::config::quota::{QuotaTask, Quotas};
use crate::store::{Archive, Editor};
use crate::terminal::print;
use crate::view::neutral::neutral;
use crate::view::statement::{Format, Look};
use crate::view::{labels, quotas};

/// Not a failure, but what was asked: an exit status of its own says so.
#[derive(Debug, thiserror::Error)]
#[error("over the quota: {}", .0.join(", "))]
pub(crate) struct OverQuota(Vec<String>);

pub(crate) fn run(config: Quotas) -> anyhow::Result<()> {
    let Quotas { task, path, file } = config;
    let now = clock::now();
    let mut over = Vec::new();
    let text = match task {
        QuotaTask::Set { account, quota, day } => {
            let cycle_day = match day {
                Some(day) => day,
                None => File::read(file.as_deref())?.declared.cycle_day.unwrap_or(quota.cycle_day),
            };
            let quota = Quota { cycle_day, ..quota };
            Editor::open(&path)?.set_quota(&account, &quota)?;
            format!("{} has a quota of {} bytes in each cycle.\n", neutral(&account), quota.bytes)
        }
        QuotaTask::List { look, zone } => {
            let declared = File::read(file.as_deref())?.declared;
            let archive = Archive::open(&path)?;
            let zones = zone.of(archive.zones());
            let standings = archive.standings(None, &declared, now, &zones)?;
            listed(&archive, &standings, &declared, &look, now, &zones)?
        }
        QuotaTask::Remove { account } => {
            let is_gone = Editor::open(&path)?.remove_quota(&account)?;
            ensure!(
                is_gone,
                "`{account}` has no quota that was set: see `dtraf quota list`; what the configuration or a label says is to be changed there"
            );
            format!("{} has no quota any more.\n", neutral(&account))
        }
        QuotaTask::Check { accounts, look, zone } => {
            let declared = File::read(file.as_deref())?.declared;
            let archive = Archive::open(&path)?;
            let chosen = archive.accounts(&accounts)?;
            let zones = zone.of(archive.zones());
            let mut standings = archive.standings(chosen.as_deref(), &declared, now, &zones)?;
            tell_unknown(&standings);
            standings.retain(Standing::is_over);
            over.extend(standings.iter().map(|standing| standing.account.clone()));
            listed(&archive, &standings, &declared, &look, now, &zones)?
        }
    };
    print(&text).context("write to standard output")?;
    if over.is_empty() { Ok(()) } else { Err(OverQuota(over).into()) }
}

/// Says of which accounts it is not known whether they are over.
fn tell_unknown(standings: &[Standing]) {
    let unknown: Vec<_> = standings.iter().filter(|standing| standing.used.is_none()).collect();
    let names: Vec<_> = unknown.iter().map(|standing| neutral(&standing.account)).collect();
    if !names.is_empty() {
        log::warn!(
            "the ledger does not say how much these accounts have used, see `dtraf quota list`: {}",
            names.join(", ")
        );
    }
}

/// With what labels say in vain, of containers that were there in the cycle. A list of values has no place for it.
fn listed(
    archive: &Archive,
    standings: &[Standing],
    declared: &Declared,
    look: &Look,
    now: Timestamp,
    zones: &Zones,
) -> anyhow::Result<String> {
    let begin = cycle(declared.cycle_day.unwrap_or(CycleDay::FIRST), now, zones)?.from;
    let mut troubles = archive.terms(declared)?.troubles;
    troubles.retain(|trouble| trouble.is_since(begin));
    if look.format == Format::Csv {
        labels::tell(&troubles);
    }
    Ok(quotas::list(standings, &troubles, look, zones))
}
