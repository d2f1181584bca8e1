//! `dtraf ledger`: looks after the ledger itself.

use anyhow::Context as _;

use crate::accounting::history::zones::Zones;
use crate::clock;
use crate::config::ledger::{LedgerTask, LedgerTool};
use crate::store::{Archive, Editor, ZoneChange};
use crate::terminal::print;
use crate::view::statement::civil;
use crate::zone;

pub(crate) fn run(config: LedgerTool) -> anyhow::Result<()> {
    let LedgerTool { task, path } = config;
    let text = match task {
        LedgerTask::PrintZone => zones(Archive::open(&path)?.zones()),
        LedgerTask::SetZone(zone) => {
            let change = Editor::open(&path)?.set_zone(&zone, clock::now())?;
            let name = zone::name(&zone);
            match change {
                ZoneChange::AtOnce => format!("The ledger is in {name}.\n"),
                ZoneChange::From(from) => {
                    let begin = civil(from, Archive::open(&path)?.zones());
                    format!("The ledger is in {name} from {begin} on.\n")
                }
                ZoneChange::None => format!("The ledger is in {name} and stays in it.\n"),
            }
        }
    };
    print(&text).context("write to standard output").map(drop)
}

/// The zone that is in force, then those before and after it.
fn zones(zones: &Zones) -> String {
    let now = i64::try_from(clock::now().0.as_secs()).unwrap_or(i64::MAX);
    let mut lines = vec![zone::name(zones.at(now)).to_owned()];
    let all = zones.all();
    if all.len() > 1 {
        lines.extend(all.into_iter().map(|(from, zone)| match from {
            None => format!("{} at first", zone::name(zone)),
            Some(from) => format!("{} from {} on", zone::name(zone), zones.rfc3339(from)),
        }));
    }
    lines.join("\n") + "\n"
}
