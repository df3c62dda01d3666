//! The end of what a script has printed, which may say why it has failed.

use std::collections::VecDeque;

use crate::lines::End;

/// How many lines are kept.
const LINES: usize = 12;

/// How much of a line is kept, in characters.
const WIDTH: usize = 200;

/// How much is shown in all, in bytes: a message is cut at its end, where the error stands.
const SHOWN: usize = 1200;

/// The last lines.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    overwritten: bool,
}

impl Tail {
    /// Adds a line.
    pub fn add(&mut self, line: &str, end: End) {
        if line.trim().is_empty() {
            // A line that ends with both.
            self.overwritten &= end == End::Overwritten;
            return;
        }
        if std::mem::replace(&mut self.overwritten, end == End::Overwritten) {
            self.lines.pop_back();
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(WIDTH).collect());
    }

    /// The lines, indented, below a heading; or that there are none.
    pub fn shown(&self) -> String {
        let mut length = 0;
        let lines = self.lines.iter().rev().take_while(|line| {
            length += line.len();
            length <= SHOWN
        });
        let mut lines: Vec<String> = lines.map(|line| format!("\n    {line}")).collect();
        lines.reverse();
        match lines.is_empty() {
            true => "\n  it has printed nothing".to_owned(),
            false => format!("\n  the end of its output:{}", lines.concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown_as_in_a_terminal() {
        let mut tail = Tail::default();
        assert_eq!(tail.shown(), "\n  it has printed nothing");
        for n in 0..20 {
            tail.add(&format!("{n}%"), End::Overwritten);
        }
        tail.add("begin", End::Overwritten);
        tail.add("", End::Whole);
        tail.add("done", End::Whole);
        tail.add(" ", End::Whole);
        assert_eq!(tail.shown(), "\n  the end of its output:\n    begin\n    done");
        for n in 0..20 {
            tail.add(&format!("{n} {}", "x".repeat(300)), End::Whole);
        }
        let shown = tail.shown();
        assert!(shown.len() < SHOWN + 200 && shown.contains("\n    19 xxx"), "{shown}");
    }
}
