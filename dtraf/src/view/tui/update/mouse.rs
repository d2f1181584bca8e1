//! What the mouse does.

use super::keys::{enter, show, sort};
use crate::view::tui::event::{Place, Turn};
use crate::view::tui::help::last_top;
use crate::view::tui::plan::Plan;
use crate::view::tui::sheet::Sorting;
use crate::view::tui::state::{Mode, State};

/// Rows that one turn of the wheel goes.
const TURN: usize = 3;

/// On a title it sorts, and the other way round the second time; on a view's name it shows that view; on a row it goes there,
/// and opens the row it is on.
pub(super) fn click(state: &mut State, place: Place) {
    if let Mode::Help(_) = state.mode {
        state.mode = Mode::Browse;
        return;
    }
    let plan = Plan::of(state);
    if place.row == plan.titles {
        if let Some(column) = plan.column_at(place.column) {
            let now = state.sorting();
            sort(state, if now.column == column { now.reversed() } else { Sorting::by(column) });
        }
    } else if place.row == plan.tabs && state.detail.is_none() {
        if let Some((tab, _)) = Plan::tabs().find(|(_, columns)| columns.contains(&place.column)) {
            show(state, tab);
        }
    } else if plan.body.contains(&place.row) {
        let at = state.list.top + usize::from(place.row - plan.body.start);
        if at == state.list.at {
            enter(state);
        } else if at < state.list.rows.len() {
            state.list.choose(at);
        }
    }
}

pub(super) fn wheel(state: &mut State, turn: Turn) {
    if let Mode::Help(top) = state.mode {
        let top = match turn {
            Turn::Up => top.saturating_sub(TURN),
            Turn::Down => top + TURN,
        };
        state.mode = Mode::Help(top.min(last_top(state)));
        return;
    }
    let at = state.list.at;
    state.list.choose(match turn {
        Turn::Up => at.saturating_sub(TURN),
        Turn::Down => at + TURN,
    });
    state.keep_in_sight();
}
