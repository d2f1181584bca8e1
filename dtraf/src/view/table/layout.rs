//! Rows of cells as lines of equal columns, within a width. Knows nothing of traffic.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: usize = 2;

#[derive(Clone, Copy, Debug)]
pub(in crate::view) struct Column {
    pub(in crate::view) title: &'static str,
    pub(in crate::view) align: Align,
    /// How narrow it may be made, for a column whose cells may be cut.
    pub(in crate::view) floor: Option<usize>,
    /// Left out before those of higher rank when narrow columns do not suffice; never without a rank.
    pub(in crate::view) rank: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::view) enum Align {
    Left,
    Right,
}

#[derive(Clone, Debug)]
pub(in crate::view) enum Cell {
    Text(String),
    /// Cut between its items.
    List(Vec<String>),
}

/// One line: a cell for each column, or fewer and a remark that takes the place of the others.
#[derive(Clone, Debug)]
pub(in crate::view) struct Line {
    pub(in crate::view) cells: Vec<Cell>,
    pub(in crate::view) remark: Option<String>,
    pub(in crate::view) tone: Tone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::view) enum Tone {
    Plain,
    Heading,
    Detail,
    Warning,
    Problem,
}

#[derive(Clone, Debug)]
pub(in crate::view) struct LaidOut {
    pub(in crate::view) lines: Vec<(Tone, String)>,
    /// Titles of the columns that there was no room for.
    pub(in crate::view) left_out: Vec<&'static str>,
}

/// Sets titles and lines in columns; not wider than `width`, as far as columns may be cut and left out.
pub(in crate::view) fn lay_out(columns: &[Column], lines: &[Line], width: Option<usize>) -> LaidOut {
    let natural = natural(columns, lines);
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let widths = loop {
        let wanted = shown.iter().map(|at| natural[*at]).collect();
        let widths = squeeze(wanted, &shown, columns, width);
        let rank = shown.iter().filter_map(|at| columns[*at].rank).min();
        match rank {
            Some(rank) if width.is_some_and(|width| total(&widths) > width) => {
                shown.retain(|at| columns[*at].rank != Some(rank));
            }
            _ => break widths,
        }
    };
    let titles = Line {
        cells: columns.iter().map(|column| Cell::Text(column.title.to_owned())).collect(),
        remark: None,
        tone: Tone::Heading,
    };
    let set = |line: &Line| (line.tone, set(line, &shown, &widths, columns, width));
    LaidOut {
        lines: [&titles].into_iter().chain(lines).map(set).collect(),
        left_out: (0..columns.len()).filter(|at| !shown.contains(at)).map(|at| columns[at].title).collect(),
    }
}

/// The widest cell of each column, all columns in one pass: tables may have many lines.
fn natural(columns: &[Column], lines: &[Line]) -> Vec<usize> {
    let mut widths: Vec<_> = columns.iter().map(|column| width(column.title)).collect();
    for line in lines {
        for (widest, cell) in widths.iter_mut().zip(&line.cells) {
            *widest = cell.width().max(*widest);
        }
    }
    widths
}

/// Columns that a text takes.
fn width(text: &str) -> usize {
    // Most text is ASCII, which has no character that is wider or narrower than another.
    if text.is_ascii() { text.len() } else { text.width() }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// Takes from the widest of the columns that may be cut until all fit or none is left to take from.
fn squeeze(mut widths: Vec<usize>, shown: &[usize], columns: &[Column], limit: Option<usize>) -> Vec<usize> {
    let Some(limit) = limit else { return widths };
    while total(&widths) > limit {
        let spare = |index: &usize| columns[shown[*index]].floor.is_some_and(|floor| widths[*index] > floor);
        let Some(widest) = (0..shown.len()).filter(spare).max_by_key(|index| widths[*index]) else {
            break;
        };
        widths[widest] -= 1;
    }
    widths
}

fn set(line: &Line, shown: &[usize], widths: &[usize], columns: &[Column], limit: Option<usize>) -> String {
    let mut text = String::with_capacity(total(widths));
    let mut column_begins = 0;
    for (at, wide) in shown.iter().zip(widths) {
        let Some(cell) = line.cells.get(*at) else { break };
        let cell = cell.cut(*wide);
        let blanks = column_begins - width(&text);
        let more = if columns[*at].align == Align::Right { wide - width(&cell) } else { 0 };
        text.extend(std::iter::repeat_n(' ', blanks + more));
        text += &cell;
        text.truncate(text.trim_end().len());
        column_begins += wide + GAP;
    }
    if let Some(remark) = &line.remark {
        text.extend(std::iter::repeat_n(' ', column_begins - width(&text)));
        text += &cut(remark, limit.map_or(usize::MAX, |limit| limit.saturating_sub(column_begins)));
    }
    text
}

impl Cell {
    fn whole(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::List(items) => Cow::Owned(items.join(", ")),
        }
    }

    fn width(&self) -> usize {
        width(&self.whole())
    }

    fn cut(&self, wide: usize) -> Cow<'_, str> {
        let whole = self.whole();
        if width(&whole) <= wide {
            return whole;
        }
        if let Self::List(items) = self {
            let kept = (1..items.len()).rev().map(|count| format!("{}, …", items[..count].join(", ")));
            if let Some(fitting) = kept.into_iter().find(|kept| width(kept) <= wide) {
                return Cow::Owned(fitting);
            }
        }
        Cow::Owned(cut(&whole, wide))
    }
}

/// The beginning of `text`, with a mark when that is not all.
pub(in crate::view) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used < width
    };
    text.chars().take_while(fits).chain((width > 0).then_some('…')).collect()
}

/// `text` as lines that are not longer than `width`, broken between words where that is possible; the second line and
/// those behind it are indented.
pub(in crate::view) fn wrap(text: &str, width: usize) -> Vec<String> {
    const INDENT: &str = "  ";
    let width = width.max(INDENT.len() + 2);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = &mut lines[0];
        let space = usize::from(!line.trim().is_empty());
        if line.width() + space + word.width() <= width {
            line.push_str(&" "[..space]);
            line.push_str(word);
            continue;
        }
        lines.insert(0, INDENT.to_owned());
        for character in word.chars() {
            if lines[0].width() + character.width().unwrap_or(0) > width {
                lines.insert(0, INDENT.to_owned());
            }
            lines[0].push(character);
        }
    }
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Column = Column { title: "NAME", align: Align::Left, floor: Some(4), rank: None };
    const PLACES: Column = Column { title: "PLACES", align: Align::Left, floor: Some(6), rank: Some(1) };
    const SIZE: Column = Column { title: "SIZE", align: Align::Right, floor: None, rank: None };

    fn lines(width: Option<usize>) -> (Vec<String>, Vec<&'static str>) {
        let text = |text: &str| Cell::Text(text.to_owned());
        let line = |cells, remark: Option<&str>| Line {
            cells,
            remark: remark.map(str::to_owned),
            tone: Tone::Plain,
        };
        let list = Cell::List(["here", "there", "elsewhere"].map(str::to_owned).to_vec());
        let rows = [
            line(vec![text("application"), list, text("12 kB")], None),
            line(vec![text("図書館"), text("-"), text("7 B")], None),
            line(vec![text("db"), text("-")], Some("not counted: host network")),
        ];
        let LaidOut { lines, left_out } = lay_out(&[NAME, PLACES, SIZE], &rows, width);
        (lines.into_iter().map(|(_, line)| line).collect(), left_out)
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        let (lines, left_out) = lines(None);
        assert_eq!(
            lines,
            [
                "NAME         PLACES                   SIZE",
                "application  here, there, elsewhere  12 kB",
                "図書館       -                         7 B",
                "db           -                       not counted: host network",
            ]
        );
        assert!(left_out.is_empty());
    }

    #[test]
    fn lists_are_cut_between_items_and_the_widest_column_gives_first() {
        let (lines, left_out) = lines(Some(34));
        assert_eq!(
            lines,
            [
                "NAME         PLACES           SIZE",
                "application  here, there, …  12 kB",
                "図書館       -                 7 B",
                "db           -               not …",
            ]
        );
        assert!(left_out.is_empty());
    }

    #[test]
    fn a_column_is_left_out_when_narrow_ones_do_not_suffice() {
        let (lines, left_out) = lines(Some(12));
        assert_eq!(lines[..3], ["NAME    SIZE", "appl…  12 kB", "図書…    7 B"]);
        assert_eq!(left_out, ["PLACES"]);
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        assert_eq!(wrap("short", 10), ["short"]);
        assert_eq!(wrap("the first and the rest", 10), ["the first", "  and the", "  rest"]);
        assert_eq!(wrap("a endlessname b", 8), ["a", "  endles", "  sname", "  b"]);
    }

    #[test]
    fn a_cut_never_makes_a_text_longer() {
        for width in 0..8 {
            assert!(cut("図書館ab", width).width() <= width, "{width}");
        }
    }
}
