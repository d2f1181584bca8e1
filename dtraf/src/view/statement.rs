//! Statements of the ledger as text.

pub(in crate::view) mod csv;
pub(in crate::view) mod json;
mod reconcile;
pub(in crate::view) mod table;

use jiff::tz::TimeZone;

use super::Paint;
use super::units::Units;
use super::{names, neutral};
use crate::accounting::statement::{Group, Statement};

/// How a statement is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) format: Format,
    pub(crate) units: Units,
    /// Of the terminal.
    pub(crate) width: Option<usize>,
    pub(crate) paint: Paint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}

/// The statement as text that ends with a line feed. Times are told in `zone`.
pub(crate) fn render(statement: &Statement, look: &Look, zone: &TimeZone) -> String {
    match look.format {
        Format::Table => table::render(statement, look, zone),
        Format::Json => json::render(statement, zone),
        Format::Csv => csv::render(statement, zone),
    }
}

/// What a line is about, true to the letter.
pub(in crate::view) fn name(group: &Group) -> String {
    match group {
        Group::Account(name) | Group::Container { name, .. } | Group::Project(name) => name.clone(),
        Group::Former(account) => format!("(former containers of {account})"),
        Group::NoProject => "(no project)".to_owned(),
        Group::Nobody(reason) => format!("(nobody: {reason})"),
        Group::Port { protocol, port, role } => names::port(*protocol, *port, *role),
        Group::NoPort(bucket) => format!("({})", names::bucket(*bucket)),
        Group::Scope(Some(scope)) => names::scope(*scope).to_owned(),
        Group::Scope(None) => "(unknown)".to_owned(),
    }
}

/// What kind of thing a line is about.
pub(in crate::view) fn kind(group: &Group) -> &'static str {
    match group {
        Group::Account(_) => "account",
        Group::Container { .. } => "container",
        Group::Former(_) => "former_containers",
        Group::Project(_) => "project",
        Group::NoProject => "no_project",
        Group::Nobody(_) => "nobody",
        Group::Port { .. } => "port",
        Group::NoPort(_) => "no_port",
        Group::Scope(_) => "scope",
    }
}

fn role(group: &Group) -> Option<&'static str> {
    match group {
        Group::Port { role, .. } => Some(names::role(*role)),
        _ => None,
    }
}

/// Harmless to a terminal.
pub(in crate::view) fn harmless(group: &Group) -> String {
    neutral::neutral(&name(group)).into_owned()
}

/// A second in the zone's calendar, `2026-11-25T00:00:00+01:00`.
pub(in crate::view) fn moment(second: i64, zone: &TimeZone) -> String {
    let Ok(at) = jiff::Timestamp::from_second(second) else { return second.to_string() };
    let offset = zone.to_offset(at);
    at.display_with_offset(offset).to_string()
}

#[cfg(test)]
mod tests;
