//! The containers that somebody asked for.

use super::Report;
use crate::accounting::called::{NoSuchContainer, called};

impl Report {
    /// The same report with the containers that `wanted` names, by name or by the beginning of their id, and with nothing
    /// else. All of it when it names none.
    pub(crate) fn select(mut self, wanted: &[String]) -> Result<Self, NoSuchContainer> {
        if wanted.is_empty() {
            return Ok(self);
        }
        let known: Vec<_> = self.containers.iter().map(|row| (row.id, row.name.as_str())).collect();
        let selected = called(&known, wanted)?;
        self.containers.retain(|row| selected.contains(&row.id));
        self.unattributed.clear();
        Ok(self)
    }
}
