use hpo_protocol::Unit;

use super::*;
use crate::ids::Timestamp;
use crate::space::SearchSpace;
use crate::study::{Event, PolicyKind, PolicySpec, SamplerSpec, Study, StudySpec, SuccessiveHalving, Trainer};

fn study() -> Study {
    let parameters = [
        ("learning_rate", json!(3e-7)),
        ("batch_size", json!(16)),
        ("note", json!("it's")),
    ];
    let parameters = parameters.map(|(name, value)| crate::space::Parameter {
        name: name.into(),
        distribution: crate::space::Distribution::Fixed { value },
        when: Vec::new(),
        prior: None,
    });
    let mut study = Study::new(StudySpec {
        name: "s".into(),
        seed: 1,
        trials: 1,
        retries: 0,
        objective: Default::default(),
        further: Vec::new(),
        require: Vec::new(),
        keep_checkpoints: 1,
        stop: Default::default(),
        sampler: SamplerSpec::default(),
        confirmation: None,
        policy: PolicySpec {
            kind: PolicyKind::SuccessiveHalving(SuccessiveHalving {
                bracket_size: None,
                small_brackets: false,
            }),
            speculation: true,
            parallel_brackets: 1,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource: 1,
            max_resource: 9,
            reduction_factor: 3,
        },
        trainer: Trainer {
            command: Some(vec!["python3".into(), "t.py".into()]),
            directory: "/work".into(),
            settings: [("level".to_owned(), json!(1e300))].into(),
            seed: Some(5),
            script: false,
        },
        threads: 2,
        space: SearchSpace {
            try_first: Vec::new(),
            constraints: Vec::new(),
            parameters: parameters.into(),
        },
    });
    let opened = Event::Opened {
        process: 1,
        slots: vec![],
        limits: study.spec().limits(),
    };
    study.handle(Timestamp(1), opened);
    study
}

fn write(format: Format) -> String {
    let study = study();
    configuration(study.spec(), &study.summary(&study.trials()[0]), format).unwrap()
}

#[test]
fn yaml_numbers_are_numbers_to_every_reader() {
    assert_eq!(
        write(Format::Yaml),
        "study: \"s\"\ntrial: 0\nobjective: null\nloss: null\nresource: null\nresource_unit: \"epochs\"\nmetrics: null\nseed: 5\nparameters:\n  \
         batch_size: 16\n  learning_rate: 3.0e-7\n  note: \"it's\"\n"
    );
}

#[test]
fn values_survive_a_shell() {
    assert_eq!(
        write(Format::Env),
        "HPO_BATCH_SIZE=16\nHPO_LEARNING_RATE=3e-7\nHPO_NOTE=\"it's\"\n"
    );
    assert_eq!(
        write(Format::Args),
        "--batch_size=16 --learning_rate=3e-7 --note=\"it's\"\n"
    );
}

#[test]
fn the_toml_is_a_file_of_a_study_with_nothing_left_to_search() {
    let text = write(Format::Toml);
    let file = crate::study_file::parse(&text, std::path::Path::new("/elsewhere/best.toml")).unwrap();
    let again = file.study.spec(file.slots.threads_per_trial.unwrap(), 1);
    let spec = study().spec().clone();
    assert_eq!((again.trainer, again.threads), (spec.trainer, spec.threads));
    let fixed = again
        .space
        .parameters
        .iter()
        .map(|p| (p.name.clone(), p.distribution.clone()));
    let mut expected: Vec<_> = spec
        .space
        .parameters
        .iter()
        .map(|p| (p.name.clone(), p.distribution.clone()))
        .collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(fixed.collect::<Vec<_>>(), expected);
    assert_eq!(
        (again.policy.kind, again.policy.max_resource, again.trials),
        (PolicyKind::None, 9, 1)
    );
}
