//! `hpo simulate`.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::ValueEnum;
use hpo_protocol::Unit;
use serde_json::{Value, json};

use super::CliError;
use super::number::{share, whole};
use super::study::{print, print_json};
use crate::simulate::{Conditions, Evaluator, Formula, Moment, NoCurve, Objective, Simulated, Table, simulate};
use crate::study_file::{self, StudySettings};
use crate::view::simulation;

/// The arguments of `hpo simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Simulate {
    /// The study's file; the trainer, model and data that it names are not used
    file: PathBuf,

    /// The learning curves, as a formula
    #[arg(long, value_enum, default_value = "curve")]
    objective: Curves,

    /// The learning curves, as measured, in a file of JSON lines: docs/simulation.md
    #[arg(long, value_name = "FILE", conflicts_with = "objective")]
    table: Option<PathBuf>,

    /// The learning curves, as a program answers with them, a command of the shell: docs/simulation.md
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["objective", "table"])]
    evaluator: Option<String>,

    /// The number of slots
    #[arg(long, default_value = "2", allow_negative_numbers = true, value_parser = whole::<u32>(1..=1_000_000))]
    slots: u32,

    /// The number of studies, with consecutive seeds, starting with the file's
    #[arg(long, default_value = "1", allow_negative_numbers = true, value_parser = whole::<u64>(1..=100_000))]
    repeat: u64,

    /// The probability that a segment fails
    #[arg(long, default_value = "0", allow_negative_numbers = true, value_parser = share)]
    failures: f64,

    /// The probability that the connection to a slot is lost while a segment runs there; it is back after 1 to 30 minutes
    #[arg(long, default_value = "0", allow_negative_numbers = true, value_parser = share)]
    outages: f64,

    /// How much the duration of an epoch, or of a step or example, varies from trial to trial, as a share of it
    #[arg(long, default_value = "0.3", allow_negative_numbers = true, value_parser = share)]
    spread: f64,

    /// Epochs (steps, examples), all trials together, at which the best trial is reported; the study ends at the last of them
    #[arg(long, value_delimiter = ',', value_name = "RESOURCES", allow_negative_numbers = true, value_parser = whole::<u64>(1..=u64::MAX))]
    budgets: Vec<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Curves {
    /// A fine-tuned text encoder: learning_rate, batch_size, dropout, weight_decay, margin; 27 epochs
    Curve,
    /// Hartmann's function with a fidelity: x1, x2, x3 from 0 to 1; 27 epochs
    Hartmann3,
    /// The same with x1 to x6
    Hartmann6,
}

impl Simulate {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let file = study_file::read(&self.file)?;
        let objective = self.objective(&file.study)?;
        let began = Instant::now();
        let all = self
            .simulate(&file.study, &objective)
            .map_err(|error| self.no_curve(&error))?;
        if self.json {
            return print_json(&Value::from_iter(
                all.iter().map(|(seed, simulated)| self.json(*seed, simulated)),
            ));
        }
        let studies: Vec<&Simulated> = all.iter().map(|(_, simulated)| simulated).collect();
        let table = match &objective {
            Objective::Table(table) => Some(&**table),
            Objective::Formula(_) | Objective::Evaluator(_) | Objective::Costs(..) => None,
        };
        print(&simulation(&studies, table, &self.budgets, began.elapsed()))
    }

    /// The learning curves.
    fn objective(&self, study: &StudySettings) -> Result<Objective, CliError> {
        if !study.further.is_empty() {
            return Err(CliError::usage(
                format!(
                    "{}: a simulation knows one objective, and the study has several",
                    self.file.display()
                ),
                "leave one under `[study]` to simulate it",
            ));
        }
        let (policy, metric) = (&study.policy, &study.objective);
        if (self.table.is_some() || self.evaluator.is_some()) && policy.unit != Unit::Epochs {
            let what = if self.table.is_some() {
                "a table has"
            } else {
                "an evaluator gives"
            };
            let units = policy.unit.many();
            let message = format!("{}: its resource is {units}, but {what} epochs", self.file.display());
            return Err(CliError::usage(
                message,
                "leave out `resource`: each loss in a row is one epoch",
            ));
        }
        if let Some(path) = &self.table {
            let table = Table::read(path, &study.space, policy.max_resource, metric)?;
            return Ok(Objective::Table(Arc::new(table)));
        }
        if let Some(command) = &self.evaluator {
            let evaluator = Evaluator::start(command, policy.max_resource, metric);
            let evaluator = evaluator.map_err(|error| CliError::Failed(error.to_string()))?;
            return Ok(Objective::Evaluator(Arc::new(evaluator)));
        }
        Ok(Objective::Formula(match self.objective {
            Curves::Curve => Formula::Curve,
            Curves::Hartmann3 => Formula::Hartmann3,
            Curves::Hartmann6 => Formula::Hartmann6,
        }))
    }

    fn no_curve(&self, error: &NoCurve) -> CliError {
        let help = match error {
            NoCurve::Missing(missing) => {
                let name = &missing.parameter;
                format!("give `{name}` numbers under `[space]`, or choose another --objective")
            }
            NoCurve::Evaluator(_) => {
                "each line that it reads is to be answered with one such as {\"losses\": [0.51, 0.43], \
                                      \"regret\": 0.02}, with \"seconds\" if known: docs/simulation.md"
                    .to_owned()
            }
        };
        CliError::usage(format!("{}: {error}", self.file.display()), help)
    }

    /// The studies in the order of their seeds, as many at once as there are cores.
    fn simulate(&self, study: &StudySettings, objective: &Objective) -> Result<Vec<(u64, Simulated)>, NoCurve> {
        let next = AtomicU64::new(0);
        let some = || -> Result<Vec<_>, NoCurve> {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.repeat {
                    return Ok(done);
                }
                let mut settings = study.clone();
                settings.seed = study.seed.wrapping_add(number);
                let brackets = settings.brackets_for(self.slots as usize);
                let conditions = Conditions {
                    objective: objective.clone(),
                    slots: self.slots,
                    seed: settings.seed,
                    failures: self.failures,
                    outages: self.outages,
                    spread: self.spread,
                    budget: self.budgets.iter().copied().max(),
                };
                let seed = settings.seed;
                done.push((number, seed, simulate(settings.spec(1, brackets), conditions)?));
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
        let mut all = thread::scope(|scope| {
            let threads: Vec<_> = (0..cores.min(self.repeat)).map(|_| scope.spawn(some)).collect();
            let done = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            done.collect::<Result<Vec<_>, _>>()
                .map(|done| done.into_iter().flatten().collect::<Vec<_>>())
        })?;
        all.sort_by_key(|(number, ..)| *number);
        Ok(all.into_iter().map(|(_, seed, simulated)| (seed, simulated)).collect())
    }

    fn json(&self, seed: u64, simulated: &Simulated) -> Value {
        let spec = simulated.study.spec();
        let (units, metric) = (spec.policy.unit.many(), &spec.objective.metric);
        let at = |budget: &u64| {
            let moment = simulated.at(*budget);
            json!({ units: budget, metric: moment.map(|m| m.value), "regret": moment.map(|m| m.regret) })
        };
        let last = simulated.moments.last();
        let moment = |moment: &Moment| {
            json!({
                units: moment.resource, "seconds": moment.ms as f64 / 1000.0, "best": moment.best, metric: moment.value, "regret": moment.regret
            })
        };
        json!({
            "seed": seed,
            "trials": simulated.study.search_trials().count(),
            "resource_unit": units,
            units: simulated.resource,
            format!("counted_{units}"): simulated.study.trained_resource(),
            "seconds": simulated.ms as f64 / 1000.0,
            "utilisation": simulated.utilisation,
            "utilisation_until_last_trial": simulated.until_last_trial,
            "best": last.map(|m| m.best),
            metric: last.map(|m| m.value),
            "regret": last.map(|m| m.regret),
            "confirmation": simulated.study.confirmation(),
            "budgets": self.budgets.iter().map(at).collect::<Vec<_>>(),
            "moments": simulated.moments.iter().map(moment).collect::<Vec<_>>(),
        })
    }
}
