//! Trials of a worker share what layers that they do not train make of texts. A file of its own: a process prepares once.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{Study, report};
use hpo_protocol::FromWorker;
use hpo_trial_embedding::segment::{Talk, segment};
use hpo_trial_embedding::worker::prepare;
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
    let shared = prepare(&study.start).unwrap();
    let train = |frozen_layers: u64, crop: f64| {
        let parameters = json!({"learning_rate": 1e-3, "batch_size": 8, "frozen_layers": frozen_layers, "crop": crop});
        let mut listen = Listen::default();
        segment(&shared, &study.run("runs", parameters, 0, 2, None), &mut listen).unwrap();
        listen.0[..2]
            .iter()
            .map(|line| report(line).1.to_bits())
            .collect::<Vec<_>>()
    };
    let kept = || shared.frozen.borrow().get(&1).map_or(0, |frozen| frozen.kept());
    train(0, 0.0);
    assert_eq!(kept(), 0);
    let cold = train(1, 0.0);
    let texts: BTreeSet<&[u32]> = [&shared.train, shared.validation.examples()]
        .into_iter()
        .flat_map(|examples| (0..examples.texts() as u32).map(|place| examples.text(place)))
        .collect();
    assert_eq!(kept(), texts.len());
    assert_eq!(train(1, 0.0), cold);
    let cropped = train(1, 0.5);
    assert_ne!(cropped, cold);
    shared.frozen.borrow_mut().clear();
    shared.room.set(0);
    assert_eq!(train(1, 0.0), cold, "without room");
    assert_eq!(train(1, 0.5), cropped, "without room");
    assert_eq!(kept(), 0);
}
