//! The file beside the object: what it was made from, and by whom.

use std::fmt::{self, Display, Formatter, Write as _};
use std::str::FromStr;

use anyhow::{Context as _, Error, Result};
use sha2::{Digest as _, Sha256};

/// One `key value` pair a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// SHA-256 over every source of the object: see [`super::sources`].
    pub(crate) sources: String,
    /// SHA-256 of the object.
    pub(crate) object: String,
    /// The compiler that made it, with its LLVM.
    pub(crate) compiler: String,
    /// The linker, where BPF code generation happens, with its LLVM.
    pub(crate) linker: String,
}

impl Display for Digest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Made by `cargo xtask build-ebpf`, checked by `cargo xtask build-ebpf --check`.")?;
        writeln!(f, "sources {}", self.sources)?;
        writeln!(f, "object {}", self.object)?;
        writeln!(f, "compiler {}", self.compiler)?;
        writeln!(f, "linker {}", self.linker)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.to_owned())
                .with_context(|| format!("the eBPF object's digest has no `{key}`"))
        };
        Ok(Self {
            sources: value("sources")?,
            object: value("object")?,
            compiler: value("compiler")?,
            linker: value("linker")?,
        })
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_being_written_and_read() {
        let digest = Digest {
            sources: "ab".into(),
            object: "cd".into(),
            compiler: "rustc 1.96.0 (x y) LLVM 22.1.8".into(),
            linker: "bpf-linker 0.13.0 LLVM 22.1.8".into(),
        };
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn a_digest_without_an_object_is_refused() {
        let error = "sources ab\ncompiler c\nlinker l\n".parse::<Digest>().unwrap_err();
        assert_eq!(error.to_string(), "the eBPF object's digest has no `object`");
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
