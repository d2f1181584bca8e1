//! The two programs: those that an earlier process has left, where they are what this one would load, and newly loaded
//! ones otherwise.
//!
//! Loading takes a fifth of a second, nearly all of it the kernel's verifier. Programs do not change, so they are pinned
//! beside their maps, below a tag that is made of all that goes into them. They are taken from their pins and from nowhere
//! else: what runs on an interface is put there anew by every process.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use dtraf_common::abi::{Geometry, Hook, WAYS, globals, maps, programs};
use rustix::process::geteuid;

use super::error::EbpfError;
use super::load::Options;
use super::pins::{PinDirectory, make, names, remove_tree};

/// The programs, made by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../object/dtraf.bpf.o");

/// Says that the kernel is `PREEMPT_RT` (`Documentation/ABI/testing/sysfs-kernel`, since 5.12).
const REALTIME: &str = "/sys/kernel/realtime";

/// Somebody else than the owner may write there.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Both programs, loaded and pinned.
#[derive(Debug)]
pub(super) struct Programs {
    ingress: SchedClassifier,
    egress: SchedClassifier,
}

/// What the verifier takes for known: the object's constants, and their values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constants([(&'static str, Constant); 7]);

#[derive(Clone, Copy, Debug, Hash)]
enum Constant {
    Word(u32),
    Long(u64),
}

impl Programs {
    pub(super) fn of(&mut self, hook: Hook) -> &mut SchedClassifier {
        match hook {
            Hook::Ingress => &mut self.ingress,
            Hook::Egress => &mut self.egress,
        }
    }

    /// Those that are pinned below the tag. `None` where they are not both there, or where others than we could have put
    /// them there.
    pub(super) fn pinned(pins: &PinDirectory, tag: &str) -> Option<Self> {
        let is_ours = [pins.top(), pins.layout(), pins.programs(), pins.programs().join(tag)]
            .iter()
            .all(|directory| is_ours_alone(directory));
        if !is_ours {
            return None;
        }
        Some(Self { ingress: pinned(pins, tag, Hook::Ingress)?, egress: pinned(pins, tag, Hook::Egress)? })
    }

    /// Has the kernel look at an object's programs, and pins them.
    pub(super) fn load(pins: &PinDirectory, tag: &str, object: &mut Ebpf) -> Result<Self, EbpfError> {
        let directory = pins.programs().join(tag);
        if directory.exists() {
            // The process before ended in between, or traced: its records came by a map of its own.
            remove_tree(&directory)?;
        }
        make(&directory)?;
        let [ingress, egress] = [Hook::Ingress, Hook::Egress].map(|hook| {
            let name = name(hook);
            let failed = |source| EbpfError::LoadProgram { name, source };
            let program = object.program_mut(name).ok_or(EbpfError::Missing(name))?;
            let program: &mut SchedClassifier = program.try_into().map_err(failed)?;
            program.load().map_err(failed)?;
            let path = pins.program(tag, hook);
            program.pin(&path).map_err(|source| EbpfError::Pin { path: path.clone(), source })?;
            SchedClassifier::from_pin(&path).map_err(failed)
        });
        Ok(Self { ingress: ingress?, egress: egress? })
    }

    /// Removes what is pinned below other tags. Where such a program still runs it goes on.
    pub(super) fn forget_others(pins: &PinDirectory, tag: &str) -> Result<(), EbpfError> {
        for other in names(&pins.programs())?.iter().filter(|name| *name != tag) {
            remove_tree(&pins.programs().join(other))?;
        }
        Ok(())
    }
}

impl Constants {
    pub(super) fn new(geometry: Geometry, options: &Options) -> Self {
        let realtime = fs::read_to_string(REALTIME).is_ok_and(|text| text.trim() == "1");
        Self([
            (globals::SLOT_COUNT, Constant::Word(geometry.slots)),
            (globals::INTERFACE_COUNT, Constant::Word(geometry.interfaces)),
            (globals::SET_COUNT, Constant::Word(geometry.sets)),
            (globals::PEER_SET_COUNT, Constant::Word(geometry.peer_sets)),
            (globals::SEED, Constant::Long(geometry.seed)),
            (globals::REALTIME, Constant::Word(realtime.into())),
            (globals::TRACE, Constant::Word(options.trace.into())),
        ])
    }

    /// A name for programs that were made of the object with these constants. Another build of dtraf may give them another
    /// one, which costs it no more than loading them.
    pub(super) fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        OBJECT.hash(&mut hasher);
        self.0.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// Reads the object, makes its maps or takes those that are pinned, and loads no program.
pub(super) fn open_object(
    pins: &PinDirectory,
    geometry: Geometry,
    constants: &Constants,
) -> Result<Ebpf, EbpfError> {
    let Geometry { cpus, slots, interfaces, sets, peer_sets, .. } = geometry;
    let (positions, pairs) = (sets * WAYS, peer_sets * WAYS);
    let mut loader = EbpfLoader::new();
    for (name, value) in &constants.0 {
        match value {
            Constant::Word(value) => loader.override_global(name, value, true),
            Constant::Long(value) => loader.override_global(name, value, true),
        };
    }
    for (name, entries) in [
        (maps::INTERFACES, interfaces),
        (maps::SLOTS, slots),
        (maps::TOTALS, cpus * slots),
        (maps::DIRECTORY, sets),
        (maps::CLAIMS, positions),
        (maps::COUNTERS, cpus * positions),
        (maps::OVERHEADS, cpus * positions),
        (maps::FOLDED, positions),
        (maps::LEARNED, slots),
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

/// `None` unless it has the name that ours has.
fn pinned(pins: &PinDirectory, tag: &str, hook: Hook) -> Option<SchedClassifier> {
    let program = SchedClassifier::from_pin(pins.program(tag, hook)).ok()?;
    let is_it = program.info().is_ok_and(|info| info.name_as_str() == Some(name(hook)));
    is_it.then_some(program)
}

fn is_ours_alone(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == geteuid().as_raw() && metadata.mode() & WRITABLE_BY_OTHERS == 0
    })
}

fn name(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => programs::INGRESS,
        Hook::Egress => programs::EGRESS,
    }
}
