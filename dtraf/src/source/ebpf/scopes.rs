//! The scope maps, kept as `accounting::scope` has compiled them.

use std::collections::BTreeMap;

use aya::maps::lpm_trie::Key;
use dtraf_common::abi::{Family, maps};

use super::error::EbpfError;
use super::load::Counting;
use crate::accounting::scope::Scopes;

/// What this process has written.
#[derive(Debug, Default)]
pub(super) struct ScopeMaps {
    written: Option<Scopes>,
}

impl Counting {
    /// Makes the programs use these scopes from now on. Changes only what has changed; while it does, each address has its
    /// old scope or its new one.
    pub(crate) fn set_scopes(&mut self, scopes: Scopes) -> Result<(), EbpfError> {
        if self.scopes.written.as_ref() == Some(&scopes) {
            return Ok(());
        }
        let failed = |source| EbpfError::Map { map: maps::SCOPES, source };
        let wanted = scopes.trie();
        let present: BTreeMap<([u8; 16], u32), u8> = self
            .maps
            .scopes
            .iter()
            .map(|entry| entry.map(|(key, scope)| ((key.data(), key.prefix_len()), scope)))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        for ((address, length), scope) in &wanted {
            if present.get(&(*address, *length)) != Some(&(*scope as u8)) {
                let key = Key::new(*length, *address);
                self.maps.scopes.insert(&key, *scope as u8, 0).map_err(failed)?;
            }
        }
        for family in Family::ALL {
            self.write_roots(family, &scopes)?;
        }
        for (address, length) in present.keys().filter(|key| !wanted.contains_key(key)) {
            self.maps.scopes.remove(&Key::new(*length, *address)).map_err(failed)?;
        }
        self.scopes.written = Some(scopes);
        Ok(())
    }

    fn write_roots(&mut self, family: Family, scopes: &Scopes) -> Result<(), EbpfError> {
        let roots = scopes.roots(family).into_boxed_slice();
        let roots: Box<[u8; 1 << 16]> = roots.try_into().expect("one scope for each value of 16 bits");
        self.maps
            .scope_roots
            .set(family as u32, *roots, 0)
            .map_err(|source| EbpfError::Map { map: maps::SCOPE_ROOTS, source })
    }
}
