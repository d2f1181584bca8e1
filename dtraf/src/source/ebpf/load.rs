//! From what is pinned, or from nothing, to maps and programs.

use std::collections::BTreeSet;

use dtraf_common::abi::Geometry;

use super::attach::HookChoice;
use super::error::EbpfError;
use super::geometry::{self, Limits};
use super::mapped::Access;
use super::maps::{Maps, pinned_geometry, write_geometry};
use super::meters::{Meters, registered_bridges};
use super::pins::{PinDirectory, PinLock, names, remove_tree, unpin};
use super::programs::{Constants, Programs, open_object};
use super::scopes::ScopeMaps;
use super::trace::Records;
use crate::accounting::identity::Slot;

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
    /// What the programs are made of.
    pub(super) tag: String,
    pub(super) programs: Programs,
    /// Of programs that trace.
    pub(super) records: Option<Records>,
    pub(super) maps: Maps,
    pub(super) meters: Meters,
    pub(super) hooks: HookChoice,
    pub(super) scopes: ScopeMaps,
    pub(super) ports_per_interface: u32,
    /// Interfaces that may not have entries yet.
    pub(super) closed: BTreeSet<Slot>,
    /// Bridges that the programs know, by ifindex.
    pub(super) bridges: BTreeSet<u32>,
    _lock: PinLock,
}

impl Counting {
    /// Finds pinned maps and goes on with them, or makes new ones; then takes the programs, or loads them. Attaches nothing.
    /// New maps do not outlive a failure.
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
        let constants = Constants::new(geometry, options);
        let tag = constants.tag();
        // Records of a trace come by a map that only who has loaded the programs has.
        let left = if options.trace || pinned.is_none() { None } else { Programs::pinned(&pins, &tag) };
        let (programs, records) = if let Some(programs) = left {
            (programs, None)
        } else {
            let mut object = open_object(&pins, geometry, &constants)?;
            let programs = Programs::load(&pins, &tag, &mut object)?;
            (programs, options.trace.then(|| Records::of(&mut object)).transpose()?)
        };
        if pinned.is_none() {
            write_geometry(&pins, geometry)?;
        }
        let maps = Maps::open(&pins, geometry, Access::Write)?;
        let meters = Meters::find(&maps)?;
        let bridges = if pinned.is_some() { registered_bridges(&maps)? } else { BTreeSet::new() };
        Ok(Self {
            pins,
            tag,
            programs,
            records,
            maps,
            meters,
            hooks: options.hooks,
            scopes: ScopeMaps::default(),
            ports_per_interface: options.limits.ports_per_interface,
            closed: BTreeSet::new(),
            bridges,
            _lock: lock,
        })
    }
}

/// Removes what a start that was cut short has left. Nothing can have been attached yet, or the geometry would be there.
fn remove_incomplete(pins: &PinDirectory) -> Result<(), EbpfError> {
    let layout = pins.layout();
    for name in names(&layout)? {
        let path = layout.join(&name);
        if path != pins.links() && path != pins.programs() {
            unpin(&path)?;
        }
    }
    Ok(())
}
