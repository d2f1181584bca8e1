//! `dtraf account` and `dtraf reset`: what was meant.

use std::net::IpAddr;
use std::path::PathBuf;

use super::ledger::ReportZone;
use super::report::look;
use crate::cli::accounts::{AccountArgs, AccountCommand, ResetArgs};
use crate::cli::values::UnitsChoice;
use crate::terminal::Stdout;
use crate::view::statement::Look;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) task: AccountTask,
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountTask {
    List { look: Look, zone: ReportZone },
    Rename { old: String, new: String },
    Merge { from: String, into: String },
    Who { address: IpAddr, at: String, look: Look, zone: ReportZone },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reset {
    /// All when empty.
    pub(crate) accounts: Vec<String>,
    pub(crate) task: ResetTask,
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResetTask {
    Reset,
    List { look: Look, zone: ReportZone },
}

impl Accounts {
    pub(super) fn resolve(args: AccountArgs, stdout: Stdout) -> Self {
        let (task, ledger) = match args.command {
            AccountCommand::List(list) => {
                let look = look(list.look.format, UnitsChoice::Si, list.look.no_trunc, stdout);
                (AccountTask::List { look, zone: list.zone.into() }, list.ledger)
            }
            AccountCommand::Rename(args) => {
                (AccountTask::Rename { old: args.old, new: args.new }, args.ledger)
            }
            AccountCommand::Merge(args) => {
                (AccountTask::Merge { from: args.from, into: args.into }, args.ledger)
            }
            AccountCommand::Who(who) => {
                let look = look(who.look.format, UnitsChoice::Si, who.look.no_trunc, stdout);
                let zone = who.zone.into();
                (AccountTask::Who { address: who.address, at: who.at, look, zone }, who.ledger)
            }
        };
        Self { task, path: ledger.path }
    }
}

impl Reset {
    pub(super) fn resolve(args: ResetArgs, stdout: Stdout) -> Self {
        let look = look(args.format, args.units, args.no_trunc, stdout);
        Self {
            accounts: args.accounts,
            task: if args.list { ResetTask::List { look, zone: args.zone.into() } } else { ResetTask::Reset },
            path: args.ledger.path,
        }
    }
}
