//! Names that cannot harm a terminal.
//!
//! Containers, images and networks are named by others. What a terminal would obey, or what would let one name pass for
//! another, is spelled out. JSON does without this: there the true string counts, and its own escapes protect.

use std::borrow::Cow;

/// `text` with every such character spelled out as in Rust, like `\u{1b}`.
pub(crate) fn neutral(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hostile) {
        let spelled = |character: char| {
            let escape = is_hostile(character).then(|| character.escape_default());
            escape.into_iter().flatten().chain((!is_hostile(character)).then_some(character))
        };
        return Cow::Owned(text.chars().flat_map(spelled).collect());
    }
    Cow::Borrowed(text)
}

/// Control characters (with them escape sequences, C1 ones included), everything that changes the direction of writing,
/// line separators, and what takes part in no picture at all.
pub(crate) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_obeyed() {
        let cases = [
            ("ordinary", "web-1.app_2", "web-1.app_2"),
            ("other scripts", "bücher-図書", "bücher-図書"),
            ("a line of its own", "web\nroot", "web\\nroot"),
            ("back to the start", "a\rb\tc", "a\\rb\\tc"),
            ("escape sequence", "\u{1b}[2J\u{1b}]0;x\u{7}", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("C1 escape sequence", "\u{9b}2J", "\\u{9b}2J"),
            ("written backwards", "web\u{202e}1-bd", "web\\u{202e}1-bd"),
            ("unseen", "we\u{200b}b\u{feff}\u{e0041}", "we\\u{200b}b\\u{feff}\\u{e0041}"),
            ("deleted", "ab\u{7f}", "ab\\u{7f}"),
        ];
        for (case, name, expected) in cases {
            assert_eq!(neutral(name), expected, "{case}");
        }
    }

    #[test]
    fn harmless_names_are_not_copied() {
        assert!(matches!(neutral("web"), Cow::Borrowed("web")));
    }
}
