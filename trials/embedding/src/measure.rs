//! What a trial would cost: a little of it is trained, and nothing kept.

use std::time::{Duration, Instant};

use hpo_protocol::embedding::Every;
use hpo_protocol::{Cost, Measure, Metrics};
use tch::Kind;

use crate::embed::embed;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::prepare::Prepared;
use crate::resource::Goal;
use crate::segment::parameters;
use crate::shared::Shared;
use crate::tokens::Prompted;
use crate::trial::Trial;

/// Of more texts than this the time to embed them is taken from so many.
const SAMPLED: usize = 256;

/// What is expected to take no longer than this is done whole, and timed.
const WHOLE: f64 = 1.0;

/// Measures what the first segment of a trial costs.
///
/// # Errors
/// Those of the trial.
pub fn measure(prepared: &Prepared, Measure { run, seconds }: &Measure) -> Result<Cost> {
    let chosen = parameters(&run.parameters)?;
    let shared = prepared.shared(chosen.model.as_deref(), chosen.prompts.as_deref())?;
    let begun = Instant::now();
    let mut trial = Trial::new(&shared, run.seed, chosen, Goal::of(run))?;
    let begin_seconds = begun.elapsed().as_secs_f64();
    let step_seconds = step_seconds(&mut trial, Duration::try_from_secs_f64(*seconds).unwrap_or_default())?;
    let course = trial.course();
    let [report, rung, end] = validation_seconds(&trial, &shared)?;
    let path = run
        .checkpoints
        .join(format!("a{}-measured.safetensors", run.segment.attempt));
    let begun = Instant::now();
    trial.save(&path)?;
    let saved = begun.elapsed().as_secs_f64();
    let checkpoint = std::fs::metadata(&path).and_then(|file| std::fs::remove_file(&path).map(|()| file.len()));
    let steps = course.steps(run.max) as f64 / run.max.max(1) as f64;
    Ok(Cost {
        resource_seconds: step_seconds * steps,
        step_seconds: Some(step_seconds),
        report_seconds: report + saved,
        begin_seconds,
        rung_seconds: rung,
        end_seconds: end,
        checkpoint_bytes: checkpoint.map_err(Error::io("measure", &path))?,
        memory_bytes: most_memory(),
        micro_batch: trial.shrunk().map(|rows| rows as u64),
    })
}

/// The mean of the seconds of all optimizer steps of an epoch, by the tokens of those that were timed. The first one also makes memory
/// ready and, on a GPU, chooses kernels: it counts only if it alone takes as long as is to be measured, or is all of the epoch.
fn step_seconds(trial: &mut Trial<'_>, enough: Duration) -> Result<f64> {
    let batches = trial.course().batches();
    let tokens = |trial: &Trial<'_>, from, count| trial.tokens(from, count).max(1) as f64;
    let all = tokens(trial, 0, batches) / batches as f64;
    let first = tokens(trial, 0, 1);
    let warm_up = steps(trial, 1)?;
    if warm_up >= enough || batches == 1 {
        return Ok(warm_up.as_secs_f64() * all / first);
    }
    let (mut took, mut timed, mut done, mut next) = (Duration::ZERO, 0.0, 1, 1);
    while warm_up + took < enough && done < batches {
        timed += tokens(trial, done, next);
        // Few at a time, so that none is begun long after there are enough, but a device is not waited for after each.
        took += steps(trial, next)?;
        done += next;
        next = (next * 2).min(batches - done);
    }
    Ok(took.as_secs_f64() * all / timed)
}

/// How long so many steps take. A trial that diverges goes on: its steps take as long as others.
fn steps(trial: &mut Trial<'_>, count: u64) -> Result<Duration> {
    let begun = Instant::now();
    for _ in 0..count {
        trial.step()?;
    }
    // Waits for the device.
    trial.train_loss()?;
    Ok(begun.elapsed())
}

/// The seconds that measuring a trial takes at each report, and beyond that at the end of a segment, and of the trial.
fn validation_seconds(trial: &Trial<'_>, shared: &Shared) -> Result<[f64; 3]> {
    let (model, max_length) = (trial.model(), trial.max_length());
    let examples = shared.validation.examples();
    let text = |place| examples.cut(place, max_length);
    let mut report = embedding_seconds(model, examples.texts(), text)?;
    if report <= WHOLE {
        report = timed(|| trial.measure().map(drop))?;
    }
    let mut each = [0.0; 3];
    for (every, seconds) in [Every::Report, Every::Rung, Every::End].into_iter().zip(&mut each) {
        for (count, text) in shared.evaluations.texts(every, max_length) {
            *seconds += embedding_seconds(model, count, text)?;
        }
        if (f64::MIN_POSITIVE..=WHOLE).contains(seconds) {
            *seconds = timed(|| trial.evaluate(|of| of == every, &mut Metrics::new()).map(drop))?;
        }
    }
    let [of_report, rung, end] = each;
    Ok([report + of_report, rung, end])
}

/// The seconds that it takes to embed so many texts: as those of a part of them, by their tokens.
fn embedding_seconds<'t>(model: &Model, count: usize, text: impl Fn(u32) -> Prompted<'t>) -> Result<f64> {
    let sampled = count.min(SAMPLED);
    let place = |number: u32| (u64::from(number) * count as u64 / sampled.max(1) as u64) as u32;
    let tokens = |places: &mut dyn Iterator<Item = u32>| places.map(|place| text(place).tokens.len()).sum::<usize>();
    let all = tokens(&mut (0..count as u32));
    let some = tokens(&mut (0..sampled as u32).map(place));
    let took = timed(|| {
        let embeddings = embed(model, sampled, |number| text(place(number)), false, "measuring: texts")?;
        // Waits for the device.
        embeddings.f_sum(Kind::Float)?.f_double_value(&[]).map(drop)?;
        Ok(())
    })?;
    Ok(took * all as f64 / some.max(1) as f64)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Bytes that this process has had resident at most, where the system says so: `VmHWM` of proc_pid_status(5).
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
