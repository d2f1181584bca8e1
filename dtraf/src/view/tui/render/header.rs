//! The lines above and below the table.

use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use super::paint::Painter;
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::table::layout::{Tone, cut};
use crate::view::tui::event::Weight;
use crate::view::tui::notes;
use crate::view::tui::plan::Plan;
use crate::view::tui::rows::Present;
use crate::view::tui::sheet::{Focus, Sheet};
use crate::view::tui::state::{Mode, State};

pub(super) fn draw(state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    let Some(scene) = state.scene() else {
        painter.line(0, "dtraf: reading", Tone::Heading);
        return;
    };
    let (report, measure, spelling) = (&scene.report, state.measure(), state.spelling);
    let second = names::second(report.taken_at);
    let time = second.get(11..).unwrap_or_default();
    beside(painter, 0, &notes::place(report, measure), time, Tone::Heading);
    if state.is_paused() {
        let text = format!(" HELD {time}");
        painter.put_right(0, &text, painter.style(Tone::Problem).add_modifier(Modifier::REVERSED));
    }
    let sums = notes::sums(scene, measure, spelling);
    let room = painter.width().saturating_sub(sums.len() + 1);
    beside(painter, 1, &notes::census(report, room), &sums, Tone::Plain);
    for row in plan.alarms.clone() {
        let mut column = painter.put(0, row, "!", painter.style(Tone::Problem));
        for (tone, alarm) in notes::alarms(scene, measure, spelling) {
            column = painter.put(column + 1 + usize::from(column > 1), row, &alarm, painter.style(tone));
        }
    }
    for (row, text) in plan.circumstances.clone().zip(notes::circumstances(report)) {
        // What is cut off is on the page of help.
        let rest = if text.width() > painter.width() { "(?)" } else { "" };
        beside(painter, row, &text, rest, Tone::Warning);
    }
}

/// `left` gives way to `right`.
fn beside(painter: &mut Painter<'_>, row: u16, left: &str, right: &str, tone: Tone) {
    let room = painter.width().saturating_sub(right.width() + 1);
    painter.put(0, row, &cut(left, room), painter.style(tone));
    painter.put_right(row, right, Style::new());
}

pub(super) fn tabs(state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    let mut end = 0;
    for (tab, columns) in Plan::tabs() {
        let style =
            if tab == state.tab { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        painter.put(usize::from(columns.start), plan.tabs, &format!(" {} ", tab.name()), style);
        end = usize::from(columns.end);
    }
    let mut parts = filtered(state);
    let rows = rows(state);
    parts.push(match (state.present, state.list.hidden) {
        (Present::All, _) => format!("{rows} of all"),
        (Present::Running, 0) => rows,
        (Present::Running, hidden) => format!("{rows}, {hidden} not running"),
    });
    let room = painter.width().saturating_sub(end + 2);
    painter.put_right(plan.tabs, &cut(&parts.join("  "), room), painter.style(Tone::Detail));
}

/// By what rows are left out.
fn filtered(state: &State) -> Vec<String> {
    let typed = neutral(state.filter.typed());
    if state.filter.is_empty() { Vec::new() } else { vec![format!("/{typed}")] }
}

fn rows(state: &State) -> String {
    match state.list.rows.len() {
        1 => "1 row".to_owned(),
        number => format!("{number} rows"),
    }
}

pub(super) fn title(state: &State, plan: &Plan, title: &str, painter: &mut Painter<'_>) {
    let style = painter.style(Tone::Heading).add_modifier(Modifier::REVERSED);
    let mut parts = filtered(state);
    parts.push(rows(state));
    let title = cut(title, painter.width().saturating_sub(20));
    let end = painter.put(0, plan.tabs, &format!(" {title} "), style);
    let room = painter.width().saturating_sub(end + 2);
    painter.put_right(plan.tabs, &cut(&parts.join("  "), room), painter.style(Tone::Detail));
}

pub(super) fn footer(state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    for row in plan.said.clone() {
        if let Some(said) = state.said.back() {
            let tone = match said.weight {
                Weight::Error => Tone::Problem,
                Weight::Warning => Tone::Warning,
                Weight::Other => Tone::Detail,
            };
            painter.line(row, &neutral(&said.text), tone);
        }
    }
    if state.mode == Mode::Filter {
        let typed = format!("/{}_", neutral(state.filter.typed()));
        let end = painter.put(0, plan.footer, &typed, painter.style(Tone::Heading));
        painter.put(end + 2, plan.footer, "Enter keeps it, Esc forgets it", painter.style(Tone::Detail));
        return;
    }
    let ranked = match state.focus {
        Focus::Rate => "total",
        Focus::Total => "rate",
    };
    let keys: &[(&str, &str)] = if state.sheet() == Sheet::Detail {
        &[
            ("Esc", "back"),
            ("q", "quit"),
            ("?", "help"),
            ("/", "filter"),
            ("s", "sort"),
            ("r", "reverse"),
            ("t", ranked),
            ("u", "units"),
            ("w", "figure"),
            ("Space", "hold"),
        ]
    } else {
        &[
            ("q", "quit"),
            ("?", "help"),
            ("Enter", "open"),
            ("/", "filter"),
            ("s", "sort"),
            ("r", "reverse"),
            ("t", ranked),
            ("u", "units"),
            ("a", "all"),
            ("Tab", "view"),
            ("Space", "hold"),
            ("w", "figure"),
        ]
    };
    let mut column = 0;
    for (key, what) in keys {
        if column + key.len() + what.len() + 1 > painter.width() {
            break;
        }
        column = painter.put(column, plan.footer, key, painter.style(Tone::Heading));
        column = painter.put(column + 1, plan.footer, what, painter.style(Tone::Detail)) + 2;
    }
}
