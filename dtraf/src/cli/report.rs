//! `dtraf report ...`, as it is typed.

use clap::{Args, ValueEnum};

use super::LedgerArgs;
use super::values::{ListFormatChoice, UnitsChoice, cycle_day};
use crate::accounting::statement::period::CycleDay;

/// Say from the ledger who had how much, and when
///
/// Without options: the billing cycle that is under way, by account, with what it comes to if it goes on like this. An account
/// is what a container's traffic is added up for: what its label dtraf.account says, else Compose's project/service, else its
/// name. It goes on when the container is made anew, renamed or moved.
///
/// Days, months and hours are those of the host's time zone. What was counted while no dtraf ran is booked when the next one
/// starts; such times are named.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Only these accounts
    #[arg(value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,

    /// From its beginning: 2026-11-25, 2026-11, 2026-11-25T14:00, today, yesterday, "this month", "last month", "last cycle"
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,

    /// To its end, as above: with --to 2026-11 all of November
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,

    #[command(flatten)]
    pub(crate) step: StepArgs,

    /// What each account has counted since it was last reset (`dtraf reset`), and since when that is
    #[arg(long, conflicts_with_all = ["from", "to", "StepArgs", "cycle_day", "by", "top"])]
    pub(crate) since_reset: bool,

    /// Day of the month that a billing cycle begins on; in shorter months, the last
    #[arg(long, value_name = "DAY", default_value = "1", value_parser = cycle_day)]
    pub(crate) cycle_day: CycleDay,

    /// What each line stands for
    #[arg(long, value_enum, default_value_t = ByChoice::Account)]
    pub(crate) by: ByChoice,

    /// Only this many lines of each time: those with most
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// A table for people, one line of JSON, or comma-separated values
    #[arg(long, value_enum, default_value_t = ListFormatChoice::Table)]
    pub(crate) format: ListFormatChoice,

    /// Powers of 1000 (kB, MB) or of 1024 (KiB, MiB) in tables; JSON and CSV have exact numbers
    #[arg(long, value_enum, default_value_t = UnitsChoice::Si)]
    pub(crate) units: UnitsChoice,

    /// Leave nothing out and cut nothing off to make a table fit
    #[arg(long)]
    pub(crate) no_trunc: bool,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

/// What the time is divided into.
#[derive(Debug, Args)]
#[group(multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option, and clap sees to it that one is given at most"
)]
pub(crate) struct StepArgs {
    /// A line for each hour
    #[arg(long)]
    pub(crate) hourly: bool,
    /// A line for each day
    #[arg(long)]
    pub(crate) daily: bool,
    /// A line for each month
    #[arg(long)]
    pub(crate) monthly: bool,
    /// A line for each billing cycle
    #[arg(long)]
    pub(crate) cycles: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ByChoice {
    Account,
    Container,
    Port,
    /// Who the other end was
    Scope,
    Project,
    /// The same as scope
    PeerClass,
}
