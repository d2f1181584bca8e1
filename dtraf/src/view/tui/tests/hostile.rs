//! Names that others have chosen, and terminals that can do little.

use unicode_width::UnicodeWidthStr as _;

use crate::accounting::report::Report;
use crate::view::fixtures::twice;
use crate::view::neutral::is_hostile;
use crate::view::tui::event::{Key, Size};
use crate::view::tui::fixtures::{NARROW, WIDE, options, press, screen, tell, type_text, view};
use crate::view::tui::state::{Names, Options, State};

/// Everything that somebody else may name, named like this.
fn named(name: &str) -> [Report; 2] {
    twice().map(|mut report| {
        report.origin.host = name.to_owned();
        for row in &mut report.containers {
            row.name = name.to_owned();
            row.networks = vec![name.to_owned(); 3];
            if let Some(described) = &mut row.described {
                described.image = name.to_owned();
                described.labels.insert("com.docker.compose.project".to_owned(), name.to_owned());
            }
            for meter in row.figures.iter_mut().flat_map(|figures| &mut figures.meters) {
                meter.network = Some(name.to_owned());
            }
        }
        report
    })
}

#[test]
fn whatever_a_name_is_the_screen_is_text_and_no_line_is_too_long() {
    let names = [
        ("control characters", "\u{1b}[2J\u{1b}]0;title\u{7}\r\n\t\u{9b}31m".to_owned()),
        ("wide", "図書館".repeat(40)),
        ("wide and cut in the middle", format!("a{}", "図".repeat(60))),
        ("pictures", "👨\u{200d}👩\u{200d}👧 🏳\u{fe0f}\u{200d}🌈 ❤\u{fe0f}🇩🇪".repeat(5)),
        ("a heap of marks", format!("a{}", "\u{336}".repeat(500))),
        ("marks alone", "\u{301}".repeat(30)),
        ("backwards", "\u{202e}gnp.exe".to_owned()),
        ("nothing", String::new()),
        ("blanks", " ".repeat(100)),
    ];
    for (case, name) in names {
        for size in [Size { columns: 20, rows: 10 }, NARROW, WIDE, Size { columns: 300, rows: 50 }] {
            for whole in [Names::Cut, Names::Whole] {
                let mut state = State::new(Options { names: whole, ..options(size) });
                for report in named(&name) {
                    tell(&mut state, report, Some(std::time::Duration::from_secs(1)));
                }
                for key in [
                    Key::Char('a'),
                    Key::Tab,
                    Key::Tab,
                    Key::Tab,
                    Key::Tab,
                    Key::Tab,
                    Key::Enter,
                    Key::Char('?'),
                ] {
                    press(&mut state, key);
                    let shown = screen(&state);
                    let graphs = |character: &char| *character != '⠀';
                    assert!(
                        !shown.chars().filter(graphs).any(|one| one != '\n' && is_hostile(one)),
                        "{case}: {shown:?}"
                    );
                    for line in shown.lines() {
                        assert!(line.width() <= usize::from(size.columns), "{case} {key:?}: {line:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn figures_stand_in_their_columns_beside_wide_names() {
    let mut state = view(NARROW, named(&"図書館".repeat(5)));
    type_text(&mut state, "a");
    let shown = screen(&state);
    let title = shown.lines().find(|line| line.starts_with("CONTAINER")).expect("titles");
    let end = title.find("TX/S").expect("a title") + "TX/S".len();
    let row = shown.lines().find(|line| line.contains("20.00 kB") && line.starts_with('図')).expect("a row");
    let upto = row.find("20.00 kB").expect("a figure") + "20.00 kB".len();
    assert_eq!(row[..upto].width(), end, "{shown}");
}
