//! Numbers of which the verifier forgets where they came from.
//!
//! The verifier follows every path through the walk with all it knows about each value. Carried on, that knowledge
//! multiplies the paths of everything behind it, beyond the million instructions that the verifier looks at. An exclusive
//! or with a 0 of which it does not know that it is one makes paths meet again. In assembly, lest the compiler undo it.

use core::arch::asm;
use core::hint::assert_unchecked;
use core::mem::{offset_of, transmute_copy};

use aya_ebpf::bindings::__sk_buff;
use dtraf_common::decide::Decision;
use dtraf_common::packet::Frame;

use crate::skb::Skb;

/// A 0 that the verifier takes for any number.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Unknown(u64);

impl Unknown {
    #[inline(always)]
    pub(crate) fn new(skb: Skb) -> Self {
        let zero: u64;
        // SAFETY: the context of this run; both reads are of the same field, and nobody writes it meanwhile.
        unsafe {
            asm!(
                "{zero} = *(u32 *)({skb} + {hash})",
                "{again} = *(u32 *)({skb} + {hash})",
                "{zero} ^= {again}",
                "{again} = {zero}",
                "{again} <<= 32",
                "{zero} |= {again}",
                skb = in(reg) skb.as_ptr(),
                hash = const offset_of!(__sk_buff, hash),
                zero = out(reg) zero,
                again = out(reg) _,
                options(pure, readonly, nostack),
            );
        };
        Self(zero)
    }

    /// The same value.
    #[inline(always)]
    pub(crate) fn forget(self, value: u64) -> u64 {
        let mut value = value;
        // SAFETY: touches nothing but the register.
        unsafe {
            asm!("{value} ^= {zero}", value = inout(reg) value, zero = in(reg) self.0, options(pure, nomem, nostack));
        };
        value
    }

    /// The same value as an index into `COUNT` elements. Bounded in assembly: the compiler may put a value on the stack,
    /// compare it, and fetch it again; the verifier of Linux 6.1 and before then has forgotten the comparison. The path
    /// within the bounds comes first, so that the other is found to be part of it.
    #[inline(always)]
    pub(crate) fn index<const COUNT: usize>(self, value: u64) -> usize {
        let mut value = self.forget(value);
        // SAFETY: touches nothing but the register.
        unsafe {
            asm!(
                "if {value} > {last} goto +1",
                "goto +1",
                "{value} = {last}",
                value = inout(reg) value,
                last = const COUNT - 1,
                options(pure, nomem, nostack),
            );
        };
        // SAFETY: has just been made so.
        unsafe { assert_unchecked(value < COUNT as u64) };
        value as usize
    }

    /// A result for functions that have none: without one the compiler leaves in the result's register what happens to
    /// be there, and the verifier refuses a function that returns a pointer to its stack. To be taken by [`taken`].
    #[inline(always)]
    pub(crate) fn no_result(self) -> u64 {
        self.forget(0)
    }

    /// The same value.
    #[inline(always)]
    fn forget_byte<T: Copy>(self, value: &T) -> T {
        const { assert!(size_of::<T>() == 1) };
        // SAFETY: a byte is read as a byte.
        let byte = unsafe { transmute_copy::<T, u8>(value) };
        let byte = self.forget(u64::from(byte)) as u8;
        // SAFETY: it is the byte that a `T` was read as.
        unsafe { transmute_copy::<u8, T>(&byte) }
    }

    /// The same frame.
    #[inline(always)]
    pub(crate) fn forget_frame(self, frame: &Frame) -> Frame {
        let word = |value: u32| self.forget(u64::from(value)) as u32;
        let port = |value: u16| self.forget(u64::from(value)) as u16;
        Frame {
            destination: self.forget(frame.destination),
            source: self.forget(frame.source),
            vlan_tags: word(frame.vlan_tags),
            kind: self.forget_byte(&frame.kind),
            family: self.forget_byte(&frame.family),
            protocol: self.forget_byte(&frame.protocol),
            remote: word(frame.remote),
            local_port: port(frame.local_port),
            remote_port: port(frame.remote_port),
            handshake: self.forget_byte(&frame.handshake),
            ip_bytes: word(frame.ip_bytes),
            header_bytes: word(frame.header_bytes),
            phantom_bytes: word(frame.phantom_bytes),
        }
    }

    /// The same decision.
    #[inline(always)]
    pub(crate) fn forget_decision(self, decision: Decision) -> Decision {
        Decision {
            scope: self.forget_byte(&decision.scope),
            claim: self.forget_byte(&decision.claim),
            bucket: self.forget_byte(&decision.bucket),
            role: self.forget_byte(&decision.role),
            port: self.forget(u64::from(decision.port)) as u16,
        }
    }
}

/// Takes a result, so that the compiler does not find it unused and drop it.
#[inline(always)]
pub(crate) fn taken(result: u64) {
    // An instruction without effect: none at all would leave line information that the kernel refuses.
    // SAFETY: touches nothing but the register.
    unsafe { asm!("{result} = {result}", result = inout(reg) result => _, options(nomem, nostack)) };
}
