mod files;
mod machines;
mod mistakes;
mod models;
mod properties;
mod reference;
mod schema;
mod scripts;
mod whole;

use std::fs;

use hpo_protocol::Unit;
use serde_json::json;

use super::*;
use crate::devices::{Devices, DevicesError, MachineSettings};
use crate::space::{Distribution, Parameter};
use crate::study::{Asha, AsyncHyperband, Hyperband, MedianStopping, SuccessiveHalving};

const GOOD: &str = r#"[study]
trials = 27

[policy]
max_resource = 9

[trial]
model = "../.cache/model/m"
train = "t.jsonl"
validation = "v.jsonl"

[space]
margin = 1
"#;

fn parse_at(text: &str) -> Result<StudyFile, Diagnostics> {
    parse(text, Path::new("/here/sub/space.toml"))
}

#[test]
fn what_is_left_out_has_its_default() {
    let study = parse_at(GOOD).unwrap().study;
    assert_eq!((study.name.as_str(), study.seed, study.retries), ("space", 0, 2));
    assert_eq!((study.policy.min_resource, study.policy.reduction_factor), (1, 3));
    assert_eq!(study.trainer.settings["validation_loss"], "auto");
    assert_eq!(study.trainer.settings.get("validation_margin"), None);
    assert_eq!(study.trainer.settings["max_length"], 128);
    assert_eq!(study.trainer.settings["prompts"], "model");
    assert_eq!(study.trainer.settings["negatives"], "together");
    assert_eq!(study.trainer.seed, None);
}

#[test]
fn policies_are_read_with_their_settings() {
    use crate::study::{AshaVariant, PolicyKind};
    let policy = |lines: &str| {
        let text = GOOD.replace("max_resource = 9", &format!("max_resource = 9\n{lines}"));
        let text = text.replace("[trial]", "[sampler]\ntype = \"random\"\n[trial]");
        parse_at(&text).unwrap().study.policy
    };
    let kind = |lines: &str| policy(lines).kind;
    assert_eq!(
        kind(""),
        PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: false
        })
    );
    assert_eq!(
        kind("type = \"successive_halving\"\nbracket_size = 9"),
        PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: Some(9),
            small_brackets: false
        })
    );
    assert_eq!(
        kind("type = \"hyperband\""),
        PolicyKind::Hyperband(Hyperband { small_brackets: false })
    );
    let (promotion, stopping) = (AshaVariant::Promotion, AshaVariant::Stopping);
    assert_eq!(kind("type = \"asha\""), PolicyKind::Asha(Asha { variant: promotion }));
    assert_eq!(
        kind("type = \"async_hyperband\"\nvariant = \"stopping\""),
        PolicyKind::AsyncHyperband(AsyncHyperband { variant: stopping })
    );
    assert_eq!(kind("type = \"pasha\""), PolicyKind::Pasha);
    assert_eq!(
        kind("type = \"median_stopping\"\npercentile = 80\nmin_resource = 2"),
        PolicyKind::MedianStopping(MedianStopping {
            percentile: 80,
            startup_trials: 5
        })
    );
    assert_eq!(kind("type = \"none\""), PolicyKind::None);
    assert!(policy("").speculation && !policy("speculation = false").speculation);
}

#[test]
fn resources_are_epochs_unless_the_file_says_what_they_are() {
    let policy = |lines: &str| {
        let text = GOOD.replace("max_resource = 9", lines);
        let policy = parse_at(&text).unwrap().study.policy;
        (
            policy.unit,
            policy.min_resource,
            policy.max_resource,
            policy.report_every,
        )
    };
    assert_eq!(policy("max_resource = 9"), (Unit::Epochs, 1, 9, 1));
    assert_eq!(
        policy("max_resource = 9\nmin_resource = 4\nreport_every = 2"),
        (Unit::Epochs, 4, 9, 2)
    );
    assert_eq!(
        policy("resource = \"steps\"\nmin_resource = 100\nmax_resource = 950"),
        (Unit::Steps, 100, 950, 100)
    );
    assert_eq!(
        policy("resource = \"examples\"\nmin_resource = 3000\nmax_resource = 81000\nreport_every = 500"),
        (Unit::Examples, 3000, 81000, 500)
    );
    // Trials are compared at the end alone, and there they report anyway.
    let none = "type = \"none\"\nresource = \"steps\"\nmax_resource = 950\nreport_every = 100";
    assert_eq!(policy(none), (Unit::Steps, 950, 950, 100));
}

#[test]
fn a_sampler_that_learns_has_brackets_to_learn_from() {
    use crate::study::{GaussianProcess, PolicyKind, SamplerSpec};
    let study = |lines: &str| {
        parse_at(&GOOD.replace("[trial]", &format!("{lines}\n[trial]")))
            .unwrap()
            .study
    };
    let random = study("[sampler]\ntype = \"random\"");
    assert_eq!(random.sampler, SamplerSpec::Random);
    assert_eq!(
        random.policy.kind,
        PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: false
        })
    );
    let settings = GaussianProcess {
        startup_trials: Some(5),
        random_share: 0.1,
        ..GaussianProcess::default()
    };
    let small = PolicyKind::SuccessiveHalving(SuccessiveHalving {
        bracket_size: None,
        small_brackets: true,
    });
    let learning = study("[sampler]\ntype = \"gaussian_process\"\nstartup_trials = 5");
    assert_eq!(learning.sampler, SamplerSpec::GaussianProcess(settings));
    assert_eq!((learning.policy.kind, study("").policy.kind), (small, small));
    assert_eq!(
        study("").sampler,
        SamplerSpec::GaussianProcess(GaussianProcess::default())
    );

    let with = |policy: &str| {
        let text = GOOD.replace("max_resource = 9", &format!("max_resource = 9\n{policy}"));
        parse_at(&text).unwrap().study
    };
    let hyperband = with("type = \"hyperband\"").policy.kind;
    assert_eq!(hyperband, PolicyKind::Hyperband(Hyperband { small_brackets: true }));
    let halving = with("bracket_size = 9\nparallel_brackets = 3");
    let of = |size| {
        PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: Some(size),
            small_brackets: false,
        })
    };
    assert_eq!((halving.policy.kind, halving.parallel_brackets), (of(9), Some(3)));
    assert_eq!(halving.spec(1, 8).policy.parallel_brackets, 3);
    assert_eq!([1, 2, 4].map(|slots| halving.brackets_for(slots)), [1, 2, 4]);
    assert_eq!(with("type = \"asha\"").brackets_for(4), 1);
    let full = with("type = \"none\"").policy;
    assert_eq!((full.kind, full.rungs()), (of(4), vec![9]));
    let full = with("type = \"none\"\nparallel_brackets = 2");
    assert_eq!(full.spec(1, 8).policy.parallel_brackets, 2);
}

#[test]
fn a_study_of_hyperband_is_whole_after_each_of_its_brackets() {
    let text = GOOD.replace("trials = 27", "").replace(
        "max_resource = 9",
        "max_resource = 81\ntype = \"hyperband\"\nsmall_brackets = false",
    );
    assert_eq!(parse_at(&text).unwrap().study.trials, 143);
    let small = text.replace("small_brackets = false", "small_brackets = true");
    assert_eq!(parse_at(&small).unwrap().study.trials, 143);
}

#[test]
fn configurations_to_try_first_are_read_as_they_would_be_drawn() {
    let space = "loss = { type = \"choice\", values = [\"triplet\", \"multiple_negatives\"] }
dropout = { type = \"uniform\", low = 0, high = 0.5 }
[[try_first]]
dropout = 0
[[try_first]]
loss = \"triplet\"
";
    let study = parse_at(&GOOD.replace("margin = 1", space)).unwrap().study;
    assert_eq!(
        json!(study.space.try_first),
        json!([{"dropout": 0.0}, {"loss": "triplet"}])
    );
}

#[test]
fn a_grid_finds_what_chance_does_not() {
    let space = "[sampler]\ntype = \"grid\"\n[trial]\ncommand = [\"a\"]\n[space]\nc = { type = \"integer\", low = 0, high = 1000000 }
[[try_first]]
c = 123456
";
    let text = GOOD.split("[trial]").next().unwrap().to_owned() + space;
    let text = text.replace("trials = 27", "trials = 1\nconstraints = [\"c == 123456\"]");
    let study = parse_at(&text).unwrap().study;
    let first = study.space.first_cells(study.seed);
    assert_eq!(json!(first), json!([{"c": 123_456}]));
}

#[test]
fn the_ready_studies_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = ["search_spaces", "examples/kubernetes", "examples/scripts"]
        .map(|directory| fs::read_dir(root.join(directory)).unwrap());
    let files = all.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        read(&file).unwrap();
    }
}

#[test]
fn every_distribution_is_read() {
    let distribution = |line: &str| {
        let study = parse_at(&GOOD.replace("margin = 1", line)).unwrap().study;
        serde_json::to_value(&study.space.parameters[0].distribution).unwrap()
    };
    let cases = [
        (
            "margin = { type = \"uniform\", low = 0, high = 1, step = 0.25 }",
            json!({"type": "uniform", "low": 0.0, "high": 1.0, "step": 0.25}),
        ),
        (
            "learning_rate = { type = \"log_uniform\", low = 1e-5, high = 1e-3, step = 1e-5 }",
            json!({"type": "log_uniform", "low": 1e-5, "high": 1e-3, "step": 1e-5}),
        ),
        (
            "batch_size = { type = \"integer\", low = 8, high = 64, step = 8 }",
            json!({"type": "integer", "low": 8, "high": 64, "step": 8}),
        ),
        (
            "batch_size = { type = \"log_integer\", low = 1, high = 128 }",
            json!({"type": "log_integer", "low": 1, "high": 128}),
        ),
        (
            "dropout = { type = \"normal\", mean = 0.1, std = 0.05, low = 0, high = 0.3, step = 0.05 }",
            json!({"type": "normal", "mean": 0.1, "std": 0.05, "low": 0.0, "high": 0.3, "step": 0.05}),
        ),
        (
            "learning_rate = { type = \"log_normal\", median = 1, std = 0.5 }",
            json!({"type": "log_normal", "mean": 0.0, "std": 0.5}),
        ),
        (
            "margin = { type = \"fixed\", value = 1 }",
            json!({"type": "fixed", "value": 1.0}),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(distribution(line), expected, "{line}");
    }
}

#[test]
fn settings_of_data_are_frozen_and_come_back_from_an_exported_configuration() {
    let settings = |lines: &str| {
        let file = parse_at(&GOOD.replace("validation = \"v.jsonl\"", lines)).unwrap();
        let settings = file.study.trainer.settings;
        let again = toml::to_string(&json!({ "trial": settings })).unwrap();
        let rest = "[study]\ntrials = 1\n[policy]\nmax_resource = 1\n[space]\nmargin = 1\n";
        let again = parse_at(&format!("{again}\n{rest}")).unwrap();
        assert_eq!(again.study.trainer.settings, settings);
        serde_json::from_value::<hpo_protocol::embedding::Settings>(json!(settings)).unwrap()
    };
    let split = settings("");
    assert_eq!(
        (split.validation, split.validation_share, split.test_share),
        (None, Some(0.1), None)
    );
    assert_eq!((split.split_seed, split.clean, split.columns), (Some(0), true, None));
    let all = settings(
        "test_share = 0.2\nvalidation_share = 0.3\nsplit_seed = 7\nclean = false\nscore_range = [0, 5]\n\
         columns = { anchor = \"a\", positive = \"b c\", negative = [\"d\", \"e\"], group = \"g\" }",
    );
    assert_eq!(
        (all.test_share, all.validation_share, all.split_seed),
        (Some(0.2), Some(0.3), Some(7))
    );
    assert_eq!((all.clean, all.score_range), (false, Some([0.0, 5.0])));
    let columns = all.columns.unwrap();
    assert_eq!(
        (columns.positive.as_deref(), columns.group.as_deref()),
        (Some("b c"), Some("g"))
    );
    assert_eq!(columns.negative, ["d", "e"]);
    let files = settings("validation = \"v.csv\"\ntest = \"w.csv\"\ncolumns.text = \"t\"\ncolumns.label = \"l\"");
    assert_eq!(
        (files.test, files.validation_share, files.split_seed),
        (Some("/here/sub/w.csv".into()), None, None)
    );
}

#[test]
fn evaluations_are_frozen_with_their_defaults_and_come_back_from_an_exported_configuration() {
    let text = GOOD.replace(
        "trials = 27",
        "trials = 27
objective = \"docs.recall@100\"

[evaluation.docs]
type = \"retrieval\"
queries = \"q.jsonl\"
corpus = \"../c.tsv\"
qrels = \"/q.tsv\"

[evaluation.topics]
type = \"classification\"
data = \"d.csv\"
train = \"t.csv\"
columns = { text = \"a\", label = \"b\" }

[evaluation.sts]
type = \"similarity\"
data = \"sts.csv\"
every = \"end\"
",
    );
    let study = parse_at(&text).unwrap().study;
    assert_eq!(
        (study.objective.metric.as_str(), study.objective.direction),
        ("docs.recall@100", crate::study::Direction::Maximize)
    );
    assert_eq!(
        study.trainer.settings["evaluations"],
        json!({
            "docs": {
                "type": "retrieval",
                "queries": "/here/sub/q.jsonl",
                "corpus": "/here/c.tsv",
                "qrels": "/q.tsv",
                "every": "report",
            },
            "sts": { "type": "similarity", "data": "/here/sub/sts.csv", "every": "end" },
            "topics": {
                "type": "classification",
                "data": "/here/sub/d.csv",
                "train": "/here/sub/t.csv",
                "columns": { "text": "a", "label": "b" },
                "classifier": "logistic_regression",
                "every": "rung",
            },
        })
    );
    let named = named_inputs(&study.trainer).into_iter().map(|named| named.role);
    assert!(named.eq([
        "model",
        "train",
        "validation",
        "evaluation.docs.queries",
        "evaluation.docs.corpus",
        "evaluation.docs.qrels",
        "evaluation.sts.data",
        "evaluation.topics.data",
        "evaluation.topics.train",
    ]));
    let mut trainer = study.trainer.clone();
    let evaluations = trainer.settings.remove("evaluations").unwrap();
    let again = json!({
        "study": { "trials": 1, "objective": "docs.recall@100" },
        "policy": { "max_resource": 1 },
        "evaluation": evaluations,
        "trial": trainer.settings,
        "space": { "margin": 1 },
    });
    let again = parse_at(&toml::to_string(&again).unwrap()).unwrap();
    assert_eq!(again.study.trainer.settings, study.trainer.settings);
}

#[test]
fn another_trainer_has_settings_and_parameters_of_its_own() {
    let text = "[study]\ntrials=1\n[policy]\nmax_resource=1\n[trial]\ncommand = [\"../bin/train\", \"a/b\"]\nseed = 3
depth = [1, [\"x\"]]\n[space]\n\"layers.0-x\" = { type = \"integer\", low = -1, high = 6 }\nkind = \"a\"\n";
    let study = parse_at(text).unwrap().study;
    assert_eq!(
        study.trainer.command.as_deref(),
        Some(&["/here/bin/train".to_owned(), "a/b".to_owned()][..])
    );
    assert_eq!(study.trainer.settings, [("depth".to_owned(), json!([1, ["x"]]))].into());
    assert_eq!(
        study.space.parameters[0].distribution,
        Distribution::Integer {
            low: -1,
            high: 6,
            step: 1
        }
    );
}

#[test]
fn devices_are_read_as_on_the_command_line() {
    assert_eq!("auto".parse(), Ok(Devices::Auto));
    assert_eq!(" 0, 2 ".parse(), Ok(Devices::Gpus(vec![0, 2])));
    assert_eq!("0,2".parse::<Devices>().unwrap().to_string(), "0,2");
    for bad in ["", "0,", "gpu", "-1", "0 1"] {
        assert_eq!(bad.parse::<Devices>(), Err(DevicesError::Unknown), "{bad}");
    }
    assert_eq!("1,1".parse::<Devices>(), Err(DevicesError::Twice(1)));
}
