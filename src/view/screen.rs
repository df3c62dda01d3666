//! Lines that are redrawn in place below lines that stay.
//!
//! Between two frames the cursor rests at the beginning of the first of the lines that are redrawn. Terminals keep it with the text
//! that it is at when they are resized, whether they wrap long lines anew or cut them off, so that everything from there on can be
//! replaced without knowing how many rows it takes by now.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Has the terminal show what follows at once (a synchronized update, which others ignore), at the beginning of the row.
const BEGIN: &str = "\x1b[?2026h\r";
const END: &str = "\x1b[?2026l";
/// A line that is longer than the terminal by now, because that is being resized, does not take another row.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const CLEAR_ROW: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// The terminal that lines are redrawn in. Clones are the same one.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<Drawing>>);

struct Drawing {
    terminal: Box<dyn Write + Send>,
    lines: Vec<String>,
}

impl Screen {
    /// A terminal with nothing to be redrawn, which is cleared before a panic writes to it.
    pub fn new(terminal: impl Write + Send + 'static) -> Self {
        let drawing = Drawing {
            terminal: Box::new(terminal),
            lines: Vec::new(),
        };
        Self(Arc::new(Mutex::new(drawing)))
    }

    /// Clears it before whatever reports a panic does.
    pub fn clear_at_panics(&self) {
        let drawing: Weak<Mutex<Drawing>> = Arc::downgrade(&self.0);
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // It may have panicked while it was drawing.
            if let Some(drawing) = drawing.upgrade()
                && let Ok(mut drawing) = drawing.try_lock()
            {
                drawing.draw("", Vec::new());
            }
            report(panic);
        }));
    }

    /// Adds text that stays, if there is any, in lines, and shows `lines` below it. None of these may be longer than the terminal.
    pub fn draw(&self, text: &str, lines: Vec<String>) {
        self.lock().draw(text, lines);
    }

    /// Adds text that stays.
    pub fn print(&self, text: &str) {
        let mut drawing = self.lock();
        let lines = drawing.lines.clone();
        drawing.draw(text, lines);
    }

    /// Removes the lines that are redrawn.
    pub fn clear(&self) {
        self.draw("", Vec::new());
    }

    fn lock(&self) -> MutexGuard<'_, Drawing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawing {
    fn draw(&mut self, text: &str, lines: Vec<String>) {
        if text.is_empty() && lines == self.lines {
            return;
        }
        let mut frame = BEGIN.to_owned();
        if !text.is_empty() {
            frame += CLEAR_BELOW;
            text.lines().for_each(|line| frame += &format!("{line}\r\n"));
        }
        frame += NO_WRAP;
        for (place, line) in lines.iter().enumerate() {
            let next = if place > 0 { "\r\n" } else { "" };
            frame += &format!("{next}{CLEAR_ROW}{line}");
        }
        frame += CLEAR_BELOW;
        if lines.len() > 1 {
            frame += &format!("\x1b[{}A", lines.len() - 1);
        }
        frame += &format!("\r{WRAP}{END}");
        self.lines = lines;
        // A terminal that is gone is no reason to stop training.
        let _ = self
            .terminal
            .write_all(frame.as_bytes())
            .and_then(|()| self.terminal.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what a terminal would get.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        /// What a terminal shows after it.
        fn shown(&self, rows: u16, columns: u16) -> vt100::Parser {
            let mut terminal = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 100);
            terminal.process(&self.0.lock().unwrap());
            terminal
        }

        fn rows(&self) -> Vec<String> {
            let shown = self.shown(12, 20);
            let rows = shown.screen().rows(0, 20).map(|row| row.trim_end().to_owned());
            let mut rows: Vec<String> = rows.collect();
            while rows.last().is_some_and(String::is_empty) {
                rows.pop();
            }
            rows
        }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_are_replaced_and_text_stays_above_them() {
        let kept = Kept::default();
        let screen = Screen::new(kept.clone());
        screen.draw("", lines(&["one", "two", "three"]));
        assert_eq!(kept.rows(), ["one", "two", "three"]);
        screen.draw("", lines(&["1", "2"]));
        assert_eq!(kept.rows(), ["1", "2"]);
        screen.print("something that is longer than the terminal\nand more");
        assert_eq!(
            kept.rows(),
            [
                "something that is lo",
                "nger than the termin",
                "al",
                "and more",
                "1",
                "2"
            ]
        );
        screen.draw("last", lines(&["only"]));
        screen.clear();
        assert_eq!(
            kept.rows(),
            ["something that is lo", "nger than the termin", "al", "and more", "last"]
        );
        let written = kept.0.lock().unwrap().len();
        screen.clear();
        assert_eq!(
            kept.0.lock().unwrap().len(),
            written,
            "nothing is drawn if nothing has changed"
        );
    }

    #[test]
    fn it_is_clear_when_a_panic_is_reported() {
        let kept = Kept::default();
        let screen = Screen::new(kept.clone());
        screen.clear_at_panics();
        screen.draw("said", lines(&["a", "b"]));
        assert!(std::panic::catch_unwind(|| panic!("as it should")).is_err());
        assert_eq!(kept.rows(), ["said"]);
    }

    #[test]
    fn the_cursor_rests_where_the_lines_begin_however_often_they_scroll_the_terminal() {
        let kept = Kept::default();
        let screen = Screen::new(kept.clone());
        for number in 0..30 {
            screen.draw(&format!("event {number}"), lines(&["a", "b", "c"]));
        }
        let shown = kept.shown(12, 20);
        assert_eq!(shown.screen().cursor_position(), (9, 0));
        let rows = kept.rows();
        assert_eq!(rows[7..], ["event 28", "event 29", "a", "b", "c"]);
    }
}
