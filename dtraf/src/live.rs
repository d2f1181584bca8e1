//! The live view on a terminal: the view's state, and the screen it is drawn on. `dtraf run` and `dtraf top` both show it.

use std::time::{Duration, Instant};

use crate::accounting::report::Report;
use crate::config::Opening;
use crate::screen::{Screen, ScreenError};
use crate::terminal::Reader;
use crate::view::tui::{Effect, Event, Key, Occasion, Options, State, render, update};

#[derive(Debug)]
pub(crate) struct Live {
    screen: Screen,
    state: State,
    last: Option<Instant>,
}

impl Live {
    pub(crate) fn show(opening: Opening, occasion: Occasion) -> Result<Self, ScreenError> {
        let screen = Screen::take()?;
        let Opening { paint, names, spelling, first } = opening;
        let options = Options { occasion, size: screen.size(), paint, names, spelling, first };
        let mut live = Self { screen, state: State::new(options), last: None };
        live.draw()?;
        Ok(live)
    }

    /// What happens next at the terminal.
    pub(crate) async fn next(&mut self) -> Event {
        self.screen.next().await
    }

    /// Shows a report that was made at `taken`.
    pub(crate) fn report(&mut self, report: Report, taken: Instant) -> Result<Reader, ScreenError> {
        let elapsed: Option<Duration> = self.last.map(|last| taken.saturating_duration_since(last));
        self.last = Some(taken);
        self.take(Event::Report { report: Box::new(report), elapsed })
    }

    /// Answers an event. [`Reader::Gone`] says that the view is to be left.
    pub(crate) fn take(&mut self, event: Event) -> Result<Reader, ScreenError> {
        match self.answer(event) {
            Err(error) if error.is_gone() => Ok(Reader::Gone),
            answered => answered,
        }
    }

    fn answer(&mut self, event: Event) -> Result<Reader, ScreenError> {
        if matches!(event, Event::Key(Key::Redraw)) {
            self.screen.clear()?;
        }
        for effect in update(&mut self.state, event) {
            match effect {
                Effect::Quit => return Ok(Reader::Gone),
                Effect::Draw => self.draw()?,
            }
        }
        Ok(Reader::Present)
    }

    fn draw(&mut self) -> Result<(), ScreenError> {
        let state = &self.state;
        self.screen.draw(|frame| render(state, frame))
    }
}
