//! The containers that somebody named: by name, or by the beginning of the id, as with `docker`.

use std::collections::BTreeSet;

use super::identity::ContainerId;

/// A name that fits no container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such container: {0}")]
pub(crate) struct NoSuchContainer(pub(crate) String);

/// All of the `known` that any of `names` means. Each has to mean one at least.
pub(crate) fn called(
    known: &[(ContainerId, &str)],
    names: &[String],
) -> Result<BTreeSet<ContainerId>, NoSuchContainer> {
    let mut chosen = BTreeSet::new();
    for name in names {
        let ids = |is_meant: &dyn Fn(&(ContainerId, &str)) -> bool| -> Vec<ContainerId> {
            known.iter().filter(|container| is_meant(container)).map(|(id, _)| *id).collect()
        };
        let mut meant = ids(&|(_, other)| other == name);
        if meant.is_empty() && !name.is_empty() {
            let digits = name.to_ascii_lowercase();
            meant = ids(&|(id, _)| id.to_string().starts_with(&digits));
        }
        if meant.is_empty() {
            return Err(NoSuchContainer(name.clone()));
        }
        chosen.extend(meant);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::id;

    #[test]
    fn a_name_goes_before_the_beginning_of_an_id() {
        let known = [(id(1), "web"), (id(2), "01"), (id(16), "db")];
        let called = |name: &str| called(&known, &[name.to_owned()]);
        assert_eq!(called("web"), Ok(BTreeSet::from([id(1)])));
        assert_eq!(called("01"), Ok(BTreeSet::from([id(2)])));
        assert_eq!(called("010"), Ok(BTreeSet::from([id(1)])));
        for name in ["", "other"] {
            assert_eq!(called(name), Err(NoSuchContainer(name.to_owned())));
        }
    }
}
