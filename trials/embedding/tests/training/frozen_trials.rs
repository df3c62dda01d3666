//! Trials of a worker share what layers that they do not train make of texts.

use std::collections::BTreeSet;

use crate::prepared;
use crate::study::{Study, report};
use hpo_protocol::FromWorker;
use hpo_trial_embedding::segment::{Talk, segment};
use serde_json::json;

/// Takes what a segment says.
#[derive(Default)]
struct Listen(Vec<FromWorker>);

impl Talk for Listen {
    fn send(&mut self, line: FromWorker) {
        self.0.push(line);
    }

    fn stop(&mut self) -> Option<bool> {
        None
    }
}

#[test]
fn a_trial_keeps_what_its_frozen_layers_make_and_others_use_it() {
    let study = Study::new("frozen-trial");
    let (shared, _alone) = prepared(&study);
    let train_with = |more: serde_json::Value| {
        let mut parameters = json!({"learning_rate": 1e-3, "batch_size": 8});
        parameters
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut listen = Listen::default();
        segment(&shared, &study.run("runs", parameters, 0, 2, None), &mut listen).unwrap();
        listen.0[..2]
            .iter()
            .map(|line| report(line).1.to_bits())
            .collect::<Vec<_>>()
    };
    let train = |frozen_layers: u64, crop: f64| train_with(json!({"frozen_layers": frozen_layers, "crop": crop}));
    let kept = || shared.frozen.borrow().get(&1).map_or(0, |frozen| frozen.kept());
    train(0, 0.0);
    assert_eq!(kept(), 0);
    let cold = train(1, 0.0);
    let texts = |max_length| {
        let all = [&shared.train, shared.validation.examples()].into_iter();
        all.flat_map(|examples| examples.all(max_length))
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(kept(), texts(16));
    assert_eq!(train(1, 0.0), cold);
    shared.frozen.borrow_mut().clear();
    train_with(json!({"frozen_layers": 1, "max_length": 5}));
    assert_eq!(kept(), texts(5));
    assert_eq!(train(1, 0.0), cold);
    let cropped = train(1, 0.5);
    assert_ne!(cropped, cold);
    shared.frozen.borrow_mut().clear();
    shared.room.set(0);
    assert_eq!(train(1, 0.0), cold, "without room");
    assert_eq!(train(1, 0.5), cropped, "without room");
    assert_eq!(kept(), 0);
}
