//! Signs of life during work whose progress is not reported.

use std::time::{Duration, Instant};

/// How often one is given.
const INTERVAL: Duration = Duration::from_secs(60);

/// Long work that writes a line to the log now and then, to show that it is not stuck.
#[derive(Debug)]
pub struct LongWork {
    what: &'static str,
    of: usize,
    due: Instant,
}

impl LongWork {
    /// Work on `of` things; `what` describes it, such as `validation: texts`.
    pub fn new(what: &'static str, of: usize) -> Self {
        Self {
            what,
            of,
            due: Instant::now() + INTERVAL,
        }
    }

    /// So many of them are done.
    pub fn done(&mut self, done: usize) {
        if let Some(line) = self.line(done, Instant::now()) {
            eprintln!("{line}");
        }
    }

    /// What is to be said at a time, if it is time to say something.
    fn line(&mut self, done: usize, now: Instant) -> Option<String> {
        (now >= self.due).then(|| {
            self.due = now + INTERVAL;
            format!("{} {done} of {}", self.what, self.of)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_given_each_minute() {
        let (begin, mut work) = (Instant::now(), LongWork::new("validation: texts", 90));
        let lines = (0..5).map(|half| work.line(half, begin + INTERVAL / 2 * (2 * half as u32 + 1)));
        let lines: Vec<Option<String>> = lines.collect();
        assert_eq!(lines[0], None);
        assert_eq!(lines[1], Some("validation: texts 1 of 90".to_owned()));
        assert!(lines[2..].iter().all(Option::is_some), "{lines:?}");
        let mut work = LongWork::new("", 0);
        assert!(work.line(1, begin + INTERVAL * 3).is_some());
        assert!(work.line(2, begin + INTERVAL * 3 + INTERVAL / 2).is_none());
    }
}
