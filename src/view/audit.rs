//! A journal beside what this version decides, in words.

use hpo_protocol::{Unit, Values};

use super::format::value;
use crate::study::{Difference, Fact, Replay};
use crate::words::{counted, there_are};

/// So many differences are named.
const NAMED: usize = 10;

/// How the decisions of a study, which `version` has created, agree with those that this version takes.
pub fn audit(study: &str, replay: &Replay<'_>, version: &str) -> String {
    let differences = replay.differences();
    let unit = replay.study().spec().policy.unit;
    let mut text = format!(
        "the study {study}, created by hpo {version}: {} in {}, compared with what hpo {} decides\n",
        counted(replay.decisions(), "decision"),
        counted(replay.at(), "record"),
        env!("CARGO_PKG_VERSION")
    );
    let Some(first) = differences.first() else {
        return text + "all agree\n";
    };
    text += &format!(
        "{} agree; {} different\n",
        replay.agree(),
        there_are(differences.len(), "place")
    );
    text += &format!("the first: {}\n", difference(first, unit, version));
    for other in differences.iter().skip(1).take(NAMED - 1) {
        text += &format!("then: {}\n", difference(other, unit, version));
    }
    if differences.len() > NAMED {
        text += &format!("and {} more: --json has all\n", differences.len() - NAMED);
    }
    let drawn = differences.iter().filter(|one| one.is_drawn_otherwise()).count();
    if drawn == differences.len() && version != env!("CARGO_PKG_VERSION") {
        text += "only configurations differ: the sampler has changed since, and what was decided about them stands\n";
    } else if drawn < differences.len() {
        text += "what stands after a difference is compared in the state that the journal has led to, so one can lead to others\n";
    }
    text
}

fn difference(difference: &Difference, unit: Unit, version: &str) -> String {
    let line = difference.record + 1;
    if let (
        Some(Fact::TrialCreated {
            trial,
            parameters: is,
            seed,
            ..
        }),
        Some(Fact::TrialCreated {
            parameters: would,
            seed: other,
            ..
        }),
    ) = (&difference.stands, &difference.would)
    {
        let seeds = match seed == other {
            true => String::new(),
            false => format!(" (seed {seed}, and not {other})"),
        };
        return format!(
            "line {line}: trial {trial} was drawn, in a study created by {version}, with {}{seeds}; this version would draw {}",
            row(is),
            row(would)
        );
    }
    match (&difference.stands, &difference.would) {
        (Some(is), Some(would)) => {
            format!(
                "line {line}: {}; this version would have it that {}",
                said(is, unit),
                said(would, unit)
            )
        }
        (Some(is), None) => format!(
            "line {line}: {}; this version would decide nothing here",
            said(is, unit)
        ),
        (None, Some(would)) => format!("before line {line} it is missing that {}", said(would, unit)),
        (None, None) => format!("line {line}"),
    }
}

fn row(values: &Values) -> String {
    let values = values.iter().map(|(name, of)| format!("{name} {}", value(of)));
    values.collect::<Vec<_>>().join(", ")
}

/// What a record says, as a sentence without a full stop.
fn said(fact: &Fact, unit: Unit) -> String {
    let one = unit.one();
    match fact {
        Fact::BracketOpened { first, trials, rungs } => {
            let rungs: Vec<String> = rungs.iter().map(u64::to_string).collect();
            let trials = match trials {
                0 => "trials added one by one".to_owned(),
                trials => counted(*trials, "trial"),
            };
            format!(
                "a bracket is opened with {trials} from number {first} on and rungs at {}",
                rungs.join(", ")
            )
        }
        Fact::TrialCreated {
            trial,
            bracket,
            parameters,
            ..
        } => {
            format!("trial {trial} is drawn for bracket {bracket} with {}", row(parameters))
        }
        Fact::ConfirmationCreated { trial, confirms, seed } => {
            format!("trial {trial} confirms trial {confirms} with the seed {seed}")
        }
        Fact::SegmentStarted {
            trial,
            attempt,
            slot,
            from,
            to,
            ahead,
        } => {
            let ahead = if *ahead { ", ahead of the decision" } else { "" };
            format!("trial {trial} begins attempt {attempt} on slot {slot}, from {one} {from} to {to}{ahead}")
        }
        Fact::SegmentPreempted { trial, .. } => format!("trial {trial} makes room"),
        Fact::TrialPromoted { trial, rung, to } => format!("trial {trial} is promoted from {one} {rung} to {to}"),
        Fact::TrialPruned { trial, rung } => format!("trial {trial} is stopped at {one} {rung}"),
        Fact::TrialCompleted { trial, rung } => format!("trial {trial} is completed at {one} {rung}"),
        Fact::StudyFinished { best: Some(best) } => format!("the study is finished, and trial {best} is the best"),
        Fact::StudyFinished { best: None } => "the study is finished without a best trial".to_owned(),
        Fact::SegmentFailed {
            trial, message, retry, ..
        } => {
            let then = if *retry { "and is tried again" } else { "for good" };
            let message = message.lines().next().unwrap_or_default();
            format!("trial {trial} fails {then} ({message})")
        }
        Fact::StudyPaused(pause) => format!("the study pauses after {}", counted(pause.failures, "failure")),
        Fact::LimitReached { .. } => "the search has come to its limit".to_owned(),
        Fact::TrialRetried { trial } => format!("trial {trial} has all its attempts again"),
        Fact::Reported(reported) => format!("trial {} reports at {one} {}", reported.trial, reported.resource),
        Fact::TrialStopped { trial } => format!("trial {trial} is ended by hand"),
        Fact::SegmentStopped { trial, .. } => format!("trial {trial} is stopped before its rung"),
        Fact::CheckpointLost { trial, .. } => format!("a checkpoint of trial {trial} is lost"),
        Fact::ModelTested(tested) => format!("the model of trial {} is tested", tested.trial),
        Fact::BaselineMeasured(_) => "the untrained model is measured".to_owned(),
        Fact::SchedulerStarted { .. } => "a scheduler takes the study over".to_owned(),
        Fact::SchedulerStopped => "a scheduler ends".to_owned(),
        Fact::StudyCreated { .. } => "the study is created".to_owned(),
        Fact::EarlierStudy(_) | Fact::EarlierResult(_) => "results of an earlier study are known".to_owned(),
        Fact::TrialsRaised { trials, .. } => format!("the study has {}", counted(*trials, "trial")),
        Fact::ConfirmationRaised { .. } => "more is confirmed".to_owned(),
        Fact::StopChanged { .. } => "its limits change".to_owned(),
        Fact::SearchHeld => "the user pauses the search".to_owned(),
        Fact::SearchReleased => "the user has the search go on".to_owned(),
        Fact::Enqueued { number, .. } => format!("the user enqueues configuration {number}"),
    }
}
