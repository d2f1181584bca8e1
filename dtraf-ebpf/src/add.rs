//! How amounts get into counters, as the kernel's preemption asks for.

use core::arch::asm;

use dtraf_common::abi::{Counters, FrameCounters, Overhead};
use dtraf_common::wire::Size;

use crate::maps::REALTIME;

#[inline(always)]
pub(crate) fn add_frame(to: *mut FrameCounters, size: &Size) {
    // SAFETY: the caller's pointer is into a map's value.
    add(unsafe { &raw mut (*to).counters }, size);
    if size.has_overhead() {
        // SAFETY: as above.
        add_overhead(unsafe { &raw mut (*to).overhead }, size);
    }
}

#[inline(always)]
pub(crate) fn add(to: *mut Counters, size: &Size) {
    if REALTIME.load() == 0 {
        add_by::<Plainly>(to, size);
    } else {
        add_by::<Atomically>(to, size);
    }
}

/// Always atomic: it is rare.
#[inline(always)]
pub(crate) fn add_overhead(to: *mut Overhead, size: &Size) {
    // SAFETY: the caller's pointer is into a map's value.
    let to = unsafe { &mut *to };
    Atomically::add(&raw mut to.wire_bytes, size.wire_overhead);
    Atomically::add(&raw mut to.skb_bytes, size.skb_overhead);
}

#[inline(always)]
fn add_by<A: Addition>(to: *mut Counters, size: &Size) {
    // SAFETY: the caller's pointer is into a map's value.
    let to = unsafe { &mut *to };
    A::add(&raw mut to.skb_bytes, size.skb_bytes);
    A::add(&raw mut to.skbs, 1);
    if size.added_packets != 0 || size.added_bytes != 0 {
        A::add(&raw mut to.added_bytes, size.added_bytes);
        A::add(&raw mut to.added_packets, size.added_packets);
    }
}

/// How an amount gets to a word of a map's value, which readers see as a whole.
trait Addition {
    fn add(to: *mut u64, amount: u64);
}

/// Exact where only this CPU writes the word.
struct Plainly;

/// Exact also where another task may come in between on the same CPU, as under `PREEMPT_RT`.
struct Atomically;

impl Addition for Plainly {
    #[inline(always)]
    fn add(to: *mut u64, amount: u64) {
        // SAFETY: the caller's pointer is into a map's value.
        unsafe { *to += amount };
    }
}

impl Addition for Atomically {
    #[inline(always)]
    fn add(to: *mut u64, amount: u64) {
        // SAFETY: as above. The target has no atomic operations in `core`; the instruction is as old as BPF itself.
        unsafe { asm!("lock *(u64 *)({to} + 0) += {amount}", to = in(reg) to, amount = in(reg) amount) };
    }
}
