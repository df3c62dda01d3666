//! A study with nearly every table.

use super::*;
use crate::devices::Reach;

const WHOLE: &str = r#"
[study]
name = "minilm-wordnet"
seed = 1
trials = 27
retries = 5
[policy]
min_resource = 2
max_resource = 18
reduction_factor = 4
[sampler]
type = "random"
[confirmation]
seeds = 5
[slots]
devices = [1, 0]
trials_per_device = 2
threads_per_trial = 3
[trial]
model = "../.cache/model"
train = "/data/./train.jsonl"
validation = "v.jsonl"
validation_loss = "triplet"
prompts = { anchor = "query: ", negative = "" }
validation_margin = 1
max_length = 64
seed = 7
[space]
learning_rate = { type = "log_uniform", low = 1e-5, high = 1e-3 }
batch_size = { type = "choice", values = [16, 0x20] }
dropout = { type = "uniform", low = 0, high = 0.3 }
margin = { type = "choice", values = [1, 0.5] }
weight_decay = 0
"#;

#[test]
fn a_whole_study_is_read() {
    let file = parse_at(&format!("\u{feff}{WHOLE}")).unwrap();
    assert_eq!(file.text, WHOLE);
    let slots = SlotSettings {
        threads_per_trial: Some(3),
        machines: vec![MachineSettings {
            place: Some("/here/sub/space.toml:15".to_owned()),
            reach: Reach::Here,
            devices: Devices::Gpus(vec![1, 0]),
            trials_per_device: Some(2),
            silence: None,
        }],
    };
    assert_eq!(file.slots, slots);
    let spec = StudySpec {
        name: "minilm-wordnet".to_owned(),
        seed: 1,
        trials: 27,
        retries: 5,
        objective: Default::default(),
        further: Vec::new(),
        require: Vec::new(),
        keep_checkpoints: 1,
        stop: Default::default(),
        sampler: SamplerSpec::default(),
        confirmation: Some(ConfirmationSpec {
            configurations: 3,
            seeds: 5,
        }),
        policy: PolicySpec {
            kind: crate::study::PolicyKind::SuccessiveHalving(SuccessiveHalving {
                bracket_size: None,
                small_brackets: false,
            }),
            speculation: true,
            parallel_brackets: 1,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource: 2,
            max_resource: 18,
            reduction_factor: 4,
        },
        trainer: trainer(),
        threads: 3,
        space: space(),
    };
    assert_eq!(file.study.spec(3, 1), spec);
}

fn trainer() -> Trainer {
    Trainer {
        command: None,
        directory: "/here/sub".into(),
        settings: [
            ("model".to_owned(), json!("/here/.cache/model")),
            ("train".to_owned(), json!("/data/train.jsonl")),
            ("validation".to_owned(), json!("/here/sub/v.jsonl")),
            ("clean".to_owned(), json!(true)),
            ("validation_loss".to_owned(), json!("triplet")),
            ("validation_margin".to_owned(), json!(1.0)),
            ("max_length".to_owned(), json!(64)),
            ("negatives".to_owned(), json!("together")),
            ("prompts".to_owned(), json!({"anchor": "query: ", "negative": ""})),
        ]
        .into(),
        seed: Some(7),
        script: false,
    }
}

fn space() -> SearchSpace {
    let parameter = |name: &str, distribution| Parameter {
        name: name.to_owned(),
        distribution,
        when: Vec::new(),
        prior: None,
    };
    SearchSpace {
        try_first: Vec::new(),
        constraints: Vec::new(),
        parameters: vec![
            parameter(
                "learning_rate",
                Distribution::LogUniform {
                    low: 1e-5,
                    high: 1e-3,
                    step: None,
                },
            ),
            parameter(
                "batch_size",
                Distribution::Choice {
                    values: vec![json!(16), json!(32)],
                },
            ),
            parameter(
                "dropout",
                Distribution::Uniform {
                    low: 0.0,
                    high: 0.3,
                    step: None,
                },
            ),
            parameter(
                "margin",
                Distribution::Choice {
                    values: vec![json!(1.0), json!(0.5)],
                },
            ),
            parameter("weight_decay", Distribution::Fixed { value: json!(0.0) }),
        ],
    }
}
