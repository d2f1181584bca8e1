//! Taking everything away again.

use dtraf_common::abi::MeterRecord;

use super::attach::{detach_clsact, unpin_links};
use super::error::EbpfError;
use super::load::Counting;
use super::mapped::Access;
use super::maps::{Maps, pinned_geometry};
use super::meters::{Meters, hook};
use super::pins::{PinDirectory, names, remove_tree, unpin};
use crate::accounting::identity::IfIndex;
use crate::accounting::snapshot::TcHook;
use crate::links::{Link, LinkKind};

/// What [`uninstall`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) interfaces: usize,
    pub(crate) pins: usize,
    /// Interfaces that had no clsact qdisc before dtraf, as far as is known; theirs is to go if nobody else has put a filter
    /// into it.
    pub(crate) clsact: Vec<IfIndex>,
}

/// Detaches from every interface and removes all pins, those of other layouts included. `links` are the host's: filters are
/// looked for on each, whatever the records say, which may be another dtraf's or nobody's.
pub(crate) fn uninstall(pins: &PinDirectory, links: &[Link]) -> Result<Removed, EbpfError> {
    let mut removed = Removed::default();
    let top = pins.top();
    if !top.exists() {
        return Ok(removed);
    }
    let _lock = pins.lock()?;
    let records = records(pins).unwrap_or_else(|error| {
        log::info!("no records to go by: {error}");
        Vec::new()
    });
    let live = |record: &&MeterRecord| record.state == MeterRecord::STATE_LIVE;
    for link in links.iter().filter(|link| link.kind == LinkKind::Veth) {
        let record = records.iter().filter(live).find(|record| record.ifindex == link.ifindex.0.get());
        let had_filters = detach_clsact(&link.name);
        let is_ours = record.is_none_or(|record| record.made_clsact != 0);
        // Where a kernel has the qdisc and not the filters, it was made in vain.
        let was_in_vain = record.is_some_and(|record| hook(record) == TcHook::Tcx);
        if is_ours && (had_filters || was_in_vain) {
            removed.clsact.push(link.ifindex);
        }
        if had_filters || record.is_some() {
            removed.interfaces += 1;
        }
    }
    // TCX links go with their pins.
    removed.pins = remove_tree(&top)?;
    Ok(removed)
}

fn records(pins: &PinDirectory) -> Result<Vec<MeterRecord>, EbpfError> {
    let Some(geometry) = pinned_geometry(pins)? else { return Ok(Vec::new()) };
    let maps = Maps::open(pins, geometry, Access::Read)?;
    Ok(Meters::find(&maps)?.iter().map(|(_, record)| *record).collect())
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
