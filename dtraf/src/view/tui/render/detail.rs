//! The graphs of one container: received at the left, transmitted at the right.

use std::time::Duration;

use dtraf_common::abi::Direction;
use ratatui::style::Color;

use super::paint::Painter;
use crate::accounting::ledger::Holder;
use crate::view::table::layout::Tone;
use crate::view::tui::graph::{area, capacity, most};
use crate::view::tui::history::SAMPLES;
use crate::view::tui::plan::Plan;
use crate::view::tui::scene::Scene;
use crate::view::tui::state::State;

/// Between the two.
const GAP: usize = 2;

pub(super) fn draw(scene: &Scene, holder: Holder, state: &State, plan: &Plan, painter: &mut Painter<'_>) {
    let height = usize::from(plan.graph.end - plan.graph.start);
    // No wider than what is remembered.
    let width = (painter.width().saturating_sub(GAP) / 2).min(SAMPLES / 2);
    if height < 2 || width == 0 {
        return;
    }
    let measure = state.measure();
    for (direction, begins, name, colour) in [
        (Direction::Received, 0, "RX", Color::Cyan),
        (Direction::Transmitted, width + GAP, "TX", Color::Magenta),
    ] {
        let samples = scene.history.last(holder, capacity(width));
        let figures: Vec<_> = samples.map(|sample| measure.bytes(sample?.get(direction).amount())).collect();
        let rate = |bytes| state.spelling.rate(bytes);
        let span = Duration::from_secs(scene.history.span(figures.len()).as_secs());
        let title = format!(
            "{name} {}/s, max {}, {}",
            rate(figures.last().copied().flatten()),
            rate(most(&figures)),
            humantime::format_duration(span)
        );
        painter.put(begins, plan.graph.start, &title, painter.style(Tone::Heading));
        let lines = area(&figures, width, height - 1);
        for (row, line) in (plan.graph.start + 1..plan.graph.end).zip(lines) {
            painter.put(begins, row, &line, painter.coloured(colour));
        }
    }
}
