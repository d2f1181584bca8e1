//! A diagnosis for people: what was found, what each backend could do, what it would not see, and who is left out.

use super::Look;
use super::names::{mark, title};
use crate::accounting::attribution::{Coverage, Gap};
use crate::accounting::blind::BlindSpot;
use crate::doctor::{Containers, Diagnosis, Finding, Mark, Outlook, Uncovered};
use crate::view::names::backend;
use crate::view::neutral::neutral;
use crate::view::table::layout::{Align, Cell, Column, Line, Tone, lay_out, wrap};
use crate::view::table::paint;

/// Behind the columns of a list.
const GAP: usize = 2;

type Lines = Vec<(Tone, String)>;

pub(super) fn render(diagnosis: &Diagnosis, look: &Look) -> String {
    let sections = [
        verdict(diagnosis, look),
        findings(&diagnosis.findings, look),
        backends(diagnosis, look),
        sight(&diagnosis.outlooks),
        containers(diagnosis, look),
    ];
    let mut text = String::new();
    for section in sections.iter().filter(|section| !section.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        for (tone, line) in section {
            paint(&mut text, *tone, line, look.paint);
        }
    }
    text
}

fn verdict(diagnosis: &Diagnosis, look: &Look) -> Lines {
    let (tone, verdict) = match &diagnosis.selection {
        Ok(selection) => {
            let once = if diagnosis.docker.is_none() { ", once Docker answers" } else { "" };
            (Tone::Plain, format!("`dtraf run` takes {}{once}", backend(selection.backend)))
        }
        Err(_) => (Tone::Problem, "nothing can count here".to_owned()),
    };
    let text = format!("{}, Linux {}: {verdict}", neutral(&diagnosis.host), neutral(&diagnosis.kernel));
    wrapped(&text, 0, look).map(|line| (tone, line)).collect()
}

fn findings(findings: &[Finding], look: &Look) -> Lines {
    let entries = findings.iter().map(|finding| Entry {
        cells: [mark(finding.mark), title(finding.topic)],
        tone: match finding.mark {
            Mark::Ok => Tone::Plain,
            Mark::Note => Tone::Warning,
            Mark::Problem => Tone::Problem,
        },
        text: finding.text.clone(),
        advice: finding.advice.clone(),
    });
    list(["", "LOOKED AT", "FOUND"], entries.collect(), look)
}

/// One entry for each backend that can count, and one for each reason why another cannot.
fn backends(diagnosis: &Diagnosis, look: &Look) -> Lines {
    let taken = diagnosis.selection.as_ref().ok().map(|selection| selection.backend);
    let mut entries = Vec::new();
    for outlook in &diagnosis.outlooks {
        let possible = if taken == Some(outlook.backend) { "taken" } else { "possible" };
        let entry = |state, tone, text, advice| {
            let cells = [state, backend(outlook.backend)];
            Entry { cells, tone, text, advice }
        };
        if outlook.refusals.is_empty() {
            let blind = match outlook.blind_spots.len() {
                0 => "sees everything on the interfaces it is attached to".to_owned(),
                _ => "does not see everything: see below".to_owned(),
            };
            entries.push(entry(possible, Tone::Plain, blind, None));
        }
        for refusal in &outlook.refusals {
            entries.push(entry("refused", Tone::Warning, refusal.to_string(), Some(refusal.advice())));
        }
    }
    list(["", "BACKEND", "BECAUSE"], entries, look)
}

/// What each backend would show here, were it to count.
fn sight(outlooks: &[Outlook]) -> Lines {
    let column = |title| Column { title, align: Align::Left, floor: None, rank: None };
    let columns: Vec<Column> =
        ["WOULD SHOW HERE", "EBPF", "IPTABLES", "NFT"].into_iter().map(column).collect();
    let row = |spot: BlindSpot| {
        let sees = |outlook: &Outlook| if outlook.blind_spots.contains(&spot) { "no" } else { "yes" };
        let cells = [spot.subject()].into_iter().chain(outlooks.iter().map(sees));
        Line {
            cells: cells.map(|text| Cell::Text(text.to_owned())).collect(),
            remark: None,
            tone: Tone::Plain,
        }
    };
    lay_out(&columns, &BlindSpot::ALL.map(row), None).lines
}

fn containers(diagnosis: &Diagnosis, look: &Look) -> Lines {
    let Some(Containers { running, uncovered }) = &diagnosis.containers else { return Vec::new() };
    let heading = match uncovered.len() {
        0 => format!("running containers: {running}; all of them can be counted"),
        some => format!("running containers: {running}; not wholly counted, whatever the backend: {some}"),
    };
    let mut lines: Lines = wrapped(&heading, 0, look).map(|line| (Tone::Heading, line)).collect();
    for container in uncovered {
        let text = format!("{}: {}", neutral(&container.name), neutral(&reason(container)));
        lines.extend(wrapped(&text, 0, look).map(|line| (Tone::Warning, line)));
    }
    lines
}

fn reason(container: &Uncovered) -> String {
    match &container.coverage {
        Coverage::NotCounted(reason) => reason.to_string(),
        Coverage::Partly(gaps) => {
            let gap = |gap: &Gap| format!("{} ({})", gap.network, gap.reason);
            format!("not counted in {}", gaps.iter().map(gap).collect::<Vec<_>>().join(", "))
        }
        Coverage::Counted | Coverage::SharedWith(_) => String::new(),
    }
}

/// Two short cells and a text of any length, with what to do below it.
struct Entry {
    cells: [&'static str; 2],
    tone: Tone,
    text: String,
    advice: Option<String>,
}

fn list(titles: [&'static str; 3], entries: Vec<Entry>, look: &Look) -> Lines {
    let [first, second, third] = titles;
    let width = |at: usize, title: &str| {
        entries.iter().map(|entry| entry.cells[at].len()).fold(title.len(), usize::max)
    };
    let (one, two) = (width(0, first), width(1, second));
    let indent = one + two + 2 * GAP;
    let mut lines = vec![(Tone::Heading, format!("{first:one$}  {second:two$}  {third}"))];
    for Entry { cells: [first, second], tone, text, advice } in entries {
        let mut begin = format!("{first:one$}  {second:two$}  ");
        for line in wrapped(&neutral(&text), indent, look) {
            lines.push((tone, format!("{begin}{line}")));
            begin = " ".repeat(indent);
        }
        for line in advice.iter().flat_map(|advice| wrapped(&format!("-> {}", neutral(advice)), indent, look))
        {
            lines.push((Tone::Detail, format!("{begin}{line}")));
        }
    }
    lines
}

/// `text` in lines that fit behind an indent.
fn wrapped(text: &str, indent: usize, look: &Look) -> impl Iterator<Item = String> + use<> {
    /// Narrower than this, a text is harder to read than lines that are too long.
    const LEAST: usize = 30;
    let lines = match look.width {
        Some(width) => wrap(text, width.saturating_sub(indent).max(LEAST)),
        None => vec![text.to_owned()],
    };
    lines.into_iter()
}
