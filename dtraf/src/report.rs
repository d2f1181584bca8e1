//! `dtraf report`: what the ledger says of a time.

use anyhow::Context as _;
use jiff::tz::TimeZone;

use crate::accounting::amount::{PerDirection, Unit};
use crate::accounting::bill::{Bill, Tariff, Terms};
use crate::accounting::history::key::Part;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::forecast::{Forecast, forecast};
use crate::accounting::statement::period::{CycleDay, PeriodError, Range, boundaries, cycle, range, tier};
use crate::accounting::statement::{By, Calibration, Circumstances, Question, Statement, Sums};
use crate::clock;
use crate::config::file::File;
use crate::config::report::Report;
use crate::store::{Archive, Everybody, Selection};
use crate::terminal::print;
use crate::view::bill::Invoice;
use crate::view::neutral::neutral;
use crate::view::statement::{Format, render};
use crate::view::{bill, labels, resets};

pub(crate) fn run(config: &Report) -> anyhow::Result<()> {
    let (now, zone) = (clock::now(), clock::zone());
    let text = if config.since_reset {
        let archive = Archive::open(&config.path)?;
        let chosen = archive.accounts(&config.accounts)?;
        let sums = archive.since_reset(chosen.as_deref())?;
        resets::since(&sums, archive.written_at()?, &config.look, &zone)
    } else {
        let file = File::read(config.file.as_deref())?;
        let asked = Asked::new(config, &file, now, zone)?;
        match &config.bill {
            Some(terms) => asked.bill(config, file, terms)?,
            None => asked.statement(config)?,
        }
    };
    print(&text).context("write to standard output").map(drop)
}

/// What is asked, of which ledger.
struct Asked {
    question: Question,
    archive: Archive,
    selection: Selection,
    circumstances: Circumstances,
    day: CycleDay,
    now: Timestamp,
    zone: TimeZone,
}

impl Asked {
    fn new(config: &Report, file: &File, now: Timestamp, zone: TimeZone) -> anyhow::Result<Self> {
        let day = config.cycle_day.or(file.declared.cycle_day).unwrap_or(CycleDay::FIRST);
        let range = range(config.from.as_deref(), config.to.as_deref(), day, now, &zone)?;
        let step = config.step.map(|lines| lines.step(day));
        let boundaries = boundaries(range, step, &zone)?;
        let tier = tier(&boundaries, now, &zone)?;
        let archive = Archive::open(&config.path)?;
        let accounts = archive.accounts(&config.accounts)?;
        let selection = Selection { tier, range, accounts };
        let mut circumstances = archive.circumstances(&selection)?;
        if selection.accounts.is_some() {
            // They are said of the whole host.
            circumstances.calibrations.clear();
        }
        for calibration in &mut circumstances.calibrations {
            calibration.counted = counted(&archive, calibration, now, &zone)?;
        }
        let question = Question { range, step, boundaries, by: config.by, top: config.top };
        Ok(Self { question, archive, selection, circumstances, day, now, zone })
    }

    fn statement(self, config: &Report) -> anyhow::Result<String> {
        let Self { question, archive, selection, circumstances, .. } = &self;
        let sums = match config.by {
            By::Account => Sums::Holders(archive.by_account(selection)?),
            By::Container | By::Project => Sums::Holders(archive.by_container(selection)?),
            By::Scope => Sums::Scopes(archive.by_key(selection, Part::Scopes)?),
            By::Port => Sums::Ports {
                keys: archive.by_key(selection, Part::Ports)?,
                totals: archive.totals(selection)?,
            },
        };
        let mut statement = Statement::new(question, sums, circumstances.clone());
        let total = statement.total.rx + statement.total.tx;
        if let Some(used) = statement.unit().bytes(&total) {
            statement.forecast = self.forecast(used)?;
        }
        if config.reconcile {
            statement.reconciled = Some(statement.reconcile(archive.cards(selection.tier, selection.range)?));
        }
        Ok(render(&statement, &config.look, &self.zone))
    }

    fn bill(self, config: &Report, file: File, terms: &Terms) -> anyhow::Result<String> {
        let File { currency, declared, .. } = file;
        let Everybody { accounts, strangers, mut troubles, .. } = self.archive.terms(&declared)?;
        troubles.retain(|trouble| trouble.is_since(self.question.range.from));
        for key in strangers {
            log::warn!("the configuration has terms for `{}`: the ledger has no such account", neutral(&key));
        }
        let accounts = accounts.into_iter().map(|(name, account)| (name, account.terms)).collect();
        // What is said now goes before what is written down.
        let tariff = Tariff { host: terms.clone().or(declared.host), accounts };
        let sums = self.archive.by_account_and_scope(&self.selection)?;
        let mut bill = Bill::new(&self.question, &tariff, sums);
        if self.selection.accounts.is_some() {
            // Some accounts are not the host.
            bill.totals.clear();
        }
        let due = bill.totals.first().and_then(|line| line.due);
        let forecast = match due {
            Some(due) => self.forecast(due.billable)?,
            None => None,
        };
        let invoice = Invoice {
            bill: &bill,
            host: tariff.of_host(),
            currency: currency.as_deref(),
            circumstances: &self.circumstances,
            forecast,
            troubles: &troubles,
        };
        if config.look.format == Format::Csv {
            labels::tell(&troubles);
        }
        Ok(bill::render(&invoice, &config.look, &self.zone))
    }

    /// Of the cycle that is under way.
    fn forecast(&self, used: u64) -> Result<Option<Forecast>, PeriodError> {
        let Range { from, to } = self.question.range;
        let is_running = Range { from, to } == cycle(self.day, self.now, &self.zone)?;
        let since = self.circumstances.since.filter(|_| is_running);
        Ok(since.and_then(|since| forecast(used, self.question.range, since, self.now)))
    }
}

/// What the ledger has of the time that somebody says something of. `None` where spans that it would be made from were dropped.
pub(crate) fn counted(
    archive: &Archive,
    calibration: &Calibration,
    now: Timestamp,
    zone: &TimeZone,
) -> anyhow::Result<Option<u64>> {
    let range = calibration.range;
    let tier = tier(&[range.from, range.to], now, zone)?;
    let selection = Selection { tier, range, accounts: None };
    if !archive.circumstances(&selection)?.has_all_of(range) {
        return Ok(None);
    }
    let sums = archive.totals(&selection)?;
    let total: PerDirection<_> = sums.into_iter().map(|sum| sum.amounts).sum();
    let unit = if total.rx.frames.is_some() && total.tx.frames.is_some() { Unit::Wire } else { Unit::SkbIp };
    let bytes = PerDirection::from_fn(|direction| unit.bytes(total.get(direction)).unwrap_or_default());
    Ok(Some(calibration.counts.of(&bytes)))
}
