//! What the object keeps: code, maps and BTF.
//!
//! The compiler's debug information is needed up to here, because BTF is made from it. DWARF itself is read by nobody and
//! would be nine tenths of the file. Done here and not by a tool, so that every machine does it alike.

use anyhow::{Context as _, Result};
use object::build::elf::{Builder, Section, SectionData, SectionId};
use object::elf::SHT_STRTAB;

/// The object without its DWARF sections, and without what relocates them.
pub(crate) fn debug_sections(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("read the object that the linker made")?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        section.delete = name.starts_with(".debug_") || name.starts_with(".rel.debug_");
    }
    let gone: Vec<SectionId> =
        builder.sections.iter().filter(|section| section.delete).map(Section::id).collect();
    for symbol in &mut builder.symbols {
        // Symbols of such sections serve their relocations alone.
        symbol.delete = symbol.section.is_some_and(|section| gone.contains(&section));
    }
    // LLVM keeps the names of sections among those of symbols; this writer wants them apart.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;

    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("write the object without its debug sections")?;
    Ok(stripped)
}
