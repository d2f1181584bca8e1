//! From the object file to counting programs.

use std::collections::BTreeSet;
use std::fs;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use dtraf_common::abi::{Geometry, WAYS, globals, maps, programs};

use super::attach::HookChoice;
use super::error::EbpfError;
use super::geometry::{self, Limits};
use super::mapped::Access;
use super::maps::{Maps, pinned_geometry, write_geometry};
use super::meters::Meters;
use super::pins::{PinDirectory, PinLock, names, remove_tree, unpin};
use super::scopes::ScopeMaps;
use crate::accounting::identity::Slot;

/// The programs, made by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../object/dtraf.bpf.o");

/// Says that the kernel is `PREEMPT_RT` (`Documentation/ABI/testing/sysfs-kernel`, since 5.12).
const REALTIME: &str = "/sys/kernel/realtime";

/// How the backend is to be set up.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) hooks: HookChoice,
    /// Load programs that can trace.
    pub(crate) trace: bool,
}

/// The backend at work.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(super) pins: PinDirectory,
    pub(super) ebpf: Ebpf,
    pub(super) maps: Maps,
    pub(super) meters: Meters,
    pub(super) hooks: HookChoice,
    pub(super) scopes: ScopeMaps,
    pub(super) ports_per_interface: u32,
    /// Interfaces that may not have entries yet.
    pub(super) closed: BTreeSet<Slot>,
    _lock: PinLock,
}

impl Counting {
    /// Finds pinned maps and goes on with them, or makes new ones; then loads the programs. Attaches nothing. New maps do
    /// not outlive a failure.
    pub(crate) fn start(pins: &PinDirectory, options: &Options) -> Result<Self, EbpfError> {
        let lock = pins.claim()?;
        let pinned = pinned_geometry(pins)?;
        let started = Self::load(pins.clone(), lock, pinned, options);
        if started.is_err() && pinned.is_none() {
            remove_tree(&pins.top())?;
        }
        started
    }

    fn load(
        pins: PinDirectory,
        lock: PinLock,
        pinned: Option<Geometry>,
        options: &Options,
    ) -> Result<Self, EbpfError> {
        let geometry = if let Some(geometry) = pinned {
            // aya takes a pinned map without comparing it with what the object asks for.
            drop(Maps::open(&pins, geometry, Access::Read)?);
            geometry::compare(geometry, options.limits);
            geometry
        } else {
            remove_incomplete(&pins)?;
            geometry::choose(options.limits)?
        };
        let mut ebpf = load_object(&pins, geometry, options)?;
        for name in [programs::INGRESS, programs::EGRESS] {
            let program = program(&mut ebpf, name)?;
            program.load().map_err(|source| EbpfError::LoadProgram { name, source })?;
        }
        if pinned.is_none() {
            write_geometry(&pins, geometry)?;
        }
        let maps = Maps::open(&pins, geometry, Access::Write)?;
        let meters = Meters::find(&maps)?;
        Ok(Self {
            pins,
            ebpf,
            maps,
            meters,
            hooks: options.hooks,
            scopes: ScopeMaps::default(),
            ports_per_interface: options.limits.ports_per_interface,
            closed: BTreeSet::new(),
            _lock: lock,
        })
    }
}

pub(super) fn program<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, EbpfError> {
    let program = ebpf.program_mut(name).ok_or(EbpfError::Missing(name))?;
    program.try_into().map_err(|source| EbpfError::LoadProgram { name, source })
}

pub(super) fn load_object(
    pins: &PinDirectory,
    geometry: Geometry,
    options: &Options,
) -> Result<Ebpf, EbpfError> {
    let realtime = u32::from(fs::read_to_string(REALTIME).is_ok_and(|text| text.trim() == "1"));
    let trace = u32::from(options.trace);
    let Geometry { cpus, slots, interfaces, sets, peer_sets, .. } = geometry;
    let (positions, pairs) = (sets * WAYS, peer_sets * WAYS);
    let mut loader = EbpfLoader::new();
    loader
        .override_global(globals::SLOT_COUNT, &geometry.slots, true)
        .override_global(globals::INTERFACE_COUNT, &geometry.interfaces, true)
        .override_global(globals::SET_COUNT, &geometry.sets, true)
        .override_global(globals::PEER_SET_COUNT, &geometry.peer_sets, true)
        .override_global(globals::SEED, &geometry.seed, true)
        .override_global(globals::REALTIME, &realtime, true)
        .override_global(globals::TRACE, &trace, true);
    for (name, entries) in [
        (maps::INTERFACES, interfaces),
        (maps::SLOTS, slots),
        (maps::TOTALS, cpus * slots),
        (maps::DIRECTORY, sets),
        (maps::CLAIMS, positions),
        (maps::COUNTERS, cpus * positions),
        (maps::PEER_SLOTS, slots),
        (maps::PEER_DIRECTORY, peer_sets),
        (maps::PEER_CLAIMS, pairs),
        (maps::PEER_COUNTERS, cpus * pairs),
        (maps::ASKED, slots),
        (maps::METERS, slots),
    ] {
        loader.map_max_entries(name, entries);
    }
    for name in maps::PINNED {
        loader.map_pin_path(name, pins.map(name));
    }
    loader.load(OBJECT).map_err(EbpfError::LoadObject)
}

/// Removes what a start that was cut short has left. Nothing can have been attached yet, or the geometry would be there.
fn remove_incomplete(pins: &PinDirectory) -> Result<(), EbpfError> {
    let layout = pins.layout();
    for name in names(&layout)? {
        let path = layout.join(&name);
        if path != pins.links() {
            unpin(&path)?;
        }
    }
    Ok(())
}
