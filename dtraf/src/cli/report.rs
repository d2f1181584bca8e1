//! `dtraf report ...`, as it is typed.

use clap::{Args, ValueEnum};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::ledger::ZoneArgs;
use super::values::{ListFormatChoice, UnitsChoice, cycle_day, price, size};
use super::{ConfigArgs, LedgerArgs};
use crate::accounting::statement::period::CycleDay;

/// Say from the ledger who had how much, and when
///
/// Without options: the billing cycle that is under way, by account, with what it comes to if it goes on like this. An account
/// is what a container's traffic is added up for: what its label dtraf.account says, else Compose's project/service, else its
/// name. It goes on when the container is made anew, renamed or moved.
///
/// Days, months and hours are those of the ledger's time zone (`dtraf ledger zone`), wherever the command is given, unless --tz
/// says another. A time that is not wholly kept has no figures: `?` in tables, null in JSON, nothing in CSV. What was counted while
/// no dtraf ran is booked when the next one starts; such times are named.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Only these accounts
    #[arg(value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,

    /// From its beginning: 2026-11-25, 2026-11, 2026-11-25T14:00, 2026-10-25T02:00+01:00, today, yesterday, "this month", "last
    /// month", "last cycle"
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,

    /// To its end, as above: with --to 2026-11 all of November
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,

    #[command(flatten)]
    pub(crate) step: StepArgs,

    #[command(flatten)]
    pub(crate) bill: BillArgs,

    /// What each account has counted since it was last reset (`dtraf reset`), and since when that is
    #[arg(long, conflicts_with_all = ["from", "to", "StepArgs", "BillArgs", "cycle_day", "by", "top"])]
    pub(crate) since_reset: bool,

    /// Beside what containers have had by scope, what the host's network cards have carried in that time, and what is left: as a
    /// table or JSON
    #[arg(long, conflicts_with_all = ["accounts", "StepArgs", "BillArgs", "since_reset", "by", "top"])]
    pub(crate) reconcile: bool,

    /// Day of the month that a billing cycle begins on; in shorter months, the last. 1, unless the configuration says otherwise
    #[arg(long, value_name = "DAY", value_parser = cycle_day)]
    pub(crate) cycle_day: Option<CycleDay>,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

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

/// What is to be paid. Each of these makes a bill of the report; what they do not say, the configuration does.
#[derive(Debug, Args)]
#[group(multiple = true, conflicts_with_all = ["hourly", "daily", "by", "top"])]
pub(crate) struct BillArgs {
    /// Say what is to be paid, by account and for the host, as the configuration has it
    #[arg(long)]
    pub(crate) bill: bool,

    /// Which bytes the host's bill counts: both directions, whichever has more, or one
    #[arg(long, value_enum)]
    pub(crate) counts: Option<CountsChoice>,

    /// Bill only traffic with these: internet, lan, host, container, multicast, other
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCOPE")]
    pub(crate) scopes: Option<Vec<ScopeChoice>>,

    /// For a GB of 1,000,000,000 bytes: 0.05
    #[arg(long, value_name = "DECIMAL", value_parser = price)]
    pub(crate) price: Option<Decimal>,

    /// What the host has free in the time shown: 20TB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) allowance: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CountsChoice {
    /// Received and transmitted
    Sum,
    /// Whichever of the two is more
    Max,
    Rx,
    Tx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ScopeChoice {
    Internet,
    Lan,
    Host,
    Container,
    Multicast,
    Other,
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
