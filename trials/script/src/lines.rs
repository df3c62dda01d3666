//! The lines of what a script prints, as a person sees them.

/// A line that is longer is taken apart.
const LONGEST: usize = 1 << 20;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a newline, or with the output.
    Whole,
    /// With a carriage return: in a terminal the next line is written over it.
    Overwritten,
}

/// Puts lines together from pieces of output.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    /// The lines that a piece of output completes. They end at a newline or a carriage return.
    pub fn add(&mut self, bytes: &[u8]) -> Vec<(String, End)> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match piece.split_last() {
                Some((b'\n', text)) => (text, Some(End::Whole)),
                Some((b'\r', text)) => (text, Some(End::Overwritten)),
                Some(_) | None => (piece, None),
            };
            self.unfinished.extend_from_slice(text);
            let end = end.or((self.unfinished.len() >= LONGEST).then_some(End::Whole));
            if let Some(end) = end {
                lines.push((plain(&std::mem::take(&mut self.unfinished)), end));
            }
        }
        lines
    }

    /// The line that the output has ended with, if there is one without an end.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.unfinished);
        (!rest.is_empty()).then(|| plain(&rest))
    }
}

/// A line without escape sequences.
fn plain(mut line: &[u8]) -> String {
    let mut shown = Vec::with_capacity(line.len());
    let after = |text: &[u8], ends: &dyn Fn(u8) -> bool| {
        let end = text.iter().position(|byte| ends(*byte));
        end.map_or(text.len(), |end| end + 1)
    };
    loop {
        line = match line {
            [] => break,
            [b'\x1b', b'[', rest @ ..] => &rest[after(rest, &|byte| (b'@'..=b'~').contains(&byte))..],
            [b'\x1b', b']', rest @ ..] => &rest[after(rest, &|byte| matches!(byte, b'\x07' | b'\\'))..],
            [b'\x1b', _, rest @ ..] | [b'\x1b', rest @ ..] => rest,
            [byte, rest @ ..] => {
                shown.push(*byte);
                rest
            }
        };
    }
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_whatever_the_pieces() {
        let printed = b"one\r\n 10%\r\x1b[32mloss\x1b[0m=0.5\n\x1b]0;title\x07acc \xff";
        for size in 1..=printed.len() {
            let mut lines = Lines::default();
            let mut all: Vec<String> = Vec::new();
            for piece in printed.chunks(size) {
                all.extend(lines.add(piece).into_iter().map(|(line, _)| line));
            }
            all.extend(lines.rest());
            assert_eq!(all, ["one", "", " 10%", "loss=0.5", "acc \u{fffd}"], "{size}");
        }
    }

    #[test]
    fn what_has_no_end_is_taken_apart() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(&vec![b'a'; LONGEST + 1]).len(), 1);
        assert_eq!(lines.rest(), None);
    }
}
