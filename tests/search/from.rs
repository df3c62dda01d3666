//! Studies that begin with the results of an earlier one, through the real binary.

use std::fs;

use hpo_test_support::{Place, WHOLE, write_whole_model};
use serde_json::Value;

/// Changes a study's file, from what `name` has to what `to` shall have.
fn change(place: &Place, name: &str, to: &str, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(place.path(&format!("{name}.toml"))).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old} is not in\n{text}");
        text = text.replacen(old, new, 1);
    }
    fs::write(place.path(&format!("{to}.toml")), text).unwrap();
}

const SAMPLER: (&str, &str) = ("type = \"random\"", "type = \"gaussian_process\"");
const RANGE: (&str, &str) = ("low = 0.0, high = 1.0", "low = 0.2, high = 0.6");

/// A place with the study `old` of 12 trials, and a file `new.toml` of another one with a narrower space.
fn place() -> Place {
    let place = Place::new();
    let file = place.space("old", 12, 2, WHOLE, "");
    change(&place, "old", "old", &[("trials = 12", "seed = 5\ntrials = 12")]);
    place.search(&file).ok();
    change(&place, "old", "new", &[("trials = 12", "trials = 9"), SAMPLER, RANGE]);
    place
}

fn x(fact: &Value) -> f64 {
    fact["parameters"]["x"].as_f64().unwrap()
}

#[test]
fn a_study_begins_with_what_another_one_has_found_and_says_what() {
    let place = place();
    let all = place.run(&["trials", "old", "--json"]).json();
    let inside = |x: f64| (0.2..=0.6).contains(&x);
    let found: Vec<f64> = all.as_array().unwrap().iter().map(x).collect();
    let taken = found.iter().filter(|x| inside(**x)).count();
    let run = place
        .run(&["search", place.path("new.toml").to_str().unwrap(), "--from", "old"])
        .ok();
    let said = [
        format!("from the study old: {taken} of 12 trials taken, which the sampler knows\n"),
        format!("  not taken: {} with `x` outside 0.2 to 0.6\n", 12 - taken),
        "  the 3 best begin this study, trained anew like all others\n".to_owned(),
    ];
    for said in &said {
        assert!(run.stderr().contains(said), "{said}{}", run.stderr());
        let status = place.run(&["status", "new"]).ok().stdout();
        assert!(status.contains(said.trim_end()), "{said}{status}");
    }
    let status = place.run(&["status", "new", "--json"]).json();
    assert_eq!(
        (&status["from"]["study"], &status["from"]["taken"]),
        (&"old".into(), &taken.into())
    );
    assert_eq!(place.run(&["status", "old", "--json"]).json()["from"], Value::Null);

    let results = place.facts("new", "earlier_result");
    assert_eq!(results.len(), taken);
    assert!(
        results
            .iter()
            .all(|result| inside(x(result)) && result["study"] == "old")
    );
    let created: Vec<f64> = place.facts("new", "trial_created").iter().map(x).collect();
    let mut best: Vec<f64> = found.into_iter().filter(|x| inside(*x)).collect();
    best.sort_by_key(|x| ((x - 0.3).abs() * 1e9) as u64);
    assert_eq!(created[..3], best[..3]);

    // It needs nothing of the other study any more.
    place
        .shell("rm -r studies/old && sed -i 's/trials = 9/trials = 12/' new.toml")
        .ok();
    for again in [
        "hpo search new.toml --from old",
        "hpo search new.toml",
        "hpo search new.toml --from studies/old",
        "hpo resume new",
    ] {
        place.shell(again).ok();
        let all = place.run(&["trials", "new", "--json"]).json();
        assert_eq!(all.as_array().unwrap().len(), 12, "{again}");
    }
    place.shell("hpo fsck new && hpo export new").ok();
    assert_eq!(place.facts("new", "earlier_result").len(), taken);
}

#[test]
fn only_comparable_results_are_taken_and_all_that_differs_is_reported() {
    let place = place();
    fs::write(place.path("data.txt"), "one").unwrap();
    change(
        &place,
        "old",
        "data",
        &[("[space]", "files = [\"data.txt\"]\nlevel = 1\n[space]")],
    );
    place.shell("hpo search data.toml").ok();
    let refused = |file: &str, said: &[&str]| {
        let begins = format!("the results of the study data can't be compared with those of {file}.toml:");
        let help = "search without --from; what `hpo export studies/data` prints may stand under `[[try_first]]`";
        let all = [&[begins.as_str(), help], said].concat();
        place
            .shell(&format!("hpo search {file}.toml --from data"))
            .fails(2, &all);
        assert!(!place.study(file).exists());
    };
    change(
        &place,
        "data",
        "other",
        &[
            (
                "[policy]",
                "objective = \"accuracy\"\ndirection = \"maximize\"\n[policy]",
            ),
            ("[policy]", "[policy]\nresource = \"steps\"\nmin_resource = 1"),
            ("level = 1", "level = 2"),
        ],
    );
    let said = [
        "  [study] objective: was \"loss\", is \"accuracy\"\n  [study] direction: was \"minimize\", is \"maximize\"\n",
        "  [policy] resource: was \"epochs\", is \"steps\"",
        "  [trial] level: was 1, is 2",
    ];
    refused("other", &said);
    change(&place, "data", "program", &[("whole.py", "faulty.py")]);
    refused("program", &["  [trial] command: was ["]);

    // The same content under another name is the same; another content is not.
    place.shell("cp data.txt same.txt").ok();
    change(&place, "data", "same", &[("data.txt", "same.txt")]);
    place.shell("hpo search same.toml --from data").ok();
    place.shell("echo two > data.txt").ok();
    change(&place, "data", "content", &[("level", "more = true\nlevel")]);
    let said = [
        "  `files[0]` is not what the study data was created on: `",
        "data.txt` has other content",
        "  [trial] more: was not there, is true",
    ];
    refused("content", &said);
}

#[test]
fn wrong_uses_are_refused_with_what_to_do() {
    let place = place();
    place
        .shell("hpo search new.toml --from new")
        .fails(3, &["there is no study in studies/new"]);
    place
        .shell("hpo search new.toml --from none")
        .fails(3, &["there is no study in studies/none", "help: "]);
    place
        .shell("hpo search old.toml --from old")
        .fails(2, &["the study old can't begin with its own results", "another `name`"]);
    change(
        &place,
        "new",
        "far",
        &[("low = 0.2, high = 0.6", "low = 2.0, high = 3.0")],
    );
    let said = ["no trial of the study old can be taken: 12 with `x` outside 2 to 3"];
    place.shell("hpo search far.toml --from old").fails(2, &said);
    assert!(!place.study("new").exists() && !place.study("far").exists());

    place.shell("hpo search new.toml --from old.toml").ok();
    change(&place, "old", "third", &[]);
    place.shell("hpo search third.toml").ok();
    let said = [
        "the study new was begun with the results of the study old, not of third",
        "leave out --from, or give the study another `name`",
    ];
    place.shell("hpo search new.toml --from third").fails(2, &said);
    let said = ["the study third was begun without the results of another one"];
    place.shell("hpo search third.toml --from old").fails(2, &said);
    // A study of the same name that is another one.
    place.shell("rm -r studies/old && hpo search old.toml").ok();
    let said = ["was begun with the results of the study old, not of studies/old"];
    place.shell("hpo search new.toml --from studies/old").fails(2, &said);
}

#[test]
fn parameters_that_are_new_or_gone_are_taken_for_what_they_were_if_that_is_known() {
    let place = place();
    change(
        &place,
        "new",
        "more",
        &[("[space]", "[space]\ny = { type = \"uniform\", low = 0.0, high = 1.0 }")],
    );
    let said = [
        "no trial of the study old can be taken: ",
        " without `y`, whose value there is unknown",
    ];
    place.shell("hpo search more.toml --from old").fails(2, &said);
    change(
        &place,
        "new",
        "fixed",
        &[("[space]", "[space]\ny = 3"), ("max_resource = 9", "max_resource = 27")],
    );
    let stderr = place.shell("hpo search fixed.toml --from old").ok().stderr();
    for said in [
        "  assumed: their `y` was 3, which it is now\n",
        "  assumed: their results do not depend on `max_resource`, which was 9 and is 27\n",
    ] {
        assert!(stderr.contains(said), "{stderr}");
    }
    assert!(
        place
            .facts("fixed", "earlier_result")
            .iter()
            .all(|one| one["parameters"]["y"] == 3)
    );
    // Gone again.
    let said = [
        "no trial of the study fixed can be taken: ",
        " with `y`, which they would not have here",
    ];
    place.shell("hpo search new.toml --from fixed").fails(2, &said);
}

#[test]
fn a_sampler_that_does_not_learn_is_said_not_to() {
    let place = place();
    for sampler in ["random", "sobol"] {
        change(&place, "new", sampler, &[("gaussian_process", sampler)]);
        let stderr = place
            .shell(&format!("hpo search {sampler}.toml --from old"))
            .ok()
            .stderr();
        assert!(
            stderr.contains("but the sampler does not learn from results: only those"),
            "{stderr}"
        );
        assert!(stderr.contains("the 3 best begin this study"), "{stderr}");
    }
}

#[test]
fn the_earlier_study_may_run_and_is_left_alone() {
    let place = Place::new();
    let file = place.space("old", 12, 1, WHOLE, "");
    change(&place, "old", "new", &[("trials = 12", "trials = 3"), SAMPLER]);
    let mut old = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.05")]);
    assert!(old.wait_for("epoch 1  loss", 3));
    let stderr = place.shell("hpo search new.toml --from old").ok().stderr();
    assert!(stderr.contains("of 12 trials taken"), "{stderr}");
    assert!(stderr.contains(" without a result at a rung"), "{stderr}");
    assert_eq!(old.wait().0, 0);
    place.shell("hpo fsck old && hpo fsck new").ok();
}

#[test]
fn a_study_that_was_killed_goes_on_as_if_it_had_not_been() {
    let place = place();
    change(&place, "new", "whole", &[]);
    place.shell("hpo search whole.toml --from old").ok();
    // Made whole or not at all.
    place.shell("HPO_KILL_AT=study.create:filled:1 hpo search new.toml --from old");
    assert!(!place.study("new").exists());
    place.shell("HPO_KILL_AT=study.create:renamed:1 hpo search new.toml --from old");
    assert!(place.study("new").exists());
    place.kill_search(&place.path("new.toml"), "epoch 1  loss", 4);
    place.shell("hpo search new.toml --from old").ok();
    assert_eq!(place.answer("new"), place.answer("whole"));
    assert_eq!(
        place.facts("new", "earlier_result"),
        place.facts("whole", "earlier_result")
    );
}

#[test]
fn what_has_not_trained_anything_begins_anew_only_with_what_it_knew() {
    let place = place();
    place.shell("HPO_KILL_AT=study.create:renamed:1 hpo search new.toml --from old");
    place.shell("sed -i 's/seed = 5/seed = 6/' new.toml").ok();
    let said = ["[study] seed: was 5, is 6"];
    place.shell("hpo search new.toml").fails(2, &said);
    let stderr = place.shell("hpo search new.toml --from old").ok().stderr();
    assert!(stderr.contains("starts over with what has changed"), "{stderr}");
    assert_eq!(place.facts("new", "earlier_study").len(), 1);
}

/// The real trainer: its parameters have known values where they are not given.
#[test]
fn parameters_of_the_embedding_trainer_have_their_defaults() {
    let place = Place::new();
    place.triplets("train.jsonl", 0..12);
    place.triplets("validation.jsonl", 12..18);
    write_whole_model(&place.path("model"), "bert", 2, 24);
    let text = r#"[study]
trials = 1
[policy]
type = "none"
max_resource = 1
[slots]
devices = "cpu"
trials_per_device = 1
threads_per_trial = 1
[trial]
model = "model"
train = "train.jsonl"
validation = "validation.jsonl"
max_length = 24
validation_loss = "triplet"
[space]
learning_rate = { type = "log_uniform", low = 1e-6, high = 1e-4 }
batch_size = 4
"#;
    fs::write(place.path("old.toml"), text).unwrap();
    place.shell("hpo search old.toml").ok();
    let more = "dropout = { type = \"uniform\", low = 0.0, high = 0.3 }\nloss = \"triplet\"\n";
    fs::write(place.path("new.toml"), format!("{text}{more}")).unwrap();
    let stderr = place.shell("hpo search new.toml --from old").ok().stderr();
    assert!(stderr.contains("from the study old: 1 of 1 trial taken"), "{stderr}");
    let trial = &place.facts("new", "trial_created")[0]["parameters"];
    assert_eq!((&trial["dropout"], &trial["loss"]), (&0.1.into(), &"triplet".into()));

    let other = text.to_owned() + "dropout = { type = \"uniform\", low = 0.2, high = 0.3 }\n";
    fs::write(place.path("other.toml"), other).unwrap();
    let said = ["no trial of the study old can be taken: 1 with `dropout` outside 0.2 to 0.3"];
    place.shell("hpo search other.toml --from old").fails(2, &said);

    let sets = |query: &str| {
        let sets = format!("[trial.prompt_sets]\nusual = \"model\"\ne5 = {{ anchor = {query:?} }}\n[space]");
        let choice = "prompts = { type = \"choice\", values = [\"usual\", \"e5\"] }\nnegatives_per_row = 8\n";
        text.replace("[space]", &sets) + choice
    };
    fs::write(place.path("sets.toml"), sets("query: ")).unwrap();
    place.shell("hpo search sets.toml --from old").ok();
    let trial = &place.facts("sets", "trial_created")[0]["parameters"];
    assert_eq!(
        (&trial["prompts"], &trial["negatives_per_row"]),
        (&"usual".into(), &8.into())
    );
    // Sets are known by what they are: a trial that had none of these would be left out.
    let renamed = sets("q: ").replace("usual", "plain");
    fs::write(place.path("other.toml"), renamed).unwrap();
    let stderr = place.shell("hpo search other.toml --from sets").ok().stderr();
    assert!(stderr.contains("from the study sets: 2 of 2 trials taken"), "{stderr}");
    assert_eq!(
        place.facts("other", "trial_created")[0]["parameters"]["prompts"],
        "plain"
    );
    let bare = text.replace("max_length = 24", "max_length = 24\nprompts = {}");
    fs::write(place.path("bare.toml"), bare).unwrap();
    let said = ["no trial of the study sets can be taken: 2 whose `prompts` is none of those here"];
    place.shell("hpo search bare.toml --from sets").fails(2, &said);
    let said = ["  [trial] prompts: was \"model\", is {}"];
    place.shell("hpo search bare.toml --from old").fails(2, &said);
    place.shell("rm -r studies/other").ok();

    let other = text.replace("max_length = 24", "max_length = 20");
    fs::write(place.path("other.toml"), other).unwrap();
    place
        .shell("echo '{\"anchor\":\"a\",\"positive\":\"b\",\"negative\":\"c\"}' >> train.jsonl")
        .ok();
    let said = [
        "  [trial] max_length: was 24, is 20",
        "  `train` is not what the study old was created on: ",
        "train.jsonl` has other content",
    ];
    place.shell("hpo search other.toml --from old").fails(2, &said);
}
