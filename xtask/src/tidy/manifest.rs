//! What the crates' manifests must say.

use super::tree::{Finding, Tree};

pub(crate) fn lints(tree: &Tree) -> Vec<Finding> {
    tree.manifests()
        .filter(|file| {
            !entries(&file.text, |section| section == "lints").any(|line| line == "workspace = true")
        })
        .map(|file| Finding::in_file(&file.path, "`[lints] workspace = true` is missing"))
        .collect()
}

/// The crates that a manifest asks for, whatever for; those of this workspace are none.
pub(crate) fn dependencies(manifest: &str) -> Vec<&str> {
    entries(manifest, |section| section.ends_with("dependencies"))
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .filter(|name| !name.starts_with("dtraf"))
        .collect()
}

/// The lines of the sections that `wanted` takes, without comments.
fn entries(manifest: &str, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter(move |line| {
        if let Some(section) = line.strip_prefix('[') {
            inside = wanted(section.trim_end_matches(']'));
            return false;
        }
        inside && !line.trim().is_empty() && !line.starts_with('#')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            ("good/Cargo.toml", "[package]\nname = \"good\"\n\n[lints]\nworkspace = true\n"),
            ("bad/Cargo.toml", "[dependencies.x]\nworkspace = true\n\n[lints]\n# workspace = true\n"),
        ]);
        assert_eq!(
            lints(&tree),
            [Finding::in_file("bad/Cargo.toml", "`[lints] workspace = true` is missing")]
        );
    }

    #[test]
    fn dependencies_of_all_kinds_are_listed() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# why\nanyhow.workspace = true\naya = \"1\"\n\
                        dtraf-common.workspace = true\n\n[dev-dependencies]\ninsta = { version = \"1\" }\n\n[lints]\n\
                        workspace = true\n[workspace.dependencies]\ntokio = \"1\"\n";
        assert_eq!(dependencies(manifest), ["anyhow", "aya", "insta", "tokio"]);
    }
}
