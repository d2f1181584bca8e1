//! Tells of labels that do not hold, each once.

use std::collections::BTreeSet;
use std::path::Path;

use super::chain;
use crate::accounting::bill::declared::Declared;
use crate::store::Archive;
use crate::view::labels;

#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<String>);

impl Told {
    /// Looks at all labels, once something is new of a container.
    pub(super) fn look(&mut self, path: &Path, declared: &Declared) {
        let terms = Archive::open(path).and_then(|archive| archive.terms(declared));
        let troubles = match terms {
            Ok(terms) => terms.troubles,
            Err(error) => return log::warn!("labels could not be looked at: {}", chain(&error)),
        };
        let there = troubles.iter().filter(|trouble| trouble.seen.is_there());
        let now: BTreeSet<_> = there.map(labels::told).collect();
        for trouble in now.difference(&self.0) {
            log::warn!("{trouble}");
        }
        self.0 = now;
    }
}
