//! `dtraf report`: what was meant.

use std::path::PathBuf;

use crate::accounting::statement::By;
use crate::accounting::statement::period::{CycleDay, Step};
use crate::cli::report::{ByChoice, ReportArgs};
use crate::cli::values::{ListFormatChoice, UnitsChoice};
use crate::terminal::Stdout;
use crate::view::statement::{Format, Look};
use crate::view::units::Units;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// All when empty.
    pub(crate) accounts: Vec<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) step: Option<Step>,
    pub(crate) cycle_day: CycleDay,
    pub(crate) by: By,
    /// Not of a time, but since each account's last reset.
    pub(crate) since_reset: bool,
    pub(crate) top: Option<usize>,
    pub(crate) look: Look,
    pub(crate) path: PathBuf,
}

impl Report {
    pub(super) fn resolve(args: ReportArgs, stdout: Stdout) -> Self {
        let step = match args.step {
            step if step.hourly => Some(Step::Hour),
            step if step.daily => Some(Step::Day),
            step if step.monthly => Some(Step::Cycle(CycleDay::FIRST)),
            step if step.cycles => Some(Step::Cycle(args.cycle_day)),
            _ => None,
        };
        Self {
            accounts: args.accounts,
            from: args.from,
            to: args.to,
            step,
            cycle_day: args.cycle_day,
            by: match args.by {
                ByChoice::Account => By::Account,
                ByChoice::Container => By::Container,
                ByChoice::Port => By::Port,
                ByChoice::Scope | ByChoice::PeerClass => By::Scope,
                ByChoice::Project => By::Project,
            },
            since_reset: args.since_reset,
            top: args.top,
            look: look(args.format, args.units, args.no_trunc, stdout),
            path: args.ledger.path,
        }
    }
}

pub(super) fn look(format: ListFormatChoice, units: UnitsChoice, no_trunc: bool, stdout: Stdout) -> Look {
    Look {
        format: match format {
            ListFormatChoice::Table => Format::Table,
            ListFormatChoice::Json => Format::Json,
            ListFormatChoice::Csv => Format::Csv,
        },
        units: match units {
            UnitsChoice::Si => Units::Si,
            UnitsChoice::Iec => Units::Iec,
        },
        width: if no_trunc { None } else { stdout.fit().width() },
        paint: stdout.paint(),
    }
}
