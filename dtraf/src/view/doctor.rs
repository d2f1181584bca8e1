//! A diagnosis as text: a report for people, or one line of JSON for programs.

mod json;
mod names;
mod table;

use super::{Format, Paint};
use crate::doctor::Diagnosis;

/// How it is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) format: Format,
    /// How long lines may be; `None`: as long as they are.
    pub(crate) width: Option<usize>,
    pub(crate) paint: Paint,
}

/// The diagnosis as text that ends with a line feed.
pub(crate) fn render(diagnosis: &Diagnosis, look: &Look) -> String {
    match look.format {
        Format::Table => table::render(diagnosis, look),
        Format::Json => json::render(diagnosis),
    }
}

#[cfg(test)]
mod tests;
