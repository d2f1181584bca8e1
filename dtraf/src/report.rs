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
use crate::view::statement::render;

/// Nobody of this name has ever been counted.
#[derive(Debug, thiserror::Error)]
#[error("no account is called {0}: `dtraf report` lists those that there are")]
struct NoSuchAccount(String);

pub(crate) fn run(config: &Report) -> anyhow::Result<()> {
    let (now, zone) = (clock::now(), clock::zone());
    let range = range(config.from.as_deref(), config.to.as_deref(), config.cycle_day, now, &zone)?;
    let boundaries = boundaries(range, config.step, &zone)?;
    let tier = tier(&boundaries, now, &zone)?;
    let archive = Archive::open(&config.path)?;
    let accounts = config.accounts.iter().map(|name| -> anyhow::Result<_> {
        Ok(archive.account(name)?.ok_or_else(|| NoSuchAccount(name.clone()))?)
    });
    let accounts = accounts.collect::<anyhow::Result<Vec<_>>>()?;
    let accounts = (!accounts.is_empty()).then_some(accounts);
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
