//! How amounts get into counters, as the kernel's preemption asks for.

use core::arch::asm;

use dtraf_common::abi::{Counters, TaggedCounters};
use dtraf_common::wire::Size;

use crate::maps::REALTIME;

#[inline(always)]
pub(crate) fn add_tagged(to: *mut TaggedCounters, size: &Size) {
    if REALTIME.load() == 0 {
        add_tagged_by::<Plainly>(to, size);
    } else {
        add_tagged_by::<Atomically>(to, size);
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

#[inline(always)]
fn add_tagged_by<A: Addition>(to: *mut TaggedCounters, size: &Size) {
    // SAFETY: the caller's pointer is into a map's value.
    add_by::<A>(unsafe { &raw mut (*to).counters }, size);
    if size.vlan_bytes != 0 {
        // SAFETY: as above.
        A::add(unsafe { &raw mut (*to).vlan_bytes }, size.vlan_bytes);
    }
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
