//! The accounting is pure: no kernel, no Docker, no database, no screen, no file, no clock.

use super::tree::{File, Finding, Tree};

/// Where the accounting is.
const CORE: [&str; 2] = ["dtraf/src/accounting.rs", "dtraf/src/accounting/"];

/// Paths that nothing in there may name, nor anything below them.
const FORBIDDEN: [&str; 12] = [
    "aya",
    "aya_log",
    "bollard",
    "ratatui",
    "rusqlite",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "tokio",
];

/// Calls that need no import of their own.
const FORBIDDEN_CALLS: [&str; 2] = ["Instant::now", "SystemTime::now"];

pub(crate) fn purity(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter(|file| CORE.iter().any(|core| file.path.starts_with(core))).flat_map(impure).collect()
}

fn impure(file: &File) -> Vec<Finding> {
    let code = file.text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let mut found: Vec<&str> = FORBIDDEN_CALLS.into_iter().filter(|call| code.contains(call)).collect();
    let named = imports(&code).into_iter().chain(paths(&code)).collect::<Vec<_>>();
    let below = |path: &str, forbidden: &str| {
        path.strip_prefix(forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    found.extend(FORBIDDEN.into_iter().filter(|forbidden| named.iter().any(|path| below(path, forbidden))));
    found
        .into_iter()
        .map(|what| Finding::in_file(&file.path, format!("the accounting may not use {what}")))
        .collect()
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Every path that the code writes out, such as `std::fs::read`.
fn paths(code: &str) -> Vec<String> {
    code.split(|character: char| !(character.is_alphanumeric() || character == '_' || character == ':'))
        .filter(|word| word.contains("::"))
        .map(str::to_owned)
        .collect()
}

/// Every path that is imported, with groups written out: `std::{fs, io}` is `std::fs` and `std::io`.
fn imports(code: &str) -> Vec<String> {
    let statements = code.split(';').filter_map(|statement| {
        let at = statement.rfind("use ")?;
        let starts = statement[..at].chars().next_back().is_none_or(char::is_whitespace);
        starts.then(|| statement[at + "use ".len()..].split_whitespace().collect::<String>())
    });
    statements.flat_map(|statement| expand("", &statement)).collect()
}

fn expand(prefix: &str, tree: &str) -> Vec<String> {
    let Some((head, group)) = tree.split_once('{') else {
        return vec![format!("{prefix}{tree}")];
    };
    let prefix = format!("{prefix}{head}");
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.extend(expand(&prefix, &group[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_imports_are_written_out() {
        let code = "use std::{fs, io::{self, Read}};\npub use crate::a::B;\nfn x() { }";
        assert_eq!(imports(code), ["std::fs", "std::io::self", "std::io::Read", "crate::a::B"]);
    }

    #[test]
    fn whatever_touches_the_world_is_found() {
        for (name, text, expected) in [
            ("an import", "use tokio::sync::mpsc;", 1),
            ("a whole crate", "use aya;", 1),
            ("in a group", "use std::{collections::BTreeMap, fs};", 1),
            ("a path in the code", "fn x() { std::process::exit(1) }", 1),
            ("a clock", "use std::time::Instant;\nfn x() { Instant::now(); }", 1),
            ("a clock's type alone", "use std::time::Duration;", 0),
            ("addresses are no sockets", "use std::net::{IpAddr, SocketAddr};", 0),
            ("a comment", "// as std::fs does\n//! use tokio::x;", 0),
            ("a longer name", "use ayatollah::x; use std::fsx;", 0),
        ] {
            let found = purity(&Tree::of(&[("dtraf/src/accounting/a.rs", text)]));
            assert_eq!(found.len(), expected, "{name}: {found:?}");
        }
    }

    #[test]
    fn only_the_accounting_is_held_to_it() {
        let text = "use tokio::sync::mpsc;";
        assert_eq!(purity(&Tree::of(&[("dtraf/src/daemon.rs", text)])), []);
        assert_eq!(purity(&Tree::of(&[("dtraf/src/accounting.rs", text)])).len(), 1);
    }
}
