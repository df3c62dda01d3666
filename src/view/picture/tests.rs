use super::*;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::study::tests::with;
use crate::study::{Direction, Fact, Objective, PolicyKind, Record, Reported};

/// A study without pruning whose trials report these losses at each epoch, on four slots.
fn played(trials: u64, epochs: u64, objective: Objective, loss: impl Fn(u64, u64) -> Option<f64>) -> (Study, Segments) {
    let mut spec = with(PolicyKind::None, trials, epochs, 3);
    spec.objective = objective;
    let (mut study, mut segments) = (Study::new(spec.clone()), Segments::default());
    let mut now = 0;
    let mut follow = |fact: Fact| {
        now += 10;
        let record = Record {
            at: Timestamp(now),
            fact,
        };
        study.follow(&record).unwrap();
        segments.observe(&study, &record);
    };
    let rungs = vec![epochs];
    follow(Fact::BracketOpened {
        first: 0,
        trials,
        rungs,
    });
    for trial in 0..trials {
        let share = trial as f64 / trials as f64;
        let parameters = spec
            .space
            .configuration(&vec![share; spec.space.parameters.len()])
            .unwrap();
        let trial = TrialId(trial);
        follow(Fact::TrialCreated {
            trial,
            bracket: 0,
            parameters,
            seed: 0,
        });
        follow(Fact::SegmentStarted {
            trial,
            attempt: 1,
            slot: SlotId((trial.0 % 4) as u32),
            from: 0,
            to: epochs,
            ahead: false,
        });
        for resource in 1..=epochs {
            let loss = loss(trial.0, resource);
            let value = loss.map(|loss| ("score".to_owned(), loss));
            follow(Fact::Reported(Reported {
                trial,
                attempt: 1,
                resource,
                loss,
                metrics: value.into_iter().collect(),
                diverged: loss.is_none(),
                checkpoint: None,
                last: false,
            }));
            if loss.is_none() {
                break;
            }
        }
    }
    (study, segments)
}

fn all(study: &Study, segments: &Segments) -> Vec<String> {
    let scene = Scene {
        study,
        objective: &study.spec().objective,
        segments,
        importances: None,
    };
    Kind::ALL.map(|kind| Picture::of(kind, &scene).svg()).to_vec()
}

#[test]
fn a_large_study_makes_small_pictures_in_which_those_that_have_gone_astray_are_at_the_edge() {
    let loss = |trial: u64, epoch: u64| match trial % 100 {
        0 => None,
        1 => Some(1e200),
        rest => Some(rest as f64 / 100.0 + 1.0 / epoch as f64),
    };
    let (study, segments) = played(10_000, 9, Objective::default(), loss);
    for svg in all(&study, &segments) {
        assert!(svg.len() < 1_000_000, "{}", svg.len());
        // It is shown to whoever points at the trial, but not beside an axis.
        assert!(!svg.contains("NaN") && !svg.contains("e200<"), "{svg:.2000}");
    }
    let curves = &all(&study, &segments)[0];
    assert!(
        curves.contains(" of 10000 curves: the best, and a sample of the others"),
        "{curves:.2000}"
    );
}

#[test]
fn what_has_no_value_is_at_the_edge_of_bad_ones() {
    let loss = |trial: u64, _| (trial > 0).then_some(trial as f64);
    let crosses = |direction| {
        let metric = "score".to_owned();
        let (study, segments) = played(8, 1, Objective { metric, direction }, loss);
        let slices = all(&study, &segments).swap_remove(4);
        let (_, mark) = slices.split_once("mark diverged\" d=\"M").unwrap();
        // There is one in the legend.
        let (_, mark) = mark.split_once("mark diverged\" d=\"M").unwrap();
        let place = mark.split(['l', ' ']).nth(1).unwrap().to_owned();
        place.parse::<f64>().unwrap()
    };
    let (top, bottom) = (crosses(Direction::Minimize), crosses(Direction::Maximize));
    assert!(bottom - top > 100.0, "{top} {bottom}");
}
