//! The values of `dtraf_common::abi` as aya wants them.

#![expect(unsafe_code, reason = "aya asks for the promise that a value is nothing but its bytes")]

use aya::Pod;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A value that is nothing but its bytes.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Plain<T>(pub(super) T);

// SAFETY: zerocopy's derives have checked that a `T` has no padding and that any bytes are a `T`.
unsafe impl<T: Copy + FromBytes + IntoBytes + Immutable + 'static> Pod for Plain<T> {}
