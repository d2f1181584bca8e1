//! The page of help.

use super::paint::Painter;
use crate::view::table::layout::Tone;
use crate::view::tui::help::page;
use crate::view::tui::state::State;

pub(super) fn draw(state: &State, top: usize, painter: &mut Painter<'_>) {
    let page = page(state);
    let footer = state.size.rows.saturating_sub(1);
    for (row, (tone, line)) in (0..footer).zip(page.iter().skip(top)) {
        painter.line(row, line, *tone);
    }
    let more = page.len().saturating_sub(top + usize::from(footer));
    let text = match more {
        0 => "any key: back".to_owned(),
        more => format!("{more} more lines below; any other key: back"),
    };
    painter.line(footer, &text, Tone::Detail);
}
