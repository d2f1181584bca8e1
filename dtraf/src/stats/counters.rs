//! Where there are counters on this host, whoever has put them there.

use std::path::Path;

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::Timestamp;
use crate::accounting::report::Backend;
use crate::accounting::snapshot::Snapshot;
use crate::source::ebpf::{EbpfError, PinDirectory, Reader};
use crate::source::rules::memory::Memory;
use crate::source::rules::reading;
use crate::source::rules::set::RuleSet;
use crate::source::select::Wanted;

/// Counters that can be read.
#[derive(Debug)]
pub(super) enum Counters {
    Ebpf(Box<Reader>),
    Rules { rules: Box<RuleSet>, memory: Memory },
}

/// Nothing is there to be read.
#[derive(Debug, thiserror::Error)]
#[error("nothing counts on this host yet: start it with `dtraf run`")]
struct NothingCounts;

impl Counters {
    /// Those of the backend that is wanted; else the best that there are any of.
    pub(super) fn find(backend: Wanted, bpffs: &Path) -> anyhow::Result<Self> {
        let ebpf = || -> Result<Self, EbpfError> {
            Ok(Self::Ebpf(Box::new(Reader::open(&PinDirectory::new(bpffs)?)?)))
        };
        let iptables = || RuleSet::iptables(0);
        match backend {
            Wanted::Only(Backend::Ebpf) => Ok(ebpf()?),
            // As when it was told to count: where Docker has no chain, it made a table.
            Wanted::Only(Backend::Iptables) => Ok(Self::of(iptables().or_else(|_| RuleSet::nft())?)),
            Wanted::Only(Backend::Nft) => Ok(Self::of(RuleSet::nft()?)),
            Wanted::Auto => {
                let error = match ebpf() {
                    Ok(counters) => return Ok(counters),
                    Err(error) => error,
                };
                let sets = [iptables(), RuleSet::nft()].into_iter().flatten();
                let used = sets.into_iter().find(|rules| rules.read().is_ok_and(|it| !it.is_empty()));
                match used {
                    Some(rules) => Ok(Self::of(rules)),
                    None if matches!(error, EbpfError::NothingPinned(_)) => Err(NothingCounts.into()),
                    None => Err(error.into()),
                }
            }
        }
    }

    fn of(rules: RuleSet) -> Self {
        Self::Rules { rules: Box::new(rules), memory: Memory::default() }
    }

    pub(super) fn backend(&self) -> Backend {
        match self {
            Self::Ebpf(_) => Backend::Ebpf,
            Self::Rules { rules, .. } => rules.backend(),
        }
    }

    pub(super) fn snapshot(&mut self, now: Timestamp) -> anyhow::Result<Snapshot> {
        match self {
            Self::Ebpf(reader) => Ok(reader.snapshot(now)?),
            Self::Rules { rules, memory } => {
                // What is certain of a total, the second reading says.
                for _ in 0..2 {
                    memory.take(rules.read()?.counted(), now);
                }
                Ok(reading::snapshot(memory.counted(), &memory.amounts(), rules.hook(), now))
            }
        }
    }

    pub(super) fn orphans(&self) -> Option<PerDirection<Amount>> {
        match self {
            Self::Ebpf(reader) => Some(reader.orphans()),
            Self::Rules { .. } => None,
        }
    }
}
