//! Every map and every load-time constant. Sizes written here are placeholders where user space chooses them at load.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie};
use dtraf_common::abi::{
    AskedPorts, Folded, FrameCounters, Geometry, Interface, KeySet, LearnedMacs, MeterRecord, PortCounters,
    PortOverheads, ScopePage, SlotState, SlotTotals,
};
use dtraf_common::packet::Address;

/// `BPF_F_MMAPABLE` of `include/uapi/linux/bpf.h` (since 5.5).
const MAPPED: u32 = 1 << 10;
/// `BPF_F_NO_PREALLOC` of the same file: entries are allocated as they come.
const NOT_PREALLOCATED: u32 = 1;
/// Prefixes in the scope trie; entries are allocated as they come.
const MAX_PREFIXES: u32 = 16384;

#[map]
pub(crate) static INTERFACES: Array<Interface> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static SLOTS: Array<SlotState> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static TOTALS: Array<SlotTotals> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static DIRECTORY: Array<KeySet> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static CLAIMS: HashMap<u32, u64> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static COUNTERS: Array<PortCounters> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static OVERHEADS: Array<PortOverheads> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static FOLDED: HashMap<u32, Folded> = HashMap::with_max_entries(1, NOT_PREALLOCATED);
#[map]
pub(crate) static LEARNED: Array<LearnedMacs> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static PEER_SLOTS: Array<SlotState> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static PEER_DIRECTORY: Array<KeySet> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static PEER_CLAIMS: HashMap<u32, u64> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static PEER_COUNTERS: Array<FrameCounters> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static ASKED: Array<AskedPorts> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static SCOPE_PAGES: Array<ScopePage> = Array::with_max_entries(ScopePage::COUNT, 0);
#[map]
pub(crate) static SCOPES: LpmTrie<Address, u8> = LpmTrie::with_max_entries(MAX_PREFIXES, 0);
#[map]
pub(crate) static TRACE_BUDGET: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static GEOMETRY: Array<Geometry> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static METERS: Array<MeterRecord> = Array::with_max_entries(1, 0);

#[unsafe(no_mangle)]
pub(crate) static SLOT_COUNT: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(crate) static INTERFACE_COUNT: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(crate) static SET_COUNT: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(crate) static PEER_SET_COUNT: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(crate) static SEED: Global<u64> = Global::new(1);
#[unsafe(no_mangle)]
pub(crate) static REALTIME: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub(crate) static TRACE: Global<u32> = Global::new(0);
