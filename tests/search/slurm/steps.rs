//! Slots that are steps of an allocation, by `srun` as their launch command.

use hpo_test_support::{Place, WHOLE, of_workers, wait_until_gone};
use rustix::process::Signal;

use super::cluster::{Slurm, variable};

#[test]
fn steps_of_an_allocation_find_what_slots_here_find_whatever_becomes_of_them() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else { return };
    place.search(&place.space("plain", 6, 2, WHOLE, "")).ok();
    let job = slurm.run(&[
        "sbatch",
        "--parsable",
        "--nodes=3",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=sleep 1000",
    ]);
    let job = job.trim();
    slurm.wait_until("the allocation is there", || {
        slurm.run(&["squeue", "-h", "-o", "%T"]).contains("RUNNING")
    });
    let on = |node: &str| place.machine(&["srun", "--ntasks=1", "--nodes=1", "--overlap", node]);
    let tables = ["--nodelist=n0", "--nodelist=n1", "--nodelist=n2"].map(on).concat();
    let file = place.space_on("far", 6, &tables, WHOLE, "");
    let (name, value) = slurm.environment();
    let environment = [(&*name, &*value), ("SLURM_JOB_ID", job), ("HPO_TEST_EPOCH", "0.3")];

    let mut search = place.start_with(&file, &environment);
    assert!(search.wait_for("epoch 1", 1));
    // Slurm takes a step away.
    let workers = slurm.workers_of(&place, "far", 0);
    let step = format!("{job}.{}", variable(&workers[0], "SLURM_STEP_ID"));
    slurm.signal("TERM", &step);
    let left = search.next_line("is away until it can be reached again").unwrap();
    assert!(left.contains("it was asked to end there"), "{left}");
    assert!(search.wait_for(" is back", 1));
    // A step loses its connection, and its processes do not.
    let workers = slurm.workers_of(&place, "far", 1);
    slurm.kill_steps_of(&workers);
    workers.iter().for_each(|pid| wait_until_gone(pid));
    // srun does not notice it, but hpo does after a while.
    slurm.kill_srun("--nodelist=n1");
    assert!(search.wait_for("is away until it can be reached again", 1));
    let workers = of_workers(&place.study("far"));
    search.signal(Signal::KILL);
    search.wait();
    workers.iter().for_each(|pid| wait_until_gone(pid));

    // They need not be named one by one.
    let hpo = place.hpo::<&str>(&[]);
    let table = format!(
        "[slots]\ncluster = \"slurm\"\nhpo = {:?}\nmax_slots = 3\ncpus = 4\nthreads_per_trial = 1\n",
        hpo.get_program()
    );
    let near = place.space_on("near", 6, &table, WHOLE, "");
    for file in [near, file] {
        let (code, stderr) = place.start_with(&file, &environment[..2]).wait();
        assert_eq!(code, 0, "{stderr}");
    }
    assert_eq!(place.answer("plain"), place.answer("near"));
    assert_eq!(place.answer("plain"), place.answer("far"));
    assert_eq!(place.facts("far", "segment_failed").len(), 0);
    assert_eq!(of_workers(&place.study("far")), [""; 0]);
}
