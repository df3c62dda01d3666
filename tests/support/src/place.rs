//! A place for studies, and the files they are made from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{Run, Running, WHOLE, repository};

/// Seconds after which a script that has not ended is ended, so that a test that waits for it fails instead of hanging.
const LONGEST: &str = "900";

/// A temporary directory with studies and the files they are made from.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// The directory in which Cargo has put `hpo`, beside that of the test binaries. It gives its path to these only.
fn built() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().to_owned()
}

/// The real `hpo` in a directory of its own, since it starts the trainer that lies beside it.
pub fn hpo_alone(directory: &Path) -> PathBuf {
    let (built, alone) = (built().join("hpo"), directory.join("hpo"));
    // Not all file systems have links, and not from one to another.
    if std::fs::hard_link(&built, &alone).is_err() {
        std::fs::copy(&built, &alone).unwrap();
    }
    alone
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// An empty one in memory, if the system has a place for files there: for tests that open a study a thousand times, which on a disk
    /// wait for it to sync what nobody needs.
    pub fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm");
        Self {
            dir: memory.or_else(|_| tempfile::tempdir()).unwrap(),
        }
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of a study.
    pub fn study(&self, name: &str) -> PathBuf {
        self.path("studies").join(name)
    }

    /// Writes a study's file for a trainer among the tests or examples, with further lines for `[trial]`.
    pub fn space(&self, name: &str, trials: u64, slots: u32, trainer: &str, trial: &str) -> PathBuf {
        let trainer = repository().join(trainer);
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

    /// The same with these tables in the place of `[slots]`.
    pub fn space_on(&self, name: &str, trials: u64, tables: &str, trainer: &str, trial: &str) -> PathBuf {
        let path = self.space(name, trials, 1, trainer, trial);
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("[slots]\n").unwrap();
        let (_, after) = rest.split_once("[trial]\n").unwrap();
        std::fs::write(&path, format!("{before}{tables}\n[trial]\n{after}")).unwrap();
        path
    }

    /// A table for one slot on the CPU of a machine that this command leads to, where `hpo` is the real one.
    pub fn machine(&self, launch: &[&str]) -> String {
        let hpo = self.hpo::<&str>(&[]);
        format!(
            "[[slots]]\nlaunch = {launch:?}\nhpo = {:?}\ndevices = \"cpu\"\ntrials_per_device = 1\nthreads_per_trial = 1\n",
            hpo.get_program()
        )
    }

    /// Writes a few triplets of texts for the embedding trainer into `name`, one for each number.
    pub fn triplets(&self, name: &str, numbers: Range<u32>) {
        let lines = numbers.map(|n| {
            let [anchor, positive, negative] = ["the number after", "", "nothing like"].map(|of| format!("{of} {n}"));
            json!({ "anchor": anchor, "positive": positive, "negative": negative }).to_string() + "\n"
        });
        std::fs::write(self.path(name), lines.collect::<String>()).unwrap();
    }

    /// Copies a study's directory to where studies are kept.
    pub fn copy(&self, from: &Path, study: &str) {
        std::fs::create_dir_all(self.path("studies")).unwrap();
        copy_tree(from, &self.study(study));
    }

    /// A shell in this place that runs a script in which `hpo` is the real one, without a directory for studies in the environment.
    pub fn shell(&self, script: &str) -> Run {
        let hpo = self.hpo::<&str>(&[]);
        let built = Path::new(hpo.get_program()).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = [built.to_owned()].into_iter().chain(std::env::split_paths(&path));
        let mut command = Command::new("timeout");
        command
            .arg(LONGEST)
            .args(["bash", "-c", script])
            .env("PATH", std::env::join_paths(all).unwrap())
            .env_remove("HPO_STUDIES")
            .env_remove("RUST_LOG")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        heed_signals();
        Run(command.output().unwrap())
    }

    /// The real `hpo` with these arguments, whose studies lie here and whose embedding trainer is the one that is built beside it.
    pub fn hpo<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(built().join("hpo"));
        heed_signals();
        command
            .args(arguments)
            .env("HPO_STUDIES", self.path("studies"))
            .env("HPO_TEST_TRAINER", repository().join(WHOLE))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Runs `hpo` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        Run(self.hpo(arguments).output().unwrap())
    }

    /// Runs `hpo search` to its end.
    pub fn search(&self, file: &Path) -> Run {
        self.run(&["search".as_ref(), file.as_os_str()])
    }

    /// Starts a search in a process group of its own.
    pub fn start(&self, file: &Path) -> Running {
        self.start_with(file, &[])
    }

    /// The same with further environment.
    pub fn start_with(&self, file: &Path, environment: &[(&str, &str)]) -> Running {
        self.start_hpo(&["search".as_ref(), file.as_os_str()], environment)
    }

    /// Starts `hpo` in a process group of its own.
    pub fn start_hpo<S: AsRef<OsStr>>(&self, arguments: &[S], environment: &[(&str, &str)]) -> Running {
        let mut command = self.hpo(arguments);
        command.envs(environment.iter().copied());
        command.stderr(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        Running::new(command.spawn().unwrap())
    }

    /// Starts a search that ignores signals from its beginning, given by their names without `SIG` as a shell takes them.
    pub fn start_ignoring(&self, file: &Path, signals: &str) -> Running {
        let search = self.hpo(&["search".as_ref(), file.as_os_str()]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {signals}; exec \"$@\""), "sh"]);
        command.arg(search.get_program()).args(search.get_args());
        heed_signals();
        for (name, value) in search.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0);
        Running::new(command.spawn().unwrap())
    }

    /// Starts a search, and kills it once it has printed so many lines that contain `what`.
    #[track_caller]
    pub fn kill_search(&self, file: &Path, what: &str, times: usize) {
        let mut running = self.start(file);
        assert!(running.wait_for(what, times));
        running.signal(Signal::KILL);
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

    /// Checks that no resource of a trial was reported twice, and that no checkpoint is left but the best trial's.
    #[track_caller]
    pub fn check_nothing_twice(&self, study: &str) {
        let mut seen = BTreeSet::new();
        for report in self.facts(study, "reported") {
            let key = (report["trial"].as_u64(), report["resource"].as_u64());
            assert!(seen.insert(key), "{study}: {report} was trained twice");
        }
        let directories = std::fs::read_dir(self.study(study).join("checkpoints")).unwrap();
        let files: usize = directories
            .map(|d| std::fs::read_dir(d.unwrap().path()).unwrap().count())
            .sum();
        assert_eq!(files, 1, "{study}: only the best checkpoint is kept");
    }

    /// A pipe on which a worker waits until it is opened for writing.
    pub fn pipe(&self, name: &str) -> PathBuf {
        let fifo = self.path(name);
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        fifo
    }
}

/// Has what is started begin with the usual dispositions of signals. What runs the tests may ignore some signals, as a shell has those that
/// run beside it ignore SIGINT, and whoever inherits that keeps to it. They are set for this whole process, since to set them between fork
/// and exec is to fork, which copies the pages of a process that grows to hundreds of megabytes.
fn heed_signals() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: the disposition is one that there always is.
            assert_ne!(unsafe { libc::signal(signal, libc::SIG_DFL) }, libc::SIG_ERR);
        }
    });
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
