//! `dtraf calibration`: what others have counted.

use anyhow::{Context as _, ensure};

use crate::accounting::bill::declared::Declared;
use crate::accounting::statement::period::{CycleDay, range};
use crate::clock;
use crate::config::calibration::{CalibrationTask, Calibrations};
use crate::config::file::File;
use crate::report::compare;
use crate::store::{Archive, Editor};
use crate::terminal::print;
use crate::view::calibrations;

pub(crate) fn run(config: Calibrations) -> anyhow::Result<()> {
    let Calibrations { task, path } = config;
    let now = clock::now();
    let text = match task {
        CalibrationTask::Add { bytes, from, to, counts, scopes, note, file, zone } => {
            let Declared { cycle_day, host, .. } = File::read(file.as_deref())?.declared;
            let zones = zone.of(Archive::open(&path)?.zones());
            let range = range(Some(&from), Some(&to), cycle_day.unwrap_or(CycleDay::FIRST), now, &zones)?;
            // It is compared with what the host is billed for, unless it says otherwise.
            let counts = counts.or(host.counts).unwrap_or_default();
            let number = Editor::open(&path)?.calibrate(range, counts, scopes.as_ref(), bytes, &note, now)?;
            format!("Written down as {number}; reports of that time name it.\n")
        }
        CalibrationTask::List { look, file, zone } => {
            let archive = Archive::open(&path)?;
            let mut all = archive.calibrations(None)?;
            compare(&archive, &mut all, &File::read(file.as_deref())?.declared.host)?;
            calibrations::list(&all, &look, &zone.of(archive.zones()))
        }
        CalibrationTask::Remove { number } => {
            let is_gone = Editor::open(&path)?.forget_calibration(number)?;
            ensure!(is_gone, "there is no calibration {number}: see `dtraf calibration list`");
            format!("{number} is forgotten.\n")
        }
    };
    print(&text).context("write to standard output").map(drop)
}
