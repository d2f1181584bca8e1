//! A view over reports that are made for it, and what it shows as text.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::event::{Effect, Event, Key, Size};
use super::sheet::Sheet;
use super::spelling::Spelling;
use super::state::{Names, Occasion, Options, State};
use super::{render, update};
use crate::accounting::report::Report;
use crate::view::units::Units;
use crate::view::{Paint, RateUnit};

pub(super) const NARROW: Size = Size { columns: 80, rows: 24 };
pub(super) const WIDE: Size = Size { columns: 160, rows: 24 };

pub(super) fn options(size: Size) -> Options {
    Options {
        occasion: Occasion::Run,
        size,
        paint: Paint::Colour,
        names: Names::Cut,
        spelling: Spelling { units: Units::Si, rate_unit: RateUnit::Bytes },
        first: Sheet::Containers,
    }
}

/// A view that has seen these reports, a second between two.
pub(super) fn view(size: Size, reports: impl IntoIterator<Item = Report>) -> State {
    let mut state = State::new(options(size));
    for (at, report) in reports.into_iter().enumerate() {
        tell(&mut state, report, (at > 0).then_some(Duration::from_secs(1)));
    }
    state
}

pub(super) fn tell(state: &mut State, report: Report, elapsed: Option<Duration>) {
    update(state, Event::Report { report: Box::new(report), elapsed });
}

pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    update(state, Event::Key(key))
}

pub(super) fn type_text(state: &mut State, text: &str) {
    for character in text.chars() {
        press(state, Key::Char(character));
    }
}

/// The screen as lines, without blanks at their ends.
pub(super) fn screen(state: &State) -> String {
    let backend = TestBackend::new(state.size.columns, state.size.rows);
    let mut terminal = Terminal::new(backend).expect("a test's screen cannot fail");
    terminal.draw(|frame| render(state, frame)).expect("a test's screen cannot fail");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(state.size.columns).max(1)).map(|cells| {
        // What a wide character covers is no character of its own.
        let mut covered = 0;
        let mut line = String::new();
        for cell in cells {
            if covered == 0 {
                line += cell.symbol();
                covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1);
            }
            covered -= 1;
        }
        line.trim_end_matches([' ', '⠀']).to_owned()
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    text.trim_end().to_owned() + "\n"
}
