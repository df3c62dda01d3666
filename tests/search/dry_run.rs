//! `hpo search --dry-run`: what a search would take, and what it then took.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hpo_test_support::{Place, of_workers, wait_until_gone, write_whole_model};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A trainer that says what trials cost: twice as much, the larger `x` is. With `fault` it goes wrong.
const MEASURES: &str = r#"
import json, sys, time
def say(**message):
    print(json.dumps(message), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        fault = order["settings"].get("fault")
        if fault == "fatal":
            say(type="fatal", message="the data are in the other room")
        say(type="ready", protocol=1, trainer="mine", features=["measure"])
        continue
    assert order["type"] == "measure", order
    segment = {"trial": order["trial"], "attempt": order["attempt"]}
    assert order["from"] == 0 and order["seconds"] > 0
    if fault == "hangs":
        print("measuring", file=sys.stderr, flush=True)
        time.sleep(600)
    if fault == "failed":
        say(type="failed", message="too large", **segment)
        continue
    slow = 2.0 if order["parameters"]["x"] > 0.5 else 1.0
    say(type="measured", resource_seconds=10.0 * slow, report_seconds=1.0, begin_seconds=2.0, checkpoint_bytes=1 << 20, **segment)
"#;

fn study(place: &Place, name: &str, policy: &str, fault: &str) -> PathBuf {
    fs::write(place.path("measures.py"), MEASURES).unwrap();
    let text = format!(
        "[study]\ntrials = 9\n[policy]\nmax_resource = 9\n{policy}\n[sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\n\
         trials_per_device = 1\nthreads_per_trial = 1\n[trial]\ncommand = [\"python3\", \"measures.py\"]\n{fault}\n[space]\n\
         x = {{ type = \"choice\", values = [0.25, 0.75] }}\n"
    );
    let path = place.path(&format!("{name}.toml"));
    fs::write(&path, text).unwrap();
    path
}

fn dry_run(place: &Place, file: &Path) -> Value {
    let before = listed(place);
    let found = place
        .run(&["search", file.to_str().unwrap(), "--dry-run", "--json"])
        .json();
    assert_eq!(listed(place), before, "something is left");
    found
}

/// All files and directories of a place.
fn listed(place: &Place) -> Vec<PathBuf> {
    let mut all = vec![place.path("")];
    let mut next = 0;
    while next < all.len() {
        let inside = fs::read_dir(&all[next]).into_iter().flatten();
        all.extend(inside.map(|entry| entry.unwrap().path()));
        next += 1;
    }
    all.sort();
    all
}

/// What a search of a tiny model was to take, and what it then took.
#[test]
fn the_plan_is_what_the_search_then_does() {
    let place = Place::new();
    write_whole_model(&place.path("tiny"), "bert", 2, 32);
    for (name, numbers) in [("train", 0..40), ("validation", 40..70)] {
        let rows = numbers.fold(String::new(), |mut rows, n: u8| {
            let word: String = [b'a' + n / 26, b'a' + n % 26].map(char::from).iter().collect();
            let row = json!({ "anchor": format!("is {word}"), "positive": word, "negative": format!("x{word}") });
            writeln!(rows, "{row}").unwrap();
            rows
        });
        fs::write(place.path(&format!("{name}.jsonl")), rows).unwrap();
    }
    for (name, policy) in [
        ("halving", "type = \"successive_halving\"\nspeculation = false"),
        ("hyperband", "type = \"hyperband\"\nspeculation = false"),
        ("none", "type = \"none\""),
    ] {
        let file = place.path(&format!("{name}.toml"));
        let text = format!(
            "[study]\ntrials = 10\n[policy]\n{policy}\nmax_resource = 4\n{}[sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\n\
             trials_per_device = 2\nthreads_per_trial = 1\n[confirmation]\nconfigurations = 1\nseeds = 2\n[trial]\nmodel = \"tiny\"\n\
             train = \"train.jsonl\"\nvalidation = \"validation.jsonl\"\nmax_length = 16\n[space]\n\
             learning_rate = {{ type = \"log_uniform\", low = 1e-4, high = 1e-3 }}\nbatch_size = {{ type = \"choice\", values = [4, 8] }}\n",
            if name == "none" { "" } else { "reduction_factor = 2\n" }
        );
        fs::write(&file, text).unwrap();
        let found = dry_run(&place, &file);
        place.search(&file).ok();

        let came = ["trial_created", "confirmation_created"].map(|kind| Some(place.facts(name, kind).len() as u64));
        let foreseen = ["trials", "confirming"].map(|count| found[count].as_u64());
        assert_eq!(came, foreseen, "{name}: {found}");
        assert_eq!(
            found["brackets"],
            place.facts(name, "bracket_opened").len(),
            "{name}: {found}"
        );
        let mut resources: BTreeMap<u64, u64> = BTreeMap::new();
        for report in place.facts(name, "reported") {
            let resource = report["resource"].as_u64().unwrap();
            let known = resources.entry(report["trial"].as_u64().unwrap()).or_default();
            *known = resource.max(*known);
        }
        let epochs = resources.values().sum::<u64>() as f64;
        let foreseen = &found["resource"];
        assert_eq!(
            (foreseen["least"].as_f64(), foreseen["most"].as_f64()),
            (Some(epochs), Some(epochs)),
            "{name}"
        );

        let best = fs::read_dir(place.study(name).join("checkpoints")).unwrap();
        let best = best.flat_map(|trial| fs::read_dir(trial.unwrap().path()).unwrap());
        let bytes: Vec<u64> = best.map(|file| file.unwrap().metadata().unwrap().len()).collect();
        // Numbers in its header have more or fewer digits.
        let foreseen = found["disk"]["checkpoint"].as_u64().unwrap();
        assert!(
            bytes.iter().all(|bytes| bytes.abs_diff(foreseen) < 64),
            "{bytes:?} {foreseen}"
        );
        assert!(found["disk"]["checkpoints"].as_u64().unwrap() >= 2, "{found}");
        let seconds = &found["seconds"];
        let [least, expected, most] = ["least", "expected", "most"].map(|name| seconds[name].as_f64().unwrap());
        assert!(0.0 < least && least <= expected && expected <= most, "{seconds}");
        let measured = found["measured"].as_array().unwrap();
        let sizes: Vec<u64> = measured
            .iter()
            .filter_map(|one| one["parameters"]["batch_size"].as_u64())
            .collect();
        assert!([4, 8].iter().all(|size| sizes.contains(size)), "{sizes:?}");
        assert!(
            measured
                .iter()
                .all(|one| one["cost"]["step_seconds"].as_f64().unwrap() > 0.0),
            "{found}"
        );
        #[cfg(target_os = "linux")]
        assert!(found["memory"]["each"].as_u64().unwrap() > 1 << 20, "{found}");
    }
    // A study that is there already is no hindrance, and another one in its place is what it always is.
    let (file, text) = (
        place.path("none.toml"),
        fs::read_to_string(place.path("none.toml")).unwrap(),
    );
    place.run(&["search", file.to_str().unwrap(), "--dry-run"]).ok();
    fs::write(&file, text.replace("high = 1e-3", "high = 1e-2")).unwrap();
    let other = place.run(&["search", file.to_str().unwrap(), "--dry-run"]);
    other.fails(2, &["learning_rate"]);
}

#[test]
fn time_is_foreseen_from_what_a_trainer_says_of_each_configuration() {
    let place = Place::new();
    let found = dry_run(&place, &study(&place, "all", "type = \"none\"", ""));
    // 9 trials of 9 epochs one after the other.
    let [fast, slow] = [10.0, 20.0].map(|seconds| 2.0 + 9.0 * (seconds + 1.0));
    let expected = found["seconds"]["expected"].as_f64().unwrap();
    assert!((9.0 * fast..9.0 * slow + 10.0).contains(&expected), "{found}");
    assert_eq!(found["measured"].as_array().unwrap().len(), 8, "{found}");

    let halving = study(
        &place,
        "halving",
        "type = \"successive_halving\"\nspeculation = false",
        "",
    );
    let found = dry_run(&place, &halving);
    let seconds = &found["seconds"];
    let [least, expected, most] = ["least", "expected", "most"].map(|name| seconds[name].as_f64().unwrap());
    assert!(least <= expected && expected <= most && least < 0.95 * most, "{found}");
    let text = place
        .run(&["search", halving.to_str().unwrap(), "--dry-run"])
        .ok()
        .stdout();
    for part in [
        "9 in 1 bracket; 21 epochs in all",
        "epoch 1: 9 trials, 3: 3, 9: 1",
        "about ",
        "1.0 MiB",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // One by one there is no plan, but what it takes is foreseen all the same.
    for policy in ["asha", "async_hyperband", "pasha"] {
        let found = dry_run(&place, &study(&place, policy, &format!("type = {policy:?}"), ""));
        assert!(
            found["brackets"].is_null() && found["seconds"]["least"].as_f64().unwrap() > 9.0 * 12.0,
            "{found}"
        );
    }
}

#[test]
fn what_would_stop_the_search_stops_the_dry_run_and_nothing_is_left() {
    let place = Place::new();
    let wrong = study(&place, "wrong", "type = \"none\"\nmin_resorce = 3", "");
    let fatal = study(&place, "fatal", "type = \"none\"", "fault = \"fatal\"");
    let before = listed(&place);
    for (file, code, part) in [
        (&wrong, 2, "min_resorce"),
        (&fatal, 1, "the data are in the other room"),
    ] {
        let run = place.run(&["search", file.to_str().unwrap(), "--dry-run"]);
        let said = run.fails(code, &[part]).stderr();
        let searched = place.search(file).fails(code, &[part]).stderr();
        assert_eq!(said.lines().last(), searched.lines().last());
        let _ = fs::remove_dir_all(place.path("studies"));
    }
    assert_eq!(listed(&place), before);

    let failed = study(&place, "failed", "type = \"none\"", "fault = \"failed\"");
    let run = place.run(&["search", failed.to_str().unwrap(), "--dry-run"]).ok();
    let (text, said) = (run.stdout(), run.stderr());
    assert!(
        text.contains("no configuration that was tried can be trained"),
        "{text}"
    );
    assert!(said.contains("can't be trained: too large"), "{said}");
}

#[test]
fn ctrl_c_leaves_nothing() {
    let place = Place::new();
    let hangs = study(&place, "hangs", "type = \"none\"", "fault = \"hangs\"");
    let before = listed(&place);
    let arguments = ["search", hangs.to_str().unwrap(), "--dry-run"];
    let mut running = place.start_hpo(&arguments, &[]);
    assert!(running.wait_for("timing a few steps", 1));
    let scratch = place.path(&format!(".hpo-dry-run-{}", running.id()));
    let log = scratch.join("logs/slot-0.log");
    while !fs::read_to_string(&log).is_ok_and(|log| log.contains("measuring")) {
        std::thread::yield_now();
    }
    let workers = of_workers(&scratch);
    assert!(!workers.is_empty());
    running.signal(Signal::INT);
    assert_eq!(running.wait().0, 130);
    workers.iter().for_each(|pid| wait_until_gone(pid));
    assert_eq!(listed(&place), before);
}

#[test]
fn what_can_only_train_is_not_timed() {
    let place = Place::new();
    let before = place.run(&[
        "search",
        place
            .space("whole", 9, 2, "tests/trainers/whole.py", "")
            .to_str()
            .unwrap(),
        "--dry-run",
    ]);
    let text = before.ok().stdout();
    assert!(
        text.contains("not known: this trainer does not answer `measure`"),
        "{text}"
    );
    assert!(text.contains("9 in 1 bracket"), "{text}");
    fs::write(place.path("train.sh"), "echo trained > trained; echo val_loss=1").unwrap();
    let script = "[study]\ntrials = 3\n[policy]\nmax_resource = 9\n[sampler]\ntype = \"random\"\n[trial]\n\
                  command = [\"sh\", \"train.sh\", \"{x}\", \"{resource}\"]\n[space]\nx = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
    fs::write(place.path("script.toml"), script).unwrap();
    let found = dry_run(&place, &place.path("script.toml"));
    assert!(
        found["seconds"].is_null() && found["untimed"].as_str().unwrap().contains("a script"),
        "{found}"
    );
    assert!(!place.path("trained").exists());
}
