//! A report as a table for people, in the shape of `docker stats`.

mod layout;
mod notes;
mod rows;

use self::layout::{LaidOut, Tone};
use super::{Fit, Paint, View};
use crate::accounting::report::Report;

pub(crate) fn render(report: &Report, view: &View) -> String {
    let width = match view.fit {
        Fit::Columns(width) => Some(width),
        Fit::Rows | Fit::Whole => None,
    };
    let LaidOut { lines, left_out } =
        layout::lay_out(&rows::columns(view.detail), &rows::rows(report, view), width);
    let wrapped = |text: String| match width {
        Some(width) => layout::wrap(&text, width),
        None => vec![text],
    };
    let heading = wrapped(notes::heading(report)).into_iter().map(|line| (Tone::Plain, line));
    let notes = notes::notes(report, view, &left_out).into_iter().flat_map(wrapped);
    let notes = notes.map(|line| (Tone::Warning, line));
    let mut text = String::new();
    for (tone, line) in heading.chain(lines).chain(notes) {
        paint(&mut text, tone, &line, view.paint);
    }
    text
}

/// Colours that are readable on dark and light backgrounds alike.
fn paint(text: &mut String, tone: Tone, line: &str, paint: Paint) {
    let sequence = match (paint, tone) {
        (Paint::Plain, _) | (_, Tone::Plain) => "",
        (Paint::Colour, Tone::Heading) => "\x1b[1m",
        (Paint::Colour, Tone::Detail) => "\x1b[2m",
        (Paint::Colour, Tone::Warning) => "\x1b[33m",
    };
    let reset = if sequence.is_empty() { "" } else { "\x1b[0m" };
    text.extend([sequence, line, reset, "\n"]);
}

#[cfg(test)]
mod tests;
