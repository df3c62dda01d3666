//! Kills the scheduler, its workers, or both, at chosen points and at random ones, until the study is finished all the same; and
//! compares it with one that was left alone.
//!
//! `HPO_KILLS=1000` kills more often than usual, `HPO_SEED=7` draws other random kills, `HPO_TRAINER=embedding` kills the embedding
//! trainer with the real model on a few texts instead of a trainer that takes no time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write, stdin, stdout};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hpo_test_support::Place;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// No study takes so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many in every run of the tests.
const USUAL: u64 = 100;

/// Every point of the code at which a kill may find something half done.
const POINTS: [&str; 17] = [
    "study.create:filled",
    "study.create:renamed",
    "journal.append:before",
    "journal.append:written",
    "journal.append:synced",
    "journal.append:counted",
    "committer:durable",
    "database.write:after",
    "database.write:rows",
    "scheduler.command:before",
    "scheduler.command:after",
    "scheduler.close:swept",
    "model.place:before",
    "model.place:removed",
    "model.place:renamed",
    "model.seal:before",
    "model.seal:renamed",
];

fn main() {
    if std::env::args().any(|argument| argument == "--trainer") {
        return train();
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let wanted = number("HPO_KILLS").unwrap_or(USUAL);
    let mut rng = ChaCha8Rng::seed_from_u64(number("HPO_SEED").unwrap_or(1));
    let began = Instant::now();
    let place = Place::new();
    place.search(&space(&place, "plain")).ok();
    let plain = Ended::of(&place, "plain");
    let mut kills = Kills::default();
    let mut studies = 0;
    while kills.all() < wanted {
        let name = format!("killed-{studies}");
        let first = POINTS.get(studies).copied();
        studies += 1;
        harass(&place, &name, first, wanted, &mut kills, &mut rng);
        let ended = Ended::of(&place, &name);
        assert!(ended.model == plain.model, "{name}: the models differ");
        assert_eq!(
            (ended.trials, ended.decisions, ended.best),
            (plain.trials.clone(), plain.decisions.clone(), plain.best.clone())
        );
        check_nothing_left(&place, &name);
        std::fs::remove_dir_all(place.study(&name)).unwrap();
    }
    println!(
        "{} kills of {studies} studies in {:.1} s: {kills:?}",
        kills.all(),
        began.elapsed().as_secs_f64()
    );
    assert!(
        kills.points.len() >= POINTS.len().min(studies),
        "some points were never passed: {kills:?}"
    );
}

#[derive(Debug, Default)]
struct Kills {
    at_points: u64,
    points: BTreeSet<&'static str>,
    schedulers: u64,
    workers: u64,
    both: u64,
}

impl Kills {
    fn all(&self) -> u64 {
        self.at_points + self.schedulers + self.workers + self.both
    }
}

/// What must be the same: trials with their states and losses, decisions, and the best.
#[derive(Debug, PartialEq)]
struct Ended {
    trials: Value,
    decisions: BTreeSet<String>,
    best: Value,
    model: Vec<u8>,
}

impl Ended {
    fn of(place: &Place, study: &str) -> Self {
        let model = if is_embedding() { "model.safetensors" } else { "model" };
        let facts = place.journal(study).into_iter().map(|record| record["fact"].clone());
        let decisions = facts.filter(|fact| {
            ["trial_promoted", "trial_pruned", "confirmation_created"].contains(&fact["type"].as_str().unwrap())
        });
        Self {
            trials: place.answer(study),
            decisions: decisions.map(|fact| fact.to_string()).collect(),
            best: place.facts(study, "study_finished").last().unwrap()["best"].clone(),
            model: std::fs::read(place.study(study).join("best-model").join(model)).unwrap(),
        }
    }
}

/// Runs one study to its end through many kills, the first of them at the point `first`.
fn harass(
    place: &Place,
    name: &str,
    first: Option<&'static str>,
    wanted: u64,
    kills: &mut Kills,
    rng: &mut ChaCha8Rng,
) {
    let file = space(place, name);
    let mut kept = Vec::new();
    for round in 0.. {
        let spared = round >= 25 || kills.all() >= wanted;
        let first = first.filter(|_| round == 0);
        let point = first.unwrap_or(POINTS[rng.random_range(0..POINTS.len())]);
        let at_point = !spared && (first.is_some() || rng.random());
        let number = match point.split_once('.') {
            Some(("journal", _)) | Some(("scheduler", "command:before" | "command:after")) => 12,
            Some(("study" | "model", _)) | Some((_, "close:swept" | "write:rows")) => 1,
            _ => 6,
        };
        let mut command = place.hpo(&["search".as_ref(), file.as_os_str()]);
        if at_point {
            command.env(
                "HPO_KILL_AT",
                format!(
                    "{point}:{}",
                    if first.is_some() {
                        1
                    } else {
                        rng.random_range(1..=number)
                    }
                ),
            );
        }
        let mut hpo = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(hpo.stderr.take().unwrap());
        let mut text = String::new();
        if !spared && !at_point {
            for _ in 0..rng.random_range(0..30) {
                if stderr.read_line(&mut text).unwrap() == 0 {
                    break;
                }
            }
            strike(&hpo, kills, rng);
        }
        let id = hpo.id() as i32;
        let (ended, ends) = channel::<()>();
        let watch = std::thread::spawn(move || {
            if ends.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(Pid::from_raw(id).unwrap(), Signal::ABORT);
            }
        });
        stderr.read_to_string(&mut text).unwrap();
        drop(ended);
        watch.join().unwrap();
        let status = hpo.wait().unwrap();
        if at_point && status.signal() == Some(9) {
            kills.at_points += 1;
            kills.points.insert(point);
        }
        wait_until_alone(file.parent().unwrap());
        // What it reported was durable, and stays.
        let journal = std::fs::read(place.study(name).join("journal.jsonl")).unwrap_or_default();
        assert!(
            journal.starts_with(&kept),
            "{name}: something that was recorded is gone"
        );
        let whole = journal
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        kept = journal[..whole].to_vec();
        let reports = String::from_utf8_lossy(&kept).matches("\"type\":\"reported\"").count();
        let acknowledged = text.lines().filter(|line| line.contains("  loss ")).count();
        assert!(
            acknowledged <= reports,
            "{name}: a report that was printed is not recorded:\n{text}"
        );
        if status.success() {
            return;
        }
        assert_eq!(status.signal(), Some(9), "{name}: {status}\n{text}");
    }
}

/// Kills the scheduler, a worker, or all of them.
fn strike(hpo: &Child, kills: &mut Kills, rng: &mut ChaCha8Rng) {
    let kill = |process: i32| kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).is_ok();
    let workers = children(hpo);
    let scheduler = hpo.id() as i32;
    let worker = (!workers.is_empty()).then(|| workers[rng.random_range(0..workers.len())]);
    match (rng.random_range(0..3), worker) {
        (0, Some(worker)) => kills.workers += u64::from(kill(worker)),
        (1, Some(worker)) => kills.both += u64::from(kill(worker) && kill(scheduler)),
        _ => kills.schedulers += u64::from(kill(scheduler)),
    }
}

fn children(hpo: &Child) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", hpo.id())).unwrap_or_default();
    list.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Workers run in the directory of the study's file, and must not outlive their scheduler.
fn wait_until_alone(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        // A zombie runs nowhere any more.
        processes
            .filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == directory))
            .count()
    };
    while left() > 0 {
        assert!(Instant::now() < deadline, "a worker has outlived its scheduler");
        std::thread::yield_now();
    }
}

/// No segment was counted twice, and nothing is left that nobody needs.
fn check_nothing_left(place: &Place, study: &str) {
    let mut seen = BTreeSet::new();
    for report in place.facts(study, "reported") {
        let key = (report["trial"].as_u64(), report["resource"].as_u64());
        assert!(seen.insert(key), "{study}: {report} was trained twice");
    }
    let mut files = Vec::new();
    list(&place.study(study), &mut files);
    let checkpoints = place.study(study).join("checkpoints");
    assert_eq!(
        files.iter().filter(|file| file.starts_with(&checkpoints)).count(),
        1,
        "{study}: {files:?}"
    );
    let temporary = |file: &&PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        ["partial", "tmp", "new"].iter().any(|part| name.contains(part))
    };
    assert_eq!(files.iter().find(temporary), None, "{study}");
    let hidden = std::fs::read_dir(place.path("studies"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = hidden
        .filter(|name| name.to_string_lossy().starts_with(&format!(".{study}")))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        }
        files.push(path);
    }
    files.retain(|path| path.is_file() || path.file_name().unwrap().to_string_lossy().contains("partial"));
}

fn is_embedding() -> bool {
    std::env::var("HPO_TRAINER").is_ok_and(|trainer| trainer == "embedding")
}

/// A study whose trainer is this program, or the embedding trainer.
fn space(place: &Place, name: &str) -> PathBuf {
    if is_embedding() {
        return embedding_space(place, name);
    }
    let trainer = std::env::current_exe().unwrap();
    let text = format!(
        "[study]\ntrials = 9\nretries = 100\n[policy]\ntype = \"successive_halving\"\nmax_resource = 9\n[sampler]\ntype = \"random\"\n\
         [slots]\ndevices = \"cpu\"\ntrials_per_device = 2\nthreads_per_trial = 1\n[confirmation]\nconfigurations = 2\nseeds = 2\n\
         [trial]\ncommand = [{trainer:?}, \"--trainer\"]\n[space]\nx = {{ type = \"uniform\", low = 0.0, high = 1.0 }}\n"
    );
    let path = place.path(&format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

fn embedding_space(place: &Place, name: &str) -> PathBuf {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/model/all-MiniLM-L6-v2");
    place.triplets("train.jsonl", 0..12);
    place.triplets("validation.jsonl", 12..18);
    let text = format!(
        "[study]\ntrials = 4\nretries = 100\n[policy]\ntype = \"successive_halving\"\nmax_resource = 4\nreduction_factor = 2\n\
         [sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\ntrials_per_device = 2\nthreads_per_trial = 1\n\
         [trial]\nmodel = {model:?}\ntrain = \"train.jsonl\"\nvalidation = \"validation.jsonl\"\nmax_length = 16\n[space]\n\
         learning_rate = {{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }}\nbatch_size = 4\n\
         margin = {{ type = \"uniform\", low = 0.1, high = 1.0 }}\n"
    );
    let path = place.path(&format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// The trainer: its loss is a function of the configuration, the seed and the epoch, which its checkpoint has to hold.
fn train() {
    let say = |message: Value| {
        let mut out = stdout().lock();
        writeln!(out, "{message}").and_then(|()| out.flush()).unwrap();
    };
    for line in stdin().lock().lines() {
        let order: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match order["type"].as_str().unwrap() {
            "start" => {
                say(json!({"type": "ready", "protocol": 1, "trainer": "fast", "features": ["evaluate", "export"]}))
            }
            "evaluate" => say(json!({"type": "evaluated", "loss": 9.0})),
            "export" => {
                let directory = Path::new(order["directory"].as_str().unwrap());
                std::fs::create_dir(directory).unwrap();
                std::fs::copy(order["checkpoint"].as_str().unwrap(), directory.join("model")).unwrap();
                say(json!({"type": "exported", "directory": directory}));
            }
            "run" => run(&order, &say),
            _ => {}
        }
    }
}

fn run(order: &Value, say: &dyn Fn(Value)) {
    let (trial, attempt, to) = (&order["trial"], &order["attempt"], order["to"].as_u64().unwrap());
    let (x, seed) = (
        order["parameters"]["x"].as_f64().unwrap(),
        order["seed"].as_u64().unwrap(),
    );
    let mut epoch = order["from"].as_u64().unwrap();
    if let Some(checkpoint) = order["checkpoint"].as_str() {
        let text = std::fs::read_to_string(checkpoint).unwrap();
        assert_eq!(text, format!("{seed} {epoch}"), "the checkpoint of another point");
    }
    while epoch < to {
        epoch += 1;
        let file = format!("{}/a{attempt}-e{epoch}", order["checkpoints"].as_str().unwrap());
        // Written as trainers do, so that a kill may leave half of it.
        std::fs::write(format!("{file}.partial"), format!("{seed} {epoch}")).unwrap();
        std::fs::rename(format!("{file}.partial"), &file).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ epoch);
        let loss = x + 1.0 / epoch as f64 + 0.2 * rng.random::<f64>();
        say(
            json!({"type": "report", "trial": trial, "attempt": attempt, "resource": epoch, "loss": loss, "checkpoint": file}),
        );
    }
    say(json!({"type": "done", "trial": trial, "attempt": attempt}));
}
