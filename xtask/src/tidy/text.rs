//! What must not stand in a file.

use super::tree::{Finding, Tree};

/// In parts, so that this file does not find itself.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("#[", "ignore"), "a test that does not run proves nothing"),
    (concat!("#[", "should_panic"), "any panic would do: assert the error instead"),
    (concat!("todo", "!("), "finish it"),
    (concat!("unimplemented", "!("), "finish it"),
];

/// Golden files keep what they were given.
const CHECKED: [&str; 7] = [".rs", ".toml", ".md", ".sh", ".yml", ".gitignore", ".ci/run"];

pub(crate) fn forbidden(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (number, line) in (1..).zip(file.text.lines()) {
            for (word, why) in FORBIDDEN {
                if line.contains(word) {
                    findings.push(Finding::at_line(&file.path, number, format!("`{word}`: {why}")));
                }
            }
        }
    }
    findings
}

pub(crate) fn trailing_blanks(tree: &Tree) -> Vec<Finding> {
    let checked = tree.files.iter().filter(|file| CHECKED.iter().any(|end| file.path.ends_with(end)));
    checked
        .flat_map(|file| {
            let lines = (1..).zip(file.text.lines()).filter(|(_, line)| line.ends_with(char::is_whitespace));
            lines.map(|(number, _)| Finding::at_line(&file.path, number, "ends in blanks"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_found() {
        let text = format!("#[test]\n{}]\nfn later() {{}}\n", FORBIDDEN[0].0);
        let found = forbidden(&Tree::of(&[("dtraf/src/a.rs", &text)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("dtraf/src/a.rs:2: "), "{}", found[0]);
    }

    #[test]
    fn blanks_are_found_where_a_person_writes() {
        let tree = Tree::of(&[("a.md", "one\ntwo \n"), ("b.snap", "three \n"), (".ci/run", "four\t\n")]);
        let expected =
            [Finding::at_line("a.md", 2, "ends in blanks"), Finding::at_line(".ci/run", 1, "ends in blanks")];
        assert_eq!(trailing_blanks(&tree), expected);
    }
}
