//! `dtraf report`: what the ledger says of a time.

use anyhow::Context as _;

use crate::accounting::bill::{Bill, Tariff, Terms};
use crate::accounting::history::key::Part;
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::calibration::Calibration;
use crate::accounting::statement::forecast::{Forecast, forecast};
use crate::accounting::statement::period::{CycleDay, PeriodError, Range, boundaries, cycle, range};
use crate::accounting::statement::plan::{Plan, Series};
use crate::accounting::statement::{By, Circumstances, Found, Question, Statement, Sums, second};
use crate::clock;
use crate::config::file::File;
use crate::config::report::Report;
use crate::store::{AccountRow, Archive, Everybody, StoreError};
use crate::terminal::print;
use crate::view::bill::Invoice;
use crate::view::neutral::neutral;
use crate::view::statement::{Format, render};
use crate::view::{bill, labels, resets};

pub(crate) fn run(config: &Report) -> anyhow::Result<()> {
    let archive = Archive::open(&config.path)?;
    let zones = config.zone.of(archive.zones());
    let text = if config.since_reset {
        let chosen = archive.accounts(&config.accounts)?;
        let sums = archive.since_reset(chosen.as_deref())?;
        resets::since(&sums, archive.written_at()?, &config.look, &zones)
    } else {
        let file = File::read(config.file.as_deref())?;
        let asked = Asked::new(config, &file, archive, clock::now(), zones)?;
        match &config.bill {
            Some(terms) => asked.bill(config, file, terms)?,
            None => asked.statement(config, &file)?,
        }
    };
    print(&text).context("write to standard output").map(drop)
}

/// What is asked, of which ledger.
struct Asked {
    question: Question,
    plan: Plan,
    archive: Archive,
    /// All when `None`.
    accounts: Option<Vec<AccountRow>>,
    circumstances: Circumstances,
    day: CycleDay,
    now: Timestamp,
    zones: Zones,
}

impl Asked {
    fn new(
        config: &Report,
        file: &File,
        archive: Archive,
        now: Timestamp,
        zones: Zones,
    ) -> anyhow::Result<Self> {
        let day = config.cycle_day.or(file.declared.cycle_day).unwrap_or(CycleDay::FIRST);
        let mut range = range(config.from.as_deref(), config.to.as_deref(), day, now, &zones)?;
        let written = archive.written_at()?.map(second);
        if range.to == second(now) + 1 {
            // What was written while this began is from now, too.
            range.to = range.to.max(written.map_or(0, |written| written.saturating_add(1)));
        }
        let boundaries = boundaries(range, config.step.map(|lines| lines.step(day)), &zones)?;
        let plan = archive.plan(&boundaries, series(config))?;
        let accounts = archive.accounts(&config.accounts)?;
        let mut circumstances = archive.circumstances(range)?;
        if accounts.is_some() {
            // They are said of the whole host.
            circumstances.calibrations.clear();
        }
        let step = config.step.map(|lines| lines.step(day));
        let question = Question { range, step, boundaries, by: config.by, top: config.top };
        Ok(Self { question, plan, archive, accounts, circumstances, day, now, zones })
    }

    fn statement(mut self, config: &Report, file: &File) -> anyhow::Result<String> {
        self.compare(&file.declared.host)?;
        let found = self.sums(config.by)?;
        let cards = if config.reconcile { self.archive.planned_cards(&self.plan)? } else { Vec::new() };
        let mut statement = Statement::new(&self.question, found, self.circumstances.clone());
        let used = statement.total.and_then(|total| statement.unit.bytes(&(total.rx + total.tx)));
        if let Some(used) = used {
            statement.forecast = self.forecast(used)?;
        }
        if config.reconcile {
            statement.reconciled = Some(statement.reconcile(cards));
        }
        Ok(render(&statement, &config.look, &self.zones))
    }

    fn sums(&self, by: By) -> Result<Found<Sums>, StoreError> {
        let Self { archive, plan, .. } = self;
        let accounts = self.accounts.as_deref();
        let (sums, around) = match by {
            By::Account | By::Container | By::Project => {
                let ask = |asked: &_| match by {
                    By::Account => archive.by_account(asked),
                    _ => archive.by_container(asked),
                };
                let around = archive.around(plan, accounts, ask)?;
                let sums = Archive::pieces(plan, accounts, ask)?;
                (Sums::Holders(sums), around.into_iter().map(Sums::Holders).collect())
            }
            By::Scope => {
                let ask = |asked: &_| archive.by_key(asked, Part::Scopes);
                let around = archive.around(plan, accounts, ask)?;
                let sums = Archive::pieces(plan, accounts, ask)?;
                (Sums::Scopes(sums), around.into_iter().map(Sums::Scopes).collect())
            }
            By::Port => {
                let ask = |asked: &_| archive.by_key(asked, Part::Ports);
                let keys = Archive::pieces(plan, accounts, ask)?;
                let totals = Archive::pieces(plan, accounts, |asked| archive.totals(asked))?;
                let around = archive.around(plan, accounts, ask)?.into_iter();
                let around = around.map(|keys| Sums::Ports { keys, totals: Vec::new() });
                (Sums::Ports { keys, totals }, around.collect())
            }
        };
        Ok(Found { plan: plan.clone(), sums, around })
    }

    fn bill(mut self, config: &Report, file: File, terms: &Terms) -> anyhow::Result<String> {
        let File { currency, declared, .. } = file;
        let Everybody { accounts, strangers, mut troubles, .. } = self.archive.terms(&declared)?;
        troubles.retain(|trouble| trouble.is_since(self.question.range.from));
        for key in strangers {
            log::warn!("the configuration has terms for `{}`: the ledger has no such account", neutral(&key));
        }
        let accounts = accounts.into_iter().map(|(name, account)| (name, account.terms)).collect();
        // What is said now goes before what is written down.
        let tariff = Tariff { host: terms.clone().or(declared.host), accounts };
        self.compare(&tariff.host)?;
        let (archive, chosen) = (&self.archive, self.accounts.as_deref());
        let ask = |asked: &_| archive.by_account_and_scope(asked);
        let found = Found {
            sums: Archive::pieces(&self.plan, chosen, ask)?,
            around: archive.around(&self.plan, chosen, ask)?,
            plan: self.plan.clone(),
        };
        let mut bill = Bill::new(&self.question, &tariff, found, &self.circumstances);
        if self.accounts.is_some() {
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
        Ok(bill::render(&invoice, &config.look, &self.zones))
    }

    /// Looks up what the ledger has beside what others say, by the terms of the host.
    fn compare(&mut self, host: &Terms) -> Result<(), StoreError> {
        compare(&self.archive, &mut self.circumstances.calibrations, host)
    }

    /// Of the cycle that is under way.
    fn forecast(&self, used: u64) -> Result<Option<Forecast>, PeriodError> {
        let range = self.question.range;
        let is_running = range == cycle(self.day, self.now, &self.zones)?;
        let Circumstances { since, written_at, .. } = &self.circumstances;
        let counted = since.zip(*written_at).filter(|_| is_running);
        Ok(counted.and_then(|(since, written)| forecast(used, range, since, written, self.now)))
    }
}

/// Spans that the lines are made of.
fn series(config: &Report) -> &'static [Series] {
    match config.by {
        By::Port => &[Series::Traffic(Part::Scopes), Series::Traffic(Part::Ports)],
        _ if config.reconcile => &[Series::Traffic(Part::Scopes), Series::Cards],
        _ => &[Series::Traffic(Part::Scopes)],
    }
}

/// Looks up what the ledger has of each calibration's time, where that is wholly kept.
pub(crate) fn compare(
    archive: &Archive,
    calibrations: &mut [Calibration],
    host: &Terms,
) -> Result<(), StoreError> {
    for calibration in calibrations {
        let Range { from, to } = calibration.range;
        let plan = archive.plan(&[from, to], &[Series::Traffic(Part::Scopes)])?;
        calibration.scopes = calibration.scopes(host).cloned();
        if plan.is_whole() {
            let sums = Archive::pieces(&plan, None, |asked| archive.by_key(asked, Part::Scopes))?;
            let circumstances = archive.circumstances(calibration.range)?;
            calibration.counted = calibration.compare(host, &sums, &circumstances);
        }
    }
    Ok(())
}
