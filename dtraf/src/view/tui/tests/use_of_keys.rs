//! What keys, clicks and readings do.

use std::time::Duration;

use crate::view::Paint;
use crate::view::fixtures::{many, small, twice};
use crate::view::tui::event::{Effect, Key, Place, Size, Turn};
use crate::view::tui::fixtures::{NARROW, WIDE, options, press, screen, tell, type_text, view};
use crate::view::tui::state::{Names, Options, State};
use crate::view::tui::{Event, render, update};

/// Names in the order in which they stand.
fn names(state: &State) -> Vec<String> {
    let names = state.list.rows.iter().filter_map(|row| row.text(crate::view::tui::columns::Column::Name));
    names.map(str::to_owned).collect()
}

#[test]
fn q_and_an_interrupt_leave_the_view_and_other_keys_do_not() {
    let mut state = view(NARROW, twice());
    assert_eq!(press(&mut state, Key::Char('q')), [Effect::Quit]);
    assert_eq!(press(&mut state, Key::Interrupt), [Effect::Quit]);
    assert_eq!(press(&mut state, Key::Char('z')), []);
    press(&mut state, Key::Char('/'));
    assert_eq!(press(&mut state, Key::Char('q')), [Effect::Draw]);
    assert_eq!(press(&mut state, Key::Interrupt), [Effect::Quit]);
}

#[test]
fn a_filter_works_while_it_is_typed_and_escape_forgets_it() {
    let mut state = view(NARROW, twice());
    type_text(&mut state, "/443");
    assert_eq!(names(&state), ["web"]);
    press(&mut state, Key::Enter);
    assert_eq!(names(&state), ["web"]);
    press(&mut state, Key::Escape);
    assert!(names(&state).len() > 3);
    type_text(&mut state, "/no such thing");
    assert!(names(&state).is_empty());
    assert!(screen(&state).contains("nothing fits the filter"));
}

#[test]
fn a_page_has_a_filter_of_its_own_and_the_one_that_led_there_is_found_again() {
    let mut state = view(NARROW, twice());
    type_text(&mut state, "/busybox web");
    press(&mut state, Key::Enter);
    press(&mut state, Key::Enter);
    let ports = state.list.rows.len();
    assert!(ports > 1, "{}", screen(&state));
    type_text(&mut state, "/443");
    press(&mut state, Key::Enter);
    assert_eq!(state.list.rows.len(), 1);
    assert!(screen(&state).contains("/443  1 row"), "{}", screen(&state));
    press(&mut state, Key::Escape);
    assert_eq!(state.list.rows.len(), ports, "the filter goes before the page");
    press(&mut state, Key::Escape);
    assert_eq!(names(&state), ["web"]);
    press(&mut state, Key::Enter);
    press(&mut state, Key::Tab);
    assert!(screen(&state).contains("/busybox web"), "{}", screen(&state));
}

#[test]
fn filters_see_images_labels_networks_and_projects() {
    for (typed, expected) in [
        ("com.docker.compose.project=shop", &["web"][..]),
        ("front", &["web"]),
        ("busybox 172.17.0.2", &["db"]),
    ] {
        let mut state = view(NARROW, twice());
        type_text(&mut state, &format!("/{typed}"));
        assert_eq!(names(&state), expected, "{typed}");
    }
}

#[test]
fn every_column_sorts_both_ways_and_unknown_stays_last() {
    let mut state = view(Size { columns: 250, rows: 50 }, twice());
    for _ in 0..12 {
        press(&mut state, Key::Char('s'));
        let usual = names(&state);
        press(&mut state, Key::Char('r'));
        let reverse = names(&state);
        let without = |names: &[String]| {
            let known = names.iter().filter(|name| !matches!(name.as_str(), "metrics" | "sidecar"));
            known.cloned().collect::<Vec<_>>()
        };
        assert_eq!(without(&usual).len(), without(&reverse).len());
        press(&mut state, Key::Char('r'));
        assert_eq!(names(&state), usual);
    }
}

#[test]
fn a_held_screen_stands_still_while_readings_go_on() {
    let [before, after] = many(3);
    let mut state = view(NARROW, [before]);
    press(&mut state, Key::Char(' '));
    let held = screen(&state);
    assert!(held.contains("HELD"));
    tell(&mut state, after, Some(Duration::from_secs(1)));
    assert_eq!(screen(&state), held);
    press(&mut state, Key::Char(' '));
    assert!(screen(&state).contains("3.00 kB"), "{}", screen(&state));
}

#[test]
fn the_chosen_row_is_followed_and_the_first_is_not() {
    let [before, after] = many(50);
    let mut state = view(NARROW, [before]);
    // Without rates they stand by name, and then the fastest is first.
    press(&mut state, Key::Down);
    assert_eq!(state.list.row().map(|row| row.texts[0].1.clone()).as_deref(), Some("service-0002"));
    tell(&mut state, after.clone(), Some(Duration::from_secs(1)));
    assert_eq!((state.list.at, names(&state)[48].as_str()), (48, "service-0002"));
    assert!(screen(&state).contains("service-0002"), "it is in sight");
    press(&mut state, Key::Home);
    assert_eq!((state.list.at, state.list.top), (0, 0));
}

#[test]
fn a_ports_rate_is_what_its_total_grew_by() {
    let mut state = view(NARROW, many(2));
    press(&mut state, Key::Enter);
    let shown = screen(&state);
    let line = shown.lines().find(|line| line.starts_with("80/tcp")).expect("the port is shown");
    assert!(line.contains("2.00 kB") && line.contains("4.00 kB"), "{shown}");
}

#[test]
fn enter_opens_what_a_sum_is_made_of() {
    let mut state = view(NARROW, twice());
    for _ in 0..4 {
        press(&mut state, Key::Tab);
    }
    assert!(screen(&state).contains("PROJECT"));
    let at = state.list.rows.iter().position(|row| row.texts[0].1 == "shop").expect("there is a project");
    state.list.choose(at);
    press(&mut state, Key::Enter);
    assert_eq!(names(&state), ["web"]);
}

#[test]
fn clicks_sort_choose_open_and_change_the_view() {
    let mut state = view(WIDE, twice());
    let shown = screen(&state);
    let titles = shown.lines().position(|line| line.starts_with("CONTAINER")).expect("titles");
    let row = u16::try_from(titles).expect("a line of the screen");
    update(&mut state, Event::Click(Place { column: 2, row }));
    assert_eq!(names(&state)[..2], ["<unattributed>", "db"]);
    update(&mut state, Event::Click(Place { column: 2, row }));
    assert_eq!(names(&state)[0], "web");
    update(&mut state, Event::Click(Place { column: 4, row: row + 2 }));
    assert_eq!(state.list.at, 1);
    update(&mut state, Event::Wheel(Turn::Up));
    assert_eq!(state.list.at, 0);
    update(&mut state, Event::Click(Place { column: 4, row: row + 1 }));
    assert!(screen(&state).contains("172.17.0.1"));
    press(&mut state, Key::Escape);
    update(&mut state, Event::Click(Place { column: 14, row: row - 1 }));
    assert!(screen(&state).contains("ROLE"));
}

#[test]
fn a_backend_that_knows_one_figure_says_so() {
    let mut report = small();
    report.origin.backend = crate::accounting::report::Backend::Iptables;
    let mut state = view(NARROW, [report]);
    press(&mut state, Key::Char('w'));
    assert!(screen(&state).contains("iptables counts skb IP bytes and nothing else"));
}

#[test]
fn without_colours_no_cell_has_one() {
    let mut state = State::new(Options { paint: Paint::Plain, ..options(NARROW) });
    for report in twice() {
        tell(&mut state, report, Some(Duration::from_secs(1)));
    }
    let backend = ratatui::backend::TestBackend::new(80, 24);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    terminal.draw(|frame| render(&state, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
}

#[test]
fn names_are_whole_where_that_was_asked_for() {
    let long = "a".repeat(60);
    let mut report = small();
    report.containers[0].name.clone_from(&long);
    let mut state = view(NARROW, [report.clone()]);
    assert!(!screen(&state).contains(&long));
    state = State::new(Options { names: Names::Whole, ..options(NARROW) });
    tell(&mut state, report, None);
    assert!(screen(&state).contains(&long));
}

#[test]
fn a_thousand_containers_are_shown_and_moved_through() {
    let mut state = view(NARROW, many(1000));
    assert_eq!(names(&state)[0], "service-1000");
    press(&mut state, Key::End);
    assert!(screen(&state).contains("service-0001"));
    press(&mut state, Key::Tab);
    assert_eq!(state.list.rows.len(), 10_000);
}
