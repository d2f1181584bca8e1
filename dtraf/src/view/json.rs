//! A report as one line of JSON, for programs. `docs/json.md` describes it; what changes the meaning of a field changes
//! [`VERSION`].
//!
//! Exact whole numbers, true names. What is not known is null.

pub(super) mod amounts;
mod document;
mod peers;

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use self::document::Document;
use super::neutral::is_hostile;
use crate::accounting::report::Report;

pub(super) const VERSION: u32 = 1;

pub(crate) fn render(report: &Report) -> String {
    line(&Document::of(report, VERSION))
}

/// A document whose maps have strings for keys, as one line.
pub(super) fn line(document: &impl Serialize) -> String {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, Escaping);
    document.serialize(&mut serializer).expect("the document has string keys and is written to memory");
    line.push(b'\n');
    String::from_utf8(line).expect("JSON is UTF-8")
}

/// Escapes what a terminal would obey: JSON is looked at, too. The strings stay the same.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all that is ever written.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        for part in fragment.split_inclusive(is_hostile) {
            let hostile = part.chars().next_back().filter(|last| is_hostile(*last));
            let harmless = part.len() - hostile.map_or(0, char::len_utf8);
            writer.write_all(&part.as_bytes()[..harmless])?;
            for unit in hostile.iter().flat_map(|hostile| hostile.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
