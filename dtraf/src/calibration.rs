//! `dtraf calibration`: what others have counted.

use anyhow::{Context as _, ensure};

use crate::accounting::statement::period::{CycleDay, range};
use crate::clock;
use crate::config::calibration::{CalibrationTask, Calibrations};
use crate::config::file::File;
use crate::report::counted;
use crate::store::{Archive, Editor};
use crate::terminal::print;
use crate::view::calibrations;

pub(crate) fn run(config: Calibrations) -> anyhow::Result<()> {
    let Calibrations { task, path } = config;
    let (now, zone) = (clock::now(), clock::zone());
    let text = match task {
        CalibrationTask::Add { bytes, from, to, counts, note, file } => {
            let day = File::read(file.as_deref())?.declared.cycle_day.unwrap_or(CycleDay::FIRST);
            let range = range(Some(&from), Some(&to), day, now, &zone)?;
            let number = Editor::open(&path)?.calibrate(range, counts, bytes, &note, now)?;
            format!("Written down as {number}; reports of that time name it.\n")
        }
        CalibrationTask::List(look) => {
            let archive = Archive::open(&path)?;
            let mut all = archive.calibrations(None)?;
            for calibration in &mut all {
                calibration.counted = counted(&archive, calibration, now, &zone)?;
            }
            calibrations::list(&all, &look, &zone)
        }
        CalibrationTask::Remove { number } => {
            let is_gone = Editor::open(&path)?.forget_calibration(number)?;
            ensure!(is_gone, "there is no calibration {number}: see `dtraf calibration list`");
            format!("{number} is forgotten.\n")
        }
    };
    print(&text).context("write to standard output").map(drop)
}
