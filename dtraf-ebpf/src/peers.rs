//! What a container received from which other container of this host.
//!
//! Known by the interface that the frame came in at, which nobody behind it can forge. A bridge hands a frame on with that
//! number in it; a router does not, so that what comes from another network has no origin here.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use dtraf_common::abi::{ORPHAN_SLOT, WAYS};
use dtraf_common::key::PeerKey;
use dtraf_common::wire::Size;

use crate::add::add_frame;
use crate::forget::Unknown;
use crate::maps::{PEER_COUNTERS, PEER_SET_COUNT};
use crate::table::{self, NOWHERE, OWN, Peers};

/// Adds to the counters of the pair of slots. An answer that its sender was made to give makes no entry. What finds no room is
/// in no pair, and in the receiver's totals as it is.
#[inline(always)]
pub(crate) fn book(unknown: Unknown, from: u32, to: u32, may_enter: bool, size: &Size) {
    if from == ORPHAN_SLOT {
        return;
    }
    let key = unknown.forget(PeerKey { from: from as u16, to: to as u16 }.pack());
    let mut position = u64::from(table::find::<Peers>(key, unknown));
    if position == u64::from(NOWHERE) && may_enter {
        position = table::claim::<Peers>(from, key, unknown, OWN);
    }
    // SAFETY: has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let positions = PEER_SET_COUNT.load() * WAYS;
    if position < u64::from(positions)
        && let Some(counters) = PEER_COUNTERS.get_ptr_mut(cpu * positions + position as u32)
    {
        add_frame(counters, size);
    }
}
