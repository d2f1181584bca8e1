//! What the object is made from, as one hash.
//!
//! Sources by path and content, the versions of what they are built with, the build profile and the flags. Proc macros'
//! own dependencies (`syn` and its like) are left out: they move with user space's and do not change the object.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::compile::{FLAGS, TARGET};
use super::digest::hex;
use crate::workspace::Workspace;

/// Files and directories that make the object.
const SOURCES: [&str; 4] =
    ["dtraf-common/Cargo.toml", "dtraf-common/src", "dtraf-ebpf/Cargo.toml", "dtraf-ebpf/src"];

/// Crates whose code gets into the object, by the beginnings of their names.
const CRATES: [&str; 5] = ["aya-ebpf", "aya-log-common", "aya-log-ebpf", "dtraf-", "zerocopy"];

/// The hash over all of it.
pub(crate) fn digest(workspace: &Workspace) -> Result<String> {
    let root = workspace.root();
    let mut hash = Sha256::new();
    // A length before each part: no two lists of parts give the same bytes.
    let mut part = |content: &[u8]| {
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    };
    for file in files(root)? {
        part(file.to_string_lossy().as_bytes());
        part(&fs::read(root.join(&file)).with_context(|| format!("read {}", file.display()))?);
    }
    let read = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("read {name}"));
    for line in locked(&read("Cargo.lock")?).iter().chain(&profiles(&read("Cargo.toml")?)) {
        part(line.as_bytes());
    }
    part(TARGET.as_bytes());
    for flag in FLAGS {
        part(flag.as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

/// Every source file, relative to `root`, sorted.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut left: Vec<PathBuf> = SOURCES.iter().map(PathBuf::from).collect();
    while let Some(path) = left.pop() {
        let full = root.join(&path);
        if full.is_dir() {
            for entry in fs::read_dir(&full).with_context(|| format!("list {}", full.display()))? {
                left.push(path.join(entry?.file_name()));
            }
        } else if !is_test(&path) {
            found.insert(path);
        }
    }
    Ok(found)
}

/// Unit tests that stand in a file of their own are no part of the object.
fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
}

/// Name, version and checksum of the crates that get into the object, from `Cargo.lock`.
fn locked(lock: &str) -> Vec<String> {
    lock.split("[[package]]")
        .map(|package| {
            let kept = ["name = ", "version = ", "checksum = "];
            let lines = package.lines().filter(|line| kept.iter().any(|key| line.starts_with(key)));
            lines.collect::<Vec<_>>().join("\n")
        })
        .filter(|package| CRATES.iter().any(|name| package.starts_with(&format!("name = \"{name}"))))
        .collect()
}

/// The lines of the build profiles in the workspace's `Cargo.toml`.
fn profiles(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.starts_with("[profile.release");
        }
        if inside && !line.trim().is_empty() && !line.starts_with('#') {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "\
version = 4

[[package]]
name = \"aya-ebpf\"
version = \"0.2.1\"
source = \"registry+https://example.org\"
checksum = \"c1\"
dependencies = [
 \"aya-build\",
]

[[package]]
name = \"anyhow\"
version = \"1.0.0\"

[[package]]
name = \"dtraf-common\"
version = \"0.1.0\"
dependencies = [
 \"zerocopy\",
]
";

    #[test]
    fn only_crates_that_get_into_the_object_count() {
        assert_eq!(
            locked(LOCK),
            [
                "name = \"aya-ebpf\"\nversion = \"0.2.1\"\nchecksum = \"c1\"",
                "name = \"dtraf-common\"\nversion = \"0.1.0\""
            ]
        );
    }

    #[test]
    fn only_the_release_profiles_count() {
        let manifest = "[workspace]\nmembers = []\n\n[profile.release]\nlto = \"thin\"\n\n\
                        [profile.release.package.dtraf-ebpf]\ndebug = 2\n\n[profile.dev]\nopt-level = 1\n";
        assert_eq!(
            profiles(manifest),
            ["[profile.release]", "lto = \"thin\"", "[profile.release.package.dtraf-ebpf]", "debug = 2"]
        );
    }

    #[test]
    fn test_files_do_not_count() {
        assert!(is_test(Path::new("dtraf-common/src/packet/tests.rs")));
        assert!(!is_test(Path::new("dtraf-common/src/packet.rs")));
    }
}
