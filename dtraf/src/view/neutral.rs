//! Names that cannot harm a terminal.
//!
//! Containers, images and networks are named by others. What a terminal would obey, or what would let one name pass for
//! another, is spelled out. JSON does without this: there the true string counts, and its own escapes protect.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// Marks that may stand on one letter: no script has more. A heap of them covers the lines above and below.
const MARKS: usize = 4;

/// `text` with every such character spelled out as in Rust, like `\u{1b}`.
pub(crate) fn neutral(text: &str) -> Cow<'_, str> {
    let (mut marks, mut spelled) = (0, String::new());
    // Up to where `spelled` has all of it.
    let mut done = 0;
    for (at, character) in text.char_indices() {
        marks = if character.width() == Some(0) { marks + 1 } else { 0 };
        if is_hostile(character) || marks > MARKS {
            spelled += &text[done..at];
            spelled.extend(character.escape_default());
            done = at + character.len_utf8();
        }
    }
    if done == 0 { Cow::Borrowed(text) } else { Cow::Owned(spelled + &text[done..]) }
}

/// Control characters (with them escape sequences, C1 ones included), everything that changes the direction of writing,
/// line separators, and what takes part in no picture at all (`Default_Ignorable_Code_Point`, and the blank of Braille).
pub(crate) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
            ("of another look", "we\u{fe0e}b\u{3164}", "we\\u{fe0e}b\\u{3164}"),
            ("letters with marks", "cafe\u{301} ñ กี่", "cafe\u{301} ñ กี่"),
            (
                "a heap of marks",
                "a\u{301}\u{302}\u{303}\u{304}\u{305}b",
                "a\u{301}\u{302}\u{303}\u{304}\\u{305}b",
            ),
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
