//! Maps whose memory is mapped, so that reading them needs no system call.

#![expect(unsafe_code, reason = "mapped memory is reached by pointers")]

use std::marker::PhantomData;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};

use super::error::EbpfError;

const WORDS_OF_A_LINE: usize = 64 / size_of::<u64>();

/// The values of an array map made with `BPF_F_MMAPABLE`. All of them consist of `u64` words only, which the kernel and
/// user space read and write whole.
#[derive(Debug)]
pub(super) struct Mapped<T> {
    memory: MmapRaw,
    len: usize,
    writable: bool,
    _values: PhantomData<T>,
}

/// What to do with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl<T> Mapped<T> {
    const WORDS: usize = size_of::<T>() / size_of::<u64>();

    pub(super) fn new(
        map: &MapData,
        name: &'static str,
        len: u32,
        access: Access,
    ) -> Result<Self, EbpfError> {
        const { assert!(size_of::<T>().is_multiple_of(size_of::<u64>()) && align_of::<T>() == 8) };
        let len = len as usize;
        let mut options = MmapOptions::new();
        options.len(len * size_of::<T>());
        let fd = map.fd().as_fd().as_raw_fd();
        let memory = match access {
            Access::Read => options.map_raw_read_only(fd),
            Access::Write => options.map_raw(fd),
        };
        let memory = memory.map_err(|source| EbpfError::Mmap { map: name, source })?;
        Ok(Self { memory, len, writable: access == Access::Write, _values: PhantomData })
    }

    /// The words of the value at `index`, which must be within the map.
    pub(super) fn words(&self, index: usize) -> &[AtomicU64] {
        assert!(index < self.len, "index {index} of a map of {} values", self.len);
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "a mapping starts at a page, and values are whole words"
        )]
        let words = self.memory.as_ptr().cast::<AtomicU64>();
        // SAFETY: the mapping is `len` values of `WORDS` words long.
        let first = unsafe { words.add(index * Self::WORDS) };
        // SAFETY: as above; it lives as long as `self`; atomic words may be written by the kernel at any time.
        unsafe { std::slice::from_raw_parts(first, Self::WORDS) }
    }

    /// Adds words of the value at `index`, from its word `first` on, to `sums`, modulo 2^64.
    pub(super) fn add<const N: usize>(&self, index: usize, first: usize, sums: &mut [u64; N]) {
        let words = &self.words(index)[first..first + N];
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(load(word));
        }
    }

    /// Asks the CPU for the value at `index`, which is to be read soon.
    pub(super) fn prefetch(&self, index: usize) {
        let words = self.words(index);
        // The last word may be in a line that none of the others is in.
        for word in words.iter().step_by(WORDS_OF_A_LINE).chain(words.last()) {
            prefetch(word);
        }
    }

    /// Zeroes the value at `index`, which the kernel must not be writing to.
    pub(super) fn clear(&self, index: usize) {
        for word in 0..Self::WORDS {
            self.store(index, word, 0);
        }
    }

    /// Writes a word of the value at `index`.
    pub(super) fn store(&self, index: usize, word: usize, value: u64) {
        assert!(self.writable, "a map opened for reading is never written");
        self.words(index)[word].store(value, Ordering::Release);
    }
}

/// A word as it is now.
pub(super) fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

#[cfg(target_arch = "x86_64")]
fn prefetch(word: &AtomicU64) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE is in every x86-64, and a prefetch reads nothing as far as the program can tell.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(word.as_ptr().cast_const().cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_word: &AtomicU64) {}
