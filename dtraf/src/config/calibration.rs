//! `dtraf calibration`: what was meant.

use std::path::PathBuf;

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
        counts: Counts,
        note: String,
        /// The configuration; the usual one, which need not be there, when `None`.
        file: Option<PathBuf>,
    },
    List(Look),
    Remove {
        number: i64,
    },
}

impl Calibrations {
    pub(super) fn resolve(args: CalibrationArgs, stdout: Stdout) -> Self {
        let (task, ledger) = match args.command {
            CalibrationCommand::Add(add) => {
                let to = add.to.unwrap_or_else(|| add.from.clone());
                let (counts, note, file) = (add.counts.into(), add.note, add.config.file);
                (
                    CalibrationTask::Add { bytes: add.bytes, from: add.from, to, counts, note, file },
                    add.ledger,
                )
            }
            CalibrationCommand::List(list) => {
                let look = look(list.look.format, UnitsChoice::Si, list.look.no_trunc, stdout);
                (CalibrationTask::List(look), list.ledger)
            }
            CalibrationCommand::Remove(remove) => {
                (CalibrationTask::Remove { number: remove.number }, remove.ledger)
            }
        };
        Self { task, path: ledger.path }
    }
}
