//! Trainers that fail each time, trials that are ended by hand, and trials that are tried again.

use super::*;

fn pauses(core: &Core) -> usize {
    let pauses = core
        .records
        .iter()
        .filter(|record| matches!(record.fact, Fact::StudyPaused(_)));
    pauses.count()
}

/// Fails what runs until the study is paused, and returns how often.
fn fail_all(core: &mut Core) -> usize {
    let mut failures = 0;
    while core.study.pause().is_none() {
        let running = core.study.running().next().expect("it goes on until it is paused");
        let (failing, SlotId(slot)) = (running.id, running.slot().unwrap());
        core.fail(failing, false);
        failures += 1;
        core.idle(slot..slot + 1);
    }
    failures
}

#[test]
fn a_trainer_that_always_fails_pauses_the_study_before_trials_are_lost() {
    for (slots, kind) in [(1, PolicyKind::None), (3, PolicyKind::None), (1, PolicyKind::Pasha)] {
        let mut core = Core::new(with(kind, 9, 9, 3), slots);
        assert!(fail_all(&mut core) <= 4);
        assert_eq!(core.study.pause().unwrap().message, "out of luck");
        assert_eq!(core.idle(0..slots), Step::default(), "nothing is begun");
        let lost = |core: &Core| core.study.trials().iter().filter(|trial| trial.failures > 0).count();
        assert!(lost(&core) > 0);
        core.send(Event::Closed);
        core.open(9, slots);
        assert_eq!((core.study.pause(), lost(&core)), (None, 0));
        assert!(core.study.running().count() == slots as usize);
        assert!(core.study.trials().iter().all(|trial| !trial.state.is_final()));
    }
}

#[test]
fn after_each_pause_that_has_changed_nothing_it_takes_more_trials() {
    let mut core = Core::new(with(PolicyKind::None, 9, 1, 3), 1);
    let mut trials = Vec::new();
    for _ in 0..3 {
        fail_all(&mut core);
        let failed = core.study.trials().iter().filter(|trial| trial.failures > 0);
        trials.push(failed.count());
        core.send(Event::Closed);
        core.open(9, 1);
    }
    assert!(trials[0] >= 2 && trials[1] >= 4 && trials[2] >= 8, "{trials:?}");
}

#[test]
fn where_a_trial_may_get_through_or_failures_differ_there_is_no_pause() {
    let mut core = Core::new(with(PolicyKind::None, 30, 1, 3), 2);
    for _ in 0..12 {
        let failing = core
            .study
            .running()
            .find(|trial| trial.slot() == Some(SlotId(1)))
            .unwrap()
            .id;
        core.fail(failing, false);
        core.idle(1..2);
    }
    assert_eq!(pauses(&core), 0, "the other slot has not failed");

    let mut core = Core::new(with(PolicyKind::None, 4, 1, 3), 1);
    for cause in ["a", "b"].iter().cycle().take(12) {
        let Some(running) = core.study.running().next().map(|trial| trial.id) else {
            break;
        };
        core.send(Event::Failed {
            segment: core.segment(running),
            message: format!("cause {cause}"),
            checkpoint_lost: false,
        });
        core.idle(0..1);
    }
    assert_eq!(pauses(&core), 0);
    assert!(core.study.is_finished());
}

/// With a single trial, or no retries, there are not even three failures.
#[test]
fn a_study_in_which_everything_has_failed_alike_is_not_finished() {
    for trials in 1..3 {
        let mut core = Core::new(
            StudySpec {
                retries: 0,
                ..with(PolicyKind::None, trials, 1, 3)
            },
            1,
        );
        assert_eq!(fail_all(&mut core) as u64, trials);
        assert!(!core.study.is_finished());
        core.send(Event::Closed);
        core.open(trials, 1);
        for trial in (0..trials).map(TrialId) {
            core.report(trial, 1, 0.5);
            core.idle(0..1);
        }
        assert!(core.study.is_finished());
        assert!(
            core.study
                .trials()
                .iter()
                .all(|trial| trial.state == TrialState::Completed)
        );
    }
}

fn halving(trials: u64, retries: u32) -> Core {
    let kind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
        bracket_size: None,
        small_brackets: false,
    });
    Core::new(
        StudySpec {
            retries,
            ..with(kind, trials, 3, 3)
        },
        trials as u32,
    )
}

#[test]
fn a_trial_that_has_failed_can_be_tried_again_and_win_in_a_finished_study() {
    for better in [true, false] {
        let mut core = halving(3, 0);
        core.report(TrialId(0), 1, 0.5);
        core.report(TrialId(1), 1, 0.4);
        core.fail(TrialId(2), false);
        core.idle(0..3);
        core.report(TrialId(1), 2, 0.4);
        core.report(TrialId(1), 3, 0.4);
        assert!(core.study.is_finished());
        core.send(Event::Closed);
        core.send(Event::Retried {
            trials: (0..9).map(TrialId).collect(),
        });
        assert!(!core.study.is_finished());
        assert_eq!(core.state(TrialId(2)), &TrialState::Waiting { to: 1 });
        core.open(3, 3);
        let loss = if better { 0.3 } else { 0.6 };
        core.report(TrialId(2), 1, loss);
        core.idle(0..3);
        if better {
            core.report(TrialId(2), 2, loss);
            core.report(TrialId(2), 3, loss);
        }
        assert!(core.study.is_finished());
        assert_eq!(core.study.best().unwrap().id, TrialId(if better { 2 } else { 1 }));
    }
}

#[test]
fn a_trial_can_be_ended_by_hand_wherever_it_stands() {
    // It runs, it waits, or it stands at its rung.
    for reports in [0, 1] {
        let mut core = halving(3, 2);
        for (trial, loss) in [(1, 0.5), (0, 0.4)].into_iter().take(2 * reports) {
            core.report(TrialId(trial), 1, loss);
        }
        let step = core.send(Event::TrialStopped { trial: TrialId(0) });
        let stops = |command: &Command| matches!(command, Command::Stop { save: false, .. });
        assert_eq!(step.commands.iter().any(stops), reports == 0);
        assert!(matches!(core.state(TrialId(0)), TrialState::Pruned { .. }));
        let again = core.send(Event::TrialStopped { trial: TrialId(0) });
        assert_eq!(again, Step::default());
        if reports == 0 {
            core.report(TrialId(1), 1, 0.5);
        }
        core.report(TrialId(2), 1, 0.6);
        core.idle(0..3);
        let best = core.study.running().next().expect("another goes on in its place").id;
        core.report(best, 2, 0.5);
        core.report(best, 3, 0.5);
        assert!(core.study.is_finished(), "{:?}", core.study.trials());
    }
}
