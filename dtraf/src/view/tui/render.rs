//! From the [`State`] to the cells of a screen. Decides nothing: what stands where is the [`Plan`]'s business.

mod cells;
mod detail;
mod header;
mod help;
mod paint;
mod table;

use ratatui::Frame;

use self::paint::Painter;
use super::facts;
use super::plan::{self, Plan};
use super::state::{Mode, State};

/// Draws everything.
pub(crate) fn render(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut painter = Painter::new(frame.buffer_mut(), state.options.paint);
    // A screen of another size than the one that is known: the news of it are on their way.
    if area.width < state.size.columns || area.height < state.size.rows {
        return;
    }
    if let Mode::Help(top) = state.mode {
        help::draw(state, top, &mut painter);
        return;
    }
    let plan = Plan::of(state);
    header::draw(state, &plan, &mut painter);
    if let Some((scene, holder)) = state.scene().zip(state.detail) {
        header::title(state, &plan, &facts::title(scene, holder), &mut painter);
        for (row, (tone, line)) in plan.facts.clone().zip(plan::facts_of(state)) {
            painter.line(row, &line, tone);
        }
        detail::draw(scene, holder, state, &plan, &mut painter);
    } else {
        header::tabs(state, &plan, &mut painter);
    }
    table::draw(state, &plan, &mut painter);
    header::footer(state, &plan, &mut painter);
}
