//! Sums over CPUs of many values, read in the order that they have in memory.
//!
//! Each CPU has values of its own, far from those of the others, and most are in no cache: what a sum costs is the waiting
//! for memory. So it is asked for what comes next while what is there is added up.

use crate::source::ebpf::mapped::Mapped;

/// So much of memory is asked for ahead.
const AHEAD_BYTES: usize = 64 * LINE;
/// Sums of so many bytes stay in the nearest cache while each CPU's values are added to them.
const BLOCK_BYTES: usize = 512 * LINE;
const LINE: usize = 64;
const WORD: usize = size_of::<u64>();

/// A map of values of `N` words that has `stride` values for each CPU, one CPU's after the other's.
#[derive(Debug)]
pub(super) struct PerCpu<'a, T, const N: usize> {
    pub(super) mapped: &'a Mapped<T>,
    pub(super) cpus: u32,
    pub(super) stride: u32,
}

impl<T, const N: usize> PerCpu<'_, T, N> {
    const BLOCK: usize = BLOCK_BYTES.div_ceil(N * WORD);
    const AHEAD: usize = AHEAD_BYTES.div_ceil(N * WORD);

    /// Adds up the values at each of `places`, as `add` adds one of them to a sum, and gives the place's number and its sum.
    /// Takes least time where places ascend.
    pub(super) fn sum_each(
        &self,
        places: &[u32],
        add: impl Fn(&Mapped<T>, usize, &mut [u64; N]),
        mut give: impl FnMut(usize, &[u64; N]),
    ) {
        let mut sums = vec![[0; N]; Self::BLOCK.min(places.len())];
        let mut given = 0;
        for places in places.chunks(Self::BLOCK) {
            let sums = &mut sums[..places.len()];
            sums.fill([0; N]);
            let mut next = self.indexes(places).skip(Self::AHEAD);
            for cpu in 0..self.cpus {
                for (sum, place) in sums.iter_mut().zip(places) {
                    if let Some(index) = next.next() {
                        self.mapped.prefetch(index);
                    }
                    add(self.mapped, self.index(cpu, *place), sum);
                }
            }
            for (number, sum) in (given..).zip(&*sums) {
                give(number, sum);
            }
            given += places.len();
        }
    }

    /// Where the values of all CPUs are, in the order in which they are added up.
    fn indexes(&self, places: &[u32]) -> impl Iterator<Item = usize> {
        (0..self.cpus).flat_map(move |cpu| places.iter().map(move |place| self.index(cpu, *place)))
    }

    fn index(&self, cpu: u32, place: u32) -> usize {
        (cpu * self.stride + place) as usize
    }
}
