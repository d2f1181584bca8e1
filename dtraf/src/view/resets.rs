//! Baselines, and what was counted after them, as text.

use serde::Serialize;

use super::json::amounts::AmountObject;
use super::json::line as one_line;
use super::listing::{in_columns, number, say, seconds, text};
use super::names::{self, rfc3339};
use super::neutral::neutral;
use super::statement::csv::{AMOUNTS, amount, cell, written};
use super::statement::table::civil;
use super::statement::{Format, Look};
use super::table::layout::{Cell, Column, Line, Tone};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::history::register::{Baseline, SinceReset};
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;

const VERSION: u32 = 1;
/// Of what came since resets: figures may be null.
const SINCE_VERSION: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    unit: &'static str,
    baselines: Vec<BaselineObject<'a>>,
}

#[derive(Serialize)]
struct BaselineObject<'a> {
    reset_at: String,
    written_at: String,
    name: &'a str,
    account: &'a str,
    rx: AmountObject,
    tx: AmountObject,
}

#[derive(Serialize)]
struct Since<'a> {
    version: u32,
    unit: &'static str,
    written_at: Option<String>,
    accounts: Vec<SinceObject<'a>>,
}

#[derive(Serialize)]
struct SinceObject<'a> {
    account: &'a str,
    was_reset: bool,
    since: String,
    rx: Option<AmountObject>,
    tx: Option<AmountObject>,
}

/// All resets with what had been counted, as text that ends with a line feed.
pub(crate) fn list(baselines: &[Baseline], look: &Look, zones: &Zones) -> String {
    let unit = unit(baselines.iter().map(|baseline| &baseline.amounts));
    match look.format {
        Format::Table if baselines.is_empty() => "Nothing was ever reset.\n".to_owned(),
        Format::Table => {
            let columns = [
                text("RESET", None, None),
                text("COUNTED UP TO", None, Some(2)),
                text("ACCOUNT", Some(10), None),
                text("NOW", Some(10), Some(1)),
            ];
            let row = |baseline: &Baseline| {
                let Baseline { name, account, made_at, written_at, amounts } = baseline;
                let now = if name == account { "" } else { account };
                let cells = [
                    civil(seconds(*made_at), zones),
                    civil(seconds(*written_at), zones),
                    neutral(name).into_owned(),
                    neutral(now).into_owned(),
                ];
                line(cells, Some(amounts), unit, look)
            };
            let rows: Vec<_> = baselines.iter().map(row).collect();
            in_columns(&[&columns[..], &figures()].concat(), &rows, look)
        }
        Format::Json => {
            let baselines = baselines.iter().map(baseline_object).collect();
            one_line(&Document { version: VERSION, unit: names::unit(unit), baselines })
        }
        Format::Csv => {
            let record = |baseline: &Baseline| {
                let Baseline { name, account, made_at, written_at, amounts } = baseline;
                let mut record = vec![
                    rfc3339(*made_at),
                    rfc3339(*written_at),
                    cell(neutral(name).into_owned()),
                    cell(neutral(account).into_owned()),
                ];
                record.extend(amount(&amounts.rx).into_iter().chain(amount(&amounts.tx)));
                record
            };
            let titles = ["reset_at", "written_at", "name", "account"];
            written(&[&titles[..], &AMOUNTS].concat(), baselines.iter().map(record))
        }
    }
}

/// What came since each account's last reset, as text that ends with a line feed.
pub(crate) fn since(
    accounts: &[SinceReset],
    written_at: Option<Timestamp>,
    look: &Look,
    zones: &Zones,
) -> String {
    let unit = unit(accounts.iter().filter_map(|account| account.amounts.as_ref()));
    match look.format {
        Format::Table => {
            let columns = [text("ACCOUNT", Some(10), None), text("SINCE", None, None)];
            let row = |account: &SinceReset| {
                let SinceReset { account, was_reset, since, amounts } = account;
                let since = civil(seconds(*since), zones);
                let since = if *was_reset { since } else { format!("{since} (never reset)") };
                line([neutral(account).into_owned(), since], amounts.as_ref(), unit, look)
            };
            let rows: Vec<_> = accounts.iter().map(row).collect();
            let written = written_at.map_or_else(
                || "nothing has been written yet".to_owned(),
                |at| format!("written up to {}", civil(seconds(at), zones)),
            );
            let heading =
                format!("Since the last reset of each account, {}; {written}", names::unit_in_words(unit));
            let mut text = String::new();
            say(&mut text, Tone::Plain, &heading, look);
            text + &in_columns(&[&columns[..], &figures()].concat(), &rows, look)
        }
        Format::Json => one_line(&Since {
            version: SINCE_VERSION,
            unit: names::unit(unit),
            written_at: written_at.map(rfc3339),
            accounts: accounts.iter().map(since_object).collect(),
        }),
        Format::Csv => {
            let record = |account: &SinceReset| {
                let SinceReset { account, was_reset, since, amounts } = account;
                let mut record =
                    vec![cell(neutral(account).into_owned()), was_reset.to_string(), rfc3339(*since)];
                for one in [amounts.map(|both| both.rx), amounts.map(|both| both.tx)] {
                    record.extend(one.as_ref().map_or_else(Default::default, amount));
                }
                record
            };
            let titles = ["account", "was_reset", "since"];
            written(&[&titles[..], &AMOUNTS].concat(), accounts.iter().map(record))
        }
    }
}

fn baseline_object(baseline: &Baseline) -> BaselineObject<'_> {
    let Baseline { name, account, made_at, written_at, amounts } = baseline;
    BaselineObject {
        reset_at: rfc3339(*made_at),
        written_at: rfc3339(*written_at),
        name,
        account,
        rx: amounts.rx.into(),
        tx: amounts.tx.into(),
    }
}

fn since_object(account: &SinceReset) -> SinceObject<'_> {
    let SinceReset { account, was_reset, since, amounts } = account;
    SinceObject {
        account,
        was_reset: *was_reset,
        since: rfc3339(*since),
        rx: amounts.map(|both| both.rx.into()),
        tx: amounts.map(|both| both.tx.into()),
    }
}

/// Wire bytes where all is known in them; otherwise what everything is known in.
fn unit<'a>(mut amounts: impl Iterator<Item = &'a PerDirection<Amount>>) -> Unit {
    let is_known = amounts.all(|amounts| amounts.rx.frames.is_some() && amounts.tx.frames.is_some());
    if is_known { Unit::Wire } else { Unit::SkbIp }
}

fn figures() -> [Column; 5] {
    [
        number("RX", None),
        number("TX", None),
        number("TOTAL", None),
        number("RX PKTS", Some(2)),
        number("TX PKTS", Some(1)),
    ]
}

fn line<const N: usize>(
    cells: [String; N],
    amounts: Option<&PerDirection<Amount>>,
    unit: Unit,
    look: &Look,
) -> Line {
    let known = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    let bytes = |amount: &Amount| known(unit.bytes(amount).map(|bytes| look.units.bytes(bytes)));
    let packets = |amount: &Amount| known(unit.packets(amount).map(|packets| packets.to_string()));
    let figures = match amounts {
        Some(PerDirection { rx, tx }) => {
            [bytes(rx), bytes(tx), bytes(&(*rx + *tx)), packets(rx), packets(tx)]
        }
        None => ["?"; 5].map(str::to_owned),
    };
    Line {
        cells: cells.into_iter().chain(figures).map(Cell::Text).collect(),
        remark: None,
        tone: Tone::Plain,
    }
}

#[cfg(test)]
mod tests;
