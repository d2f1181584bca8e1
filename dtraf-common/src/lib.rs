//! What dtraf's two sides agree on: the maps between them ([`abi`]), the walk over a packet's headers ([`packet`]), its
//! size on a wire ([`wire`]) and where it is booked ([`decide`]).
//!
//! Everything here is pure and `no_std`: the kernel program, user space and the tests, random frames included, run the same
//! functions. Nothing here knows of aya, of Docker or of a clock.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "the kernel program is one function: a call costs, and BPF passes at most five arguments"
)]

pub mod abi;
pub mod decide;
pub mod key;
pub mod packet;
pub mod wire;
