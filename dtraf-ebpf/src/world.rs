//! What the kernel side knows of a container and its surroundings, from the maps that user space fills.

use aya_ebpf::maps::lpm_trie::Key;
use dtraf_common::abi::{
    ASKED_WAYS, Direction, INTERFACE_PROBES, Interface, LEARNED_WAYS, ORPHAN_SLOT, Scope, ScopePage,
};
use dtraf_common::decide::Knowledge;
use dtraf_common::key::ServedKey;
use dtraf_common::packet::{Frame, remote_address};

use crate::forget::Unknown;
use crate::maps::{ASKED, INTERFACE_COUNT, INTERFACES, LEARNED, SCOPE_PAGES, SCOPES};
use crate::skb::Skb;
use crate::table::{self, Ports};

/// A container's interface, as user space registered it.
pub(crate) struct Registered {
    pub(crate) slot: u32,
    pub(crate) mac: u64,
    pub(crate) bridge_mac: u64,
    pub(crate) flags: u32,
}

impl Registered {
    /// Stands for an interface that nobody registered.
    pub(crate) const UNKNOWN: Self = Self { slot: ORPHAN_SLOT, mac: 0, bridge_mac: 0, flags: 0 };
}

/// What is known for the decision about a frame.
pub(crate) struct World<'a> {
    pub(crate) skb: Skb,
    pub(crate) direction: Direction,
    pub(crate) interface: &'a Registered,
    /// The interface that a received frame came in by: nobody behind it can forge that.
    pub(crate) from: &'a Registered,
    pub(crate) unknown: Unknown,
}

/// The registration of an interface, or the orphans' slot where there is none.
#[inline(always)]
pub(crate) fn registered(ifindex: u32) -> Registered {
    let mask = INTERFACE_COUNT.load() - 1;
    for probe in 0..INTERFACE_PROBES {
        let Some(interface) = INTERFACES.get(ifindex.wrapping_add(probe) & mask) else {
            break;
        };
        if interface.ifindex == ifindex {
            let &Interface { slot, mac, bridge_mac, flags, .. } = interface;
            return Registered { slot, mac, bridge_mac, flags };
        }
        if interface.ifindex == 0 {
            break;
        }
    }
    Registered::UNKNOWN
}

impl World<'_> {
    /// The frame goes from one port of a bridge to another: both ends tell the same of it.
    #[inline(always)]
    pub(crate) fn is_bridged(&self, frame: &Frame) -> bool {
        match self.direction {
            Direction::Received => self.from.slot != ORPHAN_SLOT,
            Direction::Transmitted => {
                self.interface.bridge_mac != 0 && frame.destination != self.interface.bridge_mac
            }
        }
    }

    /// Scope of the other end's address.
    #[inline(always)]
    fn address_scope(&self, frame: &Frame) -> Scope {
        // The verifier of Linux 6.12 and before does not know that 16 bits in another order are 16 bits. The compiler
        // does, and would not cut them off.
        let bits = self.unknown.forget(u64::from(frame.remote)) as u32;
        let mut raw = look_up(frame.family as u32, bits >> 16);
        if raw >= ScopePage::FIRST_BLOCK {
            raw = look_up(ScopePage::block(raw), bits & 0xffff);
            if raw >= ScopePage::FIRST_BLOCK {
                raw = self.longest_prefix(frame);
            }
        }
        Scope::try_from(self.unknown.forget(u64::from(raw)) as u8).unwrap_or(Scope::Internet)
    }

    /// Scope of an address by the trie; what it does not know is the internet.
    #[inline(always)]
    fn longest_prefix(&self, frame: &Frame) -> u8 {
        let Self { skb, direction, unknown, .. } = *self;
        let linear = remote_address(&skb.linear(unknown), direction, frame);
        let Some(address) = linear.or_else(|| remote_address(&skb.whole(unknown), direction, frame)) else {
            return Scope::Internet as u8;
        };
        SCOPES.get(Key::new(128, address)).map_or(Scope::Internet as u8, |scope| *scope)
    }
}

impl Knowledge for World<'_> {
    #[inline(always)]
    fn scope(&self, frame: &Frame) -> Scope {
        if !matches!(self.direction, Direction::Received) {
            return self.address_scope(frame);
        }
        if self.from.slot != ORPHAN_SLOT {
            return Scope::Container;
        }
        let scope = self.address_scope(frame);
        let is_outside = matches!(scope, Scope::Internet | Scope::Lan);
        if is_outside && self.from.flags & Interface::CONTAINER_BRIDGE != 0 {
            Scope::Container
        } else {
            scope
        }
    }

    #[inline(always)]
    fn is_served(&self, protocol: u8, port: u16) -> bool {
        let key = ServedKey { slot: self.interface.slot as u16, protocol, port };
        table::find::<Ports>(self.unknown.forget(key.pack()), self.unknown) != table::NOWHERE
    }

    #[inline(always)]
    fn was_asked(&self, port: u16) -> bool {
        ASKED
            .get(self.interface.slot)
            .is_some_and(|asked| asked.ports[port as usize % ASKED_WAYS] == asked_port(port))
    }

    #[inline(always)]
    fn uses_mac(&self, mac: u64) -> bool {
        let own = self.interface.mac;
        own == mac || own == 0 || is_learned(self.interface.slot, mac, self.unknown) != 0
    }
}

/// Whether a container has lately sent from a MAC address. Kept out of the fast path.
#[inline(never)]
fn is_learned(slot: u32, mac: u64, unknown: Unknown) -> u64 {
    if let Some(learned) = LEARNED.get(slot) {
        for known in &learned.macs {
            // No flag that is carried on: the verifier of Linux 6.1 and before would follow both its values from each
            // comparison to the end.
            if *known == mac {
                return unknown.forget(1);
            }
        }
    }
    unknown.no_result()
}

/// Remembers a MAC address that a container has sent from, in place of the oldest one. Group addresses are no sources, and
/// bridges drop frames that have one (`br_handle_frame` of `net/bridge/br_input.c`). Kept out of the fast path.
#[inline(never)]
pub(crate) fn learn(slot: u32, mac: u64, unknown: Unknown) -> u64 {
    if mac != 0
        && mac & 1 << 40 == 0
        && is_learned(slot, mac, unknown) == 0
        && let Some(learned) = LEARNED.get_ptr_mut(slot)
    {
        // SAFETY: the map's value is valid for as long as the program runs.
        let count = unsafe { &raw mut (*learned).learned };
        // SAFETY: as above. Two CPUs may take one place: the address is learned with the next frame.
        let next = unsafe { count.read_volatile() };
        // SAFETY: as above.
        let there = unsafe { &raw mut (*learned).macs[next as usize % LEARNED_WAYS] };
        // SAFETY: as above; other CPUs write whole words.
        unsafe { there.write_volatile(mac) };
        // SAFETY: as above.
        unsafe { count.write_volatile(next.wrapping_add(1)) };
    }
    unknown.no_result()
}

/// What a page of scopes says; one that is not there knows nothing.
#[inline(always)]
fn look_up(page: u32, bits: u32) -> u8 {
    SCOPE_PAGES.get(page).map_or(ScopePage::UNDECIDED, |page| page.scopes[bits as usize])
}

/// Remembers that a UDP port was asked. Two CPUs may overwrite each other's memory: an answer is then taken for one at
/// the next question.
#[inline(always)]
pub(crate) fn remember_asked(slot: u32, port: u16) {
    if let Some(asked) = ASKED.get_ptr_mut(slot) {
        // SAFETY: the map's value is valid for as long as the program runs.
        let there = unsafe { &raw mut (*asked).ports[port as usize % ASKED_WAYS] };
        // SAFETY: as above; other CPUs write whole words.
        unsafe { there.write_volatile(asked_port(port)) };
    }
}

#[inline(always)]
fn asked_port(port: u16) -> u32 {
    u32::from(port) | 1 << 16
}
