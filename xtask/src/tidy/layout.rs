//! Where files are, and how long.

use std::collections::BTreeSet;

use super::tree::{File, Finding, Tree};

/// What may lie at the top. A new entry is a decision for ARCHITECTURE.md.
const TOP_LEVEL: [&str; 20] = [
    ".cargo",
    ".ci",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "clippy.toml",
    "contrib",
    "deny.toml",
    "docs",
    "dtraf",
    "dtraf-common",
    "dtraf-ebpf",
    "rustfmt.toml",
    "tests",
    "xtask",
];

const LONGEST_FILE: usize = 500;
/// `main.rs` parses, calls and prints the error: a page.
const LONGEST_MAIN: usize = 80;

pub(crate) fn top_level(tree: &Tree) -> Vec<Finding> {
    let entries: BTreeSet<&str> = tree.files.iter().filter_map(|file| file.path.split('/').next()).collect();
    entries
        .into_iter()
        .filter(|entry| !TOP_LEVEL.contains(entry) && !entry.starts_with("LICENSE"))
        .map(|entry| Finding::in_file(entry, "does not belong at the top level"))
        .collect()
}

pub(crate) fn sizes(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter(|file| !is_test(&file.path)).filter_map(too_long).collect()
}

fn too_long(file: &File) -> Option<Finding> {
    let limit = if file.path.ends_with("/main.rs") { LONGEST_MAIN } else { LONGEST_FILE };
    let lines = lines_without_tests(&file.text);
    (lines > limit)
        .then(|| Finding::in_file(&file.path, format!("{lines} lines, {limit} are allowed: split it")))
}

/// Files of tests may be as long as their cases. The package `tests` is a program like any other; its own tests are not.
fn is_test(path: &str) -> bool {
    let path = path.strip_prefix("tests/src/").map_or(path, |_| "");
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Lines up to the module of tests, which stands last.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests =
        lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {"));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_nobody_decided_on_is_found_once() {
        let tree = Tree::of(&[("README.md", ""), ("LICENSE-MIT", ""), ("tmp/a", ""), ("tmp/b", "")]);
        assert_eq!(top_level(&tree), [Finding::in_file("tmp", "does not belong at the top level")]);
    }

    #[test]
    fn the_list_is_sorted_so_that_a_reader_finds_an_entry() {
        assert!(TOP_LEVEL.is_sorted());
    }

    #[test]
    fn long_files_are_found_and_their_tests_do_not_count() {
        let body = "x\n".repeat(LONGEST_FILE);
        let longer = format!("{body}x\n");
        let with_tests = format!("{body}#[cfg(test)]\nmod tests {{\n{body}}}\n");
        let found = |path: &str, text: &str| sizes(&Tree::of(&[(path, text)])).len();
        for (name, path, text, expected) in [
            ("at the limit", "dtraf/src/a.rs", &body, 0),
            ("above it", "dtraf/src/a.rs", &longer, 1),
            ("inline tests", "dtraf/src/a.rs", &with_tests, 0),
            ("a file of tests", "dtraf/src/a/tests.rs", &longer, 0),
            ("an end-to-end test", "tests/tests/lab.rs", &longer, 0),
            ("the lab is no test", "tests/src/lab.rs", &longer, 1),
            ("no Rust", "docs/a.md", &longer, 0),
        ] {
            assert_eq!(found(path, text), expected, "{name}");
        }
    }

    #[test]
    fn main_is_a_page() {
        let page = "x\n".repeat(LONGEST_MAIN + 1);
        let found = sizes(&Tree::of(&[("dtraf/src/main.rs", &page)]));
        assert_eq!(found, [Finding::in_file("dtraf/src/main.rs", "81 lines, 80 are allowed: split it")]);
    }
}
