//! The containers that somebody asked for.

use std::collections::BTreeSet;

use super::Report;
use crate::accounting::identity::ContainerId;

/// A name that fits no container of the report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such container: {0}")]
pub(crate) struct NoSuchContainer(pub(crate) String);

impl Report {
    /// The same report with the containers that `wanted` names, by name or by the beginning of their id, and with nothing
    /// else. All of it when it names none.
    pub(crate) fn select(mut self, wanted: &[String]) -> Result<Self, NoSuchContainer> {
        if wanted.is_empty() {
            return Ok(self);
        }
        let mut selected = BTreeSet::new();
        for name in wanted {
            let called = self.called(name);
            if called.is_empty() {
                return Err(NoSuchContainer(name.clone()));
            }
            selected.extend(called);
        }
        self.containers.retain(|row| selected.contains(&row.id));
        self.unattributed.clear();
        Ok(self)
    }

    /// As with `docker`, a name goes before the beginning of an id.
    fn called(&self, name: &str) -> Vec<ContainerId> {
        let named: Vec<_> = self.containers.iter().filter(|row| row.name == name).map(|row| row.id).collect();
        if !named.is_empty() || name.is_empty() {
            return named;
        }
        let digits = name.to_ascii_lowercase();
        let ids = self.containers.iter().map(|row| row.id);
        ids.filter(|id| id.to_string().starts_with(&digits)).collect()
    }
}
