//! Taking everything away again.

use dtraf_common::abi::MeterRecord;

use super::attach::{detach_clsact, unpin_links};
use super::error::EbpfError;
use super::load::Counting;
use super::mapped::Access;
use super::maps::{Maps, pinned_geometry};
use super::meters::{Meters, interface_name};
use super::pins::{PinDirectory, names, remove_tree, unpin};
use crate::accounting::identity::IfIndex;
use crate::accounting::snapshot::HookKind;

/// What [`uninstall`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) interfaces: usize,
    pub(crate) pins: usize,
    /// Interfaces that had no clsact qdisc before dtraf; theirs is to go if nobody else has put a filter into it.
    pub(crate) clsact: Vec<IfIndex>,
}

/// Detaches from every interface and removes all pins, those of other layouts included.
pub(crate) fn uninstall(pins: &PinDirectory) -> Result<Removed, EbpfError> {
    let mut removed = Removed::default();
    let top = pins.top();
    if !top.exists() {
        return Ok(removed);
    }
    let _lock = pins.lock()?;
    if let Some(geometry) = pinned_geometry(pins)? {
        let maps = Maps::open(pins, geometry, Access::Read)?;
        for (_, record) in Meters::find(&maps)?.iter() {
            if record.state == MeterRecord::STATE_LIVE {
                detach(record, &mut removed);
            }
        }
    }
    removed.pins = remove_tree(&top)?;
    Ok(removed)
}

fn detach(record: &MeterRecord, removed: &mut Removed) {
    removed.interfaces += 1;
    if super::meters::hook(record) != HookKind::Clsact {
        // The link goes with its pin.
        return;
    }
    let name = interface_name(record);
    if !detach_clsact(&name) {
        log::info!("{name} has not both of our filters any more");
    }
    if record.made_clsact != 0
        && let Some(ifindex) = std::num::NonZeroU32::new(record.ifindex)
    {
        removed.clsact.push(IfIndex(ifindex));
    }
}

impl Counting {
    /// Removes link pins that belong to no meter.
    pub(super) fn drop_stray_pins(&self) -> Result<(), EbpfError> {
        for name in names(&self.pins.links())? {
            let ifindex = name.split('-').next().and_then(|number| number.parse().ok()).map(IfIndex);
            match ifindex {
                Some(ifindex) if self.meters.live(ifindex).is_some() => {}
                Some(ifindex) => unpin_links(&self.pins, ifindex)?,
                None => unpin(&self.pins.links().join(name))?,
            }
        }
        Ok(())
    }
}
