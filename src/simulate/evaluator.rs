//! Learning curves that a program answers with.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use hpo_protocol::Values;
use serde::Deserialize;
use serde_json::json;

use super::table::valid_seconds;
use crate::diagnostic::visible;
use crate::study::Objective;

/// Most bytes of an answer. A curve of 10,000 epochs has a quarter of it.
const MAX_LINE: u64 = 1 << 20;

/// A program that is asked for the learning curve of each configuration, and ended when this is dropped.
#[derive(Debug)]
pub struct Evaluator {
    command: String,
    /// What the values are of.
    objective: Objective,
    epochs: u64,
    /// One study asks at a time.
    process: Mutex<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// None once it is to end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Why a program has given no curve.
#[derive(Debug, thiserror::Error)]
pub enum EvaluatorError {
    /// It can't be started.
    #[error("the evaluator `{command}` can't be started: {source}")]
    Start {
        /// The command.
        command: String,
        /// The system's error.
        source: io::Error,
    },
    /// It has ended, or closed its input or output.
    #[error("the evaluator `{command}` has ended before its answer to {question}")]
    Ended {
        /// The command.
        command: String,
        /// The line that it was asked with.
        question: String,
    },
    /// Its answer is not a curve.
    #[error("the evaluator `{command}` answered {question} with {answer}: {flaw}")]
    Answer {
        /// The command.
        command: String,
        /// The line that it was asked with.
        question: String,
        /// The beginning of the line that it has answered with.
        answer: String,
        /// What is wrong with it.
        flaw: String,
    },
}

/// An answer, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Values of the study's objective by epoch; null once the run has diverged.
    #[serde(alias = "values")]
    losses: Vec<Option<f64>>,
    regret: f64,
    #[serde(default)]
    seconds: Option<f64>,
}

/// The curve that a program has given a configuration.
#[derive(Debug, Clone)]
pub(super) struct EvaluatedCurve {
    /// At resource 1, 2 …; NaN once it has diverged.
    costs: Arc<[f64]>,
    regret: f64,
    seconds: Option<f64>,
}

impl Evaluator {
    /// Starts a command of the shell whose curves have as many epochs as the study's maximum resource, of values of its objective.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn start(command: &str, epochs: u64, objective: &Objective) -> Result<Self, EvaluatorError> {
        let failed = |source| EvaluatorError::Start {
            command: visible(command),
            source,
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().map_err(failed)?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        let Some(answers) = answers.map(BufReader::new) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let process = Process {
            child,
            questions,
            answers,
        };
        Ok(Self {
            command: visible(command),
            objective: objective.clone(),
            epochs,
            process: Mutex::new(process),
        })
    }

    /// The curve of a configuration with the noise of a seed.
    pub(super) fn curve(&self, configuration: &Values, seed: u64) -> Result<EvaluatedCurve, EvaluatorError> {
        let question = json!({ "parameters": configuration, "seed": seed }).to_string();
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = process.ask(&question).ok().flatten() else {
            let command = self.command.clone();
            return Err(EvaluatorError::Ended { command, question });
        };
        self.read(&answer).map_err(|flaw| EvaluatorError::Answer {
            command: self.command.clone(),
            question,
            answer: visible(&answer.chars().take(200).collect::<String>()),
            flaw,
        })
    }

    /// The curve of an answer, or what is wrong with it.
    fn read(&self, answer: &str) -> Result<EvaluatedCurve, String> {
        let answer: Answer = serde_json::from_str(answer).map_err(|error| error.to_string())?;
        let epochs = answer.losses.len() as u64;
        if epochs < self.epochs {
            return Err(format!("{epochs} losses for {} epochs", self.epochs));
        }
        if !valid_seconds(answer.seconds) {
            return Err("an epoch takes more than 0 and up to 1e9 seconds".to_owned());
        }
        let mut diverged = answer.losses.iter().skip_while(|loss| loss.is_some());
        if diverged.any(Option::is_some) {
            return Err("a loss follows a null, which means that the run has diverged".to_owned());
        }
        let cost = |value: Option<f64>| value.map_or(f64::NAN, |value| self.objective.signed(value));
        Ok(EvaluatedCurve {
            costs: answer.losses.into_iter().map(cost).collect(),
            regret: answer.regret,
            seconds: answer.seconds,
        })
    }
}

impl Process {
    /// The line that a line is answered with; none if it has ended.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let Some(questions) = &mut self.questions else {
            return Ok(None);
        };
        questions.write_all(format!("{question}\n").as_bytes())?;
        questions.flush()?;
        let mut answer = String::new();
        self.answers.by_ref().take(MAX_LINE).read_line(&mut answer)?;
        Ok((!answer.is_empty()).then(|| answer.trim_end().to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends what the shell has started, too.
        self.questions = None;
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl EvaluatedCurve {
    pub fn cost(&self, resource: u64) -> f64 {
        let place = usize::try_from(resource)
            .ok()
            .and_then(|resource| resource.checked_sub(1));
        place
            .and_then(|place| self.costs.get(place))
            .copied()
            .unwrap_or(f64::NAN)
    }

    pub fn regret(&self) -> f64 {
        self.regret
    }

    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }
}
