//! What somebody types to see less: words that must all occur, wherever.

/// Words in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    typed: String,
    words: Vec<String>,
}

impl Filter {
    /// So that nobody fills the memory by a key that is stuck.
    const LONGEST: usize = 200;

    pub(super) fn of(typed: &str) -> Self {
        let words = typed.split_whitespace().map(str::to_lowercase).collect();
        Self { typed: typed.to_owned(), words }
    }

    pub(super) fn typed(&self) -> &str {
        &self.typed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn push(&mut self, character: char) {
        if self.typed.len() < Self::LONGEST && !crate::view::neutral::is_hostile(character) {
            *self = Self::of(&format!("{}{character}", self.typed));
        }
    }

    pub(super) fn pop(&mut self) {
        let mut typed = std::mem::take(&mut self.typed);
        typed.pop();
        *self = Self::of(&typed);
    }

    /// The words that are nowhere in `texts`: what is left to be asked of others.
    pub(super) fn unmet<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Self {
        if self.is_empty() {
            return self.clone();
        }
        let texts: Vec<_> = texts.into_iter().map(str::to_lowercase).collect();
        let is_unmet = |word: &&String| !texts.iter().any(|text| text.contains(*word));
        Self { typed: self.typed.clone(), words: self.words.iter().filter(is_unmet).cloned().collect() }
    }

    /// Whether each word is somewhere in `texts`.
    pub(super) fn admits<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        self.unmet(texts).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_to_occur_somewhere() {
        let texts = ["shop-Web-1", "nginx:1.27", "443/tcp", "Bücher"];
        for (typed, expected) in [
            ("", true),
            ("  ", true),
            ("web", true),
            ("WEB nginx", true),
            ("443", true),
            ("BÜCHER", true),
            ("web redis", false),
        ] {
            assert_eq!(Filter::of(typed).admits(texts), expected, "{typed:?}");
        }
    }

    #[test]
    fn what_one_text_has_is_not_asked_of_another() {
        let left = Filter::of("shop 443").unmet(["shop-web-1"]);
        assert!(left.admits(["443/tcp"]) && !left.admits(["80/tcp"]));
        assert!(left.unmet(["443/tcp"]).is_empty());
    }

    #[test]
    fn what_is_typed_can_be_taken_back() {
        let mut filter = Filter::default();
        for character in ['w', 'ü', '\u{1b}', 'b'] {
            filter.push(character);
        }
        assert_eq!(filter.typed(), "wüb");
        filter.pop();
        filter.pop();
        assert_eq!(filter, Filter::of("w"));
    }
}
