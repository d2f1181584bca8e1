//! The terminal as a screen: taken, drawn on, listened to, and given back.
//!
//! Owns crossterm. What somebody types leaves as the view's own events. Whatever happens (an error, a panic, a signal), the
//! terminal is left as it was found.

mod canvas;
mod input;

use std::io::{self, Stdout, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::EventStream;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{Command, cursor, execute, queue};
use futures_util::StreamExt as _;
use ratatui::{Frame, Terminal};
use tokio::sync::mpsc;

use self::canvas::Canvas;
use crate::logging::{self, Diversion};
use crate::view::tui::{Event, Said, Size};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ScreenError {
    #[error("take the terminal for the live view (without one: --headless, or --format json)")]
    Take(#[source] io::Error),
    #[error("draw on the terminal")]
    Draw(#[source] io::Error),
    #[error("the terminal was given back when a part of dtraf panicked")]
    GivenBack,
}

/// A terminal that is taken. Dropping it gives it back, and prints what was logged meanwhile.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<Canvas<Stdout>>,
    keys: EventStream,
    said: mpsc::UnboundedReceiver<Said>,
    // Fields are dropped in this order: the terminal is given back before anything is printed.
    _taken: Taken,
    _diversion: Diversion,
}

/// Whether there is something to give back. Doing it twice would put the cursor back to where it was, over what was said since.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal is ours. Dropping it gives it back.
#[derive(Debug)]
struct Taken(());

impl Screen {
    pub(crate) fn take() -> Result<Self, ScreenError> {
        restore_before_a_panic_is_told();
        let (diversion, said) = logging::divert();
        let taken = Taken::new().map_err(ScreenError::Take)?;
        let mut terminal = Terminal::new(Canvas::new(io::stdout())).map_err(ScreenError::Take)?;
        terminal.clear().map_err(ScreenError::Take)?;
        Ok(Self { terminal, keys: EventStream::new(), said, _taken: taken, _diversion: diversion })
    }

    pub(crate) fn size(&self) -> Size {
        // Terminals that do not know their size say 0.
        let known = |cells: u16, usual: u16| if cells == 0 { usual } else { cells };
        let size = self.terminal.size().unwrap_or_default();
        Size { columns: known(size.width, 80), rows: known(size.height, 24) }
    }

    /// What happens next: a key, another size, a line of the log.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                key = self.keys.next() => match key {
                    Some(Ok(event)) => {
                        if let Some(event) = input::event(&event) {
                            return event;
                        }
                    }
                    // Without keys nobody could leave: raw mode has no Ctrl-C.
                    Some(Err(_)) | None => return Event::Gone,
                },
                Some(said) = self.said.recv() => return Event::Said(said),
            }
        }
    }

    /// Shows one picture, at once: what has not changed is not written again.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> Result<(), ScreenError> {
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(ScreenError::GivenBack);
        }
        let drawn = queue!(io::stdout(), BeginSynchronizedUpdate)
            .and_then(|()| self.terminal.draw(picture).map(drop))
            .and_then(|()| execute!(io::stdout(), EndSynchronizedUpdate));
        drawn.map_err(ScreenError::Draw)
    }

    /// So that the next picture is drawn from nothing.
    pub(crate) fn clear(&mut self) -> Result<(), ScreenError> {
        self.terminal.clear().map_err(ScreenError::Draw)
    }
}

impl ScreenError {
    /// The terminal has disappeared: no error, but an end.
    pub(crate) fn is_gone(&self) -> bool {
        let (Self::Take(source) | Self::Draw(source)) = self else { return false };
        matches!(source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected)
            || source.raw_os_error() == Some(libc::EIO)
    }
}

impl Taken {
    fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on it is given back, whatever fails.
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Self(());
        execute!(io::stdout(), EnterAlternateScreen, Mouse::Reported, cursor::Hide)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        restore();
    }
}

/// As it was.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that is gone has nothing to restore.
    drop(execute!(io::stdout(), EndSynchronizedUpdate, Mouse::Silent, cursor::Show, LeaveAlternateScreen));
    drop(disable_raw_mode());
    drop(io::stdout().flush());
}

/// What a panic says would be lost on a screen that is about to go.
fn restore_before_a_panic_is_told() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            told(panic);
        }));
    });
}

/// Buttons and the wheel; crossterm's own would have every movement reported as well.
enum Mouse {
    Reported,
    Silent,
}

impl Command for Mouse {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reported => "\x1b[?1000h\x1b[?1006h",
            Self::Silent => "\x1b[?1006l\x1b[?1000l",
        })
    }
}
