//! `dtraf account ...` and `dtraf reset`, as they are typed.

use std::net::IpAddr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::LedgerArgs;
use super::ledger::ZoneArgs;
use super::values::{ListFormatChoice, UnitsChoice};

/// Say who is who in the ledger: list, rename and merge accounts, and ask who had an address
///
/// An account is what a container's traffic is added up for. It is found by its keys: what the label dtraf.account says, else
/// Compose's project/service, else the container's name. These commands are for what labels cannot say. They may be given while
/// a dtraf runs.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show all accounts: their keys, the containers that they have and have had, and those containers' addresses
    List(ListArgs),
    /// Give an account another name, which leads to it from then on
    ///
    /// Its keys stay: containers that led to it go on to do so. What is called by the new name later counts for it, too.
    Rename(RenameArgs),
    /// Make one account of two: the keys, containers, totals and baselines of FROM belong to INTO, and FROM is gone
    ///
    /// There is no way back: what was counted before does not say later whose it was, except by container.
    Merge(MergeArgs),
    /// Say whose container had an address
    Who(WhoArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) look: LedgerLookArgs,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// Its name, or one of its keys
    #[arg(value_name = "OLD")]
    pub(crate) old: String,

    /// Must not lead to another account
    #[arg(value_name = "NEW", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) new: String,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The account that is to end
    #[arg(value_name = "FROM")]
    pub(crate) from: String,

    /// The account that gets all it has
    #[arg(value_name = "INTO")]
    pub(crate) into: String,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WhoArgs {
    /// IPv4 or IPv6
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: IpAddr,

    /// When: 2026-11-03 (at any time of that day), 2026-11-03T14:00, yesterday, "last month", ...
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub(crate) at: String,

    #[command(flatten)]
    pub(crate) look: LedgerLookArgs,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerLookArgs {
    /// A table for people, one line of JSON, or comma-separated values
    #[arg(long, value_enum, default_value_t = ListFormatChoice::Table)]
    pub(crate) format: ListFormatChoice,

    /// Leave nothing out and cut nothing off to make a table fit
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

/// Begin anew from zero for some accounts, or for all; what was counted stays
///
/// Notes a baseline: what the account has in the ledger, up to the last batch that was written. `dtraf report --since-reset`
/// shows what came after it; every other report stays as it is. What the kernel has counted and is not in the ledger yet
/// (`--flush` of dtraf run) comes after the baseline.
///
/// May be given while a dtraf runs.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Only these accounts; all when there is none
    #[arg(value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,

    /// Reset nothing: show the baselines that there are, with what had been counted
    #[arg(long)]
    pub(crate) list: bool,

    /// A table for people, one line of JSON, or comma-separated values
    #[arg(long, value_enum, default_value_t = ListFormatChoice::Table, requires = "list")]
    pub(crate) format: ListFormatChoice,

    /// Powers of 1000 (kB, MB) or of 1024 (KiB, MiB) in tables; JSON and CSV have exact numbers
    #[arg(long, value_enum, default_value_t = UnitsChoice::Si, requires = "list")]
    pub(crate) units: UnitsChoice,

    /// Leave nothing out and cut nothing off to make a table fit
    #[arg(long, requires = "list")]
    pub(crate) no_trunc: bool,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}
