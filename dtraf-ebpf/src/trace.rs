//! One log record for each packet of a traced interface: where it was booked, and why so many bytes.

use aya_ebpf::bindings::__sk_buff;
use aya_log_ebpf::info;
use dtraf_common::abi::Direction;
use dtraf_common::decide::Decision;
use dtraf_common::packet::Frame;
use dtraf_common::wire::Size;

use crate::maps::TRACE_BUDGET;
use crate::world::Registered;

/// Stands for the bucket of a packet that was counted under its port.
pub(crate) const NO_BUCKET: u64 = 0xff;

/// A decision in one argument. From bit 0 on: port (16), slot (16), protocol (8), bucket (8), role (4), scope (4),
/// direction (1), family (1).
#[inline(always)]
pub(crate) fn pack(
    interface: &Registered,
    direction: Direction,
    frame: &Frame,
    decision: &Decision,
    bucket: u64,
) -> u64 {
    u64::from(decision.port)
        | u64::from(interface.slot) << 16
        | u64::from(frame.protocol) << 32
        | bucket << 40
        | (decision.role as u64) << 48
        | (decision.scope as u64) << 52
        | (direction as u64) << 56
        | (frame.family as u64) << 57
}

#[inline(always)]
pub(crate) fn record(skb: *mut __sk_buff, decision: u64, size: &Size) {
    if take_from_budget() {
        log(skb, decision, size.skb_bytes, size.added_bytes, size.added_packets);
    }
}

#[inline(never)]
fn log(skb: *mut __sk_buff, decision: u64, skb_bytes: u64, added_bytes: u64, added_packets: u64) {
    info!(
        &skb,
        "slot={} direction={} family={} scope={} protocol={} role={} port={} bucket={} skb_bytes={} added_bytes={} added_packets={}",
        decision >> 16 & 0xffff,
        decision >> 56 & 1,
        decision >> 57 & 1,
        decision >> 52 & 0xf,
        decision >> 32 & 0xff,
        decision >> 48 & 0xf,
        decision & 0xffff,
        decision >> 40 & 0xff,
        skb_bytes,
        added_bytes,
        added_packets
    );
}

/// User space refills the budget; what exceeds it is counted, but not logged. Two CPUs may share a unit.
#[inline(always)]
fn take_from_budget() -> bool {
    let Some(budget) = TRACE_BUDGET.get_ptr_mut(0) else { return false };
    // SAFETY: the map's value is valid for as long as the program runs.
    let left = unsafe { budget.read_volatile() };
    if left == 0 {
        return false;
    }
    // SAFETY: as above.
    unsafe { budget.write_volatile(left - 1) };
    true
}
