//! The segments of a trial that `hpo` asks for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpo_protocol::embedding::{Every, PARAMETERS, Parameters};
use hpo_protocol::{FromWorker, Run, Values};

use crate::error::{Error, Result};
use crate::resource::Goal;
use crate::shared::Shared;
use crate::trial::Trial;
use crate::validate::Measured;

/// How often a sign of life is sent.
const PROGRESS: Duration = Duration::from_secs(1);

/// The other side of a segment.
pub trait Talk {
    /// Sends a line.
    fn send(&mut self, line: FromWorker);
    /// Whether the segment has been asked to stop, and if so, whether to save.
    fn stop(&mut self) -> Option<bool>;
}

/// Parameters from the values of a [`Run`]; one that is unknown or out of its domain is an error.
pub fn parameters(values: &Values) -> Result<Parameters> {
    let parameters: Parameters = serde_json::from_value(serde_json::json!(values))
        .map_err(|error| Error::Invalid(format!("wrong parameters: {error}")))?;
    let checked = serde_json::json!(parameters);
    for parameter in PARAMETERS {
        let value = &checked[parameter.name];
        // A null is a parameter that was not given and has no default of its own.
        if !value.is_null() && !parameter.domain.contains(value) {
            let (name, domain) = (parameter.name, parameter.domain);
            return Err(Error::Invalid(format!("`{name}` is {value}; it must be {domain}")));
        }
    }
    Ok(parameters)
}

/// Trains one segment and reports on it, up to and including its last line; an error is left to the caller.
pub fn segment(shared: &Shared, run: &Run, talk: &mut impl Talk) -> Result<()> {
    let parameters = parameters(&run.parameters)?;
    let goal = Goal::of(run);
    let mut trial = match &run.checkpoint {
        Some(path) => Trial::resume(shared, run.seed, parameters, goal, path)?,
        None => Trial::new(shared, run.seed, parameters, goal)?,
    };
    let course = trial.course();
    check_begin(&trial, run)?;
    let mut at = run.from;
    let mut measured = None;
    let mut pace = Pace::new(&trial);
    if trial.steps() > course.steps(run.from) {
        // It was stopped between two reports, and nobody else knows where.
        talk.send(FromWorker::Progress {
            segment: run.segment,
            resource: course.resource(trial.steps()),
            examples_per_second: None,
        });
    }
    while at < run.to {
        let due = course.next_report(at, run.to);
        while trial.steps() < course.steps(due) {
            measured = None;
            if let Some(save) = talk.stop() {
                let checkpoint = if save { Some(save_here(&mut trial, run)?) } else { None };
                talk.send(FromWorker::Stopped {
                    segment: run.segment,
                    checkpoint,
                });
                return Ok(());
            }
            if !trial.step()? {
                talk.send(diverged(run, due));
                return Ok(());
            }
            if let Some(examples_per_second) = pace.tick(&trial) {
                talk.send(FromWorker::Progress {
                    segment: run.segment,
                    resource: course.resource(trial.steps()),
                    examples_per_second: Some(examples_per_second),
                });
            }
        }
        let mut now = match measured.take() {
            Some(measured) => measured,
            None => {
                let Some(measured) = validate(&mut trial, course.steps(at) < course.steps(due))? else {
                    talk.send(diverged(run, due));
                    return Ok(());
                };
                measured
            }
        };
        let last = trial.is_exhausted();
        if !trial.evaluate(|every| is_due(every, run, due, last), &mut now.metrics)? {
            talk.send(diverged(run, due));
            return Ok(());
        }
        report(&mut trial, run, due, &now, last, talk)?;
        if last {
            return Ok(());
        }
        measured = Some(now);
        at = due;
        pace = Pace::new(&trial);
    }
    talk.send(FromWorker::Done { segment: run.segment });
    Ok(())
}

/// Checks that the trial is where the segment begins, or on the way to its first report.
fn check_begin(trial: &Trial<'_>, run: &Run) -> Result<()> {
    let (course, steps) = (trial.course(), trial.steps());
    let begin = course.steps(run.from);
    let next = course.steps(course.next_report(run.from, run.to));
    if steps == begin || (begin..next).contains(&steps) {
        return Ok(());
    }
    let (unit, from) = (course.unit().one(), run.from);
    let found = course.resource(steps);
    Err(Error::Invalid(format!(
        "the segment begins at {unit} {from}, but its checkpoint is of {unit} {found}"
    )))
}

/// Measures the model; none if training or validation has gone wrong. The trial remembers it, unless it is `new` no more: with few
/// examples between reports several may fall on one step, which is no reason to lose patience.
fn validate(trial: &mut Trial<'_>, new: bool) -> Result<Option<Measured>> {
    let train_loss = trial.train_loss()?;
    if !train_loss.is_finite() {
        return Ok(None);
    }
    let mut measured = trial.measure()?;
    if !measured.loss.is_finite() {
        return Ok(None);
    }
    if new {
        trial.observe(measured.loss);
    }
    measured.metrics.insert("train_loss".to_owned(), train_loss);
    if let Some(micro_batch) = trial.shrunk() {
        measured.metrics.insert("micro_batch".to_owned(), micro_batch as f64);
    }
    Ok(Some(measured))
}

/// Whether an evaluation measures the model of a report. A trial that ends by itself stands at all further rungs with what it has
/// reported.
fn is_due(every: Every, run: &Run, resource: u64, last: bool) -> bool {
    match every {
        Every::Report => true,
        Every::Rung => last || resource == run.to,
        Every::End => last || resource == run.max,
    }
}

/// Writes a checkpoint and reports; it is the `last` report if the trial ends by itself.
fn report(
    trial: &mut Trial<'_>,
    run: &Run,
    resource: u64,
    measured: &Measured,
    last: bool,
    talk: &mut impl Talk,
) -> Result<()> {
    let path = run
        .checkpoints
        .join(format!("a{}-r{resource}.safetensors", run.segment.attempt));
    trial.save(&path)?;
    eprintln!(
        "trial {}: {} {resource}, loss {:.4}, training loss {:.4}",
        run.segment.trial,
        run.unit.one(),
        measured.loss,
        trial.train_loss()?
    );
    talk.send(FromWorker::Report {
        segment: run.segment,
        resource,
        loss: Some(measured.loss),
        metrics: measured.metrics.clone(),
        checkpoint: Some(path),
        last,
    });
    Ok(())
}

fn diverged(run: &Run, resource: u64) -> FromWorker {
    eprintln!(
        "trial {}: diverged on the way to {} {resource}",
        run.segment.trial,
        run.unit.one()
    );
    FromWorker::Report {
        segment: run.segment,
        resource,
        loss: None,
        metrics: hpo_protocol::Metrics::new(),
        checkpoint: None,
        last: true,
    }
}

fn save_here(trial: &mut Trial<'_>, run: &Run) -> Result<PathBuf> {
    let path = run
        .checkpoints
        .join(format!("a{}-s{}.safetensors", run.segment.attempt, trial.steps()));
    trial.save(&path)?;
    Ok(path)
}

/// Training speed since the last sign of life.
struct Pace {
    since: Instant,
    examples: u64,
}

impl Pace {
    fn new(trial: &Trial<'_>) -> Self {
        Self {
            since: Instant::now(),
            examples: trial.course().examples(trial.steps()),
        }
    }

    /// Examples per second, when a sign of life is due.
    fn tick(&mut self, trial: &Trial<'_>) -> Option<f64> {
        let elapsed = self.since.elapsed();
        if elapsed < PROGRESS {
            return None;
        }
        let now = Self::new(trial);
        let speed = (now.examples - self.examples) as f64 / elapsed.as_secs_f64();
        *self = now;
        Some(speed)
    }
}
