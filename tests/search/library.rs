//! The library without the command: searches that train within their process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use hpo::session::{Asking, Cancellation, Function, Outcome, Quiet, Segment, Session};
use hpo::study::{Study, TrialState};
use hpo::study_file;
use tempfile::TempDir;

#[path = "../../examples/ask_and_tell.rs"]
mod ask_and_tell;
#[path = "../../examples/function.rs"]
mod function;

#[test]
fn the_examples_search() {
    function::main().unwrap();
    ask_and_tell::main().unwrap();
}

const STUDY: &str = r#"
study = { name = "library", trials = 9, retries = 1 }
policy = { max_resource = 9 }
sampler = { type = "random" }
trial = { command = ["a function"] }
space.x = { type = "uniform", low = 0.0, high = 1.0 }
"#;

fn session(directory: &TempDir) -> Session {
    let root = directory.path().join("study");
    if root.exists() {
        return Session::open(root).unwrap();
    }
    let file = study_file::parse(STUDY, "library.toml".as_ref()).unwrap();
    Session::create(root, &file.study.spec(1, 1), STUDY).unwrap()
}

fn x(segment: &Segment) -> f64 {
    segment.parameters()["x"].as_f64().unwrap()
}

/// The states and losses of all trials.
fn answer(study: &Study) -> Vec<(TrialState, Vec<Option<f64>>)> {
    let trials = study.trials().iter();
    let losses = |trial: &hpo::study::Trial| trial.reports.values().map(|report| report.loss).collect();
    trials.map(|trial| (trial.state.clone(), losses(trial))).collect()
}

/// Each segment begins with what the one before it has left.
fn train(segment: &mut Segment) -> Result<(), Box<dyn std::error::Error>> {
    let state = segment.state().map(<[u8]>::to_vec);
    let mut trained = state.map_or(0, |state| u64::from_le_bytes(state.try_into().unwrap()));
    assert_eq!(trained, segment.from());
    while let Some(resource) = segment.next_resource() {
        trained += 1;
        assert_eq!(trained, resource);
        segment.report(x(segment) / resource as f64, &trained.to_le_bytes())?;
    }
    Ok(())
}

#[test]
fn asked_or_called_stopped_or_not_it_comes_to_the_same_answer() {
    let directory = TempDir::new().unwrap();
    let whole = session(&directory)
        .run(Function::new(3, train), None, &mut Quiet, &Cancellation::new())
        .unwrap();
    assert_eq!(whole.outcome, Outcome::Finished);

    let directory = TempDir::new().unwrap();
    let mut search = Asking::new(session(&directory), 1).unwrap();
    for _ in 0..4 {
        train(&mut search.ask().unwrap()).unwrap();
    }
    let stopped = search.finish().unwrap();
    assert_eq!(stopped.outcome, Outcome::Stopped);
    assert!(!stopped.study.is_finished());

    let cancellation = Cancellation::new();
    let calls = Arc::new(AtomicU32::new(0));
    let cancelled = session(&directory).run(
        Function::new(1, {
            let (cancellation, calls) = (cancellation.clone(), calls.clone());
            move |segment| {
                if calls.fetch_add(1, Ordering::Relaxed) == 2 {
                    cancellation.cancel();
                }
                train(segment)
            }
        }),
        None,
        &mut Quiet,
        &cancellation,
    );
    assert_eq!(cancelled.unwrap().outcome, Outcome::Stopped);

    let rest = session(&directory)
        .run(Function::new(2, train), None, &mut Quiet, &Cancellation::new())
        .unwrap();
    assert_eq!(rest.outcome, Outcome::Finished);
    assert_eq!(answer(&rest.study), answer(&whole.study));
}

#[test]
fn a_function_that_fails_panics_or_ends_too_soon_fails_its_trial_alone() {
    let directory = TempDir::new().unwrap();
    let doomed = Arc::new(Mutex::new([None; 3]));
    let ended = session(&directory).run(
        Function::new(2, move |segment| {
            let place = {
                let mut doomed = doomed.lock().unwrap();
                let free = doomed
                    .iter()
                    .position(|one| one.is_none() || *one == Some(segment.trial()));
                if let Some(place) = free {
                    doomed[place] = Some(segment.trial());
                }
                free
            };
            match place {
                Some(0) => Err("out of luck".into()),
                Some(1) => panic!("on purpose"),
                Some(_) => Ok(()),
                None => train(segment),
            }
        }),
        None,
        &mut Quiet,
        &Cancellation::new(),
    );
    let study = ended.unwrap().study;
    let mut messages: Vec<&str> = study
        .trials()
        .iter()
        .filter_map(|trial| match &trial.state {
            TrialState::Failed { message } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    messages.sort_unstable();
    assert_eq!(
        messages,
        ["it panicked", "out of luck", "the segment ended before its rung"]
    );
    assert!(study.best().is_some());
}
