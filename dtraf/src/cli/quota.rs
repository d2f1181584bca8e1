//! `dtraf quota ...`, as it is typed.

use clap::{Args, Subcommand};

use super::accounts::LedgerLookArgs;
use super::ledger::ZoneArgs;
use super::report::{CountsChoice, ScopeChoice};
use super::values::{cycle_day, percent, size};
use super::{ConfigArgs, LedgerArgs};
use crate::accounting::statement::period::CycleDay;

/// Give accounts an allowance for each billing cycle, and be told when they come to it
///
/// The dtraf that runs looks after each batch that it writes, and runs the hook of a quota once for each threshold in a cycle.
#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    #[command(subcommand)]
    pub(crate) command: QuotaCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// Give an account a quota, in the place of the one that it has
    Set(SetArgs),
    /// Show all quotas, and how much of them is used in the cycle that is under way
    List(ListArgs),
    /// Take an account's quota away
    Remove(RemoveArgs),
    /// Show those that are over, and end with exit status 3 if any is
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Its name, or one of its keys
    #[arg(value_name = "ACCOUNT")]
    pub(crate) account: String,

    /// Bytes of a cycle: 500GB, 1.5TiB
    #[arg(value_name = "SIZE", value_parser = size)]
    pub(crate) bytes: u64,

    /// Which bytes count: both directions, whichever has more, or one
    #[arg(long, value_enum, default_value_t = CountsChoice::Sum)]
    pub(crate) counts: CountsChoice,

    /// Only traffic with these: internet, lan, host, container, multicast, other
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCOPE")]
    pub(crate) scopes: Option<Vec<ScopeChoice>>,

    /// Day of the month that a billing cycle begins on; in shorter months, the last. 1, unless the configuration says otherwise
    #[arg(long, value_name = "DAY", value_parser = cycle_day)]
    pub(crate) cycle_day: Option<CycleDay>,

    /// Per cent at which the hook is run
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_values = ["80", "100"], value_parser = percent)]
    pub(crate) at: Vec<u32>,

    /// A program with its arguments, quoted as for a shell and run without one. What it is told stands in its environment, in
    /// variables that begin with `DTRAF_`, and as a line of JSON on its standard input
    #[arg(long, value_name = "COMMAND")]
    pub(crate) hook: Option<String>,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) look: LedgerLookArgs,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Its name, or one of its keys
    #[arg(value_name = "ACCOUNT")]
    pub(crate) account: String,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only these accounts; all when there is none
    #[arg(value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,

    #[command(flatten)]
    pub(crate) list: ListArgs,
}
