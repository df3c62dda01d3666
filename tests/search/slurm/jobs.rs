//! Slots that are jobs of Slurm.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hpo_test_support::{Place, Running, WHOLE, of_workers, repository};
use rustix::process::Signal;

use super::cluster::{Slurm, variable};

/// A study whose slots are jobs, each of which has a node to itself.
fn study(place: &Place, name: &str, trials: u64, asked: &str) -> PathBuf {
    let hpo = place.hpo::<&str>(&[]);
    let table = format!(
        "[slots]\ncluster = \"slurm\"\nhpo = {:?}\ncpus = 4\nthreads_per_trial = 1\n{asked}\n",
        hpo.get_program()
    );
    place.space_on(name, trials, &table, WHOLE, "")
}

impl Slurm {
    /// Starts a search, with epochs of so many seconds.
    fn search(&self, place: &Place, file: &Path, epoch: &str) -> Running {
        let (name, value) = self.environment();
        place.start_with(file, &[(&name, &value), ("HPO_TEST_EPOCH", epoch)])
    }

    /// The jobs of hpo that wait or run.
    fn jobs(&self) -> Vec<String> {
        let listed = self.run(&["squeue", "-h", "-o", "%i %j"]);
        let own = listed.lines().filter_map(|line| line.split_once(' '));
        own.filter(|(_, name)| name.starts_with("hpo-"))
            .map(|(id, _)| id.to_owned())
            .collect()
    }
}

#[test]
fn four_jobs_on_four_nodes_find_what_slots_here_find_whatever_becomes_of_them() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    place.search(&place.space("plain", 36, 4, WHOLE, "")).ok();
    let asked = "max_slots = 4\nmin_slots = 4\ntime_limit = \"30m\"\ngres = \"gpu:1\"";
    let file = study(&place, "far", 36, asked);
    let mut search = slurm.search(&place, &file, "0.4");
    assert!(search.wait_for("epoch 1", 1));
    let of_slot = |slot, name| variable(&slurm.workers_of(&place, "far", slot)[0], name);
    assert_eq!(of_slot(0, "CUDA_VISIBLE_DEVICES"), "0");

    // Another job takes the place of one.
    let on = format!("--nodelist={}", of_slot(1, "SLURMD_NODENAME"));
    let urgent = [
        "sbatch",
        "--partition=urgent",
        "--exclusive",
        &on,
        "--output=/dev/null",
        "--wrap=sleep 1",
    ];
    slurm.run(&urgent);
    let left = search.next_line("slot 1 (").unwrap();
    assert!(left.contains("it was asked to end there"), "{left}");
    // The time limit of a job is near.
    slurm.signal("URG", &of_slot(2, "SLURM_JOB_ID"));
    let left = search.next_line("slot 2 (").unwrap();
    assert!(left.contains("the time limit of its job is near"), "{left}");
    slurm.stop_controller();
    assert!(search.wait_for("epoch ", 2), "what runs goes on without the controller");
    slurm.start_controller();
    let node: usize = of_slot(0, "SLURMD_NODENAME")[1..].parse().unwrap();
    slurm.kill_node(node);
    assert!(search.wait_for("slot 0 (", 1), "a dead node is noticed");
    search.signal(Signal::KILL);
    search.wait();

    let left = slurm.jobs();
    assert!(!left.is_empty());
    slurm.start_node(node);
    let (code, stderr) = slurm.search(&place, &file, "0").wait();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains(" of an earlier run taken over"), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("far"));
    assert_eq!(place.facts("far", "segment_failed").len(), 0);
    slurm.wait_until("no job is left", || slurm.jobs().is_empty());
    assert_eq!(of_workers(&place.study("far")), [""; 0]);
}

#[test]
fn a_job_that_reaches_its_time_limit_is_followed_by_another() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    place.search(&place.space("plain", 1, 1, WHOLE, "")).ok();
    let file = study(&place, "far", 1, "max_slots = 1\ntime_limit = \"1m\"");
    let (code, stderr) = slurm.search(&place, &file, "4").wait();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("the time limit of its job is near"), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("far"));
    assert_eq!(place.facts("far", "segment_failed").len(), 0);
    slurm.wait_until("no job is left", || slurm.jobs().is_empty());
}

#[test]
fn a_job_with_nothing_left_to_do_is_given_back_until_there_is() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    let file = study(&place, "far", 1, "max_slots = 2\nmin_slots = 2");
    let mut search = slurm.search(&place, &file, "1");
    let given_back = search.next_line(" is given back: ").unwrap();
    assert!(given_back.contains("no trial is left for it"), "{given_back}");
    slurm.wait_until("one job is left", || slurm.jobs().len() == 1);
    place.run(&["enqueue", "far", "x=0.5"]).ok();
    assert!(search.next_line(" is back").is_some());
    let (code, stderr) = search.wait();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("finished: 2 trials"), "{stderr}");
    slurm.wait_until("no job is left", || slurm.jobs().is_empty());
}

#[test]
fn what_slurm_refuses_or_lets_wait_is_reported_in_words() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    let (name, value) = slurm.environment();
    let run = |verbs: &[&str], file: &Path| {
        let words = verbs
            .iter()
            .map(|verb| std::ffi::OsStr::new(*verb))
            .chain([file.as_os_str()]);
        hpo_test_support::Run(
            place
                .hpo(&words.collect::<Vec<_>>())
                .env(&name, &value)
                .output()
                .unwrap(),
        )
    };
    for (asked, said) in [
        ("partition = \"nope\"", ["invalid partition", "sinfo"]),
        (
            "time_limit = \"2h\"",
            ["the partition main allows 01:00:00 at most", "lower `time_limit`"],
        ),
        ("gres = \"tpu:1\"", ["generic resource", "`gres`"]),
        ("memory = \"900G\"", ["node configuration is not available", "`memory`"]),
        (
            "arguments = [\"--no-such-option\"]",
            ["--no-such-option", "`arguments`"],
        ),
    ] {
        let file = study(&place, "s", 2, &format!("max_slots = 2\n{asked}"));
        run(&["space", "check"], &file).fails(2, &said);
        run(&["search"], &file).fails(2, &said);
        assert!(!place.study("s").exists());
    }
    let steps = study(&place, "s", 2, "max_slots = 2\nsubmit = false");
    run(&["search"], &steps).fails(2, &["it runs in none", "salloc"]);
    let file = study(&place, "s", 2, "max_slots = 2");
    // The trainer is there, and Slurm is not.
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/true", bin.join("python3")).unwrap();
    let mut without = place.hpo(&["space".as_ref(), "check".as_ref(), file.as_os_str()]);
    let without = hpo_test_support::Run(without.env("PATH", &bin).output().unwrap()).ok();
    assert!(without.stderr().contains("can't be found out"), "{}", without.stderr());
    assert!(
        run(&["space", "check"], &file)
            .ok()
            .stderr()
            .contains("Slurm would take these jobs")
    );

    slurm.run(&[
        "sbatch",
        "--nodes=4",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=sleep 600",
    ]);
    let mut search = slurm.search(&place, &file, "0");
    let waits = search.next_line("jobs wait in the queue: ").unwrap();
    assert!(waits.contains("(Resources)") || waits.contains("(Priority)"), "{waits}");
    search.signal(Signal::INT);
    let (code, _) = search.wait();
    assert_eq!(code, 130);
    slurm.wait_until("no job is left", || slurm.jobs().is_empty());
}

/// The example, as it is, but for where `hpo` is.
#[test]
fn a_search_that_is_a_job_itself_goes_on_in_another_one() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    place.search(&place.space("plain", 4, 2, WHOLE, "")).ok();
    let file = study(&place, "far", 4, "max_slots = 2\nsubmit = true");
    let script = repository().join("examples/slurm/search.sh");
    let hpo = place.hpo::<&str>(&[]);
    let built = Path::new(hpo.get_program()).parent().unwrap();
    let path = std::env::join_paths(
        [built.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let (name, value) = slurm.environment();
    let mut submit = Command::new("sbatch");
    submit
        .arg("--parsable")
        .arg(&script)
        .arg(&file)
        .current_dir(place.path(""))
        .env(name, value)
        .env("PATH", path.unwrap())
        .env("HPO_STUDIES", place.path("studies"))
        .env("HPO_TEST_EPOCH", "0.3")
        // The partition allows no more.
        .env("SBATCH_TIMELIMIT", "60")
        .stdin(Stdio::null());
    let submitted = hpo_test_support::Run(submit.output().unwrap()).ok().stdout();
    let log = || std::fs::read_to_string(place.path("search.log")).unwrap_or_default();
    slurm.wait_until("it trains", || log().contains("epoch 1"));
    // As Slurm does some time before the limit of a job that asks for it.
    slurm.run(&["scancel", "--batch", "--signal=TERM", submitted.trim()]);
    slurm.wait_until("it has stopped", || log().contains("Resume with"));
    slurm.wait_until("it has finished", || {
        log().contains("best-") || log().contains("finished")
    });
    slurm.wait_until("no job is left", || slurm.run(&["squeue", "-h"]).is_empty());
    assert!(log().contains("study far resumes"), "{}", log());
    assert_eq!(place.answer("plain"), place.answer("far"));
}
