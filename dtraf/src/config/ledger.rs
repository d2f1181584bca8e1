//! `dtraf ledger`, and the time zone of reports: what was meant.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::accounting::history::zones::Zones;
use crate::cli::ledger::{LedgerCommand, LedgerToolArgs, ZoneArgs};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerTool {
    pub(crate) task: LedgerTask,
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LedgerTask {
    PrintZone,
    SetZone(TimeZone),
}

/// Zone that a report is asked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportZone {
    /// The ledger's.
    Ledger,
    Other(TimeZone),
}

impl LedgerTool {
    pub(super) fn resolve(args: LedgerToolArgs) -> Self {
        let LedgerCommand::Zone(args) = args.command;
        let task = args.zone.map_or(LedgerTask::PrintZone, LedgerTask::SetZone);
        Self { task, path: args.ledger.path }
    }
}

impl From<ZoneArgs> for ReportZone {
    fn from(args: ZoneArgs) -> Self {
        args.zone.map_or(Self::Ledger, Self::Other)
    }
}

impl ReportZone {
    /// Returns the zones that times are told in, for a ledger with these.
    pub(crate) fn of(&self, ledger: &Zones) -> Zones {
        match self {
            Self::Ledger => ledger.clone(),
            Self::Other(zone) => zone.clone().into(),
        }
    }
}
