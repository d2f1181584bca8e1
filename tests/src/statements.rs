//! What `dtraf report --format json` says, and the law that all of its groupings obey.

use std::collections::BTreeMap;
use std::ops::Add;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::dtraf::Dtraf;
use crate::ledger::Ledger;
use crate::report::{Amount, Both};

/// What lines may stand for.
pub const GROUPINGS: [&str; 5] = ["account", "container", "port", "scope", "project"];
/// What the time may be divided into.
const STEPS: [Option<&str>; 5] =
    [None, Some("--hourly"), Some("--daily"), Some("--monthly"), Some("--cycles")];

#[derive(Debug, Clone)]
pub struct Statement {
    /// Without those of the time before the ledger began.
    pub lines: Vec<Line>,
    pub total: Both<Amount>,
}

#[derive(Debug, Deserialize)]
struct Document {
    lines: Vec<Value>,
    total: Both<Amount>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    pub from: String,
    pub kind: String,
    pub name: String,
    pub role: Option<String>,
    pub rx: Amount,
    pub tx: Amount,
}

impl Statement {
    /// A report of the ledger with more options. Its lines make its total, in every unit.
    pub fn of(dtraf: &Dtraf<'_>, ledger: &Ledger, options: &[&str]) -> Result<Self> {
        let db = ledger.option();
        let text = dtraf.run(&[&["report", &db, "--format=json"], options].concat())?;
        let read = || -> serde_json::Result<Self> {
            let Document { lines, total } = serde_json::from_str(&text)?;
            let counted = lines.into_iter().filter(|line| line["kind"] != "not_counted");
            Ok(Self { lines: counted.map(serde_json::from_value).collect::<Result<_, _>>()?, total })
        };
        let statement = read().with_context(|| format!("read dtraf's report {text:?}"))?;
        let sum = statement.lines.iter().map(Line::amount).fold(Both::default(), Add::add);
        ensure!(sum == statement.total, "{options:?}: the lines make {sum:?}, not {:?}", statement.total);
        Ok(statement)
    }

    /// What all lines of a name make.
    pub fn named(&self, name: &str) -> Both<Amount> {
        self.lines.iter().filter(|line| line.name == name).map(Line::amount).fold(Both::default(), Add::add)
    }

    /// What was counted in each step of its time.
    fn steps(&self) -> BTreeMap<String, Both<Amount>> {
        let mut steps = BTreeMap::new();
        for line in &self.lines {
            let step: &mut Both<Amount> = steps.entry(line.from.clone()).or_default();
            *step = *step + line.amount();
        }
        steps.retain(|_, amount| *amount != Both::default());
        steps
    }
}

impl Line {
    fn amount(&self) -> Both<Amount> {
        Both { rx: self.rx, tx: self.tx }
    }
}

/// Demands that the ledger says the same whatever lines stand for, in every step of time and in every unit, and returns the
/// total.
pub fn agreeing(dtraf: &Dtraf<'_>, ledger: &Ledger) -> Result<Both<Amount>> {
    ledger.balance()?;
    let mut total = Both::default();
    for step in STEPS {
        let mut first: Option<(&str, Statement)> = None;
        for grouping in GROUPINGS {
            let by = format!("--by={grouping}");
            let options: Vec<&str> = [Some(by.as_str()), step].into_iter().flatten().collect();
            let statement = Statement::of(dtraf, ledger, &options)?;
            total = statement.total;
            let Some((other, other_statement)) = &first else {
                first = Some((grouping, statement));
                continue;
            };
            ensure!(
                (statement.total, statement.steps()) == (other_statement.total, other_statement.steps()),
                "{step:?}: by {grouping} {:?}, by {other} {:?}",
                statement.total,
                other_statement.total
            );
        }
    }
    Ok(total)
}
