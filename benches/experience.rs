//! How much a study gains from what earlier ones have taught it: `experience TABLES [SEEDS]`.
//!
//! Each task is searched with ranges and first configurations learned from studies of other tasks of its family, and with the usual ones.
//! The tasks are learning curves of text encoders, as formulas whose best values lie apart, and networks that were trained on four
//! data sets (`tools/tables.py`, which fills the directory TABLES).

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpo::analysis::Experience;
use hpo::simulate::{Conditions, Formula, Objective, Simulated, Table, simulate};
use hpo::space::{Distribution, Learned, Lesson, SearchSpace};
use hpo::study_file::{StudySettings, parse};
use serde_json::{Value, json};

/// Tasks that are related.
struct Family {
    name: &'static str,
    /// The study's file, without its trainer and space.
    study: &'static str,
    space: &'static str,
    /// Epochs, all trials together.
    budgets: [u64; 4],
    tasks: Vec<Task>,
}

struct Task {
    objective: Objective,
    /// How far its values lie from those of the family, by parameter: a factor on a logarithmic scale, and a difference on others.
    shifts: &'static [(&'static str, f64)],
}

const NETWORKS: &str = "activation_fn_1 = { type = \"choice\", values = [\"relu\", \"tanh\"] }
activation_fn_2 = { type = \"choice\", values = [\"relu\", \"tanh\"] }
batch_size = { type = \"choice\", values = [8, 16, 32, 64] }
dropout_1 = { type = \"uniform\", low = 0.0, high = 0.6 }
dropout_2 = { type = \"uniform\", low = 0.0, high = 0.6 }
init_lr = { type = \"log_uniform\", low = 5e-4, high = 1e-1 }
lr_schedule = { type = \"choice\", values = [\"cosine\", \"const\"] }
n_units_1 = { type = \"log_uniform\", low = 16.0, high = 512.0 }
n_units_2 = { type = \"log_uniform\", low = 16.0, high = 512.0 }
";

const ENCODERS: &str = "learning_rate = { type = \"log_uniform\", low = 5e-6, high = 3e-4 }
batch_size = { type = \"choice\", values = [16, 32, 64] }
margin = { type = \"uniform\", low = 0.1, high = 1.0 }
weight_decay = { type = \"log_uniform\", low = 1e-4, high = 1e-1 }
dropout = { type = \"uniform\", low = 0.0, high = 0.3 }
";

const SHIFTS: [&[(&str, f64)]; 4] = [
    &[],
    &[
        ("learning_rate", 0.45),
        ("margin", -0.15),
        ("weight_decay", 0.25),
        ("dropout", 0.08),
    ],
    &[
        ("learning_rate", 2.0),
        ("margin", 0.1),
        ("weight_decay", 3.0),
        ("dropout", -0.05),
    ],
    &[
        ("learning_rate", 0.7),
        ("margin", -0.1),
        ("weight_decay", 0.5),
        ("dropout", -0.08),
    ],
];

impl Task {
    fn shift(&self, name: &str) -> Option<f64> {
        let mut shifts = self.shifts.iter();
        shifts.find(|(own, _)| *own == name).map(|(_, shift)| *shift)
    }

    /// A space of the family as one of the task, or the other way round.
    fn space(&self, mut space: SearchSpace, back: bool) -> SearchSpace {
        for parameter in &mut space.parameters {
            let Some(shift) = self.shift(&parameter.name) else {
                continue;
            };
            match &mut parameter.distribution {
                Distribution::LogUniform { low, high, .. } => {
                    let factor = if back { 1.0 / shift } else { shift };
                    (*low, *high) = (*low * factor, *high * factor);
                }
                Distribution::Uniform { low, high, .. } => {
                    let difference = if back { -shift } else { shift };
                    (*low, *high) = (*low + difference, *high + difference);
                }
                _ => unreachable!(),
            }
        }
        for values in &mut space.try_first {
            *values = self.values(values.clone(), &space.parameters, back);
        }
        space
    }

    fn values(
        &self,
        mut values: std::collections::BTreeMap<String, Value>,
        parameters: &[hpo::space::Parameter],
        back: bool,
    ) -> std::collections::BTreeMap<String, Value> {
        for parameter in parameters {
            let (Some(shift), Some(value)) = (self.shift(&parameter.name), values.get_mut(&parameter.name)) else {
                continue;
            };
            let x = value.as_f64().unwrap();
            *value = json!(match (parameter.distribution.is_logarithmic(), back) {
                (true, false) => x * shift,
                (true, true) => x / shift,
                (false, false) => x + shift,
                (false, true) => x - shift,
            });
        }
        values
    }

    fn run(&self, settings: &StudySettings, budget: u64) -> Simulated {
        let settings = StudySettings {
            space: self.space(settings.space.clone(), false),
            ..settings.clone()
        };
        let conditions = Conditions {
            objective: self.objective.clone(),
            slots: 1,
            seed: settings.seed,
            failures: 0.0,
            outages: 0.0,
            spread: 0.0,
            budget: Some(budget),
        };
        simulate(settings.spec(1, settings.brackets_for(1)), conditions).unwrap()
    }

    fn lesson(&self, name: &str, found: &Simulated) -> Lesson {
        let known = Experience::of(&found.study, None);
        let space = SearchSpace {
            parameters: known.parameters,
            ..SearchSpace::default()
        };
        let good = known.good.into_iter();
        Lesson {
            study: name.to_owned(),
            good: good
                .map(|good| self.values(good.parameters, &space.parameters, true))
                .collect(),
            parameters: self.space(space, true).parameters,
            tried: known.tried,
        }
    }
}

fn settings(study: &str, space: &str, seed: u64) -> StudySettings {
    let text = format!("[study]\nname = \"s\"\nseed = {seed}\n{study}\n[trial]\ncommand = [\"x\"]\n[space]\n{space}");
    parse(&text, Path::new("s.toml")).unwrap().study
}

/// One in eleven of the configurations of a table, each with its four runs: looking up a curve takes as long as there are rows. Eleven
/// divides none of the numbers of values, so that all values are among them.
fn some(path: &Path, directory: &Path) -> PathBuf {
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    let some = rows.chunks(4).step_by(11).flatten().map(|row| format!("{row}\n"));
    let some_path = directory.join(path.file_name().unwrap());
    std::fs::write(&some_path, some.collect::<String>()).unwrap();
    some_path
}

/// The usual study, with what lessons make of its space.
fn learned(usual: &StudySettings, lessons: &[Lesson]) -> StudySettings {
    let learned = Learned::of(&usual.space, lessons, &|_, value| {
        value.as_f64().is_none_or(|x| x >= 0.0)
    });
    StudySettings {
        space: SearchSpace {
            try_first: learned.first.iter().map(|first| first.values.clone()).collect(),
            ..learned.space()
        },
        ..usual.clone()
    }
}

/// The regrets at each budget of the usual study, and of the one that has learned from so many others.
fn regrets(family: &Family, task: usize, earlier: usize, seed: u64) -> [[f64; 2]; 4] {
    let end = family.budgets[3];
    let others = (1..=earlier).map(|step| (task + step) % family.tasks.len());
    let lessons = others.map(|number| {
        let other = &family.tasks[number];
        let settings = settings(family.study, family.space, 1000 * (number as u64 + 1) + seed);
        other.lesson(&format!("task-{number}"), &other.run(&settings, end))
    });
    let usual = settings(family.study, family.space, seed);
    let taught = learned(&usual, &lessons.collect::<Vec<_>>());
    let found = [usual, taught].map(|settings| family.tasks[task].run(&settings, end));
    family.budgets.map(|budget| {
        let regret = |found: &Simulated| found.at(budget).map_or(f64::INFINITY, |moment| moment.regret);
        [regret(&found[0]), regret(&found[1])]
    })
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2])
}

fn compare(family: &Family, seeds: u64) {
    for earlier in [1, 3] {
        let tasks = 0..family.tasks.len();
        let all: Vec<Vec<[[f64; 2]; 4]>> = tasks
            .map(|task| (1..=seeds).map(|seed| regrets(family, task, earlier, seed)).collect())
            .collect();
        for (place, budget) in family.budgets.iter().enumerate() {
            let ratio = |runs: &Vec<[[f64; 2]; 4]>| {
                let [usual, taught] = [0, 1].map(|which| median(runs.iter().map(|run| run[place][which]).collect()));
                (taught / usual).ln()
            };
            let mean = (all.iter().map(ratio).sum::<f64>() / all.len() as f64).exp();
            let pairs = || all.iter().flatten().map(|run| run[place]);
            let share = |count: usize| 100.0 * count as f64 / pairs().count() as f64;
            let lower = share(pairs().filter(|[usual, taught]| taught < usual).count());
            let higher = share(pairs().filter(|[usual, taught]| taught > usual).count());
            println!(
                "| {} | {earlier} | {budget} | {:.0} % | {lower:.0} % | {higher:.0} % |",
                family.name,
                100.0 * mean
            );
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, seeds @ ..] = arguments.as_slice() else {
        panic!("experience TABLES [SEEDS]");
    };
    let seeds = seeds.first().map_or(20, |seeds| seeds.parse().unwrap());
    println!("| tasks | earlier studies | epochs | regret | lower | higher |");
    let objective = Objective::Formula(Formula::Curve);
    let encoder = |shifts| Task {
        objective: objective.clone(),
        shifts,
    };
    let encoders = Family {
        name: "encoders",
        study: "trials = 27\n[policy]\nmin_resource = 1\nmax_resource = 27",
        space: ENCODERS,
        budgets: [27, 45, 63, 81],
        tasks: SHIFTS.map(encoder).into(),
    };
    compare(&encoders, seeds);
    let study = "trials = 27\n[policy]\ntype = \"none\"\nmax_resource = 1";
    let directory = tempfile::tempdir().unwrap();
    let network = |task| {
        let path = some(
            &Path::new(tables).join(format!("hpolib-{task}.jsonl")),
            directory.path(),
        );
        let study = settings(study, NETWORKS, 0);
        let table = Table::read(&path, &study.space, 1, &study.objective).unwrap();
        Task {
            objective: Objective::Table(Arc::new(table)),
            shifts: &[],
        }
    };
    let tasks = [
        "naval_propulsion",
        "parkinsons_telemonitoring",
        "protein_structure",
        "slice_localization",
    ];
    let networks = Family {
        name: "networks",
        study,
        space: NETWORKS,
        budgets: [3, 9, 18, 27],
        tasks: tasks.map(network).into(),
    };
    compare(&networks, seeds);
}
