//! Texts and colours in a buffer of cells.
//!
//! Only the terminal's own 16 colours, which are readable on its background whichever that is; without colours everything is
//! told apart by bold, faint and reversed letters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use crate::view::Paint;
use crate::view::table::layout::{Tone, cut};

pub(super) struct Painter<'a> {
    buffer: &'a mut Buffer,
    paint: Paint,
}

impl<'a> Painter<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, paint: Paint) -> Self {
        Self { buffer, paint }
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.buffer.area.width)
    }

    pub(super) fn style(&self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Heading => Style::new().add_modifier(Modifier::BOLD),
            Tone::Detail => Style::new().add_modifier(Modifier::DIM),
            Tone::Warning => self.coloured(Color::Yellow),
            Tone::Problem => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn coloured(&self, colour: Color) -> Style {
        match self.paint {
            Paint::Colour => Style::new().fg(colour),
            Paint::Plain => Style::new(),
        }
    }

    /// Writes what there is room for, and returns the column behind it.
    pub(super) fn put(&mut self, column: usize, row: u16, text: &str, style: Style) -> usize {
        let room = self.width().saturating_sub(column);
        let Ok(x) = u16::try_from(column) else { return column };
        if room == 0 || row >= self.buffer.area.height {
            return column;
        }
        let text = cut(text, room);
        self.buffer.set_stringn(x, row, &text, room, style);
        column + text.width()
    }

    pub(super) fn put_right(&mut self, row: u16, text: &str, style: Style) {
        self.put(self.width().saturating_sub(text.width()), row, text, style);
    }

    pub(super) fn line(&mut self, row: u16, text: &str, tone: Tone) {
        self.put(0, row, text, self.style(tone));
    }

    /// Adds to what is there.
    pub(super) fn restyle(&mut self, row: u16, style: Style) {
        if row < self.buffer.area.height {
            self.buffer.set_style(Rect::new(0, row, self.buffer.area.width, 1), style);
        }
    }
}
