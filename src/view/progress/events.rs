//! What is said of records.

use hpo_protocol::{Baseline, Measurement};

use crate::study::{Fact, Reported, Study, Tested};
use crate::view::columns::minor;
use crate::view::format::metric;
use crate::view::line::Style;
use crate::words::counted;

/// How much is said while a study runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// What went wrong.
    Quiet,
    /// Also what is decided, and by which values.
    #[default]
    Usual,
    /// Also each report.
    Verbose,
}

/// From which verbosity on a record is worth a line, and how that looks.
pub(super) fn manner(study: &Study, fact: &Fact) -> (Verbosity, Style) {
    match fact {
        Fact::SegmentFailed { .. } | Fact::CheckpointLost { .. } => (Verbosity::Quiet, Style::Warning),
        Fact::Reported(report) if study.diverges(report) => (Verbosity::Usual, Style::Warning),
        Fact::Reported(report) if !is_compared(study, report) => (Verbosity::Verbose, Style::Plain),
        Fact::TrialPromoted { .. } => (Verbosity::Usual, Style::Done),
        Fact::StudyFinished { .. } | Fact::ModelTested(_) => (Verbosity::Usual, Style::Bold),
        Fact::SegmentStarted { .. } | Fact::SegmentPreempted { .. } | Fact::TrialPruned { .. } => {
            (Verbosity::Usual, Style::Dim)
        }
        Fact::Reported(_)
        | Fact::StudyCreated { .. }
        | Fact::EarlierStudy(_)
        | Fact::EarlierResult(_)
        | Fact::SchedulerStarted { .. }
        | Fact::SchedulerStopped
        | Fact::TrialsRaised { .. }
        | Fact::ConfirmationRaised { .. }
        | Fact::StopChanged { .. }
        | Fact::SearchHeld
        | Fact::SearchReleased
        | Fact::Enqueued { .. }
        | Fact::LimitReached { .. }
        | Fact::BaselineMeasured(_)
        | Fact::BracketOpened { .. }
        | Fact::TrialCreated { .. }
        | Fact::ConfirmationCreated { .. }
        | Fact::SegmentStopped { .. }
        | Fact::TrialCompleted { .. }
        | Fact::TrialStopped { .. }
        | Fact::TrialRetried { .. }
        | Fact::StudyPaused(_) => (Verbosity::Usual, Style::Plain),
    }
}

/// Whether trials are compared by a report, or it ends its trial in good order. Of a single training the reports are all that there is
/// to see.
fn is_compared(study: &Study, report: &Reported) -> bool {
    study.spec().trials == 1 || report.last || study.spec().policy.rungs().contains(&report.resource)
}

/// A loss and metrics, each with its name, as far as there is room for them.
fn values<'a>(study: &Study, loss: Option<f64>, metrics: impl IntoIterator<Item = (&'a String, &'a f64)>) -> String {
    let minor = minor(study.spec());
    let loss = loss.map_or(String::new(), |loss| format!(" loss {}", metric(loss)));
    let metrics = metrics.into_iter().filter(|(name, _)| !minor.contains(*name));
    let metrics = metrics.map(|(name, m)| format!("  {name} {}", metric(*m)));
    loss + &metrics.collect::<String>()
}

/// A line for each untrained model.
fn untrained(study: &Study, baseline: &Baseline) -> String {
    let each = baseline.each().into_iter();
    let lines = each.map(|(model, Measurement { loss, metrics })| {
        let name = model.map_or(String::new(), |model| format!(" {model}"));
        format!("untrained{name}:{}", values(study, *loss, metrics))
    });
    lines.collect::<Vec<_>>().join("\n          ")
}

/// The text for a record, if it is of interest to people.
pub(super) fn text(study: &Study, fact: &Fact) -> Option<String> {
    let unit = study.spec().policy.unit.one();
    Some(match fact {
        Fact::ModelTested(tested) => exported(study, tested),
        Fact::BaselineMeasured(baseline) => untrained(study, baseline),
        Fact::ConfirmationRaised { confirmation } => format!(
            "to be confirmed: the best {} with {} each",
            confirmation.configurations,
            counted(confirmation.seeds, "seed")
        ),
        Fact::ConfirmationCreated { trial, confirms, .. } => {
            format!("trial {trial}: confirms trial {confirms} with another seed")
        }
        Fact::StopChanged { by_hand: true, .. } => "the user has changed the limits at which the search ends".to_owned(),
        Fact::SearchHeld => "paused by the user: what was being trained is saved".to_owned(),
        Fact::SearchReleased => "goes on".to_owned(),
        Fact::Enqueued { number, .. } => format!("enqueued by the user: configuration {number}"),
        Fact::TrialsRaised { trials, .. } => format!("the study now has {trials} trials"),
        Fact::SegmentStarted {
            trial,
            slot,
            from,
            to,
            ahead,
            ..
        } => {
            let ahead = if *ahead { ", ahead of its decision" } else { "" };
            format!("trial {trial}: {unit} {from} to {to} on slot {slot}{ahead}")
        }
        Fact::SegmentPreempted { trial, .. } => format!("trial {trial}: makes room for another"),
        Fact::Reported(report) if study.diverges(report) => {
            let (trial, resource) = (report.trial, report.resource);
            let metric = &study.spec().objective.metric;
            format!("trial {trial}: diverged at {unit} {resource}, its {metric} is not finite")
        }
        Fact::Reported(Reported {
            trial,
            resource,
            loss,
            metrics: of,
            ..
        }) => format!("trial {trial}: {unit} {resource} {}", values(study, *loss, of)),
        Fact::SegmentStopped { trial, checkpoint, .. } => match checkpoint {
            Some(_) => format!("trial {trial}: stopped and saved"),
            None => format!("trial {trial}: stopped"),
        },
        Fact::SegmentFailed {
            trial, message, retry, ..
        } => {
            let next = if *retry { "tried again" } else { "given up" };
            format!("trial {trial}: failed and is {next}: {message}")
        }
        Fact::TrialPromoted { trial, to, .. } => format!("trial {trial}: promoted to {unit} {to}"),
        Fact::TrialStopped { trial } => format!("trial {trial}: ended by hand"),
        Fact::TrialRetried { trial } => format!("trial {trial}: has all its attempts again"),
        Fact::TrialPruned { trial, rung } => format!("trial {trial}: pruned at {unit} {rung}"),
        Fact::CheckpointLost { trial, file } => format!("trial {trial}: its checkpoint {file} is lost"),
        Fact::StudyFinished { .. } => finished(study),
        Fact::StudyCreated { .. }
        // It is said when they are taken.
        | Fact::EarlierStudy(_)
        | Fact::EarlierResult(_)
        | Fact::SchedulerStarted { .. }
        | Fact::SchedulerStopped
        | Fact::StopChanged { .. }
        | Fact::LimitReached { .. }
        | Fact::BracketOpened { .. }
        | Fact::TrialCreated { .. }
        // The search ends with it, and says why.
        | Fact::StudyPaused(_)
        | Fact::TrialCompleted { .. } => return None,
    })
}

/// What the exported model comes to.
fn exported(study: &Study, Tested { trial, results }: &Tested) -> String {
    let test = results.measurement.as_ref();
    let test = test.map(|test| format!("on the test data:{}", values(study, test.loss, &test.metrics)));
    let evaluated = values(study, None, &results.evaluations);
    let evaluated = (!evaluated.is_empty()).then(|| format!("as exported:{evaluated}"));
    let parts: Vec<String> = test.into_iter().chain(evaluated).collect();
    format!("trial {trial}: {}", parts.join("; "))
}

fn finished(study: &Study) -> String {
    let searched = study.search_trials().count();
    let confirming = study.trials().len() - searched;
    let searched = counted(searched, "trial");
    match confirming {
        0 => format!("finished: {searched}"),
        runs => format!("finished: {searched}, and {runs} that confirm"),
    }
}
