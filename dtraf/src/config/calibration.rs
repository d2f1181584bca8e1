//! `dtraf calibration`: what was meant.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dtraf_common::abi::Scope;

use super::ledger::ReportZone;
use super::report::look;
use crate::accounting::bill::Counts;
use crate::cli::calibration::{CalibrationArgs, CalibrationCommand};
use crate::cli::values::UnitsChoice;
use crate::terminal::Stdout;
use crate::view::statement::Look;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calibrations {
    pub(crate) task: CalibrationTask,
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CalibrationTask {
    Add {
        bytes: u64,
        from: String,
        to: String,
        /// As the host is billed when `None`.
        counts: Option<Counts>,
        /// What the host is billed for when `None`.
        scopes: Option<BTreeSet<Scope>>,
        note: String,
        zone: ReportZone,
        /// The configuration; the usual one, which need not be there, when `None`.
        file: Option<PathBuf>,
    },
    List {
        look: Look,
        /// The configuration, as above.
        file: Option<PathBuf>,
        zone: ReportZone,
    },
    Remove {
        number: i64,
    },
}

impl Calibrations {
    pub(super) fn resolve(args: CalibrationArgs, stdout: Stdout) -> Self {
        let (task, ledger) = match args.command {
            CalibrationCommand::Add(add) => {
                let to = add.to.unwrap_or_else(|| add.from.clone());
                let task = CalibrationTask::Add {
                    bytes: add.bytes,
                    from: add.from,
                    to,
                    counts: add.counts.map(Into::into),
                    scopes: add.scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
                    note: add.note,
                    zone: add.zone.into(),
                    file: add.config.file,
                };
                (task, add.ledger)
            }
            CalibrationCommand::List(list) => {
                let look = look(list.look.format, UnitsChoice::Si, list.look.no_trunc, stdout);
                let (file, zone) = (list.config.file, list.zone.into());
                (CalibrationTask::List { look, file, zone }, list.ledger)
            }
            CalibrationCommand::Remove(remove) => {
                (CalibrationTask::Remove { number: remove.number }, remove.ledger)
            }
        };
        Self { task, path: ledger.path }
    }
}
