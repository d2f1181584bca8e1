//! What all lists from the ledger are made with.

use super::statement::Look;
use super::table;
use super::table::layout::{Align, Column, Line, Tone, lay_out, wrap};
use crate::accounting::identity::Timestamp;

/// Since the Unix epoch.
pub(super) fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.0.as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn text(title: &'static str, floor: Option<usize>, rank: Option<u8>) -> Column {
    Column { title, align: Align::Left, floor, rank }
}

pub(super) fn number(title: &'static str, rank: Option<u8>) -> Column {
    Column { title, align: Align::Right, floor: None, rank }
}

pub(super) fn in_columns(columns: &[Column], rows: &[Line], look: &Look) -> String {
    let mut text = String::new();
    for (tone, line) in lay_out(columns, rows, look.width).lines {
        table::paint(&mut text, tone, &line, look.paint);
    }
    text
}

/// Words between tables, in lines that fit.
pub(super) fn say(out: &mut String, tone: Tone, words: &str, look: &Look) {
    for line in look.width.map_or_else(|| vec![words.to_owned()], |width| wrap(words, width)) {
        table::paint(out, tone, &line, look.paint);
    }
}
