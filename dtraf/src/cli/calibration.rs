//! `dtraf calibration ...`, as it is typed.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::accounts::LedgerLookArgs;
use super::ledger::ZoneArgs;
use super::report::{CountsChoice, ScopeChoice};
use super::values::size;
use super::{ConfigArgs, LedgerArgs};

/// Write down what somebody else has counted: a provider's panel, a router
///
/// Reports of that time name it beside what dtraf has counted. It is never added to anything.
#[derive(Debug, Args)]
pub(crate) struct CalibrationArgs {
    #[command(subcommand)]
    pub(crate) command: CalibrationCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CalibrationCommand {
    /// Write down a figure for the whole host
    Add(AddArgs),
    /// Show all of them, with what dtraf has counted in their times
    List(ListArgs),
    /// Forget one
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// What was counted there: 110GB
    #[arg(value_name = "SIZE", value_parser = size)]
    pub(crate) bytes: u64,

    /// From its beginning: 2026-10, "last month", 2026-11-25, ...
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,

    /// To its end; without it, to the end of what --from says
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,

    /// Which bytes those are; without it those that the configuration bills the host for, else received and transmitted
    #[arg(long, value_enum)]
    pub(crate) counts: Option<CountsChoice>,

    /// Only traffic with these is in the figure: internet, lan, host, container, multicast, other. Without it what the host is billed
    /// for
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCOPE")]
    pub(crate) scopes: Option<Vec<ScopeChoice>>,

    /// Who says so
    #[arg(long, value_name = "WHO", default_value = "The provider's panel", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) note: String,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

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
    /// As `dtraf calibration list` shows it
    #[arg(value_name = "NUMBER")]
    pub(crate) number: i64,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}
