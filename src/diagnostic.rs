//! Bad input at a place in a text file, shown the way rustc shows an error.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// What is wrong in a file that the user wrote, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line. Names the file if there is no [`source`](Self::source).
    pub message: String,
    /// The file.
    pub file: PathBuf,
    /// The place; `None` if the file as a whole is at fault.
    pub source: Option<Box<Source>>,
    /// The label at the place; may be empty.
    pub label: String,
    /// How to fix it.
    pub help: Option<String>,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's text, or the part of it from `line_start` on.
    pub text: String,
    /// The number of the text's first line, from 1.
    pub line_start: usize,
    /// The offending bytes of `text`; need not lie on character boundaries.
    pub span: Range<usize>,
}

impl Diagnostic {
    /// About a file as a whole.
    pub fn whole_file(file: impl Into<PathBuf>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: file.into(),
            source: None,
            label: String::new(),
            help: Some(help.into()),
        }
    }

    /// The line and the column of the place, in characters from 1.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        self.source.as_deref().map(Source::line_column)
    }

    /// The message with the place and the help, over several lines and without a final newline.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut group = Group::with_title(Level::ERROR.primary_title(visible(&self.message)));
        if let Some(source) = &self.source {
            let (line, column) = source.line_column();
            let excerpt = source.excerpt();
            let file = visible(&self.file.to_string_lossy());
            let label = Some(visible(&self.label)).filter(|label| !label.is_empty());
            let mut snippet = Snippet::source(excerpt.text)
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(excerpt.span).label(label));
            // The renderer counts columns from the start of what it is given.
            if excerpt.cut {
                group = group.element(Origin::path(file).line(line).char_column(column));
            } else {
                snippet = snippet.path(file);
            }
            group = group.element(snippet);
        }
        if let Some(help) = &self.help {
            let help = help.lines().map(visible).collect::<Vec<_>>().join("\n");
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// All that is wrong with what was read, in the order in which it is to be reported; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// All of them, as [`Diagnostic::render`] does it, with an empty line between two.
    pub fn render(&self, colour: bool) -> String {
        let all: Vec<String> = self.0.iter().map(|one| one.render(colour)).collect();
        all.join("\n\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Characters shown before and after the start of the span when a line is cut.
const BEFORE: usize = 40;
const AFTER: usize = 70;

impl Source {
    /// The span clipped to the text and to character boundaries.
    fn clipped(&self) -> Range<usize> {
        let start = self.text.floor_char_boundary(self.span.start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(self.span.end.min(self.text.len()));
        start..end.max(start)
    }

    /// The line on which the span begins, as a range of the text without the line end.
    fn line(&self) -> Range<usize> {
        let at = self.clipped().start;
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |n| at + n);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    fn line_column(&self) -> (usize, usize) {
        let start = self.line().start;
        let line = self.line_start + self.text[..start].matches('\n').count();
        (line, self.text[start..self.clipped().start].chars().count() + 1)
    }

    fn excerpt(&self) -> Excerpt {
        let line = self.line();
        let span = self.clipped();
        let at = span.start.min(line.end);
        let (mut from, mut to) = (line.start, line.end);
        if self.text[line.clone()].chars().nth(BEFORE + AFTER).is_some() {
            let before = self.text[line.start..at].char_indices().rev().nth(BEFORE - 1);
            let after = self.text[at..line.end].char_indices().nth(AFTER);
            from = before.map_or(line.start, |(n, _)| line.start + n);
            to = after.map_or(line.end, |(n, _)| at + n);
        }
        let mut text = String::new();
        if from > line.start {
            text.push('…');
        }
        text += &visible(&self.text[from..at]);
        let start = text.len();
        let end = span.end.clamp(at, to);
        text += &visible(&self.text[at..end]);
        let span = start..text.len();
        text += &visible(&self.text[end..to]);
        if to < line.end {
            text.push('…');
        }
        let cut = from > line.start;
        Excerpt { text, span, cut }
    }
}

/// What is shown of a line.
struct Excerpt {
    text: String,
    span: Range<usize>,
    /// Whether it begins within the line.
    cut: bool,
}

/// The text with characters that would move the cursor, colour the terminal or hide what follows made visible.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\x7f' => '\u{2421}',
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic {
            message: "the range is empty".into(),
            file: "a/space.toml".into(),
            source: Some(Box::new(Source {
                text: text.into(),
                line_start: 1,
                span,
            })),
            label: "low is not below high".into(),
            help: Some("swap the bounds".into()),
        }
    }

    #[test]
    fn a_place_is_shown_under_its_line() {
        let diagnostic = at("[space]\nrate = [2, 1]\nother = 1\n", 15..21);
        assert_eq!(
            diagnostic.to_string(),
            "error: the range is empty
 --> a/space.toml:2:8
  |
2 | rate = [2, 1]
  |        ^^^^^^ low is not below high
  |
  = help: swap the bounds"
        );
        assert!(diagnostic.render(true).contains("\u{1b}["));
    }

    #[test]
    fn a_file_as_a_whole_has_no_snippet() {
        let diagnostic = Diagnostic::whole_file("x.jsonl", "cannot read `x.jsonl`: No such file", "check the path");
        assert_eq!(
            diagnostic.to_string(),
            "error: cannot read `x.jsonl`: No such file\n |\n = help: check the path"
        );
    }

    #[test]
    fn a_line_of_megabytes_is_cut_around_the_place() {
        let text = format!("{}BAD{}", "ä".repeat(1 << 20), "x".repeat(1 << 20));
        let shown = at(&text, (2 << 20)..(2 << 20) + 3).to_string();
        assert!(shown.len() < 1000, "{}", shown.len());
        assert!(shown.contains(":1:1048577"), "{shown}");
        assert!(shown.contains("ääBADxx"), "{shown}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut diagnostic = at("a = \"\u{1b}[31m\u{202e}\r\u{9b}\"\r\n", 4..10);
        diagnostic.message += "\u{1b}]0;title\u{7}";
        diagnostic.label += "\u{1b}";
        diagnostic.file = "\u{1b}x".into();
        diagnostic.help = Some("one\ntwo\u{1b}".into());
        let shown = diagnostic.to_string();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert!(shown.contains("␛[31m"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_and_span_can_be_shown(text in "(?s).{0,300}", start in 0usize..400, length in 0usize..400, colour: bool) {
            let diagnostic = at(&text, start..start + length);
            let (line, column) = diagnostic.line_column().unwrap();
            prop_assert!(line >= 1 && column >= 1);
            let shown = diagnostic.render(colour);
            prop_assert!(shown.contains("a/space.toml"));
            prop_assert!(shown.contains("swap the bounds"));
        }
    }
}
