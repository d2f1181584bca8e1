//! How many entries of the port table each interface may use.
//!
//! A quarter of the table is divided equally among all interfaces that could ever be counted at the same time, the rest
//! among those that are there now. So nobody can take what another one is entitled to, and a host with few containers
//! still uses the whole table.

/// What each interface may own, up to `most`, given how many entries each owns already. The sum of what is owned and of
/// what may still be taken never exceeds `entries`, unless more was owned before.
pub(crate) fn quotas(entries: u32, slots: u32, most: u32, owned: &[u32]) -> Vec<u32> {
    let reserve = entries / 4 / slots.max(1);
    let pool = entries - reserve * slots;
    // What was taken while there were fewer interfaces stays taken: it is no longer there to be divided.
    let mut share = u32::MAX;
    loop {
        let (above, below): (Vec<u32>, Vec<u32>) =
            owned.iter().partition(|owned| owned.saturating_sub(reserve) > share);
        let taken: u32 = above.iter().map(|owned| owned.saturating_sub(reserve)).sum();
        let next = pool.saturating_sub(taken) / u32::try_from(below.len()).unwrap_or(u32::MAX).max(1);
        if next >= share {
            break;
        }
        share = next;
    }
    owned.iter().map(|_| reserve.saturating_add(share).min(most)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_containers_get_what_the_user_allows() {
        assert_eq!(quotas(32768, 1024, 256, &[0; 90]), [256; 90]);
    }

    #[test]
    fn many_containers_share_the_table() {
        let all = quotas(32768, 1024, 256, &[0; 1024]);
        assert_eq!(all, [32; 1024]);
    }

    #[test]
    fn who_came_first_cannot_leave_nothing_for_others() {
        let mut owned = vec![256; 100];
        owned.push(0);
        let quotas = quotas(32768, 1024, 256, &owned);
        assert!(*quotas.last().unwrap() >= 8, "{quotas:?}");
    }

    proptest! {
        #[test]
        fn the_table_is_never_promised_twice(
            entries in 8u32..100_000, slots in 1u32..2000, most in 1u32..5000, owned in proptest::collection::vec(0u32..300, 1..100),
        ) {
            let slots = slots.max(u32::try_from(owned.len()).unwrap());
            let quotas = quotas(entries, slots, most, &owned);
            let promised: u64 = quotas.iter().zip(&owned).map(|(quota, owned)| u64::from(*quota.max(owned))).sum();
            let owned: u64 = owned.iter().map(|owned| u64::from(*owned)).sum();
            prop_assert!(promised <= u64::from(entries).max(owned + u64::from(entries) / 4), "{} of {}", promised, entries);
        }
    }
}
