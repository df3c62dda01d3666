//! Slots behind launch commands. What these lead to is this machine, by all the ways in which words can get there.

use std::path::Path;
use std::process::Command;

use hpo_test_support::{EXAMPLE, FAULTY, Place, WHOLE, is_gone, of_workers, wait_until_gone, write_whole_model};
use rustix::process::{Pid, Signal, kill_process};

/// Starts what it is given, as `kubectl exec` does.
const EXEC: &[&str] = &["sh", "-c", "exec \"$@\"", "--"];

/// Gives its words to a shell in one text, as `ssh` does.
const RESPLIT: &[&str] = &["sh", "-c", "exec sh -c \"$*\"", "--"];

/// Does not go when what it was started by goes, and stays as long as what it starts.
const STAYS: &[&str] = &["sh", "-c", "\"$@\"; exit $?", "--"];

#[test]
fn slots_behind_all_kinds_of_commands_find_what_those_here_find() {
    let place = Place::new();
    place.search(&place.space("short", 2, 1, EXAMPLE, "")).ok();
    let noisy = &["sh", "-c", "echo Welcome; echo to all >&2; exec \"$@\"", "--"][..];
    let others = [&["env"][..], EXEC, RESPLIT, noisy].map(|launch| place.machine(launch));
    for (number, table) in others.iter().enumerate() {
        let study = format!("far-{number}");
        place.search(&place.space_on(&study, 2, table, EXAMPLE, "")).ok();
        assert_eq!(place.answer("short"), place.answer(&study), "{table}");
    }
    place.search(&place.space("plain", 18, 2, EXAMPLE, "")).ok();
    let here = "[[slots]]\ndevices = \"cpu\"\ntrials_per_device = 1\n";
    let tables = format!("{here}{}", others.concat());
    // Of these words no shell may see any.
    let name = "it's a $HOME; of `studies`";
    std::fs::create_dir(place.path(name)).unwrap();
    let file = place.path(name).join("far.toml");
    std::fs::rename(place.space_on("far", 18, &tables, EXAMPLE, ""), &file).unwrap();
    let studies = place.path(name).join("studies");
    let run = place.run(&[
        "search".as_ref(),
        file.as_os_str(),
        "--studies".as_ref(),
        studies.as_os_str(),
    ]);
    let stderr = run.ok().stderr();
    assert!(stderr.contains(" on 5 slots (CPU, 1 thread; "), "{stderr}");
    assert!(!stderr.contains("note:"), "{stderr}");
    let far = studies.join("far");
    assert_eq!(place.answer("plain"), place.answer(far.to_str().unwrap()));
    assert_eq!(of_workers(&far), [""; 0]);
}

/// A launch command whose answer is changed on its way.
fn changed(expression: &str) -> Vec<String> {
    let script = format!("\"$@\" | sed -uE '{expression}'");
    ["sh", "-c", &script, "--"].map(str::to_owned).to_vec()
}

/// A machine whose `hpo` is this script.
fn fake(place: &Place, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = place.path(name);
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    format!("[[slots]]\nlaunch = [\"env\"]\nhpo = {program:?}\n")
}

#[test]
fn a_machine_that_cannot_train_is_reported_before_anything_is_written() {
    let place = Place::new();
    std::fs::write(place.path("data.txt"), "data").unwrap();
    let words = |words: &[String]| place.machine(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        (
            "no such command",
            place.machine(&["no-such-ssh", "gpu-box"]),
            vec![
                "`no-such-ssh gpu-box`: can't start `no-such-ssh`",
                "no-such-ssh gpu-box /",
                "--version",
            ],
        ),
        (
            "no hpo",
            "[[slots]]\nlaunch = [\"env\"]\nhpo = \"/nowhere/hpo\"\n".to_owned(),
            vec!["hpo does not answer there", "127", "/nowhere/hpo", "as `hpo`"],
        ),
        (
            "an older hpo",
            fake(
                &place,
                "older",
                "echo \"error: unrecognized subcommand '$1'\" >&2; exit 2",
            ),
            vec!["hpo does not answer there", "unrecognized subcommand 'agent'"],
        ),
        (
            "a password",
            place.machine(&["sh", "-c", "read -r password </dev/tty || exit 255", "--"]),
            vec!["hpo does not answer there", "/dev/tty", "password"],
        ),
        (
            "another version",
            words(&changed("s/\"version\":\"[^\"]*\"/\"version\":\"0.0.7\"/")),
            vec!["hpo is version 0.0.7 there, and", "the same version"],
        ),
        (
            "another directory",
            words(&changed("s/\"read\":\\{\"Ok\":\"[^\"]*\"/\"read\":{\"Ok\":\"1 2\"/")),
            vec!["does not see the same directory", "another one", "--studies"],
        ),
        (
            "a directory that can't be read",
            words(&changed(
                "s/\"read\":\\{\"Ok\":\"[^\"]*\"/\"read\":{\"Err\":\"Permission denied\"/",
            )),
            vec![
                "does not see the same directory",
                "can't be read there: Permission denied",
            ],
        ),
        (
            "a directory that takes no answer",
            words(&changed(
                "s/\"written\":\\{\"Ok\":\"[^\"]*\"/\"written\":{\"Ok\":\"1 2\"/",
            )),
            vec!["does not see the same directory", "another one"],
        ),
        (
            "other data",
            words(&changed("s/\"sha256\":\"[0-9a-f]*\"/\"sha256\":\"0\"/")),
            vec![
                "`data` is not what the study",
                "data.txt` has other content",
                "the same on",
            ],
        ),
        (
            "no trainer",
            place.machine(&["env", "PATH=/nowhere"]),
            vec!["`python3` is not on the PATH there, which is /nowhere"],
        ),
        (
            "no GPU",
            place.machine(&["env"]).replace("\"cpu\"", "[71]"),
            vec!["there is no GPU 71 on "],
        ),
    ];
    for (what, table, said) in cases {
        let file = place.space_on("s", 2, &table, EXAMPLE, "data = \"data.txt\"");
        let line = std::fs::read_to_string(&file).unwrap();
        let line = line.lines().position(|line| line == "[[slots]]").unwrap() + 1;
        let run = place.search(&file).fails(2, &said);
        let stderr = run.stderr();
        assert!(
            what == "no GPU" || stderr.contains(&format!("{}:{line}: `", file.display())),
            "{what}: {stderr}"
        );
        let left: Vec<_> = std::fs::read_dir(place.path("studies")).unwrap().collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
    let both = [
        place.machine(&["no-such-ssh"]),
        place.machine(&["env", "PATH=/nowhere"]),
    ]
    .concat();
    let file = place.space_on("s", 2, &both, EXAMPLE, "");
    place
        .search(&file)
        .fails(2, &["`no-such-ssh`: ", "`env PATH=/nowhere`: "]);
    place
        .run(&["search".as_ref(), file.as_os_str(), "--devices=cpu".as_ref()])
        .fails(
            2,
            &[
                "--devices does not say which of the 2 machines it is for",
                "s.toml:7, ",
                "write `devices` in the tables",
            ],
        );
}

#[test]
fn a_clock_that_is_off_is_reported_and_nothing_else_comes_of_it() {
    let place = Place::new();
    let slow = changed("s/\"clock\":[0-9]*/\"clock\":1000/");
    let table = place.machine(&slow.iter().map(String::as_str).collect::<Vec<_>>());
    let stderr = place.search(&place.space_on("s", 2, &table, EXAMPLE, "")).ok().stderr();
    assert!(
        stderr.contains("note: the clock of ") && stderr.contains(" seconds behind "),
        "{stderr}"
    );
}

/// A machine that mounts something else where the studies are. It takes the right to mount.
#[test]
fn a_machine_with_another_file_system_is_found_out() {
    let place = Place::new();
    let mounts = |on: &Path| {
        let script = format!("mount -t tmpfs none {} && exec \"$@\"", on.display());
        ["unshare", "-m", "sh", "-c", &script, "--"].map(str::to_owned)
    };
    let studies = place.path("studies");
    std::fs::create_dir(&studies).unwrap();
    let prefix = mounts(&studies);
    let allowed = Command::new(&prefix[0]).args(&prefix[1..]).arg("true").output();
    if !allowed.is_ok_and(|run| run.status.success()) {
        eprintln!("skipped: this takes the right to mount");
        return;
    }
    let table = |prefix: &[String]| place.machine(&prefix.iter().map(String::as_str).collect::<Vec<_>>());
    let file = place.space_on("s", 2, &table(&prefix), EXAMPLE, "");
    let said = [
        "does not see the same directory",
        "can't be read there: No such file or directory",
    ];
    place.search(&file).fails(2, &said);
    place
        .search(&place.space_on("s", 2, &place.machine(&["env"]), EXAMPLE, ""))
        .ok();
    // The study was moved there before, and this machine has not noticed.
    let elsewhere = mounts(&place.study("s"));
    let file = place.space_on("s", 4, &table(&elsewhere), EXAMPLE, "");
    place.search(&file).fails(2, &said);
}

/// Kills a process at once.
fn kill(pid: &str) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_lost_connection_is_no_failure_and_what_it_took_with_it_goes_on() {
    let place = Place::new();
    let plain = place.space("plain", 3, 1, WHOLE, "");
    place.search(&plain).ok();
    let pids = place.path("pids");
    let script = format!("echo $$ >> {}; \"$@\"; exit $?", pids.display());
    let file = place.space_on("far", 3, &place.machine(&["sh", "-c", &script, "--"]), WHOLE, "");
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.3"), ("HPO_TEST_FAULTS", "1:1:crash")]);
    assert!(running.wait_for("epoch 1", 1));
    let last = std::fs::read_to_string(&pids)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    kill(&last);
    let lost = running.next_line("is away until it can be reached again").unwrap();
    assert!(
        lost.contains("goes on from where it was saved last") && lost.contains("SIGKILL"),
        "{lost}"
    );
    assert!(running.wait_for(" is back", 1));
    let (code, stderr) = running.wait();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("far"));
    // What the worker itself does is told apart from what becomes of its connection.
    let failed = place.facts("far", "segment_failed");
    let messages: Vec<&str> = failed.iter().map(|fact| fact["message"].as_str().unwrap()).collect();
    assert!(
        messages
            .iter()
            .all(|message| message.contains("(exit status: 7)") && message.contains("out of luck")),
        "{messages:?}"
    );
}

#[test]
fn a_trial_that_always_loses_its_connection_is_at_fault() {
    let place = Place::new();
    let trainer = place.path("trainer.py");
    let code = "import json, os, sys\n\
                for line in sys.stdin:\n\
                \x20   if json.loads(line)['type'] == 'run': os.kill(os.getppid(), 9)\n\
                \x20   else: print(json.dumps({'type': 'ready', 'protocol': 1, 'trainer': 'wrecker'}), flush=True)\n";
    std::fs::write(&trainer, code).unwrap();
    let file = place.space_on("s", 1, &place.machine(EXEC), trainer.to_str().unwrap(), "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("trials = 1", "trials = 1\nretries = 0")).unwrap();
    place.search(&file).fails(1, &["the connection to the worker is lost"]);
    assert_eq!(place.facts("s", "segment_stopped").len(), 3);
    assert_eq!(place.facts("s", "segment_failed").len(), 1);
}

#[test]
fn nothing_is_left_of_a_search_that_was_killed_and_the_next_one_goes_on() {
    let place = Place::new();
    place.search(&place.space("plain", 4, 2, WHOLE, "")).ok();
    let tables = [STAYS, EXEC].map(|launch| place.machine(launch)).concat();
    let file = place.space_on("far", 4, &tables, WHOLE, "");
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.2")]);
    assert!(running.wait_for("epoch 1", 2));
    let workers = of_workers(&place.study("far"));
    assert!(workers.len() >= 2, "{workers:?}");
    running.signal(Signal::KILL);
    running.wait();
    workers.iter().for_each(|pid| wait_until_gone(pid));
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("far"));
}

#[test]
fn what_left_its_worker_is_ended_there_by_the_next_search() {
    let place = Place::new();
    let (left, fifo) = (place.path("left"), place.path("fifo"));
    let trial = format!(
        "fault = \"orphan\"\ntrial = 0\nleft = {left:?}\nfifo = {fifo:?}\nonce = {:?}",
        place.path("once")
    );
    let file = place.space_on("s", 1, &place.machine(EXEC), FAULTY, &trial);
    place.kill_search(&file, "epoch 1", 1);
    let left = std::fs::read_to_string(left).unwrap();
    assert!(!is_gone(left.lines().last().unwrap()), "a daemon outlives its agent");
    let stderr = place.search(&file).ok().stderr();
    assert!(stderr.contains(" that an earlier run had left behind"), "{stderr}");
    assert!(left.lines().all(is_gone), "{left}");
}

#[test]
fn a_model_is_trained_and_exported_where_trials_run() {
    let place = Place::new();
    let file = place.space_on("s", 2, &place.machine(EXEC), WHOLE, "");
    place.search(&file).ok();
    let log = place.path("reached");
    let script = format!("echo reached >> {}; exec \"$@\"", log.display());
    let text = std::fs::read_to_string(&file).unwrap();
    let old = format!("{EXEC:?}");
    assert!(text.contains(&old));
    std::fs::write(&file, text.replace(&old, &format!("{:?}", ["sh", "-c", &script, "--"]))).unwrap();
    let model = place.path("model");
    place
        .run(&["export".as_ref(), "s".as_ref(), "--model".as_ref(), model.as_os_str()])
        .ok();
    assert!(model.is_dir());
    let reached = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        reached.lines().count(),
        3,
        "looked at, cleared of what was left, and a worker"
    );
}

/// Each machine has the trainers that come with `hpo` at a place of its own.
#[test]
fn what_comes_with_hpo_trains_elsewhere_too() {
    let place = Place::new();
    write_whole_model(&place.path("model"), "bert", 2, 24);
    place.triplets("train.jsonl", 0..12);
    place.triplets("validation.jsonl", 12..18);
    let embedding = "[trial]\nmodel = \"model\"\ntrain = \"train.jsonl\"\nvalidation = \"validation.jsonl\"\nmax_length = 24\n\
                     [space]\nbatch_size = 4\nlearning_rate = { type = \"log_uniform\", low = 1e-4, high = 1e-2 }\n";
    let script = "[trial]\ncommand = [\"sh\", \"-c\", \"echo loss=$0\", \"{x}\"]\nmetrics = { loss = 'loss=(.*)' }\n\
                  [space]\nx = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
    for (name, trial) in [("embedding", embedding), ("script", script)] {
        let answers = [
            place.machine(EXEC),
            "[slots]\ndevices = \"cpu\"\nthreads_per_trial = 1\n".to_owned(),
        ]
        .map(|slots| {
            let study = format!("{name}-{}", slots.len());
            let head = "[study]\ntrials = 2\n[policy]\nmax_resource = 3\n[sampler]\ntype = \"random\"\n";
            let file = place.path(&format!("{study}.toml"));
            std::fs::write(&file, format!("{head}{slots}{trial}")).unwrap();
            place.search(&file).ok();
            place.answer(&study)
        });
        assert_eq!(answers[0], answers[1], "{name}");
    }
}
