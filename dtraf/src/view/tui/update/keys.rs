//! What each key does.

use crate::accounting::ledger::Holder;
use crate::view::names;
use crate::view::tui::columns::Column;
use crate::view::tui::event::{Effect, Key, Said, Weight};
use crate::view::tui::filter::Filter;
use crate::view::tui::help::last_top;
use crate::view::tui::plan::Plan;
use crate::view::tui::rows::{Group, Present, RowKey};
use crate::view::tui::sheet::{Sheet, Sorting};
use crate::view::tui::state::{Mode, State};

pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    if key == Key::Interrupt {
        return vec![Effect::Quit];
    }
    match state.mode {
        Mode::Browse => return browse(state, key),
        Mode::Filter => type_into_filter(state, key),
        Mode::Help(top) => read_help(state, key, top),
    }
    vec![Effect::Draw]
}

fn browse(state: &mut State, key: Key) -> Vec<Effect> {
    match key {
        Key::Char('q') => return vec![Effect::Quit],
        Key::Char('?') => state.mode = Mode::Help(0),
        Key::Char('/') => state.mode = Mode::Filter,
        Key::Char('s') | Key::Right => sort_by_neighbour(state, 1),
        Key::Char('S') | Key::Left => sort_by_neighbour(state, -1),
        Key::Char('r') => sort(state, state.sorting().reversed()),
        Key::Char('t') => {
            state.refocus();
            state.arrange();
        }
        Key::Char('u') => {
            state.spelling = state.spelling.next();
            state.arrange();
        }
        Key::Char('w') => measure(state),
        Key::Char('a') => {
            state.present = match state.present {
                Present::Running => Present::All,
                Present::All => Present::Running,
            };
            state.arrange();
        }
        Key::Char(' ') => {
            state.pause();
            state.arrange();
        }
        Key::Tab => show(state, state.tab.turn(1)),
        Key::BackTab => show(state, state.tab.turn(Sheet::TABS.len() - 1)),
        Key::Enter => enter(state),
        Key::Escape => back(state),
        _ => return movement(state, key),
    }
    vec![Effect::Draw]
}

/// Keys that mean nothing draw nothing.
fn movement(state: &mut State, key: Key) -> Vec<Effect> {
    let page = usize::from(Plan::of(state).room()).max(1);
    let at = state.list.at;
    let to = match key {
        Key::Down | Key::Char('j') => at.saturating_add(1),
        Key::Up | Key::Char('k') => at.saturating_sub(1),
        Key::PageDown => at.saturating_add(page),
        Key::PageUp => at.saturating_sub(page),
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => usize::MAX,
        Key::Redraw => at,
        _ => return Vec::new(),
    };
    state.list.choose(to);
    state.keep_in_sight();
    vec![Effect::Draw]
}

pub(super) fn sort(state: &mut State, sorting: Sorting) {
    state.sort_by(sorting);
    state.arrange();
}

/// Goes round through the columns that are on the screen.
fn sort_by_neighbour(state: &mut State, step: isize) {
    let columns: Vec<Column> = Plan::of(state).columns.iter().map(|placed| placed.column).collect();
    let sorted_by = state.sorting().column;
    let at = columns.iter().position(|column| *column == sorted_by).unwrap_or_default();
    let next = if step < 0 { at + columns.len().saturating_sub(1) } else { at + 1 };
    if let Some(column) = columns.get(next % columns.len().max(1)) {
        sort(state, Sorting::by(*column));
    }
}

fn measure(state: &mut State) {
    let Some(backend) = state.scene().map(|scene| scene.report.origin.backend) else { return };
    let now = state.measure();
    let next = now.next(backend.unit());
    if next == now {
        let text = format!("{} counts {} and nothing else", names::backend(backend), now.words());
        state.say(Said { weight: Weight::Other, text });
    }
    state.measure = Some(next);
    state.arrange();
}

pub(super) fn show(state: &mut State, tab: Sheet) {
    state.show_tab(tab);
    state.arrange();
}

/// Opens whom the row speaks of, or the rows that its sum is made of.
pub(super) fn enter(state: &mut State) {
    if state.detail.is_some() {
        return;
    }
    let Some(row) = state.list.row() else { return };
    let (tab, word) = match &row.key {
        RowKey::Holder(holder)
        | RowKey::Port(holder, _)
        | RowKey::Bucket(holder, _)
        | RowKey::Peer(holder, _) => {
            let holder: Holder = *holder;
            // Who is counted elsewhere, or not at all, has a page that says so.
            state.open(holder);
            state.arrange();
            return;
        }
        RowKey::Scope(Some(scope)) => (Sheet::Ports, names::scope(*scope).to_owned()),
        RowKey::Group(Group::Named(name)) => (Sheet::Containers, name.clone()),
        RowKey::Scope(None) | RowKey::Group(Group::Other(_)) => return,
    };
    state.filter = Filter::of(&word);
    show(state, tab);
}

fn back(state: &mut State) {
    if !state.filter.is_empty() {
        state.filter = Filter::default();
    } else if state.detail.is_some() {
        state.close();
    } else {
        state.said.clear();
    }
    state.arrange();
}

fn type_into_filter(state: &mut State, key: Key) {
    match key {
        Key::Char(character) => state.filter.push(character),
        Key::Backspace if state.filter.typed().is_empty() => state.mode = Mode::Browse,
        Key::Backspace => state.filter.pop(),
        Key::Erase => state.filter = Filter::default(),
        Key::Escape => {
            state.filter = Filter::default();
            state.mode = Mode::Browse;
        }
        Key::Enter => state.mode = Mode::Browse,
        Key::Up | Key::Down | Key::PageUp | Key::PageDown => drop(movement(state, key)),
        _ => {}
    }
    state.arrange();
}

/// Reads on, or leaves the page.
fn read_help(state: &mut State, key: Key, top: usize) {
    let page = usize::from(state.size.rows.saturating_sub(2)).max(1);
    let top = match key {
        Key::Down | Key::Char('j') => top + 1,
        Key::Up | Key::Char('k') => top.saturating_sub(1),
        Key::PageDown | Key::Char(' ') => top + page,
        Key::PageUp => top.saturating_sub(page),
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => usize::MAX,
        Key::Redraw => top,
        _ => {
            state.mode = Mode::Browse;
            return;
        }
    };
    state.mode = Mode::Help(top.min(last_top(state)));
}
