//! Scripts that know nothing of `hpo`: they take arguments and print numbers.

use std::path::{Path, PathBuf};

use hpo_test_support::{Place, copy_tree, repository, wait_until_gone};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Prints a line for each epoch; better with a smaller `x` and more epochs.
const PRINTS: &str = r#"
for argument; do case $argument in --x=*) x=${argument#*=};; --epochs=*) epochs=${argument#*=};; esac; done
echo "epochs $epochs" >> log
epoch=0
while [ $epoch -lt $epochs ]; do
    epoch=$((epoch + 1))
    printf '\033[1mEpoch %s/%s\033[0m - val_loss: %s - acc=0.%s\n' $epoch $epochs $((x * 100 / epoch)) $epoch
done
"#;

/// Goes on from the epoch that it has left in its directory.
const RESUMES: &str = r#"
x=$1 epochs=$2 out=$3
epoch=$(cat "$out/epoch" 2>/dev/null || echo 0)
[ -e "$out/metrics.csv" ] || echo "epoch,loss" > "$out/metrics.csv"
while [ $epoch -lt $epochs ]; do
    epoch=$((epoch + 1))
    echo "epoch $epoch" >> log
    echo "val_loss=$((x * 100 / epoch))"
    echo "$epoch,$((x * 100 / epoch))" >> "$out/metrics.csv"
    echo $epoch > "$out/epoch"
done
"#;

struct Scripts(Place);

impl Scripts {
    fn new() -> Self {
        Self(Place::new())
    }

    /// Writes a script and a study's file of that name whose command runs it with these arguments.
    fn study(&self, name: &str, script: &str, arguments: &[&str], trial: &str) -> PathBuf {
        self.study_of(
            name,
            script,
            arguments,
            trial,
            "trials = 9",
            "x = { type = \"integer\", low = 1, high = 50 }",
        )
    }

    fn study_of(&self, name: &str, script: &str, arguments: &[&str], trial: &str, study: &str, space: &str) -> PathBuf {
        std::fs::write(self.0.path(&format!("{name}.sh")), script).unwrap();
        let command = [
            vec!["sh".to_owned(), format!("{name}.sh")],
            arguments.iter().map(|&one| one.to_owned()).collect(),
        ];
        let text = format!(
            "[study]\n{study}\n[policy]\nmax_resource = 9\n[sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\n\
             trials_per_device = 2\nthreads_per_trial = 1\n[trial]\ncommand = {}\n{trial}\n[space]\n{space}\n",
            json!(command.concat())
        );
        let path = self.0.path(&format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn trials(&self, study: &str) -> Vec<Value> {
        let all = self.0.run(&["trials", study, "--json"]).json();
        all.as_array().unwrap().clone()
    }

    /// The resources and objectives that a trial has reported.
    fn reports(&self, study: &str, trial: &Value) -> Vec<(u64, f64)> {
        let facts = self.0.facts(study, "reported");
        let own = facts.iter().filter(|fact| fact["trial"] == *trial);
        own.map(|fact| (fact["resource"].as_u64().unwrap(), fact["loss"].as_f64().unwrap()))
            .collect()
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn completed(trials: &[Value]) -> Vec<&Value> {
    trials.iter().filter(|trial| trial["state"] == "completed").collect()
}

#[test]
fn a_script_that_prints_is_searched_as_it_is() {
    let scripts = Scripts::new();
    let metrics = r"metrics = { loss = 'val_loss[=:]\s*([-+0-9.eE]+)', accuracy = 'acc=([0-9.]+)' }";
    let file = scripts.study("s", PRINTS, &["--x={x}", "--epochs={resource}"], metrics);
    let search = scripts.0.search(&file).ok();
    assert!(
        search
            .stderr()
            .contains("a trial to epoch 9 then takes 1 + 3 + 9 = 13 epochs"),
        "{}",
        search.stderr()
    );
    let trials = scripts.trials("s");
    let best = completed(&trials)[0];
    let x = best["parameters"]["x"].as_f64().unwrap();
    let least = trials
        .iter()
        .map(|trial| trial["parameters"]["x"].as_f64().unwrap())
        .fold(f64::MAX, f64::min);
    assert_eq!(x, least);
    let expected: Vec<(u64, f64)> = (1..=9)
        .map(|epoch| (epoch, (x * 100.0 / epoch as f64).floor()))
        .collect();
    assert_eq!(scripts.reports("s", &best["trial"]), expected);
    assert_eq!(best["metrics"]["accuracy"], 0.9);
    let mut log = scripts.log();
    log.sort();
    let counts = ["epochs 1", "epochs 3", "epochs 9"].map(|line| log.iter().filter(|other| *other == line).count());
    assert_eq!((counts, log.len()), ([9, 3, 1], 13), "anew for each rung");
    assert!(!search.stdout().contains("best checkpoint"), "{}", search.stdout());
    let left = std::fs::read_dir(scripts.0.study("s").join("checkpoints"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "nothing is left of trials that can't go on");
    let export = scripts.0.run(&["export", "s", "--model", "m"]);
    assert!(
        export.stderr().contains("the script left nothing"),
        "{}",
        export.stderr()
    );
    assert!(
        std::fs::read_to_string(scripts.0.study("s").join("logs/trial-0000.log"))
            .unwrap()
            .contains("val_loss")
    );
}

#[test]
fn a_script_may_print_one_value_at_its_end() {
    let scripts = Scripts::new();
    let script =
        "echo 'loading' >&2; printf '10%%\\r50%%\\rdone\\n' >&2; printf 'final loss = %s' $((100 * $1 / $2)) >&2";
    let file = scripts.study(
        "s",
        script,
        &["{x}", "{resource}"],
        "metrics = { loss = 'final loss = ([0-9.]+)' }",
    );
    scripts.0.search(&file).ok();
    let trials = scripts.trials("s");
    let best = completed(&trials)[0];
    let x = best["parameters"]["x"].as_f64().unwrap();
    let expected = [1, 3, 9].map(|epoch| (epoch, (x * 100.0 / epoch as f64).floor()));
    assert_eq!(scripts.reports("s", &best["trial"]), expected);
}

#[test]
fn a_script_goes_on_from_what_it_has_left_in_its_directory() {
    let scripts = Scripts::new();
    let arguments = ["{x}", "{resource}", "{checkpoint_dir}"];
    for (name, metrics) in [
        ("lines", r"metrics = { loss = 'val_loss=(\d+)' }"),
        (
            "columns",
            "metrics_file = \"{checkpoint_dir}/metrics.csv\"\nmetrics = { loss = \"loss\", resource = \"epoch\" }",
        ),
        ("counted", "metrics_file = \"{checkpoint_dir}/metrics.csv\""),
    ] {
        let _ = std::fs::remove_file(scripts.0.path("log"));
        let file = scripts.study(name, RESUMES, &arguments, metrics);
        let search = scripts.0.search(&file).ok();
        let trials = scripts.trials(name);
        let best = completed(&trials)[0];
        let x = best["parameters"]["x"].as_f64().unwrap();
        let expected: Vec<(u64, f64)> = (1..=9)
            .map(|epoch| (epoch, (x * 100.0 / epoch as f64).floor()))
            .collect();
        assert_eq!(scripts.reports(name, &best["trial"]), expected, "{name}");
        assert_eq!(scripts.log().len(), 9 + 3 * 2 + 6, "{name}: no epoch is trained twice");
        let model = scripts.0.study(name).join("best-model");
        assert_eq!(std::fs::read_to_string(model.join("epoch")).unwrap(), "9\n");
        assert_eq!(
            std::fs::read_to_string(model.join("metrics.csv"))
                .unwrap()
                .lines()
                .count(),
            10
        );
        assert!(
            search.stdout().contains(&format!("best model: {}", model.display())),
            "{}",
            search.stdout()
        );
        let checkpoints = scripts.0.study(name).join("checkpoints");
        assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), 1, "{name}");
        assert!(
            scripts
                .0
                .run(&["fsck", name])
                .ok()
                .stdout()
                .contains("1 file is needed and whole")
        );
    }
    // Another content is noticed, and trained again.
    let name = "lines";
    let trial = std::fs::read_dir(scripts.0.study(name).join("checkpoints"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let kept = std::fs::read_dir(trial).unwrap().next().unwrap().unwrap().path();
    std::fs::write(kept.join("epoch"), "8\n").unwrap();
    scripts.0.run(&["fsck", name]).fails(3, &[]);
}

#[test]
fn a_script_that_only_writes_to_its_directory_is_trained_anew() {
    let scripts = Scripts::new();
    let script = format!("{PRINTS}\necho $epoch > \"$HPO_CHECKPOINT_DIR/model\"");
    let metrics = r"metrics = { loss = 'val_loss: (\d+)' }";
    let file = scripts.study("s", &script, &["--x={x}", "--epochs={resource}"], metrics);
    scripts.0.search(&file).ok();
    let trials = scripts.trials("s");
    let best = completed(&trials)[0];
    let resources: Vec<u64> = scripts
        .reports("s", &best["trial"])
        .into_iter()
        .map(|(resource, _)| resource)
        .collect();
    assert_eq!(resources, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_script_that_saves_nothing_where_it_could_is_reported_as_that() {
    let scripts = Scripts::new();
    let metrics = r"metrics = { loss = 'val_loss: (\d+)' }";
    let arguments = ["--x={x}", "--epochs={resource}", "--out={checkpoint_dir}"];
    let file = scripts.study("s", PRINTS, &arguments, metrics);
    let said = scripts.0.search(&file).ok().stdout();
    assert!(said.contains("the script left nothing in {checkpoint_dir}"), "{said}");
    assert!(!said.contains("try again") && !said.contains("is lost"), "{said}");
}

#[test]
fn a_script_has_everything_in_its_environment_and_in_a_file() {
    let scripts = Scripts::new();
    let script = r#"
set -u
cp "$HPO_CONFIG" config.json
echo "$HPO_X|$HPO_RATE|$HPO_NAME|$HPO_FLAG|$HPO_RESOURCE|$HPO_FROM|$HPO_MAX|$HPO_TRIAL|$HPO_SEED|$HPO_STUDY|$HPO_RESUME_FROM|$HPO_THREADS" > values
echo "$RATE|$BRACES|${MOMENTUM-unset}|${HPO_MOMENTUM-unset}|$*" >> values
[ -d "$HPO_CHECKPOINT_DIR" ] && echo loss=1
"#;
    let space = "x = 7\nrate = 2.5e-7\nname = \"a b\"\nflag = true\nmomentum = { type = \"uniform\", low = 0.0, high = 1.0, when = { flag = false } }\n\
                 kind = { type = \"choice\", values = [true] }";
    let space = space.replace("flag = true", "flag = { type = \"choice\", values = [true, false] }");
    let arguments = [
        "--rate",
        "{rate}",
        "--momentum",
        "{momentum}",
        "--m={momentum}",
        "{name}",
        "${HOME-}",
        "--resume={resume_from}",
    ];
    let trial = "metrics = { loss = 'loss=(\\d)' }\nseed = 5\n\
                 environment = { RATE = \"{rate}\", BRACES = \"{{{x}}}\", MOMENTUM = \"{momentum}\" }";
    let first = format!("{space}\n[[try_first]]\nflag = true");
    let file = scripts.study_of("s", script, &arguments, trial, "trials = 1", &first);
    let mut search = scripts.0.hpo(&["search".as_ref(), file.as_os_str()]);
    search.env("HPO_MOMENTUM", "inherited").env("HPO_SEED", "inherited");
    assert!(search.output().unwrap().status.success());
    let values = std::fs::read_to_string(scripts.0.path("values")).unwrap();
    let expected = "7|2.5e-7|a b|true|9|0|9|0|5|s||1\n2.5e-7|{7}|unset|unset|--rate 2.5e-7 a b ${HOME-}\n";
    assert!(values.ends_with(&expected[expected.find('\n').unwrap()..]), "{values}");
    assert!(values.starts_with("7|2.5e-7|a b|true|"), "{values}");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(scripts.0.path("config.json")).unwrap()).unwrap();
    assert_eq!(
        (&config["parameters"]["rate"], &config["seed"], &config["study"]),
        (&json!(2.5e-7), &json!(5), &json!("s"))
    );
    // What the trial does not have is left out of its configuration.
    let best = scripts.0.path("best.toml");
    scripts.0.run(&["export", "s", "--output", best.to_str().unwrap()]).ok();
    let text = std::fs::read_to_string(&best).unwrap();
    assert!(!text.contains("momentum") && text.contains("{rate}"), "{text}");
    scripts.0.run(&["train", "--config", best.to_str().unwrap()]).ok();
}

#[test]
fn what_a_script_does_wrong_is_reported_with_what_was_expected() {
    let scripts = Scripts::new();
    let metrics = r"metrics = { loss = 'loss=(\S+)' }";
    let fails = |name: &str, script: &str, trial: &str, parts: &[&str]| {
        let file = scripts.study(name, script, &["{x}", "{resource}", "{checkpoint_dir}"], trial);
        scripts.0.search(&file).fails(1, parts);
    };
    fails(
        "exits",
        "echo 'loss=1'; echo 'KeyError: text' >&2; exit 3",
        metrics,
        &[
            "the script ended with exit status: 3",
            "the end of its output:",
            "KeyError: text",
        ],
    );
    let status = scripts.0.run(&["status", "exits"]).ok().stdout();
    assert!(
        status.contains("in docs/failures.md\nfix that, and resume with: "),
        "{status}"
    );
    fails(
        "nothing",
        "echo 'Loss 0.5'",
        metrics,
        &[
            r"but no line of its output matches the pattern of `loss` under `metrics`, `loss=(\S+)`",
            "Loss 0.5",
        ],
    );
    fails(
        "comma",
        "echo 'loss=0,5'",
        metrics,
        &["`loss` is no number: its pattern has found `0,5` in the line `loss=0,5`"],
    );
    fails(
        "many",
        "for n in 1 2 3; do echo loss=$n; done",
        metrics,
        &["more often than it can: 1 is due, at epoch 1"],
    );
    let no_file = "metrics_file = \"{checkpoint_dir}/m.csv\"";
    fails("file", "echo loss=1", no_file, &["has written no metrics to", "/m.csv"]);
    fails(
        "columns",
        "printf 'epoch,los\\n1,2\\n' > $3/m.csv",
        no_file,
        &["no values of `loss` in a column `loss`; its columns are `epoch`, `los`"],
    );
    fails(
        "link",
        "echo loss=1; ln -s /etc/passwd $3/link",
        metrics,
        &["`link` in it: it is a link"],
    );
    let by_epoch = r"metrics = { loss = 'loss=(\S+)', resource = 'epoch (\d+)' }";
    fails("zero", "echo epoch 0 loss=1", by_epoch, &["it counts from 0"]);
    fails(
        "missing",
        "exec ./missing",
        metrics,
        &["the script ended with exit status: 127", "missing"],
    );
}

#[test]
fn a_trial_whose_loss_is_not_finite_has_diverged() {
    let scripts = Scripts::new();
    let script = "echo \"val_loss=$( [ $1 -gt 25 ] && echo nan || echo $1 )\"; [ $1 -gt 25 ] || exit 0; trap 'exit 1' TERM; while :; do \
                  echo val_loss=1; sleep 0.01; done";
    let file = scripts.study("s", script, &["{x}"], "metrics = { loss = 'val_loss=(\\S+)' }");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("max_resource = 9", "max_resource = 9\ntype = \"none\""),
    )
    .unwrap();
    scripts.0.search(&file).ok();
    for trial in scripts.trials("s") {
        let expected = if trial["parameters"]["x"].as_u64().unwrap() > 25 {
            "diverged"
        } else {
            "completed"
        };
        assert_eq!(trial["state"], expected, "{trial}");
    }
}

#[test]
fn reports_may_be_messages_anywhere_in_the_output() {
    let scripts = Scripts::new();
    let script = r#"
echo "50%| {\"type\": \"report\", \"loss\": $1, \"metrics\": {\"f1\": 0.5}}"
"#;
    let file = scripts.study("s", script, &["{x}", "{resource}"], "");
    scripts.0.search(&file).ok();
    let trials = scripts.trials("s");
    assert_eq!(completed(&trials)[0]["metrics"]["f1"], 0.5);
}

#[test]
fn a_script_that_is_passed_nothing_is_told_apart_from_a_trainer_or_how_to_say_so() {
    let scripts = Scripts::new();
    let reports = r#"echo "{\"type\": \"report\", \"loss\": ${HPO_X-0}}""#;
    let says_nothing = [
        ("reports", reports, "has sent a report before anything else"),
        ("ends", "exit 0", "without a message"),
        ("fails", "set -u; echo $HPO_X", "HPO_X: "),
    ];
    for (name, script, said) in says_nothing {
        let file = scripts.study(name, script, &[], "");
        scripts
            .0
            .search(&file)
            .fails(1, &[said, "If it is a script", "write `script = true` under [trial]"]);
    }
    let file = scripts.study("reports", reports, &[], "script = true");
    let stderr = scripts.0.search(&file).ok().stderr();
    assert!(stderr.contains("had not trained anything yet"), "{stderr}");
    let trials = scripts.trials("reports");
    let best = completed(&trials)[0];
    assert_eq!(best["objective"], json!(best["parameters"]["x"].as_f64()));
}

/// A script that never ends by itself, and says so once it has begun.
fn endless(trap: &str) -> String {
    format!("{trap}\necho $$ >> pids\necho loss=1\nwhile :; do sleep 0.05; done")
}

fn pids(place: &Place) -> Vec<String> {
    let pids = std::fs::read_to_string(place.path("pids")).unwrap_or_default();
    pids.lines().map(str::to_owned).collect()
}

fn wait_for_pids(place: &Place, count: usize) -> Vec<String> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while pids(place).len() < count {
        assert!(std::time::Instant::now() < deadline, "no script has begun");
        std::thread::yield_now();
    }
    pids(place)
}

#[test]
fn a_script_that_is_stopped_may_end_in_good_order_or_is_killed() {
    for (trap, ends) in [("trap 'echo ended >> log; exit 0' TERM", true), ("trap '' TERM", false)] {
        let scripts = Scripts::new();
        let trial = "metrics = { loss = 'loss=(\\S+)' }\ngrace_seconds = ".to_owned() + if ends { "60" } else { "0.1" };
        let file = scripts.study("s", &endless(trap), &["{x}"], &trial);
        let running = scripts.0.start(&file);
        let pids = wait_for_pids(&scripts.0, 2);
        running.signal(Signal::INT);
        assert_eq!(running.wait().0, 130);
        pids.iter().for_each(|pid| wait_until_gone(pid));
        assert_eq!(scripts.log(), if ends { vec!["ended"; 2] } else { vec![] });
        let trials = std::fs::read_dir(scripts.0.study("s").join("checkpoints")).unwrap();
        let left = trials.flat_map(|trial| std::fs::read_dir(trial.unwrap().path()).unwrap());
        assert_eq!(left.count(), 0, "nothing is left of what was begun");
    }
}

#[test]
fn a_script_ends_with_an_hpo_that_is_killed_and_the_study_goes_on() {
    let scripts = Scripts::new();
    let file = scripts.study(
        "s",
        &endless(""),
        &["{x}", "{resource}"],
        "metrics = { loss = 'loss=(\\S+)' }",
    );
    let running = scripts.0.start(&file);
    let pids = wait_for_pids(&scripts.0, 2);
    let hpo = rustix::process::Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    rustix::process::kill_process(hpo, Signal::KILL).unwrap();
    running.wait();
    pids.iter().for_each(|pid| wait_until_gone(pid));
    std::fs::write(scripts.0.path("s.sh"), "echo loss=$1").unwrap();
    let again = scripts.0.search(&file).ok();
    assert!(
        again
            .stderr()
            .contains("`command[1]` is not what the study s was created on"),
        "{}",
        again.stderr()
    );
    assert_eq!(scripts.0.run(&["status", "s", "--json"]).json()["state"], "finished");
}

#[test]
fn data_that_a_command_names_are_part_of_the_study() {
    let scripts = Scripts::new();
    std::fs::write(scripts.0.path("data.csv"), "1").unwrap();
    let arguments = ["--data=data.csv", "{x}"];
    let file = scripts.study("s", "echo loss=$2", &arguments, "metrics = { loss = 'loss=(\\S+)' }");
    scripts.0.search(&file).ok();
    std::fs::write(scripts.0.path("data.csv"), "2").unwrap();
    let refused = ["`command[2]` is not what the study s was created on", "data.csv"];
    scripts.0.search(&file).fails(2, &refused);
}

/// Those that need no more than Python are trained, the others only read.
#[test]
fn the_examples_are_searched_as_they_are() {
    let place = Place::new();
    copy_tree(&repository().join("examples/scripts"), &place.path("scripts"));
    let file = |name: &str| place.path(&format!("scripts/{name}.toml"));
    for name in ["plain", "shell"] {
        place.search(&file(name)).ok();
        assert_eq!(place.run(&["status", name, "--json"]).json()["state"], "finished");
    }
    for name in ["pytorch", "scikit", "sentence_transformers_triplets"] {
        place
            .run(&["space".as_ref(), "check".as_ref(), file(name).as_os_str()])
            .ok();
    }
}

#[test]
fn the_check_of_a_space_says_what_nothing_passes() {
    let scripts = Scripts::new();
    let file = scripts.study("s", "", &["{resource}"], "metrics = { loss = 'loss=(\\S+)' }");
    let check = |file: &Path| {
        scripts
            .0
            .run(&["space".as_ref(), "check".as_ref(), file.as_os_str()])
            .ok()
            .stderr()
    };
    let notes = check(&file);
    assert!(
        notes.contains("no placeholder passes `x` to the script: it must read HPO_X"),
        "{notes}"
    );
    assert!(notes.contains("1 + 3 + 9 = 13 epochs"), "{notes}");
    let file = scripts.study(
        "s",
        "",
        &["{config}", "{checkpoint_dir}"],
        "metrics = { loss = 'loss=(\\S+)' }",
    );
    assert_eq!(check(&file), "");
    let notes = check(&scripts.study("s", "", &["{config}", "{checkpoint_dir}"], "resume = false"));
    assert!(
        notes.contains("with `resume = false` the script is trained anew for each rung"),
        "{notes}"
    );
    let notes = check(&scripts.study("s", "", &[], "script = true"));
    assert!(
        !notes.contains("HPO_X") && notes.contains("HPO_CHECKPOINT_DIR"),
        "{notes}"
    );
}

/// Fails where `x` is above 35, and else prints once for each epoch, with the seed that it was given.
const FAILS: &str = r#"
[ "$2" -gt 35 ] && { echo "x is too large" >&2; exit 7; }
case "$*" in *--fast*) echo fast >> log;; esac
echo "seed $4" >> log
echo "val_loss=$2"
"#;

#[test]
fn failed_trials_are_counted_with_their_reason_and_save_nothing() {
    let scripts = Scripts::new();
    let file = scripts.study_of(
        "fails",
        FAILS,
        &["--x", "{x}", "--seed", "{seed}"],
        "metrics = { loss = 'val_loss=(\\S+)' }",
        "trials = 9\nretries = 0",
        "x = { type = \"integer\", low = 1, high = 50 }",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("max_resource = 9", "type = \"none\"\nmax_resource = 1"),
    )
    .unwrap();
    let outcome = scripts.0.search(&file).ok().stdout();
    let failed = scripts
        .trials("fails")
        .iter()
        .filter(|trial| trial["state"] == "failed")
        .count();
    assert!((1..9).contains(&failed), "{failed}");
    let status = scripts.0.run(&["status", "fails"]).ok().stdout();
    for text in [&outcome, &status] {
        assert!(
            text.contains(&format!(
                "{failed} of 9 trials failed: the script ended with exit status: 7\n"
            )) && text.contains("hpo show ")
                && !text.contains("pruning saved"),
            "{text}"
        );
    }
    let failures = &scripts.0.run(&["status", "fails", "--json"]).json()["failures"];
    assert_eq!(
        (&failures["count"], &failures["alike"]),
        (&json!(failed), &json!(failed))
    );
}

#[test]
fn what_is_exported_is_what_the_script_was_given() {
    let scripts = Scripts::new();
    let file = scripts.study_of(
        "given",
        FAILS,
        &[
            "--x",
            "{x}",
            "--seed",
            "{seed}",
            "{fast}",
            "--note",
            "it's",
            "--out",
            "{checkpoint_dir}",
        ],
        "metrics = { loss = 'val_loss=(\\S+)' }",
        "trials = 4",
        "x = { type = \"integer\", low = 1, high = 20 }\nfast = { type = \"choice\", values = [\"--fast\", \"\"] }",
    );
    scripts.0.search(&file).ok();
    let log = std::fs::read_to_string(scripts.0.path("log")).unwrap();
    let trials = scripts.trials("given");
    for trial in &trials {
        assert!(log.contains(&format!("seed {}\n", trial["seed"])), "{trial} in {log}");
    }
    let is_fast = |trial: &&Value| trial["parameters"]["fast"] == "--fast";
    assert_eq!(log.contains("fast"), trials.iter().any(|trial| is_fast(&trial)));
    let best = scripts.0.run(&["export", "given", "--format", "json"]).json();
    let (x, seed) = (&best["parameters"]["x"], &best["seed"]);
    let fast = if best["parameters"]["fast"] == "" {
        ""
    } else {
        " --fast"
    };
    let passed = format!("--x {x} --seed {seed}{fast}");
    let export = |format: &str| scripts.0.run(&["export", "given", "--format", format]).ok().stdout();
    assert_eq!(export("args"), format!("{passed}\n"));
    assert_eq!(export("command"), format!("sh given.sh {passed} --note \"it's\"\n"));
    scripts.0.shell("sh -c \"$(hpo export given --format command)\"").ok();
    scripts
        .0
        .shell("hpo export given -o best.toml && hpo train --config best.toml")
        .ok();
}

#[test]
fn an_option_whose_value_would_be_left_out_is_refused() {
    let scripts = Scripts::new();
    let file = scripts.study_of(
        "empty",
        FAILS,
        &["--prefix", "{prefix}"],
        "",
        "trials = 2",
        "prefix = { type = \"choice\", values = [\"\", \"a\"] }",
    );
    scripts
        .0
        .search(&file)
        .fails(2, &["is left out where `prefix` is empty", "write `--prefix={prefix}`"]);
}
