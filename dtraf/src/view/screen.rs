//! A text that takes the place of the one before it on a terminal.

/// Sequences that draw `text` from the terminal's first line on, without clearing first, so that nothing flickers. Lines
/// that `rows` has no room for are cut off, and their number is shown: a terminal that scrolled would hide the beginning.
pub(crate) fn redraw(text: &str, rows: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let room = rows.max(2) - 1;
    let mut drawn = String::from("\x1b[H");
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    for line in &lines[..shown] {
        drawn += line;
        drawn += "\x1b[K\r\n";
    }
    if shown < lines.len() {
        let more = lines.len() - shown;
        drawn += "... ";
        drawn += &more.to_string();
        drawn += " more lines; `dtraf stats` prints all of them\x1b[K\r\n";
    }
    drawn + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_drawn_as_it_is() {
        assert_eq!(redraw("a\nb\n", 4), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[J");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let drawn = redraw("a\nb\nc\nd\n", 4);
        assert!(drawn.starts_with("\x1b[Ha\x1b[K\r\nb\x1b[K\r\n... 2 more lines"), "{drawn:?}");
    }
}
