//! What can happen to the view, and what it can ask for. Keys and places are the view's own: no terminal library is needed to
//! speak of them.

use std::time::Duration;

use crate::accounting::kept::Kept;
use crate::accounting::report::Report;

/// Something that the view answers.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A reading, and the time since the one before it by a clock that cannot be set.
    Report {
        report: Box<Report>,
        elapsed: Option<Duration>,
    },
    /// What the ledger has of those who are counted.
    Kept(Kept),
    Key(Key),
    /// A button was pressed there.
    Click(Place),
    Wheel(Turn),
    Resize(Size),
    /// A line for the log, which must not be written over the screen.
    Said(Said),
    /// Nobody is at the other end of the terminal any more.
    Gone,
}

/// What the view wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Draw,
    /// The view is to be left. What counts goes on.
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Backspace,
    /// Ctrl-U: everything that was typed is taken back.
    Erase,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-L: something else has written over the screen.
    Redraw,
}

/// A cell of the screen; the first one is 0, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) column: u16,
    pub(crate) row: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Up,
    Down,
}

/// In cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) weight: Weight,
    pub(crate) text: String,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Error,
    Warning,
    Other,
}
