//! What it costs to draw a configuration: `draws [studies]`.
//!
//! First of the samplers alone: the milliseconds of one draw where so many trials have been trained to the end, for spaces with numbers,
//! choices and conditions; the least of several draws. With `studies` also of whole simulated studies of 1000 trials: the milliseconds for
//! each. All are processor time, so that what else runs on the machine matters little.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use hpo::simulate::{Conditions, Formula, Objective, simulate};
use hpo::space::SearchSpace;
use hpo::study::{GaussianProcess, History, Observation, Request, SamplerSpec, Tpe};
use hpo::study_file::{StudySettings, parse};
use hpo_protocol::Values;

/// Parameters of every kind, four by four.
const PARAMETERS: [&str; 3] = [
    "rate = { type = \"log_uniform\", low = 1e-6, high = 1e-2 }
batch_size = { type = \"choice\", values = [16, 32, 64, 128] }
pooling = { type = \"choice\", values = [\"mean\", \"cls\", \"max\"] }
dropout = { type = \"uniform\", low = 0.0, high = 0.5 }
",
    "decay = { type = \"log_uniform\", low = 1e-5, high = 1e-1 }
layers = { type = \"integer\", low = 1, high = 12 }
loss = { type = \"choice\", values = [\"triplet\", \"contrastive\"] }
margin = { type = \"uniform\", low = 0.1, high = 1.0, when = { loss = \"triplet\" } }
",
    "temperature = { type = \"log_uniform\", low = 1e-3, high = 1.0, when = { loss = \"contrastive\" } }
warmup = { type = \"uniform\", low = 0.0, high = 0.3 }
width = { type = \"log_integer\", low = 16, high = 1024 }
smoothing = { type = \"uniform\", low = 0.0, high = 0.2 }
",
];
const RUNGS: [u64; 4] = [1, 3, 9, 27];
const KNOWN: [usize; 5] = [100, 300, 1000, 3000, 10_000];
const REPEATS: usize = 9;

fn settings(study: &str, space: &str) -> StudySettings {
    let text = format!(
        "[study]\nname = \"s\"\nseed = 1\ntrials = 1000\n[policy]\nmax_resource = 27\n{study}\n[trial]\ncommand = [\"x\"]\n[space]\n{space}"
    );
    parse(&text, Path::new("s.toml")).unwrap().study
}

fn samplers() -> [(&'static str, SamplerSpec); 2] {
    [
        (
            "gaussian_process",
            SamplerSpec::GaussianProcess(GaussianProcess::default()),
        ),
        ("tpe", SamplerSpec::Tpe(Tpe::default())),
    ]
}

/// How bad a configuration is: farther from the middle of each parameter, by other weights for each.
fn cost(space: &SearchSpace, configuration: &Values) -> f64 {
    let away = space.point(configuration).into_iter().zip(1..);
    away.map(|(share, weight)| f64::from(weight) * (share.unwrap_or(0.3) - 0.4).powi(2))
        .sum()
}

/// Configurations of a search that has come so far: the later they were drawn, the better they are.
fn configurations(space: &SearchSpace, count: usize) -> Vec<Values> {
    let spec = SamplerSpec::Random;
    let history = History {
        space,
        rungs: &RUNGS,
        observations: &[],
    };
    let request = Request {
        history,
        seed: 3,
        start: 0,
        first: 0,
        count: 3 * count as u64,
    };
    let drawn = spec.draw(&request);
    let mut chosen: Vec<Values> = Vec::new();
    for (number, three) in drawn.chunks(3).enumerate() {
        let tries = if 2 * number > count { three } else { &three[..1] };
        let best = tries.iter().min_by(|a, b| cost(space, a).total_cmp(&cost(space, b)));
        chosen.extend(best.cloned());
    }
    chosen
}

/// The processor time of this process.
fn seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to what it is given and nothing else.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The milliseconds of the fastest of several draws of one configuration.
fn milliseconds(sampler: &SamplerSpec, space: &SearchSpace, known: &[Values]) -> f64 {
    let observation = |parameters| {
        let at = |&rung: &u64| (rung, cost(space, parameters) + 1.0 / rung as f64);
        Observation {
            parameters,
            costs: RUNGS.iter().map(at).collect(),
            failed: false,
        }
    };
    let observations: Vec<Observation<'_>> = known.iter().map(observation).collect();
    let history = History {
        space,
        rungs: &RUNGS,
        observations: &observations,
    };
    let first = known.len() as u64;
    let draw = |first| {
        let began = seconds();
        std::hint::black_box(sampler.draw(&Request {
            history,
            seed: 1,
            start: 0,
            first,
            count: 1,
        }));
        (seconds() - began) * 1e3
    };
    (first..).take(REPEATS).map(draw).fold(f64::INFINITY, f64::min)
}

fn of_samplers() {
    let columns = KNOWN.map(|known| format!(" {known} |")).concat();
    println!("ms for a configuration after so many trials\n\n| sampler | parameters |{columns}");
    println!("|---|---|{}", "---|".repeat(KNOWN.len()));
    for (name, sampler) in samplers() {
        for kinds in 1..=PARAMETERS.len() {
            let space = settings("", &PARAMETERS[..kinds].concat()).space;
            let all = configurations(&space, KNOWN[KNOWN.len() - 1]);
            let cells = KNOWN.map(|known| format!(" {:.2} |", milliseconds(&sampler, &space, &all[..known])));
            println!("| `{name}` | {} |{}", 4 * kinds, cells.concat());
        }
    }
}

fn of_studies() {
    println!(
        "\nms for a trial of a simulated study of 1000 on one slot\n\n| sampler | `successive_halving` | `asha` | `none` |"
    );
    println!("|---|---|---|---|");
    let space = (1..=6).map(|number| format!("x{number} = {{ type = \"uniform\", low = 0.0, high = 1.0 }}\n"));
    let space = space.collect::<String>();
    for (name, sampler) in [("random", SamplerSpec::Random)].into_iter().chain(samplers()) {
        let cells = ["successive_halving", "asha", "none"].map(|policy| {
            let settings = settings(&format!("type = \"{policy}\""), &space);
            let mut spec = settings.spec(1, settings.brackets_for(1));
            spec.sampler = sampler.clone();
            let conditions = Conditions {
                objective: Objective::Formula(Formula::Hartmann6),
                slots: 1,
                seed: 1,
                failures: 0.0,
                outages: 0.0,
                spread: 0.0,
                budget: None,
            };
            let began = seconds();
            let trials = simulate(spec, conditions).unwrap().study.trials().len();
            format!(" {:.2} |", (seconds() - began) * 1e3 / trials as f64)
        });
        println!("| `{name}` |{}", cells.concat());
    }
}

fn main() {
    of_samplers();
    if std::env::args().any(|argument| argument == "studies") {
        of_studies();
    }
}
