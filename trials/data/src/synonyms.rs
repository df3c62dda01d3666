//! Words and phrases that can stand for each other.

use std::collections::HashMap;
use std::path::Path;

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{DataError, shown};
use crate::source::lines::{self, Problem};
use crate::source::open;

const FORM: &str = "write words that mean the same in one line, separated by tabs";

/// Groups of words and phrases that mean the same. Case does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synonyms {
    groups: Vec<Vec<String>>,
    /// The groups of a phrase in lower case.
    of: HashMap<String, Vec<u32>>,
    /// How many segments phrases have, the longest first.
    lengths: Vec<usize>,
}

impl Synonyms {
    /// Reads a file of groups, one a line, whose members are separated by tabs.
    ///
    /// # Errors
    /// Names the file, the place in it, and the fix.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let mut synonyms = Self::default();
        lines::each(path, open(path)?, FORM, |_, line| synonyms.add(line))?;
        if synonyms.groups.is_empty() {
            let message = format!("`{}` has no synonyms", path.display());
            return Err(DataError::whole(path, message, FORM));
        }
        synonyms.lengths.sort_unstable_by(|a, b| b.cmp(a));
        synonyms.lengths.dedup();
        Ok(synonyms)
    }

    fn add(&mut self, line: &str) -> Result<(), Problem> {
        let group = self.groups.len() as u32;
        let mut members: Vec<String> = Vec::new();
        let mut at = 0;
        for field in line.split('\t') {
            let member = field.trim();
            let from = at + field.len() - field.trim_start().len();
            let span = from..from + member.len().max(1).min(line.len() - from);
            at += field.len() + 1;
            if member.is_empty() {
                return Err(Problem::new(line, span, "there is nothing between two tabs", FORM));
            }
            if !member.chars().any(char::is_alphanumeric) {
                let message = format!("`{}` has neither letters nor digits", shown(member));
                return Err(Problem::new(line, span, message, "remove it"));
            }
            let groups = self.of.entry(member.to_lowercase()).or_default();
            // The same in another case is the same.
            if groups.last() != Some(&group) {
                groups.push(group);
                members.push(member.to_owned());
                self.lengths.push(member.split_word_bounds().count());
            }
        }
        if members.len() < 2 {
            let all = line.len() - line.trim_start().len()..line.trim_end().len();
            return Err(Problem::new(line, all, "a group has at least two words", FORM));
        }
        self.groups.push(members);
        Ok(())
    }

    /// The text with its phrases replaced, each with the probability `share`, by another member of one of its groups; none
    /// if nothing was replaced. Longer phrases go before shorter ones. `draw` gives numbers from 0 to below 1.
    pub fn replace(&self, text: &str, share: f64, mut draw: impl FnMut() -> f64) -> Option<String> {
        let segments: Vec<(usize, &str)> = text.split_word_bound_indices().collect();
        let start = |segment: usize| segments.get(segment).map_or(text.len(), |(start, _)| *start);
        let mut replaced = String::new();
        let mut kept_to = 0;
        let mut segment = 0;
        while segment < segments.len() {
            let from = start(segment);
            let found = self.lengths.iter().find_map(|length| {
                let phrase = text.get(from..start(segment + length))?;
                (segment + length <= segments.len()).then_some(())?;
                Some((length, phrase, self.of.get(&phrase.to_lowercase())?))
            });
            let Some((length, phrase, groups)) = found else {
                segment += 1;
                continue;
            };
            segment += length;
            if draw() < share {
                replaced.push_str(&text[kept_to..from]);
                replaced.push_str(&as_written(self.other(groups, phrase, draw()), phrase));
                kept_to = start(segment);
            }
        }
        (kept_to > 0).then(|| replaced + &text[kept_to..])
    }

    /// One of the other members of a phrase's groups; `drawn` lies in 0 to below 1.
    fn other(&self, groups: &[u32], phrase: &str, drawn: f64) -> &str {
        let phrase = phrase.to_lowercase();
        let others: Vec<&str> = groups
            .iter()
            .flat_map(|&group| &self.groups[group as usize])
            .filter(|member| member.to_lowercase() != phrase)
            .map(String::as_str)
            .collect();
        // A group has at least one other member.
        others[((others.len() as f64 * drawn) as usize).min(others.len() - 1)]
    }

    /// The groups, as members of lines.
    pub fn groups(&self) -> &[Vec<String>] {
        &self.groups
    }
}

/// A phrase that begins with a capital if what it stands for does.
fn as_written(phrase: &str, instead_of: &str) -> String {
    let mut characters = phrase.chars();
    match characters.next() {
        Some(first) if instead_of.chars().next().is_some_and(char::is_uppercase) => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => phrase.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Synonyms, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.tsv");
        std::fs::write(&path, text).unwrap();
        Synonyms::read(&path).map_err(|error| {
            let at = error.place.as_ref().map(|place| &place.text[place.span.clone()]);
            let message = error.to_string();
            let message = message.replace(&format!("{}/", directory.path().display()), "");
            format!("{message} [{}] {}", at.unwrap_or_default(), error.help)
        })
    }

    const GROUPS: &str = "\u{feff}big\tlarge\n\nnew york\tNYC\tBig Apple\r\nbig\tgrown up\n苹果\t蘋果\n";

    #[test]
    fn phrases_are_replaced_by_others_of_their_groups() {
        let synonyms = read(GROUPS.as_bytes()).unwrap();
        let replaced = |text: &str, drawn: f64| {
            // A draw of 0 to replace, then one to choose.
            let mut draws = [0.0, drawn].into_iter().cycle();
            synonyms.replace(text, 0.5, || draws.next().unwrap())
        };
        assert_eq!(replaced("a big dog", 0.0).unwrap(), "a large dog");
        assert_eq!(replaced("a big dog", 0.9).unwrap(), "a grown up dog");
        assert_eq!(
            replaced("Large! In New York.", 0.0).unwrap(),
            "Big! In NYC.",
            "case and punctuation stay"
        );
        assert_eq!(replaced("the big apple", 0.0).unwrap(), "the new york", "longest first");
        assert_eq!(replaced("吃苹果吧", 0.0).unwrap(), "吃蘋果吧", "no spaces");
        assert_eq!(replaced("bigger, york, new", 0.0), None, "whole phrases only");
        assert_eq!(replaced("", 0.0), None);
    }

    #[test]
    fn each_phrase_is_replaced_with_the_probability() {
        let synonyms = read(b"a\tb\n").unwrap();
        let text = "a ".repeat(100);
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut count = 0;
        for _ in 0..100 {
            let replaced = synonyms.replace(&text, 0.3, &mut draw).unwrap();
            count += replaced.matches('b').count();
            assert_eq!(replaced.replace('b', "a"), text);
        }
        assert!((2800..3200).contains(&count), "{count}");
        assert_eq!(synonyms.replace(&text, 0.0, draw), None);
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_place() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "`s.tsv` has no synonyms"),
            (
                b"a\tb\nbig, large\n",
                "s.tsv:2:1: a group has at least two words [big, large]",
            ),
            (b"a\tA\n", "s.tsv:1:1: a group has at least two words [a\tA]"),
            (b"a\t\tb\n", "s.tsv:1:3: there is nothing between two tabs [\t]"),
            (b"a\tb\t", "s.tsv:1:5: there is nothing between two tabs []"),
            (b"a\t ; \n", "s.tsv:1:4: `;` has neither letters nor digits [;]"),
            (b"a\t\xff\n", "s.tsv:1:3: the line is not UTF-8"),
        ];
        for (text, expected) in cases {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{message}\n{expected}");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"\t\n\r aB\xc3\xa4\xef\xbb\xbf"[..])], 0..60), text in ".*") {
            match read(&bytes) {
                Ok(synonyms) => {
                    synonyms.replace(&text, 0.5, || 0.25);
                    let whole = synonyms.groups().iter().flatten().fold(String::new(), |all, member| all + member + " ");
                    prop_assert!(synonyms.replace(&whole, 1.0, || 0.999).is_some());
                }
                Err(message) => prop_assert!(!message.is_empty() && message.len() < 4000),
            }
        }

        #[test]
        fn no_text_panics_and_all_else_stays(text in ".*", groups in proptest::collection::vec("[a-c ]{1,3}\t[d-f ]{1,3}", 1..5), seed: u64) {
            if let Ok(synonyms) = read(groups.join("\n").as_bytes()) {
                let mut state = seed;
                let replaced = synonyms.replace(&text, 1.0, || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 11) as f64 / (1u64 << 53) as f64
                });
                let others = |text: &str| text.chars().filter(|c| !c.is_alphanumeric() && *c != ' ').collect::<String>();
                prop_assert_eq!(others(replaced.as_deref().unwrap_or(&text)), others(&text));
            }
        }
    }
}
