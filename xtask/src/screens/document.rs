//! Documents in which screens stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

const MARK: &str = "<!-- screen ";
const FENCE: &str = "```";

/// Puts each screen into the block behind its mark, and says how many there were.
pub(super) fn fill(path: &Path, screens: &BTreeMap<&str, String>) -> Result<usize> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (filled, count) =
        filled(&text, screens).with_context(|| format!("put screens into {}", path.display()))?;
    fs::write(path, filled).with_context(|| format!("write {}", path.display()))?;
    Ok(count)
}

fn filled(text: &str, screens: &BTreeMap<&str, String>) -> Result<(String, usize)> {
    let (mut filled, mut count) = (String::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        filled.extend([line, "\n"]);
        let Some(name) = line.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let Some(screen) = screens.get(name) else { bail!("there is no screen {name:?}") };
        if lines.next() != Some(FENCE) {
            bail!("no block of code behind {line:?}");
        }
        let mut behind = lines.by_ref().skip_while(|line| *line != FENCE);
        if behind.next().is_none() {
            bail!("the block of code behind {line:?} does not end");
        }
        filled.extend([FENCE, "\n", &trimmed(screen), FENCE, "\n"]);
        count += 1;
    }
    Ok((filled, count))
}

/// Without blanks at the ends of lines, and with one empty line for many.
fn trimmed(screen: &str) -> String {
    let mut lines: Vec<_> = screen.lines().map(|line| line.trim_end_matches([' ', '⠀'])).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_takes_the_place_of_the_one_before() {
        let screens = BTreeMap::from([("ports", "PORT  \n\n\n\nq quit\n\n".to_owned())]);
        let text = "before\n<!-- screen ports -->\n```\nold\n```\nbehind\n";
        let (filled, count) = filled(text, &screens).expect("it is there");
        assert_eq!(filled, "before\n<!-- screen ports -->\n```\nPORT\n\nq quit\n```\nbehind\n");
        assert_eq!(count, 1);
    }

    #[test]
    fn what_cannot_be_filled_is_an_error() {
        let screens = BTreeMap::from([("ports", String::new())]);
        for text in [
            "<!-- screen ports -->\n",
            "<!-- screen ports -->\n```\nold\n",
            "<!-- screen none -->\n```\n```\n",
        ] {
            assert!(filled(text, &screens).is_err(), "{text:?}");
        }
    }
}
