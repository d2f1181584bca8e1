//! Everything that the view remembers. Nothing else does: what is on the screen is a function of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::columns::Column;
use super::event::{Said, Size};
use super::filter::Filter;
use super::measure::Measure;
use super::plan::Plan;
use super::rows::{self, Ask, Present, Row, RowKey};
use super::scene::Scene;
use super::sheet::{Focus, Sheet, Sorting};
use super::spelling::Spelling;
use crate::accounting::kept::Kept;
use crate::accounting::ledger::Holder;
use crate::view::Paint;
use unicode_width::UnicodeWidthStr as _;

/// How the view begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) occasion: Occasion,
    pub(crate) size: Size,
    pub(crate) paint: Paint,
    pub(crate) names: Names,
    pub(crate) spelling: Spelling,
    pub(crate) first: Sheet,
}

/// What the view belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// `dtraf run`, which counts.
    Run,
    /// `dtraf top`, beside one that counts.
    Top,
}

/// Whether long names may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Cut,
    Whole,
}

/// What keys mean at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Browse,
    /// They are typed into the filter.
    Filter,
    /// The page of help is open, from that line on.
    Help(usize),
}

/// Lines of the log that are remembered: the rest is printed when the view is left.
const SAID: usize = 3;

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(super) options: Options,
    pub(super) size: Size,
    /// `None` before the first reading.
    live: Option<Scene>,
    /// What the ledger has, as far as that is known.
    kept: Option<Arc<Kept>>,
    /// What the screen is held still at.
    frozen: Option<Scene>,
    pub(super) mode: Mode,
    pub(super) tab: Sheet,
    /// Whose page is open, above a tab.
    pub(super) detail: Option<Holder>,
    pub(super) filter: Filter,
    pub(super) present: Present,
    pub(super) focus: Focus,
    /// `None`: the backend's own.
    pub(super) measure: Option<Measure>,
    pub(super) spelling: Spelling,
    sortings: BTreeMap<Sheet, Sorting>,
    pub(super) list: List,
    /// What an open page covers.
    below: Option<Below>,
    pub(super) said: VecDeque<Said>,
}

/// A list as it is found again. A page is not filtered by what led to it.
#[derive(Clone, Debug)]
struct Below {
    list: List,
    filter: Filter,
}

/// The rows of the table that is shown, and where one is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) rows: Vec<Row>,
    /// Containers that are left out because they do not run.
    pub(super) hidden: usize,
    pub(super) at: usize,
    pub(super) top: usize,
    /// Followed wherever it is sorted to; `None` stays at the top.
    pub(super) chosen: Option<RowKey>,
    /// The longest text of each column.
    naturals: BTreeMap<Column, usize>,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            size: options.size,
            live: None,
            kept: None,
            frozen: None,
            mode: Mode::Browse,
            tab: options.first,
            detail: None,
            filter: Filter::default(),
            present: Present::Running,
            focus: Focus::Rate,
            measure: None,
            spelling: options.spelling,
            sortings: BTreeMap::new(),
            list: List::default(),
            below: None,
            said: VecDeque::new(),
        }
    }

    /// What is shown: the last reading, unless the screen is held still.
    pub(super) fn scene(&self) -> Option<&Scene> {
        self.frozen.as_ref().or(self.live.as_ref())
    }

    pub(super) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    pub(super) fn live_mut(&mut self) -> &mut Option<Scene> {
        &mut self.live
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        self.kept = Some(Arc::new(kept));
        self.show_kept();
    }

    /// A scene has what the ledger had last.
    pub(super) fn show_kept(&mut self) {
        if let Some(scene) = &mut self.live {
            scene.kept.clone_from(&self.kept);
        }
    }

    pub(super) fn pause(&mut self) {
        self.frozen = if self.is_paused() { None } else { self.live.clone() };
    }

    /// The table on the screen.
    pub(super) fn sheet(&self) -> Sheet {
        if self.detail.is_some() { Sheet::Detail } else { self.tab }
    }

    pub(super) fn sorting(&self) -> Sorting {
        let usual = Sorting::by(match self.focus {
            Focus::Rate => Column::TxRate,
            Focus::Total => Column::TxTotal,
        });
        self.sortings.get(&self.sheet()).copied().unwrap_or(usual)
    }

    pub(super) fn sort_by(&mut self, sorting: Sorting) {
        self.sortings.insert(self.sheet(), sorting);
    }

    pub(super) fn refocus(&mut self) {
        self.focus = self.focus.other();
        for sorting in self.sortings.values_mut() {
            *sorting = sorting.refocused();
        }
    }

    pub(super) fn measure(&self) -> Measure {
        let usual = || self.scene().map(|scene| Measure::of(scene.report.origin.backend.unit()));
        self.measure.or_else(usual).unwrap_or(Measure::Wire)
    }

    /// Opens the page of a container; the list is found again where it was.
    pub(super) fn open(&mut self, holder: Holder) {
        self.detail = Some(holder);
        let (list, filter) = (std::mem::take(&mut self.list), std::mem::take(&mut self.filter));
        self.below = Some(Below { list, filter });
    }

    pub(super) fn close(&mut self) {
        self.detail = None;
        if let Some(Below { list, filter }) = self.below.take() {
            (self.list, self.filter) = (list, filter);
        }
    }

    pub(super) fn show_tab(&mut self, tab: Sheet) {
        self.close();
        self.tab = tab;
        self.list = List::default();
    }

    pub(super) fn say(&mut self, said: Said) {
        if self.said.len() == SAID {
            self.said.pop_front();
        }
        self.said.push_back(said);
    }

    /// Makes the rows anew: they, or what they are made by, have changed.
    pub(super) fn arrange(&mut self) {
        let (sheet, sorting, measure) = (self.sheet(), self.sorting(), self.measure());
        let (filter, present, focus) = (&self.filter, self.present, self.focus);
        let ask = Ask { sheet, of: self.detail, filter, present, focus, measure };
        let (mut rows, hidden) = self.scene().map(|scene| rows::rows(scene, &ask)).unwrap_or_default();
        rows::sort(&mut rows, sorting, focus, measure);
        self.list.take(rows, hidden);
        self.keep_in_sight();
    }

    /// Scrolls as little as is needed to have the chosen row on the screen.
    pub(super) fn keep_in_sight(&mut self) {
        let room = usize::from(Plan::of(self).room());
        let list = &mut self.list;
        list.top = list.top.min(list.rows.len().saturating_sub(room)).min(list.at);
        if list.at >= list.top + room {
            list.top = list.at + 1 - room.max(1);
        }
    }
}

impl List {
    fn take(&mut self, rows: Vec<Row>, hidden: usize) {
        self.naturals.clear();
        for (column, text) in rows.iter().flat_map(|row| &row.texts) {
            let natural = self.naturals.entry(*column).or_default();
            *natural = (*natural).max(text.width());
        }
        let found = self.chosen.as_ref().and_then(|key| rows.iter().position(|row| row.key == *key));
        self.at = found.unwrap_or(self.at).min(rows.len().saturating_sub(1));
        if self.chosen.is_none() {
            (self.at, self.top) = (0, 0);
        }
        (self.rows, self.hidden) = (rows, hidden);
    }

    /// Goes to a row; the first one stays the first, whoever that is.
    pub(super) fn choose(&mut self, at: usize) {
        self.at = at.min(self.rows.len().saturating_sub(1));
        self.chosen = if self.at == 0 { None } else { self.rows.get(self.at).map(|row| row.key.clone()) };
    }

    pub(super) fn natural(&self, column: Column) -> usize {
        self.naturals.get(&column).copied().unwrap_or(1)
    }

    pub(super) fn row(&self) -> Option<&Row> {
        self.rows.get(self.at)
    }
}
