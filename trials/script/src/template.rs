//! Texts with placeholders: `--lr={learning_rate}`.

use std::ops::Range;

/// A text with placeholders. `{name}` stands for a value, `{{` and `}}` for braces; `${…}` is a shell's, and left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("has a `{brace}` that is part of no placeholder")]
pub struct TemplateError {
    /// The brace.
    pub brace: char,
    /// Its place in the text, in bytes.
    pub place: Range<usize>,
}

/// Whether a text can be the name of a placeholder.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// If a brace is part of no placeholder, and not doubled.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("${") {
                let length = rest.find('}').map_or(rest.len(), |end| end + 1);
                plain += &rest[..length];
                at += length;
            } else if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push(next);
                at += 2;
            } else if next == '{' || next == '}' {
                let end = rest.find('}').filter(|end| next == '{' && is_name(&rest[1..*end]));
                let Some(end) = end else {
                    let place = at..at + 1;
                    return Err(TemplateError { brace: next, place });
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Placeholder(rest[1..end].to_owned()));
                at += end + 1;
            } else {
                plain.push(next);
                at += next.len_utf8();
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// A text that is read as this one, without a placeholder.
    pub fn literal(text: &str) -> String {
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            // What is left to a shell is read as it is.
            let is_of_shell = rest[..at].ends_with('$') && rest[at..].starts_with('{');
            let end = match is_of_shell {
                true => rest[at..].find('}').map_or(rest.len(), |end| at + end + 1),
                false => at + 1,
            };
            literal += &rest[..end];
            if !is_of_shell {
                literal += &rest[at..end];
            }
            rest = &rest[end..];
        }
        literal + rest
    }

    /// The names of its placeholders, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Placeholder(name) => Some(name.as_str()),
        })
    }

    /// What stands before its first placeholder, and whether nothing but that placeholder follows.
    pub(crate) fn head(&self) -> (&str, bool) {
        match &self.pieces[..] {
            [Piece::Placeholder(_)] => ("", true),
            [Piece::Text(text), Piece::Placeholder(_)] => (text, true),
            [Piece::Text(text), ..] => (text, false),
            [] | [Piece::Placeholder(_), ..] => ("", false),
        }
    }

    /// The text with the values of its placeholders; none if one of them has no value.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Placeholder(name) => value(name),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Option<String> {
        Template::parse(text)
            .unwrap()
            .fill(|name| (name != "absent").then(|| format!("<{name}>")))
    }

    #[test]
    fn placeholders_are_filled_and_doubled_braces_are_braces() {
        for (text, expected) in [
            ("--lr={learning_rate}", "--lr=<learning_rate>"),
            ("{a}{b-c.d}", "<a><b-c.d>"),
            (r#"{{"lr": {lr}}}"#, r#"{"lr": <lr>}"#),
            ("{{lr}}", "{lr}"),
            ("${HOME}/${X:-{y} {lr}", "${HOME}/${X:-{y} <lr>"),
            ("é{lr}é", "é<lr>é"),
            ("$HOME", "$HOME"),
        ] {
            assert_eq!(filled(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(filled("--x={absent}"), None);
    }

    #[test]
    fn what_is_written_literally_is_read_as_it_was() {
        for text in [
            "",
            "plain",
            "{lr}",
            "}{",
            "{{",
            "${HOME}/{x}",
            "$${a}}",
            "${",
            "a$",
            "{\"a\": {}}",
            "é{",
        ] {
            assert_eq!(filled(&Template::literal(text)).as_deref(), Some(text), "{text}");
        }
    }

    #[test]
    fn a_brace_by_itself_is_refused_at_its_place() {
        for (text, brace, start) in [
            ("{print $1}", '{', 0),
            ("a}", '}', 1),
            ("é{", '{', 2),
            ("{}", '{', 0),
            ("{1}", '{', 0),
            (r#"{"a": {lr}}"#, '{', 0),
        ] {
            let place = start..start + 1;
            assert_eq!(Template::parse(text), Err(TemplateError { brace, place }), "{text}");
        }
    }
}
