//! The pinned maps, opened and found to be as this program makes them.

use std::path::Path;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, Map, MapData, MapInfo};
use dtraf_common::abi::{
    AskedPorts, Folded, FrameCounters, Geometry, Interface, KeySet, LAYOUT_VERSION, LearnedMacs, MeterRecord,
    PortCounters, PortOverheads, ScopePage, SlotState, SlotTotals, WAYS, maps,
};

use super::error::EbpfError;
use super::mapped::{Access, Mapped};
use super::pins::PinDirectory;
use super::plain::Plain;
use super::table::{Names, Size, Table};

/// Every map that user space looks into.
pub(super) struct Maps {
    pub(super) geometry: Geometry,
    pub(super) interfaces: Array<MapData, Plain<Interface>>,
    pub(super) asked: Array<MapData, Plain<AskedPorts>>,
    pub(super) learned: Array<MapData, Plain<LearnedMacs>>,
    /// By position in the port table.
    pub(super) folded: HashMap<MapData, u32, Plain<Folded>>,
    pub(super) scope_pages: Array<MapData, [u8; size_of::<ScopePage>()]>,
    pub(super) scopes: LpmTrie<MapData, [u8; 16], u8>,
    pub(super) trace_budget: Array<MapData, u64>,
    pub(super) meters: Array<MapData, Plain<MeterRecord>>,
    pub(super) totals: Mapped<SlotTotals>,
    pub(super) ports: Table<PortCounters, Mapped<PortOverheads>>,
    /// What containers received straight from other containers.
    pub(super) peers: Table<FrameCounters, ()>,
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

/// Opens maps of one geometry.
#[derive(Clone, Copy)]
struct Opener<'a> {
    pins: &'a PinDirectory,
    geometry: Geometry,
    access: Access,
}

impl Maps {
    pub(super) fn open(pins: &PinDirectory, geometry: Geometry, access: Access) -> Result<Self, EbpfError> {
        let opener = Opener { pins, geometry, access };
        let Geometry { cpus, slots, interfaces, sets, peer_sets, .. } = geometry;
        let overheads = opener.mapped(maps::OVERHEADS, cpus * sets * WAYS)?;
        Ok(Self {
            geometry,
            interfaces: opener.array(maps::INTERFACES, size_of::<Interface>(), interfaces)?,
            asked: opener.array(maps::ASKED, size_of::<AskedPorts>(), slots)?,
            learned: opener.array(maps::LEARNED, size_of::<LearnedMacs>(), slots)?,
            folded: opener.hash(maps::FOLDED, size_of::<Folded>(), sets * WAYS)?,
            scope_pages: opener.array(maps::SCOPE_PAGES, size_of::<ScopePage>(), ScopePage::COUNT)?,
            scopes: typed(maps::SCOPES, Map::LpmTrie(open(&pins.map(maps::SCOPES))?))?,
            trace_budget: opener.array(maps::TRACE_BUDGET, 8, 1)?,
            meters: opener.array(maps::METERS, size_of::<MeterRecord>(), slots)?,
            totals: opener.mapped(maps::TOTALS, cpus * slots)?,
            ports: opener.table(PORT_TABLE, sets, overheads)?,
            peers: opener.table(PEER_TABLE, peer_sets, ())?,
        })
    }
}

const PORT_TABLE: Names =
    Names { states: maps::SLOTS, directory: maps::DIRECTORY, claims: maps::CLAIMS, counters: maps::COUNTERS };

const PEER_TABLE: Names = Names {
    states: maps::PEER_SLOTS,
    directory: maps::PEER_DIRECTORY,
    claims: maps::PEER_CLAIMS,
    counters: maps::PEER_COUNTERS,
};

impl Opener<'_> {
    fn table<V, O>(self, names: Names, sets: u32, overheads: O) -> Result<Table<V, O>, EbpfError> {
        let Geometry { cpus, seed, slots, .. } = self.geometry;
        let size = Size { sets, cpus, seed };
        Ok(Table {
            size,
            names,
            states: self.array(names.states, size_of::<SlotState>(), slots)?,
            directory: self.mapped::<KeySet>(names.directory, sets)?,
            claims: typed(names.claims, Map::HashMap(self.data(names.claims, 8, size.positions())?))?,
            counters: self.mapped(names.counters, cpus * size.positions())?,
            overheads,
        })
    }

    fn hash<V: aya::Pod>(
        self,
        name: &'static str,
        size: usize,
        entries: u32,
    ) -> Result<HashMap<MapData, u32, V>, EbpfError> {
        typed(name, Map::HashMap(self.data(name, size, entries)?))
    }

    fn mapped<T>(self, name: &'static str, entries: u32) -> Result<Mapped<T>, EbpfError> {
        Mapped::new(&self.data(name, size_of::<T>(), entries)?, name, entries, self.access)
    }

    fn array<T: aya::Pod>(
        self,
        name: &'static str,
        size: usize,
        entries: u32,
    ) -> Result<Array<MapData, T>, EbpfError> {
        typed(name, Map::Array(self.data(name, size, entries)?))
    }

    fn data(self, name: &'static str, value_size: usize, entries: u32) -> Result<MapData, EbpfError> {
        let path = self.pins.map(name);
        let data = open(&path)?;
        expect(&path, "value size", data.info(), MapInfo::value_size, value_size)?;
        expect(&path, "number of entries", data.info(), MapInfo::max_entries, entries as usize)?;
        Ok(data)
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
