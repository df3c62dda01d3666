//! Searches that end at a limit, and continue with a higher one.

use super::*;
use crate::study::{Limit, StopSpec};

fn limited(stop: StopSpec, slots: u32) -> Core {
    let mut spec = spec(9, 9, 3);
    spec.policy.speculation = false;
    spec.stop = stop;
    Core::new(spec, slots)
}

fn halted(step: &Step) -> Option<Limit> {
    step.records.iter().find_map(|record| match record.fact {
        Fact::LimitReached { limit } => Some(limit),
        _ => None,
    })
}

/// The trials whose segments are to be saved.
fn saved(step: &Step) -> Vec<TrialId> {
    let saved = step.commands.iter().filter_map(|command| match command {
        Command::Stop { segment, save, .. } => save.then_some(segment.trial),
        _ => None,
    });
    saved.collect()
}

#[test]
fn at_the_limit_running_trials_are_saved_and_nothing_more_is_begun() {
    let mut core = limited(
        StopSpec {
            resource: Some(2),
            ..StopSpec::default()
        },
        2,
    );
    core.report(TrialId(0), 1, 0.5);
    core.idle(0..1);
    let reported = core.reported(TrialId(1), 1, Some(0.4), Some(checkpoint(TrialId(1), "a")));
    let step = core.send(Event::Reported(reported));
    assert_eq!((halted(&step), saved(&step)), (Some(Limit::Resource), vec![TrialId(2)]));
    assert!(!core.study.is_at_rest());
    assert_eq!(core.idle(1..2), Step::default());
    let segment = core.segment(TrialId(2));
    core.send(Event::Stopped {
        segment,
        checkpoint: Some(checkpoint(TrialId(2), "half")),
    });
    assert!(core.study.is_at_rest() && !core.study.is_finished());
    assert_eq!(core.study.exportable().unwrap().id, TrialId(1));
    assert_eq!(core.study.reached(&core.spec.stop, Timestamp(0)), Some(Limit::Resource));

    core.spec.stop.resource = None;
    let trials = core.spec.trials;
    core.study = core.restored();
    core.open(trials, 2);
    assert_eq!(core.study.halted(), None);
    let (at, from) = core.study.trial(TrialId(2)).unwrap().resume_point();
    assert!(core.study.trial(TrialId(2)).unwrap().slot().is_some());
    assert_eq!(
        (at, from.unwrap().file.as_str()),
        (0, "2/half"),
        "it goes on where it was saved"
    );
}

#[test]
fn only_time_with_a_scheduler_counts() {
    let mut core = limited(
        StopSpec {
            time_ms: Some(100),
            ..StopSpec::default()
        },
        2,
    );
    let tick = |core: &mut Core, at: u64| halted(&core.study.handle(Timestamp(at), Event::Ticked));
    assert_eq!(tick(&mut core, 60), None);
    core.study.handle(Timestamp(60), Event::Closed);
    assert_eq!(core.study.active_ms(Timestamp(10_000)), 60);
    let opened = Event::Opened {
        process: 2,
        slots: Vec::new(),
        limits: core.spec.limits(),
    };
    core.study.handle(Timestamp(5000), opened);
    assert_eq!(tick(&mut core, 5039), None);
    assert_eq!(tick(&mut core, 5040), Some(Limit::Time));
    assert_eq!(tick(&mut core, 6000), None, "it is said once");
}

#[test]
fn trials_without_a_better_one_end_the_search() {
    let mut core = limited(
        StopSpec {
            no_better: Some(3),
            ..StopSpec::default()
        },
        9,
    );
    core.report(TrialId(0), 1, 0.1);
    let mut ended = None;
    for trial in 1..9 {
        let loss = 0.1 + trial as f64;
        let reported = core.reported(TrialId(trial), 1, Some(loss), Some(checkpoint(TrialId(trial), "a")));
        let step = core.send(Event::Reported(reported));
        if halted(&step).is_some() {
            ended = Some(trial);
            break;
        }
    }
    // Three of nine go on, so those that are worse than three are pruned at once.
    assert_eq!(ended, Some(5), "{:?}", core.study.trials());
}
