//! A report as a table for people, in the shape of `docker stats`.

pub(super) mod layout;
mod notes;
mod peers;
mod rows;

use self::layout::{LaidOut, Tone};
pub(in crate::view) use self::rows::name;
use super::{Paint, View};
use crate::accounting::report::Report;

pub(crate) fn render(report: &Report, view: &View) -> String {
    let width = view.fit.width();
    let LaidOut { lines, left_out } =
        layout::lay_out(&rows::columns(view.detail), &rows::rows(report, view), width);
    let wrapped = |text: String| match width {
        Some(width) => layout::wrap(&text, width),
        None => vec![text],
    };
    let heading = wrapped(notes::heading(report)).into_iter().map(|line| (Tone::Plain, line));
    let circumstances = notes::circumstances(report).into_iter().flat_map(wrapped);
    let heading = heading.chain(circumstances.map(|line| (Tone::Warning, line)));
    let notes = notes::notes(report, view, &left_out).into_iter().flat_map(wrapped);
    let notes = notes.map(|line| (Tone::Warning, line));
    let mut text = String::new();
    for (tone, line) in heading.chain(lines).chain(notes) {
        paint(&mut text, tone, &line, view.paint);
    }
    text
}

/// Colours that are readable on dark and light backgrounds alike.
pub(super) fn paint(text: &mut String, tone: Tone, line: &str, paint: Paint) {
    let sequence = match (paint, tone) {
        (Paint::Plain, _) | (_, Tone::Plain) => "",
        (Paint::Colour, Tone::Heading) => "\x1b[1m",
        (Paint::Colour, Tone::Detail) => "\x1b[2m",
        (Paint::Colour, Tone::Warning) => "\x1b[33m",
        (Paint::Colour, Tone::Problem) => "\x1b[31m",
    };
    let reset = if sequence.is_empty() { "" } else { "\x1b[0m" };
    text.extend([sequence, line, reset, "\n"]);
}

#[cfg(test)]
mod tests;
