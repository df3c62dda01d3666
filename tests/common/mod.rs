//! Running the real binary on studies that take a moment.

#![allow(dead_code)]

pub mod mount;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The example for a trainer of one's own.
pub const EXAMPLE: &str = "examples/trainer.py";

/// A trainer that goes wrong. See there for how.
pub const FAULTY: &str = "tests/trainers/faulty.py";

/// A trainer that speaks the whole protocol. See there for what it can be made to do.
pub const WHOLE: &str = "tests/trainers/whole.py";

/// A place for studies, and the files they are made from.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn study(&self, name: &str) -> PathBuf {
        self.path("studies").join(name)
    }

    /// Writes a study's file for a trainer among the tests or examples, with further lines for `[trial]`.
    pub fn space(&self, name: &str, trials: u64, slots: u32, trainer: &str, trial: &str) -> PathBuf {
        let trainer = Path::new(env!("CARGO_MANIFEST_DIR")).join(trainer);
        let parameters = if trainer.ends_with("examples/trainer.py") {
            "learning_rate = { type = \"log_uniform\", low = 1e-3, high = 2.0 }\nweight_decay = 1e-3"
        } else {
            "x = { type = \"uniform\", low = 0.0, high = 1.0 }"
        };
        let text = format!(
            "[study]\ntrials = {trials}\n[policy]\nmax_resource = 9\n[sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\n\
             trials_per_device = {slots}\nthreads_per_trial = 1\n[trial]\ncommand = [\"python3\", {trainer:?}]\n{trial}\n\
             [space]\n{parameters}\n"
        );
        let path = self.path(&format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Copies a study's directory to where studies are kept.
    pub fn copy(&self, from: &Path, study: &str) {
        std::fs::create_dir_all(self.path("studies")).unwrap();
        copy_tree(from, &self.study(study));
    }

    pub fn hpo<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let hpo = Path::new(env!("CARGO_BIN_EXE_hpo"));
        // The embedding trainer is built in the release profile only.
        let trainers = hpo.ancestors().nth(2).unwrap().join("release");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([trainers].into_iter().chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new(hpo);
        command
            .args(arguments)
            .env("PATH", path)
            .env("HPO_STUDIES", self.path("studies"))
            .env("HPO_TEST_TRAINER", Path::new(env!("CARGO_MANIFEST_DIR")).join(WHOLE))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Run {
        Run(self.hpo(arguments).output().unwrap())
    }

    pub fn search(&self, file: &Path) -> Run {
        self.run(&["search".as_ref(), file.as_os_str()])
    }

    /// Starts a search in a process group of its own.
    pub fn start(&self, file: &Path) -> Running {
        self.start_with(file, &[])
    }

    /// The same with further environment.
    pub fn start_with(&self, file: &Path, environment: &[(&str, &str)]) -> Running {
        let mut command = self.hpo(&["search".as_ref(), file.as_os_str()]);
        command.envs(environment.iter().copied());
        command.stderr(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr }
    }

    /// Starts a search, and kills it once it has told so many lines that contain `what`.
    #[track_caller]
    pub fn kill_search(&self, file: &Path, what: &str, times: usize) {
        let mut running = self.start(file);
        assert!(running.wait_for(what, times));
        running.signal(rustix::process::Signal::KILL);
        running.wait();
    }

    /// What must be the same however a study came about: each trial without its times and attempts.
    pub fn answer(&self, study: &str) -> Value {
        let mut trials = self.run(&["trials", study, "--json"]).json();
        for trial in trials.as_array_mut().unwrap() {
            let trial = trial.as_object_mut().unwrap();
            trial.retain(|key, _| !["trained_seconds", "attempts", "failures"].contains(&key.as_str()));
        }
        assert!(!trials.as_array().unwrap().is_empty());
        trials
    }

    /// The records of a study's journal.
    pub fn journal(&self, study: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.study(study).join("journal.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The journal's facts of one type.
    pub fn facts(&self, study: &str, kind: &str) -> Vec<Value> {
        let facts = self.journal(study).into_iter().map(|record| record["fact"].clone());
        facts.filter(|fact| fact["type"] == kind).collect()
    }
}

/// Copies a directory with all that is in it.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(path, target).unwrap();
        }
    }
}

/// A command that has ended.
pub struct Run(pub Output);

impl Run {
    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

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

    /// Checks the exit code and that standard error says all of `said`.
    #[track_caller]
    pub fn fails(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}{}", self.stdout(), self.stderr());
        for text in said {
            assert!(self.stderr().contains(text), "no {text:?} in:\n{}", self.stderr());
        }
        self
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok().stdout()).unwrap()
    }
}

/// A search that runs.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has told so many lines that contain `what`; false if it ends before.
    pub fn wait_for(&mut self, what: &str, times: usize) -> bool {
        (0..times).all(|_| self.next(what).is_some())
    }

    /// The next line that contains `what`; none if it ends before.
    pub fn next(&mut self, what: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stderr.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if line.contains(what) {
                return Some(line);
            }
        }
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let group = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
    }

    /// Waits for its end: the exit code (or minus the signal) and the rest of what it told.
    pub fn wait(mut self) -> (i32, String) {
        let mut rest = String::new();
        while self.stderr.read_line(&mut rest).unwrap() > 0 {}
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or_else(|| -status.signal().unwrap()), rest)
    }
}

/// No resource of a trial was reported twice, and no checkpoint is left but the best trial's.
pub fn nothing_twice(place: &Place, study: &str) {
    let mut seen = BTreeSet::new();
    for report in place.facts(study, "reported") {
        let key = (report["trial"].as_u64(), report["resource"].as_u64());
        assert!(seen.insert(key), "{report} was trained twice");
    }
    let directories = std::fs::read_dir(place.study(study).join("checkpoints")).unwrap();
    let files: usize = directories
        .map(|d| std::fs::read_dir(d.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(files, 1, "only the best checkpoint is kept");
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

/// A pipe on which a worker waits until it is opened for writing.
pub fn pipe(place: &Place, name: &str) -> PathBuf {
    let fifo = place.path(name);
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    fifo
}
