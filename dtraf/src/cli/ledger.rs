//! `dtraf ledger ...`, as it is typed.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::LedgerArgs;
use super::values::time_zone;

/// Look after the ledger itself
#[derive(Debug, Args)]
pub(crate) struct LedgerToolArgs {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Print the ledger's time zone, or change it from the next month on
    ///
    /// Hours, days, months and billing cycles of all reports and quotas are those of this zone, whatever zone the host, a shell or
    /// cron is in. A new ledger has the host's. A change takes effect at the end of the month that is under way, because days and
    /// months that have begun cannot be cut again; a change that is still to come is replaced by another one. The first line that is
    /// printed is the zone that is in force.
    Zone(LedgerZoneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LedgerZoneArgs {
    /// Name in the IANA time zone database: Europe/Berlin, UTC
    #[arg(value_name = "NAME", value_parser = time_zone)]
    pub(crate) zone: Option<TimeZone>,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,
}

/// Another time zone than the ledger's.
#[derive(Debug, Args)]
pub(crate) struct ZoneArgs {
    /// Time zone of days, months and times, instead of the ledger's: Europe/Berlin, UTC
    ///
    /// Figures then come from hours or finer spans, which are kept for some time only (7 days and 12 hours unless the configuration
    /// says otherwise). What they do not make up exactly is not known: `?`.
    #[arg(long = "tz", value_name = "NAME", value_parser = time_zone)]
    pub(crate) zone: Option<TimeZone>,
}
