//! Which study is run, and what happens to it: all of it drawn from one seed.

use hpo::ids::Timestamp;
use hpo::space::{Distribution, Parameter, SearchSpace};
use hpo::study::{
    Asha, AshaVariant, AsyncHyperband, ConfirmationSpec, Direction, Earlier, EarlierResult, Fact, GaussianProcess,
    Hyperband, Limits, MedianStopping, Objective, PolicyKind, PolicySpec, Requirement, SamplerSpec, StopSpec,
    StudySpec, SuccessiveHalving, Tpe, Trainer,
};
use hpo_protocol::Unit;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::slot::SCORE;

/// A study and its fortune.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// Whether its records are printed.
    pub told: bool,
    pub spec: StudySpec,
    /// What it knows of an earlier study.
    pub earlier: Vec<Fact>,
    /// The resource at which the study ends for a while.
    pub halt: Option<u64>,
    /// How far the study goes once it has come to its first end.
    pub raised: Option<Limits>,
    /// At most so many slots; another number after each restart.
    pub slots: u32,
    /// How probable it is that a worker does wrong on the way to a report.
    pub faults: f64,
    /// How probable it is that the scheduler dies at a point where it can.
    pub crashes: f64,
    /// How probable it is that the user stops the study, whenever something happens.
    pub stops: f64,
    /// How probable it is that a message comes again long after it was sent, whenever something happens.
    pub echoes: f64,
    /// How probable it is that the disk loses a checkpoint, whenever something happens.
    pub losses: f64,
    /// How probable it is that the connection to a slot is lost, whenever its keeper does something.
    pub outages: f64,
}

/// The loss, or a score of which higher values are better: both order trials alike.
fn objective(rng: &mut ChaCha8Rng) -> Objective {
    match rng.random() {
        true => Objective::default(),
        false => Objective {
            metric: SCORE.into(),
            direction: Direction::Maximize,
        },
    }
}

/// The opposite of the objective, so that no trial dominates another, for some of the studies that can have several.
fn further(rng: &mut ChaCha8Rng, spec: &StudySpec) -> Vec<Objective> {
    let compares_one = matches!(spec.policy.kind, PolicyKind::Pasha | PolicyKind::MedianStopping(_));
    if compares_one || spec.confirmation.is_some() || !chance(rng, 0.15) {
        return Vec::new();
    }
    let (metric, direction) = match spec.objective.is_loss() {
        true => (SCORE, Direction::Minimize),
        false => ("loss", Direction::Maximize),
    };
    vec![Objective {
        metric: metric.into(),
        direction,
    }]
}

/// What good trials break, and bad ones fulfil; or a bound on what no trial reports; mostly nothing.
fn require(rng: &mut ChaCha8Rng) -> Vec<Requirement> {
    let text = match rng.random_range(0..8) {
        0 => "loss >= 0.9",
        1 => "score < -0.7",
        2 => "absent <= 1",
        _ => return Vec::new(),
    };
    vec![text.to_owned().try_into().unwrap()]
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let report_every = if chance(rng, 0.3) { rng.random_range(2..=3) } else { 1 };
        let min_resource = report_every * rng.random_range(1..=2);
        let max_resource = rng.random_range(min_resource..=10);
        let spec = StudySpec {
            name: "simulated".into(),
            seed: rng.random_range(0..1 << 53),
            trials: rng.random_range(2..=12),
            retries: rng.random_range(0..=3),
            objective: objective(rng),
            further: Vec::new(),
            require: Vec::new(),
            keep_checkpoints: if chance(rng, 0.3) { rng.random_range(2..=4) } else { 1 },
            policy: PolicySpec {
                kind: kind(rng),
                min_resource,
                max_resource,
                unit: Unit::Steps,
                report_every,
                reduction_factor: rng.random_range(2..=4),
                speculation: rng.random(),
                parallel_brackets: rng.random_range(1..=3),
            },
            trainer: Trainer {
                command: None,
                directory: ".".into(),
                settings: Default::default(),
                seed: None,
                script: false,
            },
            threads: 1,
            sampler: sampler(rng),
            confirmation: chance(rng, 0.3).then(|| confirmation(rng, 0, 0)),
            stop: StopSpec::default(),
            space: space(),
        };
        let raised = chance(rng, 0.25).then(|| {
            let has = spec.confirmation.map_or((0, 0), |has| (has.configurations, has.seeds));
            let more = chance(rng, 0.5).then(|| confirmation(rng, has.0, has.1));
            Limits {
                trials: spec.trials + rng.random_range(0..6),
                confirmation: more.or(spec.confirmation),
                stop: StopSpec::default(),
            }
        });
        let most = spec.trials * spec.policy.max_resource;
        let halt = chance(rng, 0.3).then(|| rng.random_range(1..=most));
        // Some studies go through one kind of trouble only, so that the others do not cover it up.
        let mut rate = |share: f64, most: f64| {
            if chance(rng, share) {
                rng.random::<f64>() * most
            } else {
                0.0
            }
        };
        let [faults, crashes, stops] = [rate(0.7, 0.3), rate(0.7, 0.15), rate(0.3, 0.02)];
        let [echoes, losses, outages] = [rate(0.3, 0.1), rate(0.3, 0.05), rate(0.3, 0.05)];
        let slots = rng.random_range(1..=5);
        let mut plan = Self {
            seed,
            told: false,
            halt,
            raised,
            faults,
            crashes,
            stops,
            echoes,
            losses,
            outages,
            slots,
            earlier: if chance(rng, 0.2) {
                earlier(rng, &spec)
            } else {
                Vec::new()
            },
            spec: StudySpec {
                require: require(rng),
                further: further(rng, &spec),
                ..spec
            },
        };
        // Means of one objective are confirmed.
        if let Some(raised) = plan.raised.as_mut().filter(|_| plan.spec.has_several()) {
            raised.confirmation = None;
        }
        plan
    }

    /// The same study on one slot, with nothing that goes wrong.
    pub fn undisturbed(&self) -> Self {
        let mut calm = Self {
            told: false,
            halt: None,
            slots: 1,
            faults: 0.0,
            crashes: 0.0,
            stops: 0.0,
            echoes: 0.0,
            losses: 0.0,
            outages: 0.0,
            ..self.clone()
        };
        calm.spec.policy.speculation = false;
        calm
    }
}

pub fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    probability > 0.0 && rng.random::<f64>() < probability
}

/// Results of an earlier study at all rungs, of which some come first.
fn earlier(rng: &mut ChaCha8Rng, spec: &StudySpec) -> Vec<Fact> {
    let rungs = spec.policy.rungs();
    let result = |number| EarlierResult {
        study: "earlier".into(),
        number,
        parameters: spec.space.sample(rng),
        values: rungs.iter().map(|rung| (*rung, rng.random())).collect(),
        diverged: chance(rng, 0.1),
    };
    let results: Vec<EarlierResult> = (0..6).map(result).collect();
    let study = Earlier {
        study: "earlier".into(),
        created: Timestamp(0),
        trials: 6,
        left_out: Vec::new(),
        assumed: Vec::new(),
        first: results.iter().take(2).map(|one| one.parameters.clone()).collect(),
    };
    Fact::of_earlier(study, results)
}

fn kind(rng: &mut ChaCha8Rng) -> PolicyKind {
    let variant = match rng.random() {
        true => AshaVariant::Promotion,
        false => AshaVariant::Stopping,
    };
    match rng.random_range(0..9) {
        0 | 1 => PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: rng.random(),
        }),
        2 => PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: Some(rng.random_range(1..8)),
            small_brackets: false,
        }),
        3 => PolicyKind::Hyperband(Hyperband {
            small_brackets: rng.random(),
        }),
        4 => PolicyKind::None,
        5 => PolicyKind::Asha(Asha { variant }),
        6 => PolicyKind::AsyncHyperband(AsyncHyperband { variant }),
        7 => PolicyKind::Pasha,
        _ => PolicyKind::MedianStopping(MedianStopping {
            percentile: rng.random_range(1..100),
            startup_trials: rng.random_range(1..5),
        }),
    }
}

fn sampler(rng: &mut ChaCha8Rng) -> SamplerSpec {
    match rng.random_range(0..1000) {
        // It takes far longer than all the rest.
        0..10 => SamplerSpec::GaussianProcess(GaussianProcess {
            startup_trials: Some(3),
            random_share: 0.2,
            ..GaussianProcess::default()
        }),
        10..60 => SamplerSpec::Tpe(Tpe {
            startup_trials: Some(2),
            random_share: 0.2,
            ..Tpe::default()
        }),
        60..90 => SamplerSpec::PriorBand,
        90..150 => SamplerSpec::Sobol,
        _ => SamplerSpec::Random,
    }
}

fn confirmation(rng: &mut ChaCha8Rng, configurations: u64, seeds: u64) -> ConfirmationSpec {
    ConfirmationSpec {
        configurations: rng.random_range(configurations.max(1)..configurations + 3),
        seeds: rng.random_range(seeds.max(2)..seeds + 4),
    }
}

fn space() -> SearchSpace {
    let parameter = |name: &str| Parameter {
        name: name.into(),
        distribution: Distribution::Uniform {
            low: 0.0,
            high: 1.0,
            step: None,
        },
        when: Vec::new(),
        prior: None,
    };
    SearchSpace {
        try_first: Vec::new(),
        constraints: Vec::new(),
        parameters: vec![parameter("x"), parameter("y")],
    }
}
