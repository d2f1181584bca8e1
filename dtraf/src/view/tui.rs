//! The live view: what is on the screen, and what each key does to it.
//!
//! [`State`] is everything the view remembers, [`update()`] is the only thing that changes it, and [`render()`] draws it. All three are
//! pure: reports, keys and the screen's size come in as [`Event`]s, and what the view wants done goes out as [`Effect`]s. Only
//! [`render()`] knows of ratatui, and nothing here knows of a terminal.

mod columns;
mod event;
mod facts;
mod filter;
mod graph;
mod growth;
mod help;
mod history;
mod measure;
mod notes;
mod plan;
mod render;
mod rows;
mod scene;
mod sheet;
mod spelling;
mod state;
mod update;

pub(crate) use self::event::{Effect, Event, Key, Place, Said, Size, Turn, Weight};
pub(crate) use self::render::render;
pub(crate) use self::sheet::Sheet;
pub(crate) use self::spelling::Spelling;
pub(crate) use self::state::{Names, Occasion, Options, State};
pub(crate) use self::update::update;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
