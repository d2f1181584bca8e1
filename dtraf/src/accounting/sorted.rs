//! A map that is made once and then only read: entries in the order of their keys, in one piece of memory.

/// What [`std::collections::BTreeMap`] is to maps that change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Sorted<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> Sorted<K, V> {
    /// Each key and value, and what `other` has under the key.
    pub(crate) fn beside<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a K, &'a V, Option<&'a V>)> {
        let mut rest = other.0.as_slice();
        self.0.iter().map(move |(key, value)| {
            while let [(first, _), after @ ..] = rest
                && first < key
            {
                rest = after;
            }
            (key, value, rest.first().filter(|(first, _)| first == key).map(|(_, value)| value))
        })
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The last one of entries with the same key stays, as in other maps.
impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        if !entries.is_sorted_by(|one, next| one.0 < next.0) {
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
        }
        Self(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<(u8, u16)>> {
        proptest::collection::vec((0u8..20, any::<u16>()), 0..30)
    }

    proptest! {
        #[test]
        fn it_has_what_other_maps_have(one in entries(), other in entries()) {
            let sorted = |entries: &[(u8, u16)]| entries.iter().copied().collect::<Sorted<_, _>>();
            let tree = |entries: &[(u8, u16)]| entries.iter().copied().collect::<BTreeMap<_, _>>();
            prop_assert!(sorted(&one).iter().eq(tree(&one).iter()));
            prop_assert!(sorted(&one).values().eq(tree(&one).values()));
            prop_assert_eq!(sorted(&one).len(), tree(&one).len());
            let trees = [tree(&one), tree(&other)];
            let beside = trees[0].iter().map(|(key, value)| (key, value, trees[1].get(key)));
            prop_assert!(sorted(&one).beside(&sorted(&other)).eq(beside));
        }
    }
}
