//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy knows.
//!
//! Each rule is a pure function from the tree's files to what is wrong with them; this module reads the files and prints.

mod core;
mod documents;
mod layout;
mod manifest;
mod text;
mod tree;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use tree::{Finding, Tree};

type Check = fn(&Tree) -> Vec<Finding>;

/// Every rule: what it wants, and who checks it.
const RULES: [(&str, Check); 7] = [
    ("the top level holds what ARCHITECTURE.md says", layout::top_level),
    ("no file outgrows its size", layout::sizes),
    ("every crate inherits the workspace's lints", manifest::lints),
    ("the accounting is pure", core::purity),
    ("no test is skipped, nothing is left to be written", text::forbidden),
    ("no line ends in blanks", text::trailing_blanks),
    ("every dependency is named in ARCHITECTURE.md", documents::dependencies),
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace.root())?;
    let mut count = 0;
    for (rule, check) in RULES {
        let findings = check(&tree);
        count += findings.len();
        println!("{} {rule}", if findings.is_empty() { "ok   " } else { "WRONG" });
        for finding in findings {
            println!("      {finding}");
        }
    }
    if count > 0 {
        bail!("{count} things are not tidy");
    }
    Ok(())
}
