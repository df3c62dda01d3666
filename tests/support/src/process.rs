//! Commands that have ended, searches that run, and processes that must be gone.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Output};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

/// A command that has ended.
pub struct Run(pub Output);

impl Run {
    /// What it wrote to standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Checks that it ended with exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            self.0.status.success(),
            "{}\n{}{}",
            self.0.status,
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Checks the exit code, and that standard error contains all of `parts`.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}{}", self.stdout(), self.stderr());
        for part in parts {
            assert!(self.stderr().contains(part), "no {part:?} in:\n{}", self.stderr());
        }
        self
    }

    /// Checks that it ended with exit code 0, and parses its standard output.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok().stdout()).unwrap()
    }
}

/// A search that runs in a process group of its own.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has printed to standard error so far, as far as it was read.
    printed: String,
}

/// Seconds for which a search may print nothing while a test waits for a line, so that one that waits for words that nobody prints any
/// more fails instead of hanging.
const QUIET: i64 = 300;

impl Running {
    pub(crate) fn new(mut child: Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            printed: String::new(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has printed so many lines that contain `what`; false if it ends before.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, times: usize) -> bool {
        for _ in 0..times {
            if self.next_line(what).is_none() {
                return false;
            }
        }
        true
    }

    /// The next line that contains `what`; none if it ends before.
    #[track_caller]
    pub fn next_line(&mut self, what: &str) -> Option<String> {
        loop {
            let line = self.read_line(what);
            if line.is_empty() || line.contains(what) {
                return Some(line).filter(|line| !line.is_empty());
            }
        }
    }

    /// The next line, empty at the end, while `what` is waited for.
    #[track_caller]
    fn read_line(&mut self, what: &str) -> String {
        if self.stderr.buffer().is_empty() {
            let limit = Timespec {
                tv_sec: QUIET,
                tv_nsec: 0,
            };
            let mut descriptors = [PollFd::new(self.stderr.get_ref(), PollFlags::IN)];
            let ready = rustix::event::poll(&mut descriptors, Some(&limit)).unwrap();
            assert!(
                ready > 0,
                "nothing comes while {what} is waited for, after:\n{}",
                self.printed
            );
        }
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        self.printed += &line;
        line
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        let group = Pid::from_child(&self.child);
        kill_process_group(group, signal).unwrap();
    }

    /// Waits for its end: the exit code (or minus the signal) and the rest of its standard error.
    #[track_caller]
    pub fn wait(mut self) -> (i32, String) {
        let before = self.printed.len();
        while !self.read_line("its end").is_empty() {}
        let rest = self.printed.split_off(before);
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or_else(|| -status.signal().unwrap()), rest)
    }
}

impl Drop for Running {
    /// A test that fails says what it has seen.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it has printed so far:\n{}", self.printed);
        }
    }
}

/// The processes that the workers of a study are, or have started.
pub fn of_workers(study: &Path) -> Vec<String> {
    let study = study.canonicalize().unwrap_or_else(|_| study.to_owned());
    let mark = format!("HPO_WORKER={}#", study.display());
    let is_marked = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable.starts_with(mark.as_bytes()))
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    processes.filter(is_marked).filter(|pid| !is_gone(pid)).collect()
}

/// Whether a process has ended.
pub fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.rsplit(')').next().unwrap().trim_start().starts_with('Z')
}

/// Waits until a process that was killed has ended, which takes a moment.
#[track_caller]
pub fn wait_until_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_gone(pid) {
        assert!(Instant::now() < deadline, "{pid} goes on");
        std::thread::yield_now();
    }
}
