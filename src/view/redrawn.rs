//! Text that is replaced in place.

use std::io::stdout;

use super::line::cut;
use super::screen::Screen;
use super::terminal::size_of_stdout;

/// Text on a terminal's standard output that is replaced, and removed when this is dropped.
pub struct Redrawn(Screen);

impl Default for Redrawn {
    fn default() -> Self {
        let screen = Screen::new(stdout());
        screen.clear_at_panics();
        Self(screen)
    }
}

impl Redrawn {
    /// Shows a text in the place of the last one, as much as the terminal has room for.
    pub fn show(&self, text: &str) {
        let (columns, rows) = size_of_stdout().unwrap_or((usize::MAX, usize::MAX));
        let mut lines: Vec<String> = text.lines().map(|line| cut(line, columns.saturating_sub(1))).collect();
        let room = rows.saturating_sub(1).max(1);
        if lines.len() > room {
            let hidden = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(cut(&format!("… and {hidden} more lines"), columns.saturating_sub(1)));
        }
        self.0.draw("", lines);
    }

    /// Removes it.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl Drop for Redrawn {
    fn drop(&mut self) {
        self.clear();
    }
}
