//! One trial with all that there is to know about it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use serde_json::json;

use super::live::Live;
use super::rows::{Decision, Source, json};
use crate::analysis::diagnosis::{Kind, diagnose};
use crate::export::{Format, configuration};
use crate::ids::TrialId;
use crate::shell::{about, command};
use crate::store::{StudyDirectory, StudyReader};
use crate::study::{Study, Trial};
use crate::view::{kind_of, metric};

/// So many bytes of the end of a log are shown.
const LOG: u64 = 64 << 10;

/// All about a trial, as JSON; none if there is no such trial.
pub(super) fn details(reader: &StudyReader, live: &Live, id: TrialId) -> Option<String> {
    let study = reader.study();
    let trial = study.trial(id)?;
    let spec = study.spec();
    let diagnosis = diagnose(trial, study.untrained(trial), &spec.objective);
    let findings = diagnosis.findings.iter().map(|finding| {
        json!({
            "finding": finding.kind().name(),
            "text": finding.text(spec.policy.unit, &spec.objective),
            "advice": finding.advice(),
        })
    });
    let summary = study.summary(trial);
    // What has no place in a study's file is shown by its values.
    let config = configuration(spec, &summary, Format::Toml).ok();
    let log = log(reader.directory(), id);
    let checkpoints = trial.checkpoints();
    let rest = json!({
        "explanation": explanation(study, live, trial),
        "diagnosis": findings.collect::<Vec<_>>(),
        "unknown": diagnosis.unknown().map(Kind::name).collect::<Vec<_>>(),
        "log": log.as_ref().map(|(text, _)| text),
        "log_cut": log.as_ref().is_some_and(|(_, cut)| *cut),
        "config": config,
        "command": again(reader.directory(), id),
        "parameters": summary.parameters,
        "metrics": summary.metrics,
        "checkpoints": checkpoints.map(|one| json!({ "file": one.file, "bytes": one.bytes })).collect::<Vec<_>>(),
    });
    let row = live.trial(study, trial);
    let text = json(&rest);
    Some(format!("{{\"trial\":{row},{}", text.strip_prefix('{')?))
}

/// The commands that train it once more.
fn again(directory: &StudyDirectory, id: TrialId) -> String {
    let file = format!("trial-{id}.toml");
    let export = about(
        directory.root(),
        ["export", "--trial", &id.to_string(), "--output", &file],
    );
    format!("{export}\n{}", command(["hpo", "train", "--config", &file]))
}

/// Why it was tried, and what became of it, in sentences.
fn explanation(study: &Study, live: &Live, trial: &Trial) -> Vec<String> {
    let spec = study.spec();
    let drawn = match (live.source(trial.id), trial.confirms()) {
        (_, Some(of)) => {
            format!("It trains the configuration of trial {of} once more, with another seed and to the end.")
        }
        (Source::First, None) => "Its configuration was given to be tried first.".to_owned(),
        (Source::Enqueued, None) => "Its configuration was enqueued by the user.".to_owned(),
        (Source::Drawn | Source::Confirmation, None) => {
            format!(
                "Its configuration was drawn by the sampler, {}.",
                kind_of(&spec.sampler)
            )
        }
    };
    let became = live.decisions(trial.id).map(|decision| became(study, trial, decision));
    std::iter::once(drawn).chain(became).collect()
}

fn became(study: &Study, trial: &Trial, decision: &Decision) -> String {
    let spec = study.spec();
    let one = spec.policy.unit.one();
    let Decision { rung, what, to, .. } = *decision;
    let value = trial
        .best_up_to(rung)
        .map(|(_, cost)| metric(spec.objective.signed(cost)));
    let value = value.map_or(String::new(), |value| {
        format!(" with {} {value}", spec.objective.metric)
    });
    let place = place(study, trial, rung).map_or(String::new(), |(place, of)| match spec.policy.is_synchronous() {
        true => format!(", place {place} of {of} there"),
        false => format!(", by now place {place} of {of} that have come there"),
    });
    match (what, to) {
        ("promoted", Some(to)) => format!("Promoted at {one} {rung} to {one} {to}{value}{place}."),
        ("pruned", _) => format!("Pruned at {one} {rung}{value}{place}."),
        ("completed", _) => format!("Completed at {one} {rung}{value}{place}."),
        ("stopped", _) => format!("Ended by hand at {one} {rung}{value}."),
        ("retried", _) => "Given all its attempts again by hand.".to_owned(),
        ("failed", _) => format!("Failed for good after {one} {rung}."),
        (what, _) => format!("It has {what} at {one} {rung}."),
    }
}

/// The place of a trial among those of its bracket that have come to a rung, from 1, and how many these are.
fn place(study: &Study, trial: &Trial, rung: u64) -> Option<(usize, usize)> {
    let bracket = trial.bracket()?;
    let own = (trial.best_up_to(rung)?.1, trial.id);
    let there = study
        .search_trials()
        .filter(|other| other.bracket() == Some(bracket) && other.resource() >= rung);
    let costs: Vec<(f64, TrialId)> = there
        .filter_map(|other| Some((other.best_up_to(rung)?.1, other.id)))
        .collect();
    let before = costs
        .iter()
        .filter(|other| other.0.total_cmp(&own.0).then(other.1.cmp(&own.1)).is_lt());
    Some((before.count() + 1, costs.len()))
}

/// The end of a trial's log, and whether there is more before it; none if there is no log. A link or a pipe that a trainer may have put
/// there is none.
fn log(directory: &StudyDirectory, id: TrialId) -> Option<(String, bool)> {
    let path = directory
        .logs()
        .join(format!("{}.log", StudyDirectory::trial_checkpoints(id)));
    let within = fs::canonicalize(&path)
        .ok()?
        .starts_with(fs::canonicalize(directory.root()).ok()?);
    let read = || -> io::Result<(String, bool)> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(&path)?;
        let there = file.metadata()?;
        if !there.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let from = there.len().saturating_sub(LOG);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LOG).read_to_end(&mut bytes)?;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), from > 0))
    };
    within.then(read)?.ok()
}
