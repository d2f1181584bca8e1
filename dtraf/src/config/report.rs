//! `dtraf report`: what was meant.

use std::path::PathBuf;

use dtraf_common::abi::Scope;

use super::ConfigError;
use super::ledger::ReportZone;
use crate::accounting::bill::{Counts, Terms};
use crate::accounting::statement::By;
use crate::accounting::statement::period::{CycleDay, Step};
use crate::cli::report::{BillArgs, ByChoice, CountsChoice, ReportArgs, ScopeChoice};
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
    pub(crate) step: Option<Lines>,
    /// As far as it was said.
    pub(crate) cycle_day: Option<CycleDay>,
    pub(crate) by: By,
    /// What was said of the host's bill, where a bill is wanted.
    pub(crate) bill: Option<Terms>,
    /// The configuration; the usual one, which need not be there, when `None`.
    pub(crate) file: Option<PathBuf>,
    /// Not of a time, but since each account's last reset.
    pub(crate) since_reset: bool,
    pub(crate) top: Option<usize>,
    /// Beside what network cards have carried: by scope.
    pub(crate) reconcile: bool,
    pub(crate) zone: ReportZone,
    pub(crate) look: Look,
    pub(crate) path: PathBuf,
}

/// What there is a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Hour,
    Day,
    Month,
    Cycle,
}

impl Lines {
    /// With cycles that begin on this day.
    pub(crate) fn step(self, day: CycleDay) -> Step {
        match self {
            Self::Hour => Step::Hour,
            Self::Day => Step::Day,
            Self::Month => Step::Cycle(CycleDay::FIRST),
            Self::Cycle => Step::Cycle(day),
        }
    }
}

impl Report {
    pub(super) fn resolve(args: ReportArgs, stdout: Stdout) -> Result<Self, ConfigError> {
        if args.reconcile && args.format == ListFormatChoice::Csv {
            return Err(ConfigError::ReconcileAsCsv);
        }
        let step = match args.step {
            step if step.hourly => Some(Lines::Hour),
            step if step.daily => Some(Lines::Day),
            step if step.monthly => Some(Lines::Month),
            step if step.cycles => Some(Lines::Cycle),
            _ => None,
        };
        Ok(Self {
            accounts: args.accounts,
            from: args.from,
            to: args.to,
            step,
            cycle_day: args.cycle_day,
            by: match args.by {
                _ if args.reconcile => By::Scope,
                ByChoice::Account => By::Account,
                ByChoice::Container => By::Container,
                ByChoice::Port => By::Port,
                ByChoice::Scope | ByChoice::PeerClass => By::Scope,
                ByChoice::Project => By::Project,
            },
            bill: bill(&args.bill),
            file: args.config.file,
            since_reset: args.since_reset,
            top: args.top,
            reconcile: args.reconcile,
            zone: args.zone.into(),
            look: look(args.format, args.units, args.no_trunc, stdout),
            path: args.ledger.path,
        })
    }
}

fn bill(args: &BillArgs) -> Option<Terms> {
    let terms = Terms {
        counts: args.counts.map(Into::into),
        scopes: args.scopes.as_ref().map(|scopes| scopes.iter().copied().map(Into::into).collect()),
        price: args.price,
        allowance: args.allowance,
    };
    (args.bill || terms != Terms::default()).then_some(terms)
}

impl From<CountsChoice> for Counts {
    fn from(choice: CountsChoice) -> Self {
        match choice {
            CountsChoice::Sum => Self::Sum,
            CountsChoice::Max => Self::Max,
            CountsChoice::Rx => Self::Rx,
            CountsChoice::Tx => Self::Tx,
        }
    }
}

impl From<ScopeChoice> for Scope {
    fn from(choice: ScopeChoice) -> Self {
        match choice {
            ScopeChoice::Internet => Self::Internet,
            ScopeChoice::Lan => Self::Lan,
            ScopeChoice::Host => Self::Host,
            ScopeChoice::Container => Self::Container,
            ScopeChoice::Multicast => Self::Multicast,
            ScopeChoice::Other => Self::Other,
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
