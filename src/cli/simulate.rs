//! `hpo simulate`.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::CliError;
use super::study::{print, print_json};
use crate::simulate::{Conditions, Objective, Simulated, simulate};
use crate::space::file;
use crate::view::simulation;

/// The arguments of `hpo simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Simulate {
    /// The study's file; nothing it names but its space is looked at
    file: PathBuf,

    /// The learning curves
    #[arg(long, value_enum, default_value = "curve")]
    objective: Curves,

    /// How many slots there are
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    slots: u32,

    /// How many studies, each with a seed of its own, from that of the file on
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    repeat: u64,

    /// The probability that a segment fails
    #[arg(long, default_value = "0", value_parser = share)]
    failures: f64,

    /// By how much the duration of an epoch, or of a step or example, varies from trial to trial, as a share of it
    #[arg(long, default_value = "0.3", value_parser = share)]
    spread: f64,

    /// Epochs (steps, examples), all trials together, at which the best trial is told; the study ends at the last of them
    #[arg(long, value_delimiter = ',', value_name = "RESOURCES")]
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

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to below 1".to_owned()),
    }
}

impl Simulate {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let file = file::read(&self.file)?;
        let first = file.study.seed;
        let began = Instant::now();
        let mut all = Vec::new();
        for seed in first..first + self.repeat {
            let mut settings = file.study.clone();
            settings.seed = seed;
            let brackets = settings.brackets_for(self.slots as usize);
            let conditions = Conditions {
                objective: match self.objective {
                    Curves::Curve => Objective::Curve,
                    Curves::Hartmann3 => Objective::Hartmann3,
                    Curves::Hartmann6 => Objective::Hartmann6,
                },
                slots: self.slots,
                seed,
                failures: self.failures,
                spread: self.spread,
                budget: self.budgets.iter().copied().max(),
            };
            let simulated = simulate(settings.spec(1, brackets), conditions).map_err(|error| {
                let name = &error.parameter;
                let help = format!("give `{name}` numbers under `[space]`, or choose another --objective");
                CliError::usage(format!("{}: {error}", self.file.display()), help)
            })?;
            all.push((seed, simulated));
        }
        if self.json {
            return print_json(&Value::from_iter(
                all.iter().map(|(seed, simulated)| self.told(*seed, simulated)),
            ));
        }
        let studies: Vec<&Simulated> = all.iter().map(|(_, simulated)| simulated).collect();
        print(&simulation(&studies, &self.budgets, began.elapsed()))
    }

    fn told(&self, seed: u64, simulated: &Simulated) -> Value {
        let units = simulated.study.spec().policy.unit.many();
        let at = |budget: &u64| {
            let moment = simulated.at(*budget);
            json!({ units: budget, "loss": moment.map(|m| m.loss), "regret": moment.map(|m| m.regret) })
        };
        let last = simulated.moments.last();
        json!({
            "seed": seed,
            "trials": simulated.study.search_trials().count(),
            "resource_unit": units,
            units: simulated.resource,
            format!("counted_{units}"): simulated.study.trained_resource(),
            "seconds": simulated.ms as f64 / 1000.0,
            "utilisation": simulated.utilisation,
            "best": last.map(|m| m.best),
            "loss": last.map(|m| m.loss),
            "regret": last.map(|m| m.regret),
            "confirmation": simulated.study.confirmation(),
            "budgets": self.budgets.iter().map(at).collect::<Vec<_>>(),
        })
    }
}
