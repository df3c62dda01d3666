//! Lines that fit a terminal: what there is no room for is left out, the least important first.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a part of a line looks, if the terminal has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As the terminal's text.
    Plain,
    /// For what is the same all the time.
    Dim,
    /// What is looked for first.
    Bold,
    /// What is done.
    Done,
    /// What somebody should know.
    Warning,
}

impl Style {
    /// Select Graphic Rendition (ECMA-48), with colours that can be read on light and dark ground.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
            Self::Done => Some("36"),
            Self::Warning => Some("33"),
        }
    }

    /// A text in this style.
    pub fn paint(self, text: &str, colours: bool) -> String {
        match self.code().filter(|_| colours && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The text, with what separates it from the part before it.
    text: String,
    style: Style,
    /// Who has less is left out first.
    importance: u8,
}

/// A line that is being composed.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<Part>);

impl Line {
    /// Adds a part, if there is any text.
    pub fn add(&mut self, importance: u8, style: Style, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Part {
                text,
                style,
                importance,
            });
        }
        self
    }

    /// Adds a bar that shows a share, 0 to 1.
    pub fn bar(&mut self, importance: u8, share: f64, columns: usize) -> &mut Self {
        let halves = (share.clamp(0.0, 1.0) * 2.0 * columns as f64).floor() as usize;
        let (full, half) = (halves / 2, halves % 2);
        let done = "━".repeat(full) + if half == 1 { "╸" } else { "" };
        let rest = "─".repeat(columns - full - half);
        self.add(importance, Style::Done, done)
            .add(importance, Style::Dim, rest)
    }

    /// Adds all parts of another one.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// The columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|part| part.text.width()).sum()
    }

    /// The line in so many columns.
    pub fn fit(mut self, columns: usize, colours: bool) -> String {
        while self.width() > columns
            && let Some(least) = self.0.iter().map(|part| part.importance).min()
            && self.0.iter().any(|part| part.importance > least)
        {
            self.0.retain(|part| part.importance > least);
        }
        let mut left = columns;
        let parts = self.0.iter().map(|part| {
            let text = cut(&part.text, left);
            left -= text.width();
            part.style.paint(&text, colours)
        });
        parts.collect::<String>().trim_end().to_owned()
    }
}

/// As much of a text as fits into so many columns, with a mark if that is not all.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |letter: &char| {
        let width = letter.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + if columns > 0 { "…" } else { "" }
}

/// Numbers as a row of at most so many blocks, the higher the larger.
pub(super) fn sparkline(numbers: &[f64], columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if numbers.len() < 2 || columns == 0 {
        return String::new();
    }
    let shown = numbers.len().min(columns);
    // The last one of each stretch, so that the end is the end.
    let picked: Vec<f64> = (1..=shown)
        .map(|place| numbers[place * numbers.len() / shown - 1])
        .collect();
    let (low, high) = picked
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &number| {
            (low.min(number), high.max(number))
        });
    let block = |number: &f64| {
        let share = if high > low { (number - low) / (high - low) } else { 0.5 };
        BLOCKS[(share * (BLOCKS.len() - 1) as f64).round() as usize]
    };
    picked.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_is_left_out_first_and_what_is_too_long_is_cut() {
        let line = || {
            let mut line = Line::default();
            line.add(3, Style::Bold, "name")
                .add(1, Style::Plain, " detail")
                .add(2, Style::Plain, " value");
            line
        };
        assert_eq!(line().fit(20, false), "name detail value");
        assert_eq!(line().fit(16, false), "name value");
        assert_eq!(line().fit(9, false), "name");
        assert_eq!(line().fit(3, false), "na…");
        assert_eq!(line().fit(4, true), "\x1b[1mname\x1b[0m");
        assert_eq!(cut("研究研究", 5), "研究…");
        assert_eq!(cut("研究研究", 4), "研…");
    }

    #[test]
    fn bars_and_curves_have_the_columns_that_they_are_given() {
        let bar = |share| {
            let mut line = Line::default();
            line.bar(1, share, 4);
            line.fit(80, false)
        };
        assert_eq!(
            [0.0, 0.5, 0.9, 1.0, 7.0].map(bar),
            ["────", "━━──", "━━━╸", "━━━━", "━━━━"]
        );
        assert_eq!(sparkline(&[1.0, 0.5, 0.0], 8), "█▅▁");
        assert_eq!(sparkline(&[0.0, 9.0, 0.0, 1.0], 2), "█▁", "the second and the last one");
        assert_eq!(sparkline(&[1.0], 8), "");
        assert_eq!(sparkline(&[1.0, 1.0], 8), "▅▅");
    }
}
