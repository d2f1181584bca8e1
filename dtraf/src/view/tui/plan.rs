//! What stands where on the screen. Drawing and clicks go by the same plan.

use std::ops::Range;

use super::columns::{Column, Placed, fit};
use super::facts::{NO_BREAK, facts};
use super::notes;
use super::sheet::Sheet;
use super::state::{Names, State};
use crate::view::table::layout::{Tone, wrap};

/// Lines from the top down; each range may be empty on a small screen.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) alarms: Range<u16>,
    pub(super) circumstances: Range<u16>,
    /// The names of the views, or of the container whose page is open.
    pub(super) tabs: u16,
    pub(super) facts: Range<u16>,
    pub(super) graph: Range<u16>,
    pub(super) titles: u16,
    pub(super) body: Range<u16>,
    pub(super) said: Range<u16>,
    pub(super) footer: u16,
    pub(super) columns: Vec<Placed>,
}

/// What counts, and how much.
pub(super) const HEADER: u16 = 2;
/// A graph is as high as this where there is room for it, and not lower than that.
const GRAPH: Range<u16> = 4..13;

impl Plan {
    pub(super) fn of(state: &State) -> Self {
        let rows = state.size.rows;
        let footer = rows.saturating_sub(1);
        let said = footer.saturating_sub(u16::from(!state.said.is_empty()))..footer;
        let mut next = HEADER;
        let mut take = |lines: usize| {
            let begins = next.min(said.start);
            next = begins.saturating_add(u16::try_from(lines).unwrap_or(u16::MAX)).min(said.start);
            begins..next
        };
        let scene = state.scene();
        let alarms =
            scene.is_some_and(|scene| !notes::alarms(scene, state.measure(), state.spelling).is_empty());
        let circumstances = scene.map_or(0, |scene| notes::circumstances(&scene.report).len());
        let (alarms, circumstances) = (take(usize::from(alarms)), take(circumstances));
        let tabs = take(1).start;
        let facts = take(if state.detail.is_some() { facts_of(state).len() } else { 0 });
        let graph = take(if state.detail.is_some() { graph_height(rows - rows.min(facts.end)) } else { 0 });
        let titles = take(1).start;
        let body = take(usize::from(rows));
        Self {
            alarms,
            circumstances,
            tabs,
            facts,
            graph,
            titles,
            body,
            said,
            footer,
            columns: columns(state),
        }
    }

    /// How many rows there is room for.
    pub(super) fn room(&self) -> u16 {
        self.body.end - self.body.start
    }

    /// The column at a place of the screen.
    pub(super) fn column_at(&self, column: u16) -> Option<Column> {
        let at = usize::from(column);
        let is_there = |placed: &&Placed| (placed.begins..placed.begins + placed.width).contains(&at);
        self.columns.iter().find(is_there).map(|placed| placed.column)
    }

    /// Where the names of the views stand.
    pub(super) fn tabs() -> impl Iterator<Item = (Sheet, Range<u16>)> {
        let mut next = 0;
        Sheet::TABS.into_iter().map(move |tab| {
            let begins = next;
            // A blank before it and one behind it.
            next += u16::try_from(tab.name().len() + 2).unwrap_or(u16::MAX);
            (tab, begins..next)
        })
    }
}

/// A third of what is left, so that the ports have the rest.
fn graph_height(left: u16) -> usize {
    let height = (left / 3).min(GRAPH.end);
    usize::from(if height < GRAPH.start { 0 } else { height })
}

/// As lines of the screen's width.
pub(super) fn facts_of(state: &State) -> Vec<(Tone, String)> {
    let Some((scene, holder)) = state.scene().zip(state.detail) else { return Vec::new() };
    let facts = facts(scene, holder, state.measure(), state.spelling);
    let width = usize::from(state.size.columns);
    facts
        .into_iter()
        .flat_map(|(tone, text)| {
            wrap(&text, width).into_iter().map(move |line| (tone, line.replace(NO_BREAK, " ")))
        })
        .collect()
}

fn columns(state: &State) -> Vec<Placed> {
    fit(
        &Column::of(state.sheet(), state.focus),
        usize::from(state.size.columns),
        state.focus,
        state.spelling,
        |column| state.list.natural(column),
        state.options.names == Names::Whole,
    )
}
