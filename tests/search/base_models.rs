//! Searches over several base models: two tiny ones of different families, under the real trainer.

use std::fs;

use hpo_test_support::{Place, write_whole_model};
use rustix::process::Signal;
use serde_json::{Value, json};

const MODELS: [&str; 2] = ["models/deep", "models/small"];

/// What studies of them have in common; `[trial]` comes last.
const HEAD: &str = "[study]\ntrials = 6\nkeep_checkpoints = 6\n[policy]\nmax_resource = 4\nreduction_factor = 2\n[sampler]\ntype = \"random\"\n\
                    [slots]\ndevices = \"cpu\"\ntrials_per_device = 2\nthreads_per_trial = 1\n";
const DATA: &str = "train = \"train.jsonl\"\nvalidation = \"validation.jsonl\"\ntest = \"test.jsonl\"\nvalidation_loss = \"cross_entropy\"\n\
                    max_length = 24\n";
const SPACE: &str = "model = { type = \"choice\", values = [\"models/small\", \"models/deep\"] }\n\
                     learning_rate = { type = \"log_uniform\", low = 1e-4, high = 1e-2 }\nbatch_size = 4\n";
const FIRST: &str = "[[try_first]]\nmodel = \"models/small\"\nlearning_rate = 1e-3\n[[try_first]]\nmodel = \"models/deep\"\n\
                     learning_rate = 1e-3\n";

/// A project in the directory `p` with the models and the data.
fn project() -> Place {
    let place = Place::new();
    write_whole_model(&place.path("p/models/small"), "bert", 2, 24);
    write_whole_model(&place.path("p/models/deep"), "distilbert", 3, 40);
    place.triplets("p/train.jsonl", 0..12);
    place.triplets("p/validation.jsonl", 12..18);
    place.triplets("p/test.jsonl", 18..24);
    place
}

fn study(place: &Place, name: &str) {
    let text = format!("{HEAD}[trial]\n{DATA}[space]\n{SPACE}{FIRST}");
    fs::write(place.path(&format!("p/{name}.toml")), text).unwrap();
}

fn facts(place: &Place, study: &str, kind: &str) -> Vec<Value> {
    let journal = fs::read_to_string(place.path(&format!("p/studies/{study}/journal.jsonl"))).unwrap();
    let facts = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fact"].clone());
    facts.filter(|fact| fact["type"] == kind).collect()
}

/// What must be the same however a study came about.
fn answer(place: &Place, study: &str) -> Value {
    let mut trials = place.shell(&format!("hpo trials p/studies/{study} --json")).json();
    for trial in trials.as_array_mut().unwrap() {
        let trial = trial.as_object_mut().unwrap();
        trial.retain(|key, _| !["trained_seconds", "attempts", "failures"].contains(&key.as_str()));
    }
    trials
}

#[test]
fn each_trial_has_its_base_model_and_is_compared_with_it() {
    let place = project();
    study(&place, "plain");
    study(&place, "rough");
    let stdout = place.shell("cd p && hpo search plain.toml").ok().stdout();
    let rough = place.path("p/rough.toml");
    for (what, signal) in [
        ("on slot", Signal::KILL),
        ("epoch 1  loss", Signal::KILL),
        ("promoted", Signal::INT),
    ] {
        let mut running = place.start_with(&rough, &[("HPO_STUDIES", place.path("p/studies").to_str().unwrap())]);
        if running.wait_for(what, 1) {
            running.signal(signal);
        }
        running.wait();
    }
    place.shell("cd p && hpo search rough.toml").ok();
    assert_eq!(answer(&place, "plain"), answer(&place, "rough"));

    // Each untrained model comes to what it comes to in a study of its own.
    let baselines = facts(&place, "plain", "baseline_measured");
    assert_eq!(baselines, facts(&place, "rough", "baseline_measured"));
    let [baseline] = &baselines[..] else {
        panic!("{baselines:?}")
    };
    let mut untrained_on_test = Vec::new();
    for (number, model) in MODELS.iter().enumerate() {
        let alone = format!("{HEAD}[trial]\nmodel = {model:?}\n{DATA}[space]\nlearning_rate = 1e-3\nbatch_size = 4\n");
        let alone = alone.replace("trials = 6", "trials = 1");
        fs::write(place.path(&format!("p/alone{number}.toml")), alone).unwrap();
        place.shell(&format!("cd p && hpo search alone{number}.toml")).ok();
        let study = format!("alone{number}");
        let alone = &facts(&place, &study, "baseline_measured")[0];
        assert!(alone["loss"].is_f64());
        assert_eq!(baseline["models"][model]["loss"], alone["loss"]);
        assert_eq!(baseline["models"][model]["metrics"], alone["metrics"]);
        untrained_on_test.push(facts(&place, &study, "model_tested")[0]["untrained"].clone());
    }

    let trials = answer(&place, "plain");
    let of = |model: &'static str| {
        trials
            .as_array()
            .unwrap()
            .iter()
            .filter(move |trial| trial["parameters"]["model"] == model)
    };
    assert!(MODELS.iter().all(|model| of(model).count() > 0));
    let rows: Vec<&str> = stdout
        .lines()
        .filter(|line| line.trim_start().starts_with("untrained"))
        .collect();
    assert_eq!(rows.len(), 2, "{stdout}");
    assert!(rows[0].contains(" deep") && rows[1].contains(" small"), "{stdout}");
    let status = place.shell("hpo status p/studies/plain --json").json();
    assert_eq!(status["untrained"], json!({ "models": baseline["models"] }));
    let best = status["best"]["parameters"]["model"].as_str().unwrap();
    let own = MODELS.iter().position(|model| *model == best).unwrap();
    assert_eq!(status["test"]["untrained"], untrained_on_test[own]);

    // A model has the sizes of its base model, whichever is the best.
    for model in MODELS {
        let trial = of(model).next().unwrap()["trial"].clone();
        let out = format!("exported-{trial}");
        place
            .shell(&format!("hpo export p/studies/plain --trial {trial} --model {out}"))
            .ok();
        let read = |path: String| -> Value { serde_json::from_slice(&fs::read(place.path(&path)).unwrap()).unwrap() };
        assert_eq!(
            read(format!("{out}/config.json")),
            read(format!("p/{model}/config.json"))
        );
        let card = fs::read_to_string(place.path(&format!("{out}/README.md"))).unwrap();
        let name = model.strip_prefix("models/").unwrap();
        assert!(card.contains(&format!("base_model: \"{name}\"")), "{card}");
    }

    // Elsewhere, the exported configuration trains the same model once more.
    let trial = &status["best"]["trial"];
    place
        .shell(
            "mkdir q && hpo export p/studies/plain -o q/best.toml && cd q && hpo train --config best.toml --output m",
        )
        .ok();
    place
        .shell(&format!("hpo export p/studies/plain --trial {trial} --model best"))
        .ok();
    let weights = |path: &str| fs::read(place.path(path)).unwrap();
    assert!(
        weights("q/m/model.safetensors") == weights("best/model.safetensors"),
        "the models differ"
    );
    let parameters = &place.shell("hpo export p/studies/plain --format json").json()["parameters"];
    assert_eq!(
        parameters["model"],
        json!(place.path("p").canonicalize().unwrap().join(best))
    );
}

#[test]
fn the_content_of_each_base_model_belongs_to_the_study() {
    let place = project();
    study(&place, "s");
    let text = fs::read_to_string(place.path("p/s.toml")).unwrap();
    fs::write(place.path("p/s.toml"), text.replace("trials = 6", "trials = 2")).unwrap();
    place.shell("cd p && hpo search s.toml").ok();
    let origin = facts(&place, "s", "study_created")[0]["origin"].to_string();
    assert!(
        origin.contains("model[models/deep]") && origin.contains("model[models/small]"),
        "{origin}"
    );

    // Moved, it continues.
    place.shell("mv p r && mkdir p && rmdir p").ok();
    fs::write(place.path("r/s.toml"), text.replace("trials = 6", "trials = 4")).unwrap();
    place.shell("cd r && hpo search s.toml").ok();
    place
        .shell("hpo export r/studies/s --model m && test -e m/config.json")
        .ok();
    place
        .shell("cd r && hpo resume s && hpo export s -o best.toml && hpo space check best.toml")
        .ok();

    let other = text.replace("trials = 6", "trials = 5");
    fs::write(place.path("r/s.toml"), &other).unwrap();
    let parts = [
        "`model[models/deep]` is not what the study s was created on",
        "in `",
        "`tokenizer.json` has other content",
        "s.toml:20:54",
    ];
    place
        .shell("cd r && cp models/deep/tokenizer.json kept.json && echo >> models/deep/tokenizer.json && hpo search s.toml")
        .fails(2, &parts);
    place.shell("cd r && hpo export s --model ../n").fails(2, &parts[..3]);
    place
        .shell("cd r && mv kept.json models/deep/tokenizer.json && hpo search s.toml")
        .ok();
    fs::write(place.path("r/s.toml"), other.replace(", \"models/deep\"]", "]")).unwrap();
    place
        .shell("cd r && hpo search s.toml")
        .fails(2, &["`model` is never \"models/deep\"", "s.toml:27:9"]);
    let fewer = other.replace(", \"models/deep\"]", "]").replace(FIRST, "");
    fs::write(place.path("r/s.toml"), fewer).unwrap();
    place
        .shell("cd r && hpo search s.toml")
        .fails(2, &["[space] model.values: was [\"models/small\",\"models/deep\"], is"]);
}

#[test]
fn a_space_with_base_models_is_printed_and_simulated_without_training() {
    let place = project();
    study(&place, "s");
    let check = place.shell("cd p && hpo space check s.toml").ok().stdout();
    assert!(check.contains("small, deep") && !check.contains("models/"), "{check}");
    // What stands before texts, by whoever says so.
    assert_eq!(check.matches("prompts of").count(), 2, "{check}");
    assert!(
        check.contains("prompts of small: none (the model's directory names none)\n"),
        "{check}"
    );
    let names = r#"{"prompts": {"query": "q: ", "passage": "p: "}}"#;
    fs::write(place.path("p/models/deep/config_sentence_transformers.json"), names).unwrap();
    let text = fs::read_to_string(place.path("p/s.toml")).unwrap();
    let sets = "[trial.prompt_sets]\nown = \"model\"\nbare = { text = \"t: \" }\nask = { anchor = \"ask: \" }\n[space]\n\
                prompts = { type = \"choice\", values = [\"own\", \"bare\", \"ask\"] }";
    fs::write(
        place.path("p/sets.toml"),
        text.replace("[space]", sets)
            .replace("learning_rate = 1e-3\n", "learning_rate = 1e-3\nprompts = \"own\"\n"),
    )
    .unwrap();
    let check = place.shell("cd p && hpo space check sets.toml").ok().stdout();
    let lines: Vec<&str> = check
        .lines()
        .filter(|line| line.starts_with("prompts"))
        .filter(|line| line.contains('('))
        .collect();
    assert_eq!(
        lines,
        [
            "prompts own of deep: anchor \"q: \", positive \"p: \", negative \"p: \" (by the model's directory)",
            "prompts own of small: none (the model's directory names none)",
            "prompts bare: none (by this file)",
            "prompts ask: anchor \"ask: \", positive none, negative none (by this file)",
        ]
    );
    let json = place.shell("cd p && hpo space check sets.toml --json").json();
    assert_eq!(
        json["prompts"][3],
        json!({
            "set": "ask", "model": null, "from": "file",
            "texts": [["anchor", "ask: "], ["positive", ""], ["negative", ""]]
        })
    );
    // What can't make a difference is said: searched it is refused.
    let warned = text.replace(
        "batch_size = 4\n",
        "batch_size = 4\nnegatives_per_row = 4\nrelative_margin = 0.05\n",
    );
    fs::write(place.path("p/warned.toml"), warned).unwrap();
    let why = "`negatives_per_row` has no effect on these data: no training row has several negatives";
    let warnings = place.shell("cd p && hpo space check warned.toml").ok().stderr();
    assert_eq!(warnings.matches("has no effect").count(), 1, "{warnings}");
    assert!(warnings.contains(&format!("warning: {why}: remove it; ")), "{warnings}");
    let searched = "batch_size = 4\nnegatives_per_row = { type = \"choice\", values = [2, 4] }\n";
    fs::write(
        place.path("p/warned.toml"),
        text.replace("batch_size = 4\n", searched).replace(FIRST, ""),
    )
    .unwrap();
    place
        .shell("cd p && hpo space check warned.toml")
        .fails(2, &[why, "warned.toml:23:1"]);
    // Two that end alike keep what tells them apart.
    place.shell("mkdir p/other && cp -r p/models/small p/other/small").ok();
    let text = fs::read_to_string(place.path("p/s.toml")).unwrap();
    fs::write(
        place.path("p/t.toml"),
        text.replace("\"models/deep\"]", "\"models/deep\", \"other/small\"]"),
    )
    .unwrap();
    let check = place.shell("cd p && hpo space check t.toml").ok().stdout();
    assert!(check.contains("models/small, deep, other/small"), "{check}");
    place.shell("cd p && rm -r models && hpo simulate s.toml").ok();
}

/// A study with a base model and prompts for all trials, and evaluations of which one may be the objective.
fn alone(name: &str, objective: &str) -> String {
    let study = format!("[study]\nname = {name:?}\n{objective}\n");
    let head = HEAD.replace("[study]\n", &study).replace("trials = 6", "trials = 2");
    let evaluation = |name: &str| format!("[evaluation.{name}]\ntype = \"triplets\"\ndata = \"{name}.jsonl\"\n");
    let (near, far) = (evaluation("near"), evaluation("far"));
    format!(
        "{head}[trial]\nmodel = \"models/small\"\n{DATA}{near}{far}[space]\n\
         learning_rate = {{ type = \"log_uniform\", low = 1e-4, high = 1e-2 }}\nbatch_size = 4\n"
    )
}

/// A project whose models name prompts, with the data of two evaluations, and a copy of a model.
fn with_evaluations() -> Place {
    let place = project();
    let names = r#"{"prompts": {"query": "q: ", "document": "d: "}}"#;
    for model in MODELS {
        let path = format!("p/{model}/config_sentence_transformers.json");
        fs::write(place.path(&path), names).unwrap();
    }
    place.triplets("p/near.jsonl", 30..40);
    place.triplets("p/far.jsonl", 40..50);
    place.shell("cp -r p/models/small p/models/copy").ok();
    place
}

const CHOICE: &str = "[space]\nmodel = { type = \"choice\", values = [\"models/copy\", \"models/deep\"] }";
const SETS: &str = "[trial.prompt_sets]\nbare = {}\nplain = \"model\"\n";
const SET: &str = "prompts = { type = \"choice\", values = [\"bare\", \"plain\"] }\n";

#[test]
fn a_search_among_base_models_and_prompts_begins_with_a_study_of_one_and_the_other_way_round() {
    let place = with_evaluations();
    let text = alone("old", "");
    fs::write(place.path("p/old.toml"), &text).unwrap();
    place.shell("cd p && hpo search old.toml").ok();
    let frozen = "frozen_layers = { type = \"choice\", values = [0, 1], when = { model = \"models/deep\" } }\n";
    let first =
        "[[try_first]]\nmodel = \"models/deep\"\nprompts = \"plain\"\nfrozen_layers = 1\nlearning_rate = 1e-3\n";
    let several = text
        .replace("\"old\"", "\"new\"")
        .replace("trials = 2", "trials = 3")
        .replace("model = \"models/small\"\n", "")
        .replace("far.jsonl", "near.jsonl")
        .replace("[space]", &format!("{SETS}{CHOICE}\n{SET}{frozen}"));
    fs::write(place.path("p/new.toml"), several + first).unwrap();
    let stderr = place.shell("cd p && hpo search new.toml --from old").ok().stderr();
    assert!(stderr.contains("from the study old: 2 of 2 trials taken"), "{stderr}");
    let taken = facts(&place, "new", "earlier_result");
    assert_eq!(taken.len(), 2);
    for result in &taken {
        let parameters = &result["parameters"];
        assert_eq!(
            (
                &parameters["model"],
                &parameters["prompts"],
                &parameters["frozen_layers"]
            ),
            (&json!("models/copy"), &json!("plain"), &Value::Null)
        );
    }
    // All that evaluations measure is there for each model, frozen or not.
    let trials = answer(&place, "new");
    let (deep, copy) = (&trials[0]["parameters"], &trials[1]["parameters"]);
    assert_eq!(
        (&deep["model"], &deep["frozen_layers"]),
        (&json!("models/deep"), &json!(1))
    );
    assert_eq!(
        (&copy["model"], &copy["prompts"]),
        (&json!("models/copy"), &json!("plain"))
    );
    let baseline = &facts(&place, "new", "baseline_measured")[0]["models"];
    let untrained = MODELS.map(|model| model.replace("small", "copy"));
    let measured = untrained.iter().map(|model| &baseline[model]["metrics"]);
    for metrics in measured.chain(trials.as_array().unwrap().iter().map(|trial| &trial["metrics"])) {
        assert!(
            metrics["near.accuracy"].is_f64() && metrics["far.accuracy"].is_f64(),
            "{metrics}"
        );
    }

    // Back to one of them: what began with the other one is left out.
    let back = text
        .replace("\"old\"", "\"back\"")
        .replace("models/small", "models/deep");
    let back = back + "frozen_layers = { type = \"choice\", values = [0, 1] }\n";
    fs::write(place.path("p/back.toml"), back).unwrap();
    let stderr = place.shell("cd p && hpo search back.toml --from new").ok().stderr();
    assert!(
        stderr.contains("from the study new: ") && stderr.contains(" of 5 trials taken"),
        "{stderr}"
    );
    assert!(stderr.contains(" whose `model` is none of those here"), "{stderr}");
    let taken = facts(&place, "back", "earlier_result");
    assert_eq!(taken[0]["parameters"]["frozen_layers"], 1);
    assert!(taken.iter().all(|result| result["parameters"].get("model").is_none()));
    place.shell("hpo fsck p/studies/new && hpo fsck p/studies/back").ok();
}

#[test]
fn only_what_changes_the_objective_keeps_studies_from_being_compared() {
    let place = with_evaluations();
    let objective = "objective = \"near.accuracy\"";
    let text = alone("old", objective);
    fs::write(place.path("p/old.toml"), &text).unwrap();
    // Nothing is trained here: a study that can be compared has no result.
    place.shell("cd p && HPO_KILL_AT=study.create:renamed:1 hpo search old.toml");
    let comparable = "no trial of the study old can be taken";
    let chosen = |text: &str| {
        text.replace("model = \"models/small\"\n", "")
            .replace("[space]", CHOICE)
    };
    let own = |text: &str| text.to_owned();
    type Edit<'a> = &'a dyn Fn(&str) -> String;
    let cases: [(&str, Edit, &str); 13] = [
        ("true", &own, comparable),
        ("cp near.jsonl far.jsonl", &own, comparable),
        (
            "true",
            &|text| text.replace("[evaluation.far]", "[evaluation.other]"),
            comparable,
        ),
        (
            "true",
            &|text| text.replace("far.jsonl\"\n", "far.jsonl\"\nevery = \"end\"\n"),
            comparable,
        ),
        ("true", &|text| text.replace("trials = 2", "trials = 9"), comparable),
        ("true", &chosen, comparable),
        (
            "true",
            &|text| chosen(text).replace("models/copy", "models/small"),
            comparable,
        ),
        (
            "true",
            &|text| text.replace("[space]\n", &format!("{SETS}[space]\n{SET}")),
            comparable,
        ),
        (
            "mv models/copy models/b",
            &|text| text.replace("models/small", "models/b"),
            comparable,
        ),
        (
            "true",
            &|text| text.replace("models/small", "models/deep"),
            "  `model` is not what the study old was created on: in `",
        ),
        (
            "cp far.jsonl near.jsonl",
            &own,
            "  `evaluation.near.data` is not what the study old was created on: `",
        ),
        (
            "true",
            &|text| text.replace(objective, "objective = \"far.accuracy\""),
            "  [study] objective: was \"near.accuracy\", is \"far.accuracy\"",
        ),
        (
            "true",
            &|text| text.replace("max_length = 24", "max_length = 24\nprompts = {}"),
            "  [trial] prompts: was \"model\", is {}",
        ),
    ];
    for (change, edit, expected) in cases {
        let file = edit(&text).replace("name = \"old\"", "name = \"new\"");
        fs::write(place.path("p/new.toml"), &file).unwrap();
        place.shell(&format!("cp -r p kept && cd p && {change}")).ok();
        let refused = place
            .shell("cd p && hpo search new.toml --from old")
            .fails(2, &[expected]);
        let others = refused
            .stderr()
            .lines()
            .filter(|line| line.starts_with("  ") && line.contains("was"))
            .count();
        assert_eq!(
            others > 0,
            expected != comparable,
            "{change}\n{file}\n{}",
            refused.stderr()
        );
        place.shell("rm -r p && mv kept p").ok();
    }
}

#[test]
fn a_base_model_that_is_edited_while_the_search_runs_ends_it() {
    let place = project();
    study(&place, "s");
    let file = place.path("p/s.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("trials = 6", "trials = 2000")).unwrap();
    let mut running = place.start(&file);
    assert!(running.wait_for("epoch 1  loss", 1));
    // Its weights may have been read already, but may be read again, and what is exported is made of its files.
    fs::write(place.path("p/models/deep/tokenizer_config.json"), "{}").unwrap();
    let (code, stderr) = running.wait();
    let said = "`model[models/deep]` is not what the study s was created on: in `";
    assert!(
        code == 1 && stderr.contains(said) && stderr.contains("`tokenizer_config.json` is new"),
        "{code} {stderr}"
    );
}
