//! `dtraf account` and `dtraf reset`: who is who in the ledger, and from where on it is counted.

use anyhow::{Context as _, ensure};

use crate::accounting::statement::period::time;
use crate::clock;
use crate::config::accounts::{AccountTask, Accounts, Reset, ResetTask};
use crate::store::{Archive, Editor};
use crate::terminal::print;
use crate::view::neutral::neutral;
use crate::view::{accounts, resets};

pub(crate) fn run(config: Accounts) -> anyhow::Result<()> {
    let Accounts { task, path } = config;
    let text = match task {
        AccountTask::List { look, zone } => {
            let archive = Archive::open(&path)?;
            accounts::list(&archive.register()?, &look, &zone.of(archive.zones()))
        }
        AccountTask::Rename { old, new } => {
            Editor::open(&path)?.rename(&old, &new)?;
            format!("{} is called {}.\n", neutral(&old), neutral(&new))
        }
        AccountTask::Merge { from, into } => {
            Editor::open(&path)?.merge(&from, &into)?;
            format!("All of {} belongs to {}.\n", neutral(&from), neutral(&into))
        }
        AccountTask::Who { address, at, look, zone } => {
            let archive = Archive::open(&path)?;
            let zones = zone.of(archive.zones());
            let time = time(&at, clock::now(), &zones)?;
            let tenants = archive.tenants(address, time)?;
            ensure!(!tenants.is_empty(), accounts::nobody(address, time, &zones));
            accounts::who(address, time, &tenants, &look, &zones)
        }
    };
    print(&text).context("write to standard output").map(drop)
}

pub(crate) fn reset(config: Reset) -> anyhow::Result<()> {
    let Reset { accounts, task, path } = config;
    let text = match task {
        ResetTask::List { look, zone } => {
            let archive = Archive::open(&path)?;
            let chosen = archive.accounts(&accounts)?;
            resets::list(&archive.baselines(chosen.as_deref())?, &look, &zone.of(archive.zones()))
        }
        ResetTask::Reset => {
            let count = Editor::open(&path)?.reset(&accounts, clock::now())?;
            let accounts = if count == 1 { "account" } else { "accounts" };
            format!("{count} {accounts} reset; `dtraf reset --list` has what was counted before.\n")
        }
    };
    print(&text).context("write to standard output").map(drop)
}
