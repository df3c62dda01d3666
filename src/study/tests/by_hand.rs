//! What the user does to a search that is under way.

use serde_json::json;

use super::*;

fn enqueue(core: &mut Core, x: f64) -> Step {
    let parameters = [("x".to_owned(), json!(x))].into();
    core.send(Event::Enqueued { parameters })
}

fn x(study: &Study, trial: u64) -> f64 {
    study.trial(TrialId(trial)).unwrap().parameters["x"].as_f64().unwrap()
}

#[test]
fn a_search_that_is_held_saves_what_runs_and_begins_nothing() {
    let mut core = Core::new(spec(9, 9, 3), 2);
    let step = core.send(Event::Held);
    let saved = step
        .commands
        .iter()
        .filter(|command| matches!(command, Command::Stop { save: true, .. }));
    assert_eq!(saved.count(), 2);
    assert!(core.study.is_held());
    assert_eq!(core.send(Event::Held), Step::default(), "it is held already");
    for trial in [0, 1] {
        let segment = core.segment(TrialId(trial));
        let checkpoint = None;
        core.send(Event::Stopped { segment, checkpoint });
    }
    assert!(core.idle(0..2).commands.is_empty());
    core.send(Event::Released);
    assert_eq!(core.idle(0..2).commands.len(), 2);
    core.send(Event::Held);
    core.open(9, 2);
    assert!(!core.study.is_held(), "whoever starts it wants it to go on");
}

#[test]
fn the_time_for_which_a_search_is_held_does_not_count() {
    let mut study = Study::new(spec(3, 9, 3));
    let limits = study.spec().limits();
    let mut send = |at: u64, event: Event| {
        study.handle(Timestamp(at), event);
        study.active_ms(Timestamp(at))
    };
    let opened = Event::Opened {
        process: 1,
        slots: Vec::new(),
        limits,
    };
    send(100, opened);
    assert_eq!(send(150, Event::Held), 50);
    assert_eq!(send(500, Event::Ticked), 50);
    assert_eq!(send(600, Event::Released), 50);
    assert_eq!(send(610, Event::Ticked), 60);
}

#[test]
fn a_configuration_that_is_enqueued_comes_next_and_is_a_further_trial_if_all_are_drawn() {
    let mut core = Core::new(
        with(
            PolicyKind::Asha(Asha {
                variant: AshaVariant::Promotion,
            }),
            5,
            9,
            3,
        ),
        2,
    );
    let drawn = core.study.trials().len() as u64;
    assert!(drawn < 5, "an asynchronous policy draws one by one");
    enqueue(&mut core, 0.25);
    enqueue(&mut core, 0.5);
    assert_eq!(core.study.spec().trials, 5);
    while (core.study.trials().len() as u64) < 5 {
        let running: Vec<TrialId> = core.study.running().map(|trial| trial.id).collect();
        for trial in running {
            let resource = core.study.trial(trial).unwrap().resource() + 1;
            core.report(trial, resource, 0.5);
        }
        core.idle(0..2);
    }
    assert_eq!([x(&core.study, drawn), x(&core.study, drawn + 1)], [0.25, 0.5]);

    let mut core = Core::new(spec(9, 9, 3), 2);
    enqueue(&mut core, 0.75);
    assert_eq!(enqueue(&mut core, 0.75), Step::default(), "it is enqueued already");
    let limits = core.study.filed_limits();
    assert_eq!((core.study.spec().trials, limits.trials), (10, 9));
    assert_eq!(x(&core.study, 9), 0.75);
    for wrong in [json!({ "x": 2.0 }), json!({ "y": 0.5 }), json!({ "x": "a" })] {
        let parameters = serde_json::from_value(wrong).unwrap();
        assert_eq!(core.send(Event::Enqueued { parameters }), Step::default());
    }
}

/// Wherever the scheduler dies, the same configurations are tried.
#[test]
fn what_is_enqueued_survives() {
    let begun = || Core::new(spec(9, 9, 3), 2);
    let mut core = begun();
    let before = core.records.len();
    enqueue(&mut core, 0.125);
    let enqueued = core
        .records
        .iter()
        .position(|record| matches!(record.fact, Fact::Enqueued { .. }))
        .unwrap();
    let wanted: Vec<f64> = (0..10).map(|trial| x(&core.study, trial)).collect();
    for kept in enqueued + 1..=core.records.len() {
        let mut core = begun();
        assert_eq!(core.records.len(), before);
        enqueue(&mut core, 0.125);
        core.restart(kept);
        core.open(9, 2);
        let found: Vec<f64> = (0..10).map(|trial| x(&core.study, trial)).collect();
        assert_eq!(found, wanted, "after {kept} records");
    }
}

#[test]
fn limits_that_the_user_sets_hold_until_the_file_s_change() {
    let mut core = Core::new(spec(9, 9, 3), 2);
    let filed = core.study.filed_limits();
    let stop = StopSpec {
        no_better: Some(40),
        ..StopSpec::default()
    };
    let limits = Limits {
        trials: 12,
        stop,
        ..filed
    };
    core.send(Event::LimitsSet(limits));
    assert_eq!((core.study.spec().limits(), core.study.filed_limits()), (limits, filed));
    core.open(9, 2);
    assert_eq!(core.study.spec().limits(), limits, "the file says what it said");
    let other = Limits {
        stop: StopSpec {
            no_better: Some(7),
            ..stop
        },
        ..filed
    };
    core.send(Event::Opened {
        process: 2,
        slots: Vec::new(),
        limits: other,
    });
    assert_eq!((core.study.spec().trials, core.study.spec().stop), (12, other.stop));
}
