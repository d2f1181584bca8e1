//! The titles and the rows that are in sight.

use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use super::cells::cell;
use super::paint::Painter;
use crate::view::table::layout::{Tone, cut};
use crate::view::tui::columns::{Align, Column, Placed};
use crate::view::tui::plan::Plan;
use crate::view::tui::rows::{self, Row, RowTone};
use crate::view::tui::scene::Scene;
use crate::view::tui::sheet::{Order, Sheet};
use crate::view::tui::state::State;

pub(super) fn draw(state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    titles(state, plan, painter);
    let Some(scene) = state.scene() else { return };
    let measure = state.measure();
    let list = &state.list;
    let has_share = plan.columns.iter().any(|placed| placed.column == Column::Share);
    let weights = list.rows.iter().filter_map(|row| row.weight(state.focus, measure));
    let whole = if has_share { weights.sum() } else { 0 };
    let rows = list.rows.iter().enumerate().skip(list.top);
    for (line, (at, row)) in plan.body.clone().zip(rows) {
        draw_row(state, scene, plan, line, row, whole, painter);
        if at == list.at {
            painter.restyle(line, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
    if list.rows.is_empty() && plan.room() > 0 {
        painter.line(plan.body.start, &why_empty(state, scene), Tone::Detail);
    }
}

fn why_empty(state: &State, scene: &Scene) -> String {
    if state.sheet() == Sheet::Peers && !rows::are_known(scene) {
        return format!("{} does not see which container the other end is", scene.report.origin.backend);
    }
    if state.filter.is_empty() { "nothing is counted yet" } else { "nothing fits the filter" }.to_owned()
}

fn titles(state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    if plan.titles >= plan.said.start {
        return;
    }
    let sorting = state.sorting();
    for placed in &plan.columns {
        let sorted = sorting.column == placed.column;
        let mark = match (sorted, sorting.order) {
            (false, _) => "",
            (true, Order::Usual) => "▼",
            (true, Order::Reverse) => "▲",
        };
        // The mark stands in the gap where the title fills its column.
        let title = placed.column.title();
        let style = painter.style(Tone::Heading);
        let style = if sorted { style.add_modifier(Modifier::UNDERLINED) } else { style };
        let begins = match placed.column.align() {
            Align::Left => placed.begins,
            Align::Right => placed.begins + placed.width.saturating_sub(title.len()),
        };
        painter.put(begins, plan.titles, &cut(title, placed.width), style);
        painter.put(begins + title.len().min(placed.width), plan.titles, mark, painter.style(Tone::Heading));
    }
}

fn draw_row(
    state: &State,
    scene: &Scene,
    plan: &Plan,
    line: u16,
    row: &Row,
    whole: u64,
    painter: &mut Painter<'_>,
) {
    let of_row = match row.tone {
        RowTone::Plain => Tone::Plain,
        RowTone::Faint => Tone::Detail,
        RowTone::Warning => Tone::Warning,
    };
    let mut remark = row.remark.as_deref();
    for Placed { column, begins, width } in plan.columns.iter().copied() {
        if !column.is_text() || column == Column::Busiest {
            if let Some(text) = remark.take() {
                painter.put(begins, line, text, painter.style(of_row));
            }
            if row.remark.is_some() {
                continue;
            }
        }
        let (text, tone) = cell(state, scene, row, column, width, whole);
        let text = cut(&text, width);
        let begins = match column.align() {
            Align::Left => begins,
            Align::Right => begins + width.saturating_sub(text.width()),
        };
        let tone = if of_row == Tone::Plain { tone } else { of_row };
        painter.put(begins, line, &text, painter.style(tone));
    }
}
