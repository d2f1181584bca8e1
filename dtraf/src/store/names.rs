//! Words that the ledger has for things: those of every view, so that a file made by one release can be read by others.

use std::path::Path;

use dtraf_common::abi::{Family, Role, Scope};
use rusqlite::Row;

use super::error::StoreError;
use crate::accounting::bill::Counts;
use crate::accounting::history::key::Key;
use crate::accounting::identity::ContainerId;
use crate::accounting::snapshot::{Bucket, HookKind, MeterId, Port};
use crate::view::names;

/// What makes up a key in the table `key`.
pub(super) const COLUMNS: &str = "scope, bucket, protocol, port, role, family";

/// A key as it stands in the table `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) scope: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) protocol: Option<u8>,
    pub(super) port: Option<u16>,
    pub(super) role: Option<String>,
    pub(super) family: Option<String>,
}

impl Words {
    pub(super) fn of(key: Key) -> Self {
        let none = Self { scope: None, bucket: None, protocol: None, port: None, role: None, family: None };
        match key {
            Key::Scope(scope) => Self { scope: scope.map(|it| names::scope(it).to_owned()), ..none },
            Key::Bucket(bucket) => Self { bucket: Some(names::bucket(bucket).to_owned()), ..none },
            Key::Port(port) => Self {
                scope: port.scope.map(|it| names::scope(it).to_owned()),
                bucket: None,
                protocol: Some(port.protocol),
                port: (port.role != Role::ClientOther).then_some(port.port),
                role: Some(names::role(port.role).to_owned()),
                family: Some(names::family(port.family).to_owned()),
            },
        }
    }

    /// From a row's columns from `first` on, in the order of [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            scope: row.get(first)?,
            bucket: row.get(first + 1)?,
            protocol: row.get(first + 2)?,
            port: row.get(first + 3)?,
            role: row.get(first + 4)?,
            family: row.get(first + 5)?,
        })
    }

    pub(super) fn key(&self, path: &Path) -> Result<Key, StoreError> {
        let scope = || self.scope.as_deref().map(|word| scope(word, path)).transpose();
        Ok(match (&self.bucket, self.protocol) {
            (Some(word), _) => Key::Bucket(bucket(word, path)?),
            (None, Some(protocol)) => Key::Port(Port {
                protocol,
                port: self.port.unwrap_or_default(),
                role: match self.port {
                    Some(_) => found(&Role::ALL, names::role, self.role.as_deref(), "a role", path)?,
                    None => Role::ClientOther,
                },
                family: found(&Family::ALL, names::family, self.family.as_deref(), "a family", path)?,
                scope: scope()?,
            }),
            (None, None) => Key::Scope(scope()?),
        })
    }
}

pub(super) fn counts(word: &str, path: &Path) -> Result<Counts, StoreError> {
    found(&Counts::ALL, names::counts, Some(word), "what is counted", path)
}

pub(super) fn scope(word: &str, path: &Path) -> Result<Scope, StoreError> {
    found(&Scope::ALL, names::scope, Some(word), "a scope", path)
}

fn bucket(word: &str, path: &Path) -> Result<Bucket, StoreError> {
    let all: Vec<_> = Bucket::all().collect();
    found(&all, names::bucket, Some(word), "a bucket", path)
}

fn found<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    word: Option<&str>,
    what: &'static str,
    path: &Path,
) -> Result<T, StoreError> {
    let found = all.iter().copied().find(|value| Some(name(*value)) == word);
    found.ok_or_else(|| StoreError::Word {
        path: path.to_owned(),
        what,
        word: word.unwrap_or_default().to_owned(),
    })
}

/// Which backend's meter it is.
pub(super) fn backend(hook: HookKind) -> &'static str {
    match hook {
        HookKind::Tc(_) => "ebpf",
        HookKind::DockerUser => "iptables",
        HookKind::NftForward => "nft",
    }
}

/// A meter's place among the counters of its epoch.
pub(super) fn place(meter: MeterId) -> String {
    match meter {
        MeterId::Slot(slot, generation) => format!("slot/{}/{}", slot.0, generation.0),
        MeterId::Rules(container) => format!("rules/{container}"),
    }
}

pub(super) fn meter(place: &str, path: &Path) -> Result<MeterId, StoreError> {
    use crate::accounting::identity::{Generation, Slot};
    let unknown = || StoreError::Word { path: path.to_owned(), what: "a meter", word: place.to_owned() };
    let words: Vec<&str> = place.split('/').collect();
    match words[..] {
        ["slot", slot, generation] => match (slot.parse(), generation.parse()) {
            (Ok(slot), Ok(generation)) => Ok(MeterId::Slot(Slot(slot), Generation(generation))),
            _ => Err(unknown()),
        },
        ["rules", container] => container.parse::<ContainerId>().map(MeterId::Rules).ok().ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi;

    use super::*;
    use crate::accounting::fixtures::{id, meter as a_meter, port};

    #[test]
    fn what_is_written_can_be_read() {
        let path = Path::new("ledger.db");
        for key in [
            Key::Scope(None),
            Key::Scope(Some(Scope::Host)),
            Key::Bucket(Bucket::Program(abi::Bucket::MapFull)),
            Key::Port(port(443, Role::Client, Scope::Internet)),
            Key::Port(Port { scope: None, ..port(0, Role::Portless, Scope::Lan) }),
            Key::Port(port(0, Role::ClientOther, Scope::Internet)),
        ] {
            assert_eq!(Words::of(key).key(path).unwrap(), key);
        }
        for written in [a_meter(7).id, MeterId::Rules(id(3))] {
            assert_eq!(meter(&place(written), path).unwrap(), written);
        }
        assert_eq!(
            meter("slot/x/1", path).unwrap_err().to_string(),
            "the ledger ledger.db says `slot/x/1` for a meter, which this dtraf does not know"
        );
    }
}
