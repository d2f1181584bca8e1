//! The two ways to a frame's bytes, and what the kernel says about the frame's size.

use core::arch::asm;
use core::mem::{MaybeUninit, offset_of};

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use dtraf_common::packet::PacketBytes;
use dtraf_common::wire::SkbSize;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::forget::Unknown;

/// The context of a TC program.
#[derive(Clone, Copy)]
pub(crate) struct Skb(*mut __sk_buff);

impl Skb {
    /// `skb` must be the context that the kernel gave to this run of the program.
    #[inline(always)]
    pub(crate) unsafe fn new(skb: *mut __sk_buff) -> Self {
        Self(skb)
    }

    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut __sk_buff {
        self.0
    }

    #[inline(always)]
    pub(crate) fn ifindex(self) -> u32 {
        // SAFETY: `new` was given this run's context.
        unsafe { (*self.0).ifindex }
    }

    /// Of the interface that the frame came in at last; 0 where it did not come in at any. The kernel's `skb_iif`, which a
    /// bridge leaves as it is (`__netif_receive_skb_core` of `net/core/dev.c`).
    #[inline(always)]
    pub(crate) fn ingress_ifindex(self) -> u32 {
        // SAFETY: `new` was given this run's context.
        unsafe { (*self.0).ingress_ifindex }
    }

    /// VLAN tags that are not in the frame's bytes: 1, or 0.
    #[inline(always)]
    pub(crate) fn metadata_tags(self) -> u32 {
        // SAFETY: `new` was given this run's context.
        u32::from(unsafe { (*self.0).vlan_present } != 0)
    }

    #[inline(always)]
    pub(crate) fn size(self) -> SkbSize {
        // SAFETY: `new` was given this run's context.
        let skb = unsafe { &*self.0 };
        SkbSize {
            bytes: skb.len,
            metadata_tags: self.metadata_tags(),
            gso_size: skb.gso_size,
            gso_segs: skb.gso_segs,
        }
    }

    /// The part of the frame that lies in one piece.
    #[inline(always)]
    pub(crate) fn linear(self, unknown: Unknown) -> Linear {
        let (start, end): (usize, usize);
        // The fields are 32 bits wide, but reading them yields packet pointers. The compiler must not know of the 32
        // bits, or it keeps halves of pointers.
        // SAFETY: `new` was given this run's context.
        unsafe {
            asm!(
                "{start} = *(u32 *)({skb} + {data})",
                "{end} = *(u32 *)({skb} + {data_end})",
                skb = in(reg) self.0,
                data = const offset_of!(__sk_buff, data),
                data_end = const offset_of!(__sk_buff, data_end),
                start = out(reg) start,
                end = out(reg) end,
                options(pure, readonly, nostack),
            );
        }
        Linear { start, end, unknown }
    }

    /// The whole frame, at the price of a helper call for each read.
    #[inline(always)]
    pub(crate) fn whole(self, unknown: Unknown) -> Whole {
        Whole { skb: self, unknown }
    }
}

/// Reads by packet pointers.
pub(crate) struct Linear {
    start: usize,
    end: usize,
    unknown: Unknown,
}

impl PacketBytes for Linear {
    const RARE_HEADERS: bool = false;

    #[inline(always)]
    fn read<T: FromBytes + KnownLayout + Immutable + Copy>(&self, offset: u32) -> Option<T> {
        let value = self.start + offset as usize;
        if value + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the bytes lie between the packet pointers, which the verifier checks; any bytes are a `T`; BPF loads
        // need no alignment on the architectures that have direct packet access to unaligned data, and the verifier
        // refuses the program on others.
        Some(unsafe { *(value as *const T) })
    }

    #[inline(always)]
    fn forget(&self, value: u32, mask: u32) -> u32 {
        (self.unknown.forget(u64::from(value)) as u32) & mask
    }
}

/// Reads by `bpf_skb_load_bytes`.
pub(crate) struct Whole {
    skb: Skb,
    unknown: Unknown,
}

impl PacketBytes for Whole {
    const RARE_HEADERS: bool = true;

    #[inline(always)]
    fn read<T: FromBytes + KnownLayout + Immutable + Copy>(&self, offset: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let size = size_of::<T>() as u32;
        // SAFETY: the helper writes `size` bytes to `value`, or fails.
        let failed =
            unsafe { bpf_skb_load_bytes(self.skb.as_ptr().cast(), offset, value.as_mut_ptr().cast(), size) };
        if failed != 0 {
            return None;
        }
        // SAFETY: the helper has written all bytes, and any bytes are a `T`.
        Some(unsafe { value.assume_init() })
    }

    #[inline(always)]
    fn forget(&self, value: u32, mask: u32) -> u32 {
        (self.unknown.forget(u64::from(value)) as u32) & mask
    }
}
