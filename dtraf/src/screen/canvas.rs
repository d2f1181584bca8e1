//! Cells as bytes for a terminal.
//!
//! ratatui's own way from cells to bytes asks for 256 colours, even for the first 16: a terminal that has no more takes the
//! number of a colour for something else, such as blinking. And it trusts that a terminal advances by as many columns as a
//! library says a character has; here the next cell is gone to wherever that could be doubted.

use std::io::{self, Write};

use crossterm::{cursor::MoveTo, queue};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

#[derive(Debug)]
pub(super) struct Canvas<W: Write> {
    terminal: CrosstermBackend<W>,
}

impl<W: Write> Canvas<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { terminal: CrosstermBackend::new(writer) }
    }
}

impl<W: Write> Backend for Canvas<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, cells: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let picture = picture(cells)?;
        // At once: half a picture is never waited for.
        self.terminal.write_all(&picture)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.terminal.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.terminal.show_cursor()
    }

    /// The terminal is not asked: one that does not answer would keep the view from opening, and an answer that comes late would
    /// be taken for keys. The cursor is hidden, so that it may be anywhere.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.terminal.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.terminal.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.terminal.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.terminal)
    }
}

fn picture<'a>(cells: impl Iterator<Item = (u16, u16, &'a Cell)>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut look = (Color::Reset, Modifier::empty());
    // Where the terminal's cursor is, if that is certain.
    let mut cursor = None;
    for (column, row, cell) in cells {
        if cursor != Some((column, row)) {
            queue!(bytes, MoveTo(column, row))?;
        }
        if look != (cell.fg, cell.modifier) {
            look = (cell.fg, cell.modifier);
            bytes.extend(rendition(cell).bytes());
        }
        bytes.extend(cell.symbol().bytes());
        cursor = is_plain(cell.symbol()).then_some((column + 1, row));
    }
    if look != (Color::Reset, Modifier::empty()) {
        bytes.extend(b"\x1b[0m");
    }
    Ok(bytes)
}

/// Whether every terminal advances by one column.
fn is_plain(symbol: &str) -> bool {
    matches!(symbol.as_bytes(), [b' '..=b'~'])
        || matches!(symbol.chars().next(), Some('\u{2580}'..='\u{259f}' | '\u{2800}'..='\u{28ff}'))
}

/// What makes letters look so, from nothing.
fn rendition(cell: &Cell) -> String {
    let mut numbers = String::from("\x1b[0");
    for (modifier, number) in [
        (Modifier::BOLD, ";1"),
        (Modifier::DIM, ";2"),
        (Modifier::UNDERLINED, ";4"),
        (Modifier::REVERSED, ";7"),
    ] {
        if cell.modifier.contains(modifier) {
            numbers += number;
        }
    }
    numbers += match cell.fg {
        Color::Red => ";31",
        Color::Yellow => ";33",
        Color::Magenta => ";35",
        Color::Cyan => ";36",
        // The view has no others.
        _ => "",
    };
    numbers + "m"
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    fn cell(symbol: &'static str, style: Style) -> Cell {
        let mut cell = Cell::new(symbol);
        cell.set_style(style);
        cell
    }

    fn text(cells: &[(u16, u16, Cell)]) -> String {
        let cells = cells.iter().map(|(column, row, cell)| (*column, *row, cell));
        String::from_utf8(picture(cells).unwrap()).unwrap()
    }

    #[test]
    fn colours_are_the_first_eight_and_end_with_the_picture() {
        let red = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let cells = [(0, 0, cell("a", red)), (1, 0, cell("b", red)), (2, 0, cell("c", Style::new()))];
        assert_eq!(text(&cells), "\x1b[1;1H\x1b[0;1;31mab\x1b[0mc");
        assert_eq!(text(&cells[..1]), "\x1b[1;1H\x1b[0;1;31ma\x1b[0m");
    }

    #[test]
    fn no_cell_depends_on_how_wide_a_terminal_takes_another_for() {
        let plain = |symbol| cell(symbol, Style::new());
        let cells = [(0, 1, plain("図")), (2, 1, plain("e\u{301}")), (3, 1, plain("█")), (4, 1, plain("x"))];
        assert_eq!(text(&cells), "\x1b[2;1H図\x1b[2;3He\u{301}\x1b[2;4H█x");
    }
}
