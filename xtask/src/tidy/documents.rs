//! What the documents must say.

use std::collections::BTreeSet;

use super::manifest;
use super::tree::{Finding, Tree};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// A crate that somebody else writes is a decision, and decisions stand in the document.
pub(crate) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.file(DOCUMENT) else {
        return vec![Finding::in_file(DOCUMENT, "is missing")];
    };
    let names: BTreeSet<&str> = tree
        .file("Cargo.toml")
        .into_iter()
        .chain(tree.manifests())
        .flat_map(|file| manifest::dependencies(&file.text))
        .collect();
    names
        .into_iter()
        .filter(|name| !names_crate(&document.text, name))
        .map(|name| Finding::in_file(DOCUMENT, format!("does not name the dependency {name}")))
        .collect()
}

/// Whether the crate's whole name occurs: `aya` is not named by `aya-log`.
fn names_crate(text: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '-' || character == '_';
    text.split(|character| !is_part(character)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_the_document_does_not_name_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\naya = \"1\"\naya-log = \"1\"\n"),
            ("dtraf/Cargo.toml", "[dependencies]\ntokio = \"1\"\n"),
            (DOCUMENT, "It uses `aya-log` and **tokio**."),
        ]);
        assert_eq!(dependencies(&tree), [Finding::in_file(DOCUMENT, "does not name the dependency aya")]);
    }

    #[test]
    fn without_the_document_nothing_is_said_about_crates() {
        assert_eq!(dependencies(&Tree::default()), [Finding::in_file(DOCUMENT, "is missing")]);
    }
}
