//! The pinned maps, opened and found to be as this program makes them.

use std::path::Path;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, Map, MapData, MapInfo};
use dtraf_common::abi::{
    AskedPorts, Geometry, Interface, KeySet, LAYOUT_VERSION, MeterRecord, PortCounters, ScopePage, SlotState,
    SlotTotals, maps,
};

use super::error::EbpfError;
use super::mapped::{Access, Mapped};
use super::pins::PinDirectory;
use super::plain::Plain;

/// Every map that user space looks into.
pub(super) struct Maps {
    pub(super) geometry: Geometry,
    pub(super) interfaces: Array<MapData, Plain<Interface>>,
    pub(super) slots: Array<MapData, Plain<SlotState>>,
    pub(super) claims: HashMap<MapData, u32, u64>,
    pub(super) asked: Array<MapData, Plain<AskedPorts>>,
    pub(super) scope_pages: Array<MapData, [u8; size_of::<ScopePage>()]>,
    pub(super) scopes: LpmTrie<MapData, [u8; 16], u8>,
    pub(super) trace_budget: Array<MapData, u64>,
    pub(super) meters: Array<MapData, Plain<MeterRecord>>,
    pub(super) totals: Mapped<SlotTotals>,
    pub(super) directory: Mapped<KeySet>,
    pub(super) counters: Mapped<PortCounters>,
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maps").field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

/// The sizes with which the pinned maps were made; `None` when nothing is pinned, or was not completed.
pub(super) fn pinned_geometry(pins: &PinDirectory) -> Result<Option<Geometry>, EbpfError> {
    let path = pins.map(maps::GEOMETRY);
    if !path.exists() {
        return Ok(None);
    }
    let data = open(&path)?;
    expect(&path, "value size", data.info(), MapInfo::value_size, size_of::<Geometry>())?;
    let array: Array<_, Plain<Geometry>> = typed(maps::GEOMETRY, Map::Array(data))?;
    let Plain(geometry) =
        array.get(&0, 0).map_err(|source| EbpfError::Map { map: maps::GEOMETRY, source })?;
    Ok((geometry.layout_version == LAYOUT_VERSION).then_some(geometry))
}

/// Marks the maps as complete.
pub(super) fn write_geometry(pins: &PinDirectory, geometry: Geometry) -> Result<(), EbpfError> {
    let data = open(&pins.map(maps::GEOMETRY))?;
    let mut array: Array<_, Plain<Geometry>> = typed(maps::GEOMETRY, Map::Array(data))?;
    array.set(0, Plain(geometry), 0).map_err(|source| EbpfError::Map { map: maps::GEOMETRY, source })
}

impl Maps {
    pub(super) fn open(pins: &PinDirectory, geometry: Geometry, access: Access) -> Result<Self, EbpfError> {
        let opened = |name, value_size: usize, entries: u32| -> Result<MapData, EbpfError> {
            let path = pins.map(name);
            let data = open(&path)?;
            expect(&path, "value size", data.info(), MapInfo::value_size, value_size)?;
            expect(&path, "number of entries", data.info(), MapInfo::max_entries, entries as usize)?;
            Ok(data)
        };
        let Geometry { cpus, slots, interfaces, sets, .. } = geometry;
        let totals = opened(maps::TOTALS, size_of::<SlotTotals>(), cpus * slots)?;
        let directory = opened(maps::DIRECTORY, size_of::<KeySet>(), sets)?;
        let counters = opened(maps::COUNTERS, size_of::<PortCounters>(), cpus * geometry.positions())?;
        let array = |name, size: usize, entries: u32| opened(name, size, entries).map(Map::Array);
        Ok(Self {
            geometry,
            interfaces: typed(
                maps::INTERFACES,
                array(maps::INTERFACES, size_of::<Interface>(), interfaces)?,
            )?,
            slots: typed(maps::SLOTS, array(maps::SLOTS, size_of::<SlotState>(), slots)?)?,
            claims: typed(maps::CLAIMS, Map::HashMap(opened(maps::CLAIMS, 8, geometry.positions())?))?,
            asked: typed(maps::ASKED, array(maps::ASKED, size_of::<AskedPorts>(), slots)?)?,
            scope_pages: typed(
                maps::SCOPE_PAGES,
                array(maps::SCOPE_PAGES, size_of::<ScopePage>(), ScopePage::COUNT)?,
            )?,
            scopes: typed(maps::SCOPES, Map::LpmTrie(open(&pins.map(maps::SCOPES))?))?,
            trace_budget: typed(maps::TRACE_BUDGET, array(maps::TRACE_BUDGET, 8, 1)?)?,
            meters: typed(maps::METERS, array(maps::METERS, size_of::<MeterRecord>(), slots)?)?,
            totals: Mapped::new(&totals, maps::TOTALS, cpus * slots, access)?,
            directory: Mapped::new(&directory, maps::DIRECTORY, sets, access)?,
            counters: Mapped::new(&counters, maps::COUNTERS, cpus * geometry.positions(), access)?,
        })
    }
}

fn open(path: &Path) -> Result<MapData, EbpfError> {
    MapData::from_pin(path).map_err(|source| EbpfError::OpenMap { path: path.to_owned(), source })
}

fn typed<T: TryFrom<Map, Error = aya::maps::MapError>>(map: &'static str, data: Map) -> Result<T, EbpfError> {
    data.try_into().map_err(|source| EbpfError::Map { map, source })
}

fn expect(
    path: &Path,
    property: &'static str,
    info: Result<MapInfo, aya::maps::MapError>,
    of: impl Fn(&MapInfo) -> u32,
    expected: usize,
) -> Result<(), EbpfError> {
    let info = info.map_err(|source| EbpfError::OpenMap { path: path.to_owned(), source })?;
    let (found, expected) = (u64::from(of(&info)), expected as u64);
    if found == expected {
        Ok(())
    } else {
        Err(EbpfError::ForeignMap { path: path.to_owned(), property, found, expected })
    }
}
