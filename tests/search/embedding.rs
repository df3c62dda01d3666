//! The embedding trainer under the real scheduler, on a few texts: the real MiniLM, and a tiny model whose checkpoints take no time.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hpo_test_support::{Place, repository};
use rustix::process::Signal;
use serde_json::json;

/// A study of the real model that trains in seconds. By ranks alone all models would be alike on so few texts.
fn space_of_minilm(place: &Place, name: &str) -> PathBuf {
    let model = repository().join(".cache/model/all-MiniLM-L6-v2");
    assert!(model.exists(), "the model is not there: run `make setup`");
    place.triplets("train.jsonl", 0..12);
    place.triplets("validation.jsonl", 12..18);
    place.triplets("test.jsonl", 18..24);
    let learning_rate = "{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }";
    space_of(place, name, &model, learning_rate)
}

/// The same of a tiny model, of whose few tokens the texts have 6, 5 and 4.
fn space(place: &Place, name: &str) -> PathBuf {
    let write = |name: &str, numbers: Range<usize>| {
        let mut rows = String::new();
        for number in numbers {
            let letters = ["a b", "c d", "e f", "g h", "i k", "l m"][number % 6];
            let letters = format!("{} {letters}", ["n", "o", "r", "s"][number / 6]);
            let row = json!({ "anchor": format!("the {letters}"), "positive": letters, "negative": &letters[2..] });
            writeln!(rows, "{row}").unwrap();
        }
        std::fs::write(place.path(name), rows).unwrap();
    };
    write("train.jsonl", 0..12);
    write("validation.jsonl", 12..18);
    write("test.jsonl", 18..24);
    let model = repository().join("trials/embedding/tests/fixtures/bert-mean");
    space_of(
        place,
        name,
        &model,
        "{ type = \"log_uniform\", low = 1e-4, high = 1e-2 }",
    )
}

fn space_of(place: &Place, name: &str, model: &Path, learning_rate: &str) -> PathBuf {
    let path = place.path(&format!("{name}.toml"));
    let text = format!(
        "[study]\ntrials = 4\n[policy]\nmax_resource = 4\nreduction_factor = 2\n[sampler]\ntype = \"random\"\n[slots]\ndevices = \"cpu\"\n\
         trials_per_device = 2\nthreads_per_trial = 1\n[trial]\nmodel = {model:?}\ntrain = \"train.jsonl\"\n\
         validation = \"validation.jsonl\"\ntest = \"test.jsonl\"\nvalidation_loss = \"triplet\"\nmax_length = 16\n[space]\n\
         learning_rate = {learning_rate}\nbatch_size = 4\n\
         margin = {{ type = \"uniform\", low = 0.1, high = 1.0 }}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn killed_and_stopped_it_ends_like_a_search_left_alone_and_exports_its_best_model() {
    let place = Place::new();
    place.search(&space_of_minilm(&place, "plain")).ok();
    let shared = || std::fs::read_dir(place.path("studies/.cache")).unwrap().count();
    assert_eq!(shared(), 3, "training, validation and test texts");
    let rough = space_of_minilm(&place, "rough");
    for (what, signal) in [
        ("on slot", Signal::KILL),
        ("epoch 1  loss", Signal::KILL),
        ("promoted", Signal::INT),
    ] {
        let mut running = place.start(&rough);
        if running.wait_for(what, 1) {
            running.signal(signal);
        }
        running.wait();
    }
    let stdout = place.search(&rough).ok().stdout();
    assert_eq!(place.answer("plain"), place.answer("rough"));
    assert_eq!(shared(), 3, "the second study has the same texts");
    assert_eq!(place.facts("rough", "baseline_measured").len(), 1);
    assert!(
        stdout.contains("untrained") && stdout.contains("best model: "),
        "{stdout}"
    );
    assert!(
        stdout.contains("on the test data, which no decision has used:\n  loss: 0."),
        "{stdout}"
    );
    assert_eq!(
        place.facts("rough", "model_tested"),
        place.facts("plain", "model_tested")
    );

    let best = place.study("rough").join("best-model");
    let elsewhere = place.path("exported");
    place
        .run(&["export", "rough", "--model", elsewhere.to_str().unwrap()])
        .ok();
    for file in [
        "config.json",
        "tokenizer.json",
        "modules.json",
        "1_Pooling/config.json",
        "model.safetensors",
    ] {
        assert_eq!(
            std::fs::read(best.join(file)).unwrap(),
            std::fs::read(elsewhere.join(file)).unwrap(),
            "{file}"
        );
    }
    let same = std::fs::read(place.study("plain").join("best-model/model.safetensors")).unwrap();
    assert!(
        same == std::fs::read(best.join("model.safetensors")).unwrap(),
        "the models differ"
    );
    place
        .run(&["export", "rough", "--model", elsewhere.to_str().unwrap()])
        .fails(2, &["already exists"]);
}

#[test]
fn the_exported_configuration_trains_the_same_model_once_more() {
    let place = Place::new();
    place.search(&space(&place, "s")).ok();
    let (config, model) = (place.path("best.toml"), place.path("model"));
    place.run(&["export", "s", "-o", config.to_str().unwrap()]).ok();
    place
        .run(&[
            "train",
            "--config",
            config.to_str().unwrap(),
            "--output",
            model.to_str().unwrap(),
        ])
        .ok();
    let searched = std::fs::read(place.study("s").join("best-model/model.safetensors")).unwrap();
    assert!(
        searched == std::fs::read(model.join("model.safetensors")).unwrap(),
        "the models differ"
    );
}

/// The journals of studies of before there was a choice of `validation_loss`, and `prompts`, do not have them.
#[test]
fn an_older_study_keeps_the_validation_loss_that_it_was_made_with() {
    let place = Place::new();
    let triplet = "validation_loss = \"triplet\"";
    let write = |name: &str, trials: u32, key: &str| {
        let path = space(&place, name);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("trials = 4", &format!("trials = {trials}"));
        let text = text.replace("reduction_factor = 2", "reduction_factor = 4");
        std::fs::write(&path, text.replace(triplet, key)).unwrap();
        path
    };
    place.search(&write("s", 2, triplet)).ok();
    place.search(&write("older", 2, triplet)).ok();
    let journal = place.study("older").join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let (body, _) = first.rsplit_once(",\"crc32c\"").unwrap();
    let body = body.replace("\"validation_loss\":\"triplet\",", "");
    let body = body
        .replace("\"prompts\":\"model\",", "")
        .replace("\"negatives\":\"together\",", "");
    assert!(
        body.contains("\"validation_margin\":0.5")
            && !body.contains("validation_loss")
            && !body.contains("\"prompts\":")
            && !body.contains("\"negatives\":"),
        "{body}"
    );
    let crc = crc32c::crc32c(body.as_bytes());
    std::fs::write(&journal, format!("{body},\"crc32c\":\"{crc:08x}\"}}\n{rest}")).unwrap();

    let refused = place.search(&write("older", 3, "validation_loss = \"cross_entropy\""));
    refused.fails(2, &["[trial] validation_loss: was not there, is \"cross_entropy\""]);
    let prompts = format!("{triplet}\nprompts = {{ anchor = \"q: \" }}");
    let refused = place.search(&write("older", 3, &prompts));
    refused.fails(2, &["[trial] prompts: was not there, is {\"anchor\":\"q: \"}"]);
    let together = format!("{triplet}\nnegatives = \"together\"");
    let refused = place.search(&write("older", 3, &together));
    refused.fails(2, &["[trial] negatives: was not there, is \"together\""]);
    place.search(&write("s", 3, triplet)).ok();
    place.search(&write("older", 3, "negatives = \"apart\"")).ok();
    assert_eq!(place.answer("s"), place.answer("older"));
    place.search(&write("older", 3, triplet)).ok();
    // A new study does not begin as those of before go on.
    let from = |key: &str| {
        let new = write("new", 2, key);
        place.run(&["search", new.to_str().unwrap(), "--from", "older"])
    };
    let said = [
        "[trial] validation_loss: was \"triplet\", is \"auto\"",
        "[trial] prompts: was {}, is \"model\"",
        "[trial] negatives: was \"apart\", is \"together\"",
    ];
    from("").fails(2, &said);
    from(&format!("{triplet}\nprompts = {{}}\nnegatives = \"apart\"")).ok();

    let exported = place.run(&["export", "older"]).ok().stdout();
    assert!(
        exported.contains("validation_loss = \"triplet\"\nvalidation_margin = 0.5\n"),
        "{exported}"
    );
    assert!(
        exported.contains("[trial.prompts]\n") && exported.contains("negatives = \"apart\"\n"),
        "{exported}"
    );
    place.search(&write("today", 2, "")).ok();
    let losses = |study: &str| place.answer(study)[0]["loss"].clone();
    assert_ne!(losses("today"), losses("s"));
    let again = place.path("today.toml");
    std::fs::write(&again, place.run(&["export", "today"]).ok().stdout()).unwrap();
    place.run(&["space", "check", again.to_str().unwrap()]).ok();
}

/// The texts have 6, 5 and 4 tokens: 4 cuts two kinds of them, 5 one, and 16 none.
#[test]
fn a_search_of_the_length_is_exact_and_ships_the_best_length() {
    let place = Place::new();
    let write = |name: &str| {
        let path = space(&place, name);
        let text = std::fs::read_to_string(&path).unwrap();
        let length = "max_length = { type = \"choice\", values = [4, 5, 16] }\nfrozen_layers = 1";
        std::fs::write(&path, text + length).unwrap();
        path
    };
    place.search(&write("plain")).ok();
    let lengths = |trial: &serde_json::Value| trial["parameters"]["max_length"].as_u64().unwrap();
    let trials = place.answer("plain");
    let drawn: std::collections::BTreeSet<u64> = trials.as_array().unwrap().iter().map(lengths).collect();
    assert!(drawn.len() > 1, "all trials have one length: {drawn:?}");
    let rough = write("rough");
    let mut running = place.start(&rough);
    if running.wait_for("epoch 1  loss", 2) {
        running.signal(Signal::KILL);
    }
    running.wait();
    place.search(&rough).ok();
    assert_eq!(trials, place.answer("rough"));
    assert_eq!(
        place.facts("rough", "model_tested"),
        place.facts("plain", "model_tested")
    );

    let model = place.study("rough").join("best-model");
    let read = |path: &Path| std::fs::read(path).unwrap();
    let settings: serde_json::Value = serde_json::from_slice(&read(&model.join("sentence_bert_config.json"))).unwrap();
    let exported = place.run(&["export", "rough", "--format", "json"]).json();
    assert_eq!(settings["max_seq_length"], exported["parameters"]["max_length"]);

    let (config, again) = (place.path("best.toml"), place.path("model"));
    let (config, target) = (config.to_str().unwrap(), again.to_str().unwrap());
    place.run(&["export", "rough", "-o", config]).ok();
    place.run(&["train", "--config", config, "--output", target]).ok();
    for file in [
        "model.safetensors",
        "sentence_bert_config.json",
        "tokenizer_config.json",
    ] {
        assert!(read(&model.join(file)) == read(&again.join(file)), "{file} differs");
    }
}

#[test]
fn a_search_of_the_prompts_ships_the_best_ones_and_names_them() {
    let place = Place::new();
    let path = space(&place, "prompted");
    let text = std::fs::read_to_string(&path).unwrap();
    let sets = "[trial.prompt_sets]\nquery = { anchor = \"query: \", positive = \"passage: \" }\nsame = { anchor = \"text: \", positive = \"text: \" }\n[space]\n";
    let text = text.replace("[space]\n", sets);
    std::fs::write(
        &path,
        text + "prompts = { type = \"choice\", values = [\"query\", \"same\"] }\n",
    )
    .unwrap();
    place.search(&path).ok();

    let model = place.study("prompted").join("best-model");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let config: serde_json::Value =
        serde_json::from_str(&read(&model.join("config_sentence_transformers.json"))).unwrap();
    let card = read(&model.join("README.md"));
    let exported = place.run(&["export", "prompted", "--format", "json"]).json();
    let (query, document, default, used) = match exported["parameters"]["prompts"].as_str().unwrap() {
        "query" => ("query: ", "passage: ", serde_json::Value::Null, "model.encode_query("),
        _ => ("text: ", "text: ", "query".into(), "model.encode("),
    };
    assert_eq!(
        config["prompts"],
        serde_json::json!({"query": query, "document": document})
    );
    assert_eq!(config["default_prompt_name"], default);
    assert!(
        card.contains(&format!("| query | `{query}` |")) && card.contains(used),
        "{card}"
    );

    let (config, again) = (place.path("best.toml"), place.path("model"));
    let (config, target) = (config.to_str().unwrap(), again.to_str().unwrap());
    place.run(&["export", "prompted", "-o", config]).ok();
    place.run(&["train", "--config", config, "--output", target]).ok();
    for file in ["model.safetensors", "config_sentence_transformers.json"] {
        let same = std::fs::read(model.join(file)).unwrap() == std::fs::read(again.join(file)).unwrap();
        assert!(same, "{file} differs");
    }
}

/// 12 rows in batches of 5 are steps of 5, 5 and 2: 6 examples, and 18, come in the middle of a step.
#[test]
fn a_search_by_examples_is_exact_too_and_trains_the_same_model_once_more() {
    let place = Place::new();
    let write = |name: &str| {
        let path = space(&place, name);
        let text = std::fs::read_to_string(&path).unwrap();
        let examples = "resource = \"examples\"\nmin_resource = 6\nmax_resource = 24";
        let changed = text
            .replace("max_resource = 4", examples)
            .replace("batch_size = 4", "batch_size = 5\nschedule = \"linear\"");
        std::fs::write(&path, changed).unwrap();
        path
    };
    let stdout = place.search(&write("plain")).ok().stdout();
    assert!(stdout.contains("48 examples trained in"), "{stdout}");
    let rough = write("rough");
    let mut running = place.start(&rough);
    if running.wait_for("example 6  loss", 2) {
        running.signal(Signal::KILL);
    }
    running.wait();
    place.search(&rough).ok();
    assert_eq!(place.answer("plain"), place.answer("rough"));
    let model = |path: &Path| std::fs::read(path.join("model.safetensors")).unwrap();
    let searched = model(&place.study("plain").join("best-model"));
    assert!(
        searched == model(&place.study("rough").join("best-model")),
        "the models differ"
    );

    let (config, again) = (place.path("best.toml"), place.path("model"));
    let (config, target) = (config.to_str().unwrap(), again.to_str().unwrap());
    place.run(&["export", "plain", "-o", config]).ok();
    place.run(&["train", "--config", config, "--output", target]).ok();
    assert!(searched == model(&again), "the models differ");
}

#[test]
fn pairs_scored_pairs_and_labelled_texts_are_cleaned_split_and_trained_with() {
    let place = Place::new();
    let lines = |line: &dyn Fn(u32) -> String| (0..24).map(line).collect::<String>();
    let labelled = |n| json!({ "text": format!("the number {n}"), "label": n % 2 }).to_string() + "\n";
    let cases = [
        (
            "pairs.csv",
            "question,answer\n".to_owned()
                + &lines(&|n| format!("what is after {n}?,\"it is, say, {n}\"\n"))
                + "again,again\n",
            "",
            "data: pairs (question, answer)\n  training: 16 rows, 32 texts; of 25 dropped 1 with the same text twice\n  \
             validation: 8 rows, 16 texts, split off the training data\n",
            "ndcg@10",
        ),
        (
            "scored.tsv",
            "sentence1\tsentence2\tscore\n".to_owned() + &lines(&|n| format!("number {n}\tnumeral {n} \t{}\n", n % 6)),
            "score_range = [0, 5]",
            "data: scored pairs (sentence1, sentence2, score)\n  training: 18 rows, 36 texts; blanks cut off 24 texts\n",
            "spearman",
        ),
        (
            "labelled.jsonl",
            lines(&labelled),
            "validation_share = 0.25",
            "data: labelled texts (text, label)\n  training: 18 rows, 18 texts\n  validation: 6 rows, 6 texts",
            "macro_f1",
        ),
    ];
    for (file, text, keys, report, metric) in cases {
        std::fs::write(place.path(file), text).unwrap();
        let name = file.split('.').next().unwrap();
        let path = space_of_minilm(&place, name);
        let study = std::fs::read_to_string(&path).unwrap();
        let study = study
            .replace("train.jsonl", file)
            .replace("test = \"test.jsonl\"\n", "")
            .replace("validation_loss = \"triplet\"\n", "")
            .replace("validation = \"validation.jsonl\"", keys);
        let study = study
            .replace("trials = 4", "trials = 1")
            .replace("max_resource = 4", "max_resource = 1");
        std::fs::write(&path, &study).unwrap();
        // These data have another loss than the triplet loss, so there is nothing to search a margin for.
        let refused = place.search(&path);
        assert!(
            refused.stderr().contains("`margin` has no effect"),
            "{}",
            refused.stderr()
        );
        let margin = "margin = { type = \"uniform\", low = 0.1, high = 1.0 }\n";
        assert!(study.contains(margin));
        std::fs::write(&path, study.replace(margin, "")).unwrap();
        let output = place.search(&path).ok();
        assert!(output.stderr().contains(report), "{}", output.stderr());
        for part in [metric, "best model: "] {
            assert!(output.stdout().contains(part), "{}{}", output.stdout(), output.stderr());
        }
    }
}
