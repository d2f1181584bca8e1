//! The page of help: the keys, and everything that the other pages have no room to explain.

use unicode_width::UnicodeWidthStr as _;

use super::scene::Scene;
use super::state::{Occasion, State};
use crate::accounting::attribution::Coverage;
use crate::accounting::report::{Report, RowState};
use crate::view::neutral::neutral;
use crate::view::table::layout::{Tone, wrap};

/// What stands before the keys' meanings.
const INDENT: usize = 15;

const KEYS: [(&str, &str); 30] = [
    ("q  Ctrl-C", "leave the view; counting goes on"),
    ("?", "this page"),
    ("Up Down j k", "move; also PgUp PgDn g G Home End and the mouse wheel"),
    ("Enter", "open a container, or what is behind a sum"),
    ("Esc", "forget the filter; else go back, else forget the message"),
    ("Tab Shift-Tab", "containers, ports, scopes, networks, projects, peers"),
    ("/", "filter as you type: words in name, image, label, network, port"),
    ("s S Left Right", "sort by the next column, the one before; or click on a title"),
    ("r", "reverse the order"),
    ("t", "rank by rate or by total: order, busiest port, shares"),
    ("u", "powers of 1000, of 1024, and both with rates in bits"),
    ("w", "figure: wire, IP, skb (interfaces) or skb IP bytes (iptables)"),
    ("a", "all containers that were ever counted, or only running ones"),
    ("Space", "hold the screen still; counting goes on"),
    ("Ctrl-L", "draw everything again"),
    ("", ""),
    ("RX, TX", "received and transmitted by the container"),
    ("TREND", "both directions over the last readings; a full block is the most"),
    ("TODAY, CYCLE", "both directions of the account, from the ledger's last batch"),
    ("QUOTA", "how much of it the account has used in the cycle"),
    ("BUSIEST", "the fastest port, else the greatest; > is a port of the other end"),
    ("(...)", "counted without a port, and why"),
    ("(elsewhere)", "of no pair: routed, from a gone container, or no --peer-entries"),
    ("-", "not known, which is not zero"),
    ("", ""),
    ("map_full", "no room for more ports: counted without (--port-entries)"),
    ("over_quota", "more ports than one may have (--ports-per-container)"),
    ("in no total", "came by interfaces that dtraf does not know"),
    ("unattributed", "counted, and of no container that is known"),
    ("shortfall", "carried before dtraf was attached; not in the totals"),
];

/// The page as lines of the screen's width.
pub(super) fn page(state: &State) -> Vec<(Tone, String)> {
    let width = usize::from(state.size.columns);
    let lines = lines(state.scene(), state.options.occasion).into_iter();
    let wrapped = lines.flat_map(|(tone, text)| {
        // Blanks between a key and what it does are kept where nothing has to be broken.
        let parts = if text.width() <= width { vec![text] } else { wrap(&text, width) };
        parts.into_iter().map(move |line| (tone, line))
    });
    wrapped.collect()
}

/// The last line that the page may begin with.
pub(super) fn last_top(state: &State) -> usize {
    page(state).len().saturating_sub(usize::from(state.size.rows.saturating_sub(1)))
}

fn lines(scene: Option<&Scene>, occasion: Occasion) -> Vec<(Tone, String)> {
    let key =
        |(key, what): (&str, &str)| (Tone::Plain, format!("{key:<INDENT$}{what}").trim_end().to_owned());
    let mut lines = vec![(Tone::Heading, "Keys".to_owned())];
    lines.extend(KEYS.map(key));
    lines.push((
        Tone::Plain,
        match occasion {
            Occasion::Run => "To stop counting, and to remove every trace: dtraf uninstall",
            Occasion::Top => "This view attaches nothing. To stop counting: dtraf uninstall",
        }
        .to_owned(),
    ));
    if let Some(scene) = scene {
        lines.extend(host(&scene.report));
    }
    lines
}

fn host(report: &Report) -> Vec<(Tone, String)> {
    let origin = &report.origin;
    let mut lines = vec![(Tone::Plain, String::new()), (Tone::Heading, "This host".to_owned())];
    lines.push((Tone::Plain, format!("{} counts", origin.backend)));
    for refused in &origin.refused {
        let reason = neutral(&refused.reason);
        lines.push((Tone::Warning, format!("not by {}: {reason}", refused.backend)));
    }
    for spot in &origin.blind_spots {
        let advice = spot.advice().map_or_else(String::new, |advice| format!(" ({advice})"));
        lines.push((Tone::Warning, format!("not seen: {spot}{advice}")));
    }
    for row in report.containers.iter().filter(|row| row.state == RowState::Running) {
        let name = crate::view::table::name(row);
        let missing = match &row.coverage {
            Coverage::Counted => continue,
            Coverage::SharedWith(other) => format!("counted at {}", neutral(&other.name)),
            Coverage::NotCounted(reason) => format!("not counted: {}", neutral(&reason.to_string())),
            Coverage::Partly(gaps) => {
                let gaps = gaps.iter().map(|gap| format!("{} ({})", gap.network, gap.reason));
                let gaps = gaps.collect::<Vec<_>>().join(", ");
                format!("not counted in {}", neutral(&gaps))
            }
        };
        lines.push((Tone::Plain, format!("{name}: {missing}")));
    }
    for row in &report.unattributed {
        lines.push((Tone::Warning, format!("unattributed: {}", row.reason)));
    }
    lines
}
