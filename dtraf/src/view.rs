//! Reports as text. Nothing here computes figures, reads a clock or touches a terminal.

pub(crate) mod accounts;
pub(crate) mod bill;
pub(crate) mod calibrations;
pub(crate) mod doctor;
pub(crate) mod json;
pub(crate) mod labels;
mod listing;
pub(crate) mod names;
pub(crate) mod neutral;
pub(crate) mod quotas;
pub(crate) mod resets;
pub(crate) mod rules;
pub(crate) mod statement;
pub(crate) mod table;
pub(crate) mod tui;
pub(crate) mod units;

use self::units::Units;
use crate::accounting::report::Report;

/// How a report is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) format: Format,
    pub(crate) detail: Detail,
    pub(crate) units: Units,
    pub(crate) rate_unit: RateUnit,
    pub(crate) fit: Fit,
    pub(crate) paint: Paint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
}

/// How far a table goes into a container. JSON always has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Containers,
    Ports,
    Peers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateUnit {
    Bytes,
    Bits,
}

/// What may be left out of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// What makes lines longer than this many columns.
    Columns(usize),
    /// Long lists of rows; lines are as long as they are.
    Rows,
    /// Nothing.
    Whole,
}

impl Fit {
    /// How many columns lines may have.
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            Self::Columns(width) => Some(width),
            Self::Rows | Self::Whole => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Colour,
}

/// The report as text that ends with a line feed.
pub(crate) fn render(report: &Report, view: &View) -> String {
    match view.format {
        Format::Table => table::render(report, view),
        Format::Json => json::render(report),
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod schemas;
