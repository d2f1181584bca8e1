//! dtraf's kernel side: packets -> kernel maps.
//!
//! Two classifiers for the host's end of a container's veth. They observe: no packet is dropped, changed or delayed, and
//! every path returns [`NEXT`].

#![no_std]
#![no_main]
#![expect(unstable_features, reason = "BPF assembly is unstable in every compiler")]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "BPF: context and map values are raw pointers")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "values are cut out of 64-bit registers whose content is known"
)]
#![expect(clippy::inline_always, reason = "the fast path is one function: a call costs")]

mod account;
mod add;
mod forget;
mod maps;
mod peers;
mod skb;
mod table;
mod trace;
mod world;

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use dtraf_common::abi::{Direction, Hook};

/// The one verdict that lets later programs run under TCX (`TCX_NEXT`) and under clsact alike.
const NEXT: i32 = TC_ACT_UNSPEC;

/// What the container transmits.
#[classifier]
#[expect(clippy::needless_pass_by_value, reason = "the macro hands over the context")]
fn dtraf_ingress(ctx: TcContext) -> i32 {
    account::try_account::<{ is_received(Hook::Ingress) }>(&ctx);
    NEXT
}

/// What the container receives.
#[classifier]
#[expect(clippy::needless_pass_by_value, reason = "the macro hands over the context")]
fn dtraf_egress(ctx: TcContext) -> i32 {
    account::try_account::<{ is_received(Hook::Egress) }>(&ctx);
    NEXT
}

const fn is_received(hook: Hook) -> bool {
    matches!(hook.direction(), Direction::Received)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers, `bpf_ringbuf_output` among them, are open only to programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
