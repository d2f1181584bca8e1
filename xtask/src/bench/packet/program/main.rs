//! What dtraf's programs are held against: three programs that do less. Not part of xtask: `yardsticks.rs` builds it.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
// Each file has more than is used here.
#![allow(dead_code, reason = "the files are dtraf's own")]

#[path = "../../../../../dtraf-ebpf/src/forget.rs"]
mod forget;
#[path = "../../../../../dtraf-ebpf/src/skb.rs"]
mod skb;

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::TcContext;
use dtraf_common::abi::Direction;
use dtraf_common::packet::walk;

use forget::{Unknown, taken};
use skb::Skb;

#[map]
static COUNT: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Returns at once.
#[classifier]
fn empty(_: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Adds one to a counter of its CPU.
#[classifier]
fn counter(_: TcContext) -> i32 {
    if let Some(count) = COUNT.get_ptr_mut(0) {
        // SAFETY: the map's value is valid for as long as the program runs.
        unsafe { *count += 1 };
    }
    TC_ACT_UNSPEC
}

/// Reads the headers, by the walk that dtraf's programs begin with.
#[classifier]
fn walker(ctx: TcContext) -> i32 {
    // SAFETY: the context of this run.
    let skb = unsafe { Skb::new(ctx.skb.skb) };
    let unknown = Unknown::new(skb);
    if let Some(frame) = walk(&skb.linear(unknown), Direction::Transmitted) {
        // What nobody looks at would not be read.
        let frame = unknown.forget_frame(&frame);
        let ports = u32::from(frame.local_port) << 16 | u32::from(frame.remote_port);
        let kind = frame.kind as u32 | (frame.family as u32) << 8 | (frame.handshake as u32) << 16;
        let size = frame.header_bytes ^ frame.phantom_bytes ^ frame.vlan_tags;
        let mixed = frame.remote ^ ports ^ kind ^ size ^ u32::from(frame.protocol);
        taken(u64::from(mixed) ^ frame.destination);
    }
    TC_ACT_UNSPEC
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
