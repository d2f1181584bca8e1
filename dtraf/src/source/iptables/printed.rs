//! Lines of `iptables-save --counters`, taken apart.

use super::rule::tally;
use crate::source::rules::Tally;

/// Lines, of which one goes on over a line break that somebody put into a comment: what follows is no rule.
pub(super) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.find('\n')?;
        let end = if is_open(&rest[..first]) { closed(rest) } else { None };
        let (line, after) = rest.split_at(end.unwrap_or(first));
        rest = &after[1..];
        Some(line)
    })
}

/// Where the line ends on which the quotation of the first one ends.
fn closed(text: &str) -> Option<usize> {
    let mut end = 0;
    let mut open = false;
    let lines = text.split_inclusive('\n').map(|line| {
        end += line.len();
        open ^= is_open(line);
        (!open).then_some(end - 1)
    });
    lines.flatten().next()
}

/// Whether a quotation has begun that does not end.
fn is_open(line: &str) -> bool {
    let mut is_escaped = false;
    let quotes = line.chars().filter(|it| {
        let counts = *it == '"' && !is_escaped;
        is_escaped = *it == '\\' && !is_escaped;
        counts
    });
    quotes.count() % 2 == 1
}

/// `[packets:bytes] -A CHAIN spec`
pub(super) fn rule(line: &str) -> Option<(Tally, &str, &str)> {
    let (counter, rest) = line.strip_prefix('[')?.split_once("] -A ")?;
    let (chain, spec) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((tally(counter)?, chain, spec))
}

pub(super) fn target(words: &[String]) -> Option<&str> {
    let option = words.iter().position(|word| word == "-j" || word == "-g")?;
    words.get(option + 1).map(String::as_str)
}
