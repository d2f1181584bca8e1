//! `dtraf report`: what the ledger says of a time.

use anyhow::Context as _;

use crate::accounting::history::key::Part;
use crate::accounting::statement::forecast::forecast;
use crate::accounting::statement::period::{boundaries, cycle, range, tier};
use crate::accounting::statement::{By, Question, Statement, Sums};
use crate::clock;
use crate::config::report::Report;
use crate::store::{Archive, Selection};
use crate::terminal::print;
use crate::view::resets;
use crate::view::statement::render;

pub(crate) fn run(config: &Report) -> anyhow::Result<()> {
    let (now, zone) = (clock::now(), clock::zone());
    if config.since_reset {
        let archive = Archive::open(&config.path)?;
        let chosen = archive.accounts(&config.accounts)?;
        let sums = archive.since_reset(chosen.as_deref())?;
        let text = resets::since(&sums, archive.written_at()?, &config.look, &zone);
        return print(&text).context("write to standard output").map(drop);
    }
    let range = range(config.from.as_deref(), config.to.as_deref(), config.cycle_day, now, &zone)?;
    let boundaries = boundaries(range, config.step, &zone)?;
    let tier = tier(&boundaries, now, &zone)?;
    let archive = Archive::open(&config.path)?;
    let accounts = archive.accounts(&config.accounts)?;
    let selection = Selection { tier, range, accounts };
    let sums = match config.by {
        By::Account | By::Container | By::Project => Sums::Holders(archive.by_holder(&selection)?),
        By::Scope => Sums::Scopes(archive.by_key(&selection, Part::Scopes)?),
        By::Port => Sums::Ports {
            keys: archive.by_key(&selection, Part::Ports)?,
            totals: archive.totals(&selection)?,
        },
    };
    let circumstances = archive.circumstances(&selection)?;
    let question = Question { range, step: config.step, boundaries, by: config.by, top: config.top };
    let mut statement = Statement::new(&question, sums, circumstances);
    if range == cycle(config.cycle_day, now, &zone)?
        && let Some(since) = statement.circumstances.since
    {
        let total = statement.total.rx + statement.total.tx;
        let used = statement.unit().bytes(&total);
        statement.forecast = used.and_then(|used| forecast(used, range, since, now));
    }
    print(&render(&statement, &config.look, &zone)).context("write to standard output").map(drop)
}
