//! The one update path: a frame is walked, weighed, decided about and booked.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::programs::TcContext;
use dtraf_common::abi::{Bucket, Direction, Interface, Scope, WAYS};
use dtraf_common::decide::{Claim, Decision, decide};
use dtraf_common::key::PortKey;
use dtraf_common::packet::{Frame, Handshake, walk};
use dtraf_common::wire::{Size, measure};

use crate::add::{add, add_frame, add_overhead};
use crate::forget::{Unknown, taken};
use crate::maps::{COUNTERS, OVERHEADS, SET_COUNT, SLOT_COUNT, TOTALS, TRACE};
use crate::peers;
use crate::skb::Skb;
use crate::table::{self, LOST, NOWHERE, OVER_QUOTA, OWN, Ports, REFUSED, UNINVITED};
use crate::trace;
use crate::world::{Registered, World, learn, registered, remember_asked};

#[inline(always)]
pub(crate) fn try_account<const RECEIVED: bool>(ctx: &TcContext) {
    // SAFETY: the context of this run.
    let skb = unsafe { Skb::new(ctx.skb.skb) };
    let unknown = Unknown::new(skb);
    let frame = if let Some(frame) = walk(&skb.linear(unknown), direction::<RECEIVED>()) {
        unknown.forget_frame(&frame)
    } else {
        let mut frame = Frame::UNREADABLE;
        taken(walk_scattered::<RECEIVED>(skb.as_ptr(), unknown, &mut frame));
        frame
    };
    book::<RECEIVED>(skb, unknown, &frame);
}

/// The direction as a constant, so that each hook's program has its own code.
#[inline(always)]
const fn direction<const RECEIVED: bool>() -> Direction {
    if RECEIVED { Direction::Received } else { Direction::Transmitted }
}

/// The walk over frames whose headers are rare, not in one piece, or not whole. Kept out of the fast path.
#[inline(never)]
fn walk_scattered<const RECEIVED: bool>(skb: *mut __sk_buff, unknown: Unknown, frame: &mut Frame) -> u64 {
    // SAFETY: the caller hands on its context.
    let skb = unsafe { Skb::new(skb) };
    if let Some(walked) = walk(&skb.whole(unknown), direction::<RECEIVED>()) {
        *frame = unknown.forget_frame(&walked);
    }
    unknown.no_result()
}

/// In one function with the walk: where the kernel guards its returns against speculation (AMD's safe RET), each return is a
/// branch mispredicted, and dearer than all of this.
#[inline(always)]
fn book<const RECEIVED: bool>(skb: Skb, unknown: Unknown, frame: &Frame) {
    let direction = direction::<RECEIVED>();
    let interface = registered(skb.ifindex());
    let from = if RECEIVED { registered(skb.ingress_ifindex()) } else { Registered::UNKNOWN };
    let world = World { skb, direction, interface: &interface, from: &from, unknown };
    if !RECEIVED && frame.source != interface.mac {
        taken(learn(interface.slot, frame.source, unknown));
    }
    let decision = unknown.forget_decision(decide(frame, direction, &world));
    let (position, bucket) = place::<RECEIVED>(&interface, unknown, frame, &decision);
    let scope = unknown.index::<{ Scope::ALL.len() }>(decision.total() as u64);

    let size = measure(skb.size(), frame, || world.is_bridged(frame));
    // SAFETY: has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(totals) = TOTALS.get_ptr_mut(cpu * SLOT_COUNT.load() + interface.slot) else {
        return;
    };
    // SAFETY: the map's value is valid for as long as the program runs, and each variant is an index.
    add_frame(unsafe { &raw mut (*totals).scopes[direction as usize][scope] }, &size);
    if position == NOWHERE {
        // SAFETY: as above.
        add_frame(unsafe { &raw mut (*totals).buckets[direction as usize][bucket] }, &size);
        if RECEIVED && scope == Scope::Flooded as usize {
            let address_scope = unknown.index::<{ Scope::ALL.len() }>(decision.scope as u64);
            // SAFETY: as above.
            add_frame(unsafe { &raw mut (*totals).flooded[address_scope] }, &size);
        }
    } else {
        add_to_port(cpu * SET_COUNT.load() * WAYS + position, direction, &size);
    }
    if RECEIVED && decision.scope as u64 == Scope::Container as u64 && scope == Scope::Container as usize {
        let may_enter = frame.handshake as u64 != Handshake::Reply as u64;
        peers::book(unknown, from.slot, interface.slot, may_enter, &size);
    }
    if TRACE.load() != 0 && interface.flags & Interface::TRACE != 0 {
        let bucket = if position == NOWHERE { bucket as u64 } else { trace::NO_BUCKET };
        trace::record(skb.as_ptr(), trace::pack(&interface, direction, frame, &decision, bucket), &size);
    }
}

/// Adds to one CPU's counters of a port.
#[inline(always)]
fn add_to_port(index: u32, direction: Direction, size: &Size) {
    if let Some(counters) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: the map's value is valid for as long as the program runs, and each variant is an index.
        add(unsafe { &raw mut (*counters).directions[direction as usize] }, size);
    }
    if size.has_overhead()
        && let Some(overheads) = OVERHEADS.get_ptr_mut(index)
    {
        // SAFETY: as above.
        add_overhead(unsafe { &raw mut (*overheads).directions[direction as usize] }, size);
    }
}

/// The frame's position in the table or [`NOWHERE`], and its bucket: an index, of which the verifier knows no more than its
/// bounds.
#[inline(always)]
fn place<const RECEIVED: bool>(
    interface: &Registered,
    unknown: Unknown,
    frame: &Frame,
    decision: &Decision,
) -> (u32, usize) {
    let &Frame { family, protocol, local_port: local, .. } = frame;
    let &Decision { scope, claim, bucket, role, port } = decision;
    let slot = interface.slot;
    let key = PortKey { slot: slot as u16, family, protocol, role, scope, port };
    let key = key.pack();
    let claim = claim as u64;
    let mut bucket = bucket as u64;
    let mut position = NOWHERE;
    if claim != Claim::NoKey as u64 {
        position = table::find::<Ports>(key, unknown);
        if position == NOWHERE {
            if claim == Claim::RefusedButAsked as u64 {
                remember_asked(slot, local);
            }
            let reserved = if RECEIVED { UNINVITED } else { OWN };
            match table::enter(slot, key, claim >= Claim::Allowed as u64, unknown, reserved) {
                REFUSED => {}
                OVER_QUOTA => bucket = Bucket::OverQuota as u64,
                LOST => bucket = Bucket::MapFull as u64,
                entered => position = entered as u32,
            }
        }
        if claim == Claim::AllowedAndServes as u64 && position != NOWHERE {
            taken(table::serve(slot, protocol, local, unknown));
        }
    }
    let bucket = unknown.index::<{ Bucket::ALL.len() }>(bucket);
    (unknown.forget(u64::from(position)) as u32, bucket)
}
