//! The scope maps, kept as `accounting::scope` has compiled them.

use std::collections::BTreeMap;

use aya::maps::lpm_trie::Key;
use dtraf_common::abi::{Family, ScopePage, maps};

use super::error::EbpfError;
use super::load::Counting;
use super::read::wait_for_programs;
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
        self.write_pages(&scopes)?;
        for (address, length) in present.keys().filter(|key| !wanted.contains_key(key)) {
            self.maps.scopes.remove(&Key::new(*length, *address)).map_err(failed)?;
        }
        self.scopes.written = Some(scopes);
        Ok(())
    }

    /// The trie must have all of `scopes`: while blocks change what they are for, everything in them is looked up there.
    fn write_pages(&mut self, scopes: &Scopes) -> Result<(), EbpfError> {
        let pages = scopes.pages();
        let (families, blocks) = pages.split_at(Family::ALL.len());
        for (family, page) in (0..).zip(families) {
            let undecided =
                |raw: &u8| if *raw < ScopePage::FIRST_BLOCK { *raw } else { ScopePage::UNDECIDED };
            self.write_page(family, &page.iter().map(undecided).collect::<Vec<_>>())?;
        }
        wait_for_programs()?;
        for (number, block) in (ScopePage::FIRST_BLOCK..).zip(blocks) {
            self.write_page(ScopePage::block(number), block)?;
        }
        for (family, page) in (0..).zip(families) {
            self.write_page(family, page)?;
        }
        Ok(())
    }

    fn write_page(&mut self, number: u32, scopes: &[u8]) -> Result<(), EbpfError> {
        let page: &[u8; size_of::<ScopePage>()] =
            scopes.try_into().expect("one scope for each value of 16 bits");
        let written = self.maps.scope_pages.set(number, page, 0);
        written.map_err(|source| EbpfError::Map { map: maps::SCOPE_PAGES, source })
    }
}
