//! Event files for TensorBoard: a directory for each trial that has been begun, with its metrics by resource, and what the page of
//! hyperparameters shows.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::protobuf::Message;
use super::{ExportError, Output, Sink, TrialTimes, Trials};
use crate::export::file::write_whole;
use crate::export::model::{clear, partial, place, prepare};
use crate::ids::{Timestamp, TrialId};
use crate::study::{LOSS, Trial, TrialStatus};

/// The name that TensorBoard knows event files by.
const FILE: &str = "events.out.tfevents.0.hpo";
/// The plugin of the page of hyperparameters, and its tags.
const PLUGIN: &str = "hparams";
const SESSION_START: &str = "_hparams_/session_start_info";
const SESSION_END: &str = "_hparams_/session_end_info";

struct Directory {
    target: PathBuf,
    /// Whether it is there.
    placed: bool,
    /// The bytes and their checksum that the file of a trial has.
    written: Vec<(usize, u32)>,
}

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    output.without_rows("tensorboard")?;
    Ok(Box::new(Directory {
        target: output.required("tensorboard", "a directory")?,
        placed: false,
        written: Vec::new(),
    }))
}

impl Sink for Directory {
    fn update(&mut self, trials: Trials<'_>) -> Result<(), ExportError> {
        let written = match self.placed {
            true => self.write(&self.target.clone(), trials),
            false => self.create(trials),
        };
        self.placed = true;
        written.map_err(ExportError::at(&self.target))
    }
}

impl Directory {
    /// The whole directory, or nothing.
    fn create(&mut self, trials: Trials<'_>) -> io::Result<()> {
        prepare(&self.target)?;
        let partial = partial(&self.target);
        let placed = fs::create_dir(&partial)
            .and_then(|()| self.write(&partial, trials))
            .and_then(|()| place(&partial, &self.target));
        if placed.is_err() {
            clear(&self.target);
        }
        placed
    }

    fn write(&mut self, directory: &Path, trials: Trials<'_>) -> io::Result<()> {
        for (trial, times) in trials.each() {
            let Some(started) = times.started else {
                self.remember(trial.id, (0, 0));
                continue;
            };
            let bytes = events(trials, trial, started, times);
            let run = directory.join(run_name(trial.id));
            let file = run.join(FILE);
            let (before, checksum) = self.written.get(trial.id.0 as usize).copied().unwrap_or_default();
            if before == 0 {
                fs::create_dir(&run)?;
                fs::write(&file, &bytes)?;
            } else if bytes.len() >= before && crc32c::crc32c(&bytes[..before]) == checksum {
                // Whoever follows the file is shown what is added.
                let mut file = OpenOptions::new().append(true).open(&file)?;
                file.write_all(&bytes[before..])?;
            } else {
                write_whole(&file, &bytes)?;
            }
            self.remember(trial.id, (bytes.len(), crc32c::crc32c(&bytes)));
        }
        Ok(())
    }

    fn remember(&mut self, trial: TrialId, written: (usize, u32)) {
        let place = trial.0 as usize;
        self.written.resize(self.written.len().max(place + 1), (0, 0));
        self.written[place] = written;
    }
}

fn run_name(trial: TrialId) -> String {
    format!("trial-{trial:04}")
}

/// The file of a trial. As the trial goes on, it only grows.
fn events(trials: Trials<'_>, trial: &Trial, started: Timestamp, times: TrialTimes) -> Vec<u8> {
    let at_start = event(started, 0);
    let mut file = record(at_start.clone().bytes(3, "brain.Event:2"));
    file.extend(record(
        at_start.message(5, &plugin_summary(SESSION_START, &session_start(trial, started))),
    ));
    let objective = &trials.study.spec().objective;
    let mut best: Option<f64> = None;
    for (&resource, report) in trial.reports.iter() {
        let mut summary = Message::default();
        for (name, value) in report
            .loss
            .iter()
            .map(|loss| (LOSS, loss))
            .chain(report.metrics.iter().map(|(name, value)| (name.as_str(), value)))
        {
            summary = summary.message(1, &Message::default().bytes(1, name).float(2, *value as f32));
        }
        if let Some(cost) = report.cost {
            // The page of hyperparameters shows the last value of each.
            let lowest = best.map_or(cost, |best| best.min(cost));
            best = Some(lowest);
            let tag = format!("best/{}", objective.metric);
            summary = summary.message(
                1,
                &Message::default()
                    .bytes(1, tag)
                    .float(2, objective.signed(lowest) as f32),
            );
        }
        file.extend(record(event(report.at, resource).message(5, &summary)));
    }
    if let Some(ended) = times.ended {
        let end = plugin_summary(SESSION_END, &session_end(trial, ended));
        file.extend(record(event(ended, trial.resource()).message(5, &end)));
    }
    file
}

fn event(at: Timestamp, step: u64) -> Message {
    let event = Message::default().double(1, seconds(at));
    match step {
        // What is not written is 0.
        0 => event,
        step => event.integer(2, step),
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1000.0
}

/// What the trial was begun with.
fn session_start(trial: &Trial, started: Timestamp) -> Message {
    let mut info = Message::default();
    for (name, value) in &trial.parameters {
        let value = match value {
            Value::Bool(value) => Message::default().integer(4, u64::from(*value)),
            Value::Number(number) => Message::default().double(2, number.as_f64().unwrap_or_default()),
            Value::String(text) => Message::default().bytes(3, text),
            Value::Null | Value::Array(_) | Value::Object(_) => Message::default().bytes(3, value.to_string()),
        };
        info = info.message(1, &Message::default().bytes(1, name).message(2, &value));
    }
    let info = info.bytes(4, run_name(trial.id)).double(5, seconds(started));
    Message::default().message(3, &info)
}

fn session_end(trial: &Trial, ended: Timestamp) -> Message {
    let status = match trial.state.status() {
        TrialStatus::Completed | TrialStatus::Pruned => 1,
        TrialStatus::Diverged | TrialStatus::Failed => 2,
        TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused => 3,
    };
    let info = Message::default().integer(1, status).double(2, seconds(ended));
    Message::default().message(4, &info)
}

/// A summary that only the plugin reads: what it holds is its metadata, beside a tensor of nothing.
fn plugin_summary(tag: &str, data: &Message) -> Message {
    let plugin = Message::default().bytes(1, PLUGIN).message(2, data);
    let empty = Message::default()
        .integer(1, 1)
        .message(2, &Message::default().message(2, &Message::default()));
    let metadata = Message::default().message(1, &plugin);
    let value = Message::default()
        .bytes(1, tag)
        .message(8, &empty)
        .message(9, &metadata);
    Message::default().message(1, &value)
}

/// A record of a TFRecord file: its length and itself, each with a masked CRC-32C (TensorFlow, "TFRecord and tf.train.Example").
fn record(event: Message) -> Vec<u8> {
    let data = event.into_bytes();
    let masked = |bytes: &[u8]| {
        crc32c::crc32c(bytes)
            .rotate_right(15)
            .wrapping_add(0xa282_ead8)
            .to_le_bytes()
    };
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &data, &masked(&data)].concat()
}

#[cfg(test)]
mod tests {
    use super::super::Times;
    use super::*;
    use crate::study::tests::finished;
    use crate::study::{Report, TrialState};

    /// What TensorBoard 2.21 itself writes of the same, by its `RecordWriter`.
    const WRITTEN: [&str; 4] = [
        "1800000000000000a37f4b220900000000000000401a0d627261696e2e4576656e743a32ff2ee0e7",
        "6900000000000000360b3c6e0900000000000000402a5e0a5c0a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212004a\
         340a320a0768706172616d7312271a250a0e0a0178120911000000000000e03f220a747269616c2d303030302900000000000000409f882840",
        "2d000000000000003c418afb09000000000000044010ac022a1f0a0b0a046c6f7373150000803e0a100a09626573742f6c6f7373150000803ea368ccc0",
        "5000000000000000940f9b8209000000000000084010ac022a420a400a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f4206080112021200\
         4a1a0a180a0768706172616d73120d220b080111000000000000084034f7e1bc",
    ];

    #[test]
    fn a_file_of_events_is_what_tensorboard_would_write() {
        let study = finished();
        let mut trial = study.trials()[0].clone();
        trial.parameters = [("x".to_owned(), 0.5.into())].into();
        trial.state = TrialState::Completed;
        let report = Report {
            violation: 0.0,
            at: Timestamp(2500),
            cost: Some(0.25),
            loss: Some(0.25),
            metrics: Default::default(),
            checkpoint: None,
        };
        trial.reports = [(300, report)].into_iter().collect();
        let times = TrialTimes {
            ended: Some(Timestamp(3000)),
            ..TrialTimes::default()
        };
        let (study, of) = (&study, &Times::default());
        let bytes = events(Trials { study, times: of }, &trial, Timestamp(2000), times);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, WRITTEN.concat().replace(' ', ""));
    }
}
