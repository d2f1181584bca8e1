//! How long the view takes, by the time that it spends on a CPU: others on the machine do not disturb that.
//!
//! `cargo test --release -p dtraf view::tui::tests::pace -- --nocapture` prints the figures and holds them to their bars.

use std::io;
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::time::{ClockId, clock_gettime};

use crate::view::fixtures::many;
use crate::view::tui::event::{Key, Size};
use crate::view::tui::fixtures::{options, press, tell};
use crate::view::tui::state::State;
use crate::view::tui::{Event, render, update};

/// From a key to the last byte for the terminal.
const KEY: Duration = Duration::from_millis(50);
/// A reading each second may take a twentieth of a CPU; making the report is a part of it, so the view has the half.
const REFRESH: Duration = Duration::from_millis(25);

fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("less than a second"))
}

/// A terminal that takes every byte.
fn terminal(size: Size) -> Terminal<CrosstermBackend<io::Sink>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, size.columns, size.rows));
    Terminal::with_options(CrosstermBackend::new(io::sink()), TerminalOptions { viewport })
        .expect("a sink takes all")
}

/// The slowest of `work`, done `times`.
fn slowest(times: usize, mut work: impl FnMut(usize)) -> Duration {
    let measure = |at| {
        let begun = spent();
        work(at);
        spent().saturating_sub(begun)
    };
    (0..times).map(measure).max().unwrap_or_default()
}

#[test]
fn a_thousand_containers_with_ten_thousand_ports_are_shown_in_time() {
    let [before, after] = many(1000);
    let size = Size { columns: 200, rows: 50 };
    let mut state = State::new(options(size));
    tell(&mut state, before, None);
    let mut terminal = terminal(size);
    let second = Some(Duration::from_secs(1));

    let refresh = slowest(20, |_| {
        // Copied here, as the daemon makes it anew.
        update(&mut state, Event::Report { report: Box::new(after.clone()), elapsed: second });
        terminal.draw(|frame| render(&state, frame)).expect("a sink takes all");
    });
    println!("a reading, to the last byte for the terminal: {refresh:?}");
    let mut longest = Duration::ZERO;
    for (name, keys) in [
        ("move", vec![Key::Down, Key::PageDown, Key::End, Key::Home]),
        ("sort", vec![Key::Char('s'), Key::Char('r'), Key::Char('t'), Key::Char('u')]),
        ("filter", vec![Key::Char('/'), Key::Char('9'), Key::Char('9'), Key::Backspace, Key::Escape]),
        ("open and go back", vec![Key::Enter, Key::Escape]),
        ("hold", vec![Key::Char(' '), Key::Char(' ')]),
        ("ports and sums", vec![Key::Tab; 5]),
        ("help", vec![Key::Char('?'), Key::Escape]),
    ] {
        let time = slowest(3 * keys.len(), |at| {
            press(&mut state, keys[at % keys.len()]);
            terminal.draw(|frame| render(&state, frame)).expect("a sink takes all");
        });
        println!("{name}: {time:?}");
        longest = longest.max(time);
    }
    // What the compiler has not optimised says nothing of what people run.
    if !cfg!(debug_assertions) {
        assert!(longest < KEY, "a key took {longest:?}");
        assert!(refresh < REFRESH, "a reading took {refresh:?}");
    }
}
