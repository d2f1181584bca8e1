//! Sums over CPUs of many values, read in the order that they have in memory.
//!
//! Each CPU has values of its own, far from those of the others, and most are in no cache: what a sum costs is the waiting
//! for memory. So it is asked for what comes next while what is there is added up.

/// So much of memory is asked for ahead.
const AHEAD_BYTES: usize = 64 * LINE;
/// Sums of so many bytes stay in the nearest cache while each CPU's values are added to them.
const BLOCK_BYTES: usize = 512 * LINE;
const LINE: usize = 64;
const WORD: usize = size_of::<u64>();

/// A map that has `stride` values for each CPU, one CPU's after the other's.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerCpu {
    pub(super) cpus: u32,
    pub(super) stride: u32,
}

impl PerCpu {
    /// Adds up values of `N` words at each of `places`, and gives the place's number and its sum. Takes least time where
    /// places ascend. `expect` and `add` are told indexes of values: which one is soon to be added, and which one now.
    pub(super) fn sum_each<const N: usize>(
        self,
        places: &[u32],
        expect: impl Fn(usize),
        add: impl Fn(usize, &mut [u64; N]),
        mut give: impl FnMut(usize, &[u64; N]),
    ) {
        let block = const { BLOCK_BYTES.div_ceil(N * WORD) };
        let ahead = const { AHEAD_BYTES.div_ceil(N * WORD) };
        let mut sums = vec![[0; N]; block.min(places.len())];
        let mut given = 0;
        for places in places.chunks(block) {
            let sums = &mut sums[..places.len()];
            sums.fill([0; N]);
            let mut next = self.indexes(places).skip(ahead);
            for cpu in 0..self.cpus {
                for (sum, place) in sums.iter_mut().zip(places) {
                    if let Some(index) = next.next() {
                        expect(index);
                    }
                    add(self.index(cpu, *place), sum);
                }
            }
            for (number, sum) in (given..).zip(&*sums) {
                give(number, sum);
            }
            given += places.len();
        }
    }

    /// Where the values of all CPUs are, in the order in which they are added up.
    fn indexes(self, places: &[u32]) -> impl Iterator<Item = usize> {
        (0..self.cpus).flat_map(move |cpu| places.iter().map(move |place| self.index(cpu, *place)))
    }

    fn index(self, cpu: u32, place: u32) -> usize {
        (cpu * self.stride + place) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const STRIDE: u32 = 2000;

    proptest! {
        #[test]
        fn each_place_has_the_sum_over_all_cpus(
            cpus in 1u32..5,
            places in proptest::collection::btree_set(0..STRIDE, 0..1500),
        ) {
            let places: Vec<u32> = places.into_iter().collect();
            let value = |index: usize| [index as u64, u64::MAX - index as u64];
            let (expected, mut given) = (RefCell::new(BTreeSet::new()), Vec::new());
            PerCpu { cpus, stride: STRIDE }.sum_each(
                &places,
                |index| assert!(expected.borrow_mut().insert(index), "once is enough"),
                |index, sum| {
                    let value = value(index);
                    *sum = [sum[0].wrapping_add(value[0]), sum[1].wrapping_add(value[1])];
                },
                |number, sum| {
                    assert_eq!(number, given.len());
                    given.push(*sum);
                },
            );
            let indexes = |place: u32| (0..cpus).map(move |cpu| (cpu * STRIDE + place) as usize);
            let add = |sum: [u64; 2], [one, other]: [u64; 2]| [sum[0].wrapping_add(one), sum[1].wrapping_add(other)];
            let sums: Vec<_> = places.iter().map(|place| indexes(*place).map(value).fold([0; 2], add)).collect();
            prop_assert_eq!(given, sums);
            let all: BTreeSet<_> = places.iter().flat_map(|place| indexes(*place)).collect();
            prop_assert!(expected.into_inner().is_subset(&all));
        }
    }
}
