//! What a study was created on is known by its content: other content is refused, and a project that was moved goes on.

use std::fs;

use hpo_test_support::{Place, WHOLE, repository, write_whole_model};

/// A project with a study of a tiny model, of which one trial has been trained: everything is in `project`.
fn project() -> Place {
    let place = Place::new();
    write_whole_model(&place.path("project/model"), "bert", 2, 24);
    place.triplets("project/train.jsonl", 0..12);
    place.triplets("project/validation.jsonl", 12..18);
    place.triplets("project/test.jsonl", 18..24);
    fs::write(place.path("project/synonyms.tsv"), "number\tfigure\n").unwrap();
    let text = r#"[study]
trials = 1
[policy]
type = "none"
max_resource = 1
[sampler]
type = "random"
[slots]
devices = "cpu"
trials_per_device = 1
threads_per_trial = 1
[trial]
model = "model"
train = "train.jsonl"
validation = "validation.jsonl"
test = "test.jsonl"
synonyms = "synonyms.tsv"
max_length = 24
validation_loss = "triplet"
[space]
learning_rate = { type = "log_uniform", low = 1e-4, high = 1e-2 }
batch_size = 4
synonym_replacement = 0.1
"#;
    fs::write(place.path("project/s.toml"), text).unwrap();
    place.shell("cd project && hpo search s.toml").ok();
    place
}

fn more_trials(place: &Place, file: &str, trials: u32) {
    let text = fs::read_to_string(place.path(file)).unwrap();
    let old = text
        .lines()
        .find(|line| line.starts_with("trials = "))
        .unwrap()
        .to_owned();
    fs::write(place.path(file), text.replacen(&old, &format!("trials = {trials}"), 1)).unwrap();
}

#[test]
fn other_content_is_refused_with_its_role_and_its_line_before_anything_runs() {
    let place = project();
    let records = place.shell("cat project/studies/s/journal.jsonl").stdout();
    more_trials(&place, "project/s.toml", 2);
    let line = r#"echo '{"anchor":"one more","positive":"two","negative":"three"}' >> project/"#;
    for (change, role, place_of_it, what) in [
        (
            format!("{line}train.jsonl"),
            "train",
            "s.toml:14:9",
            "train.jsonl` has other content",
        ),
        (
            format!("{line}validation.jsonl"),
            "validation",
            "s.toml:15:14",
            "validation.jsonl` has other content",
        ),
        (
            format!("{line}test.jsonl"),
            "test",
            "s.toml:16:8",
            "test.jsonl` has other content",
        ),
        (
            "echo 'text\tpassage' >> project/synonyms.tsv".into(),
            "synonyms",
            "s.toml:17:12",
            "synonyms.tsv` has other content",
        ),
        (
            // It makes a file of the link.
            "sed -i 's/^/ /' project/model/tokenizer.json".into(),
            "model",
            "s.toml:13:9",
            "`tokenizer.json` has other content",
        ),
        (
            "rm project/model/modules.json".into(),
            "model",
            "s.toml:13:9",
            "`modules.json` is gone",
        ),
        (
            "echo '{}' > project/model/sentence_xlnet_config.json".into(),
            "model",
            "s.toml:13:9",
            "`sentence_xlnet_config.json` is new",
        ),
    ] {
        place.shell("cp -r project kept").ok();
        place.shell(&change).ok();
        let said = format!("`{role}` is not what the study s was created on: ");
        for verb in ["search s.toml", "resume s", "resume studies/s"] {
            let run = place.shell(&format!("cd project && hpo {verb}"));
            assert_eq!(run.fails(2, &[&said, what, place_of_it]).stdout(), "", "{verb}");
        }
        place
            .shell("cd project && hpo export s --model m")
            .fails(2, &[&said, what]);
        place.shell("rm -rf project && mv kept project").ok();
    }
    assert_eq!(place.shell("cat project/studies/s/journal.jsonl").stdout(), records);
    // Nothing but the times has changed.
    place
        .shell("touch -h project/* project/model/* && touch project/*.jsonl && cd project && hpo search s.toml")
        .ok();
    assert_eq!(
        place
            .shell("cd project && hpo trials s --json")
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_project_that_was_moved_or_whose_files_were_renamed_goes_on() {
    let place = project();
    let goes_on = |place: &Place, directory: &str, file: &str, trials: u32| {
        more_trials(place, &format!("{directory}/{file}"), trials);
        place.shell(&format!("cd {directory} && hpo search {file}")).ok();
        let all = place.shell(&format!("cd {directory} && hpo trials --json")).json();
        assert_eq!(all.as_array().unwrap().len(), trials as usize, "{directory}");
    };
    place.shell("mv project renamed").ok();
    goes_on(&place, "renamed", "s.toml", 2);
    place
        .shell("cd renamed && hpo resume s && hpo export s --model ../m && test -e ../m/config.json")
        .ok();
    let exported = place.shell("cd renamed && hpo export s").ok().stdout();
    assert!(
        exported.contains("/renamed/train.jsonl") && !exported.contains("/project/"),
        "{exported}"
    );

    place
        .shell("cd renamed && mv train.jsonl texts.jsonl && sed -i 's/train.jsonl/texts.jsonl/' s.toml")
        .ok();
    goes_on(&place, "renamed", "s.toml", 3);

    // Another name of the file, the same of the study; another machine, on which nothing is where it was.
    place.shell("cp -rL renamed copy && rm -rf renamed && cd copy && sed -i 's/^.study.$/&\\nname = \"s\"/' s.toml && mv s.toml t.toml").ok();
    goes_on(&place, "copy", "t.toml", 4);

    // The study's directory alone, or without the file that it was created from.
    place
        .shell("mv copy/studies/s alone && hpo export alone --model m2")
        .fails(2, &["`model`", "No such file"]);
    place
        .shell("mv alone copy/studies/s && mv copy/t.toml copy/s.toml && cd copy && hpo export s --model ../m2")
        .ok();
    place
        .shell("mv copy/studies/s copy/elsewhere && cd copy && hpo export ./elsewhere --model ../m3")
        .fails(2, &["`model`"]);
}

#[test]
fn the_files_that_another_trainer_is_given_are_known_by_their_content_too() {
    let place = Place::new();
    fs::create_dir_all(place.path("p/data")).unwrap();
    fs::write(place.path("p/data/a.txt"), "one").unwrap();
    fs::write(place.path("p/data/b.txt"), "two").unwrap();
    let program = repository().join(WHOLE);
    fs::write(
        place.path("p/train.sh"),
        format!("#!/bin/sh\necho x >> log.txt\nexec python3 {}\n", program.display()),
    )
    .unwrap();
    let text = r#"[study]
trials = 1
[policy]
type = "none"
max_resource = 1
[sampler]
type = "random"
[slots]
devices = "cpu"
trials_per_device = 1
[trial]
command = ["./train.sh"]
directory = "data"
files = ["a.txt", "b.txt"]
log = "log.txt"
note = "no file"
[space]
x = { type = "uniform", low = 0.0, high = 1.0 }
"#;
    fs::write(place.path("p/s.toml"), text).unwrap();
    place.shell("chmod +x p/train.sh && cd p && hpo search s.toml").ok();
    // The log did not exist when the study was created.
    more_trials(&place, "p/s.toml", 2);
    place.shell("mv p q && cd q && hpo search s.toml").ok();
    place.shell("cd q && hpo resume s && hpo export s --model ../m").ok();
    more_trials(&place, "q/s.toml", 3);
    let said = [
        "`files[1]` is not what the study s was created on",
        "s.toml:14:19",
        "b.txt` has other content",
    ];
    place
        .shell("cd q && echo three > data/b.txt && hpo search s.toml")
        .fails(2, &said);
    let gone = ["s.toml:14:19", "`files[1]`: cannot read `", "b.txt`: No such file"];
    place.shell("cd q && rm data/b.txt && hpo resume s").fails(2, &gone);
    place.shell("cd q && printf two > data/b.txt && hpo search s.toml").ok();
    let changed = ["has changed since the study s was created from it", "[trial] directory"];
    place
        .shell("cd q && mkdir other && cp data/* other && sed -i 's/\"data\"/\"other\"/' s.toml && hpo search s.toml")
        .fails(2, &changed);
}

#[test]
fn the_same_command_from_elsewhere_goes_on_with_the_same_study() {
    let place = Place::new();
    fs::create_dir_all(place.path("deep/er")).unwrap();
    let file = place.space("s", 1, 1, WHOLE, "");
    fs::rename(file, place.path("deep/er/s.toml")).unwrap();
    place.shell("hpo search deep/er/s.toml").ok();
    assert!(place.path("deep/er/studies/s").is_dir() && !place.path("studies").exists());
    let stderr = place.shell("cd deep && hpo search er/s.toml").ok().stderr();
    assert!(stderr.contains("study s is finished"), "{stderr}");
    for found in [
        "cd deep/er && hpo status s",
        "hpo status deep/er/studies/s",
        "hpo status deep/er/s.toml",
        "hpo status \"$PWD/deep/er/s.toml\"",
        "hpo --studies deep/er/studies status",
    ] {
        assert!(place.shell(found).ok().stdout().contains("finished after"), "{found}");
    }
    let refused = [
        "deep/er/studies/s is the directory of a study",
        "to go on with it: hpo resume deep/er/studies/s",
    ];
    place.shell("hpo search deep/er/studies/s").fails(2, &refused);
    place
        .shell("touch notes && hpo status notes")
        .fails(2, &["notes is no study", "help: "]);
    place.shell("hpo status s").fails(
        3,
        &[
            "there is no study in studies/s, and no directory s",
            "help: give the study's directory",
        ],
    );
    place
        .shell("hpo status")
        .fails(3, &["there is no study in studies\n", "current directory"]);
    // As studies were kept before.
    let stderr = place
        .shell("hpo search --studies studies deep/er/s.toml && rm -r deep/er/studies && hpo search deep/er/s.toml")
        .stderr();
    assert!(stderr.contains("note: there is a study s in studies/s"), "{stderr}");
}

#[test]
fn an_edited_file_is_not_ignored_by_resume() {
    let place = Place::new();
    place.space("s", 1, 1, WHOLE, "level = 1");
    place.shell("hpo search s.toml").ok();
    more_trials(&place, "s.toml", 3);
    place.shell("hpo resume s").ok();
    assert_eq!(place.shell("hpo trials s --json").json().as_array().unwrap().len(), 3);
    let changed = [
        "s.toml has changed since the study s was created from it",
        "  [trial] level: was 1, is 2",
    ];
    place
        .shell("sed -i 's/level = 1/level = 2/' s.toml && hpo resume s")
        .fails(2, &changed);
    // The file of another study by now.
    place
        .shell("sed -i 's/^.study.$/&\\nname = \"other\"/' s.toml && hpo resume s")
        .ok();
}

/// Files may be edited while a study runs, and a worker that takes the place of another reads them anew.
#[test]
fn data_that_change_while_a_study_runs_are_not_trained_with() {
    let place = Place::new();
    write_whole_model(&place.path("model"), "bert", 1, 24);
    place.triplets("train.jsonl", 0..12);
    place.triplets("validation.jsonl", 12..18);
    let text = "[study]\ntrials = 1\n[policy]\ntype = \"none\"\nmax_resource = 100000\n[slots]\ndevices = \"cpu\"\n\
                trials_per_device = 1\nthreads_per_trial = 1\n[trial]\nmodel = \"model\"\ntrain = \"train.jsonl\"\n\
                validation = \"validation.jsonl\"\nmax_length = 24\n[space]\nlearning_rate = 1e-5\n";
    let file = place.path("s.toml");
    fs::write(&file, text).unwrap();
    let kill = "import glob, os, signal, sys\n\
                for p in glob.glob('/proc/[0-9]*'):\n    try: e = open(p + '/environ', 'rb').read()\n    except OSError: continue\n    \
                if b'HPO_WORKER=' + os.fsencode(sys.argv[1]) in e: os.kill(int(p[6:]), signal.SIGKILL)\n";
    fs::write(place.path("kill.py"), kill).unwrap();
    let kill = || place.shell("python3 kill.py $(realpath studies/s)").ok();
    let mut running = place.start_hpo(&["search".as_ref(), file.as_os_str(), "-v".as_ref()], &[]);
    assert!(running.wait_for("trial 0: epoch 1 ", 1));
    // The same as before is no change.
    place.shell("cp validation.jsonl kept && cp kept validation.jsonl").ok();
    kill();
    assert!(running.wait_for("trial 0: epoch ", 2));
    place.triplets("validation.jsonl", 20..40);
    kill();
    let (code, stderr) = running.wait();
    assert_eq!(code, 1, "{stderr}");
    let said = "`validation` is not what the study s was created on: ";
    assert!(stderr.contains("no trial can run") && stderr.contains(said), "{stderr}");
}
