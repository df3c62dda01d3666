//! Whatever space a person writes, it is refused with the reason, or everything that is drawn lies in it.

use std::cell::Cell;
use std::fmt::Write;
use std::path::Path;

use hpo::ids::{SlotId, Timestamp};
use hpo::space::{Distribution, Scale, SearchSpace};
use hpo::study::{Event, History, Observation, Request, Study};
use hpo::study_file::{self, StudyFile};
use hpo_protocol::Values;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

/// A parameter, by numbers of which each kind of distribution makes something else.
#[derive(Debug, Clone)]
struct Shape {
    kind: usize,
    numbers: [f64; 3],
    /// An earlier parameter, and which of its values, by bits.
    when: Option<(usize, u8)>,
    /// Where the best value is expected, and how surely.
    prior: Option<(f64, usize)>,
}

#[derive(Debug, Clone)]
struct Written {
    shapes: Vec<Shape>,
    sampler: usize,
    policy: usize,
    trials: u64,
    seed: u64,
    /// Two parameters, a share for each, and how they are compared.
    constraints: Vec<(usize, usize, f64, f64, usize)>,
    /// Which parameters are given, by bits, and at which share of them.
    first: Vec<(u8, f64)>,
    confirmed: bool,
}

const SAMPLERS: &[&str] = &["gaussian_process", "tpe", "prior_band", "random", "sobol", "grid"];
const POLICIES: &[&str] = &["hyperband", "successive_halving", "asha", "none"];
const CONFIDENCES: &[&str] = &["low", "medium", "high"];

/// What may be said of such a study: any other refusal is a mistake of hpo.
const REASONS: &[&str] = &[
    "no configuration fulfils",
    "drawn configurations fulfils",
    "drawn configurations with these values fulfils",
    "breaks the constraint",
    "no configuration with these values",
    "no configuration has `",
    "there is no `p",
    "is the same configuration as",
    "has no values, so that all",
    "to be tried first, but `study.trials`",
    "draws by your guesses, and there are none",
    " of the grid",
];

fn shape() -> impl Strategy<Value = Shape> {
    let when = prop::option::of((0..6usize, any::<u8>()));
    let prior = prop::option::of((0.0..1.0f64, 0..CONFIDENCES.len()));
    (0..11usize, prop::array::uniform3(0.0..1.0f64), when, prior).prop_map(|(kind, numbers, when, prior)| Shape {
        kind,
        numbers,
        when,
        prior,
    })
}

fn written() -> impl Strategy<Value = Written> {
    let share = || 0.0..1.0f64;
    (
        prop::collection::vec(shape(), 1..7),
        (0..SAMPLERS.len(), 0..POLICIES.len(), 1..13u64, 0..1u64 << 50),
        prop::collection::vec((0..6usize, 0..6usize, share(), share(), 0..4usize), 0..3),
        prop::collection::vec((any::<u8>(), share()), 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(shapes, (sampler, policy, trials, seed), constraints, first, confirmed)| Written {
                shapes,
                sampler,
                policy,
                trials,
                seed,
                constraints,
                first,
                confirmed,
            },
        )
}

impl Shape {
    fn distribution(&self, finite: bool) -> String {
        let [a, b, c] = self.numbers;
        let low = 20.0 * a - 10.0;
        let high = low + 0.1 + 10.0 * b;
        let step = (high - low) / (1.0 + 5.0 * c);
        let (from, to) = ((20.0 * a) as i64 + 1, (20.0 * a) as i64 + 2 + (12.0 * b) as i64);
        let std = 0.1 + b;
        // From far below the middle to far above it.
        let (near, far) = (low + std * (40.0 * c - 20.0), low + std * (41.0 * c - 18.0));
        match self.kind {
            0 if !finite => format!("type = \"uniform\", low = {low:?}, high = {high:?}"),
            1 if !finite => {
                let low = 10f64.powf(5.0 * a - 6.0);
                format!(
                    "type = \"log_uniform\", low = {low:?}, high = {:?}",
                    low * (1.5 + 1000.0 * b)
                )
            }
            2 if !finite => format!("type = \"normal\", mean = {low:?}, std = {std:?}, low = {near:?}, high = {far:?}"),
            3 if !finite => format!(
                "type = \"log_normal\", median = {:?}, std = {std:?}, low = {:?}, high = {:?}",
                low.exp(),
                near.exp(),
                far.exp()
            ),
            4 if !finite => format!("type = \"normal\", mean = {low:?}, std = {std:?}, step = {:?}", 0.1 + c),
            0 | 5 => format!("type = \"uniform\", low = {low:?}, high = {high:?}, step = {step:?}"),
            1 | 6 => format!(
                "type = \"integer\", low = {}, high = {to}, step = {}",
                from - 10,
                1 + (5.0 * c) as i64
            ),
            2 | 7 => format!("type = \"log_integer\", low = {from}, high = {to}"),
            3 | 8 => format!("type = \"choice\", values = [{from}, {low:?}, {}]", from + 3),
            4 | 9 => format!("type = \"choice\", values = [\"x\", true, {from}]"),
            _ => format!("type = \"fixed\", value = {from}"),
        }
    }
}

/// A value as it is written in TOML.
fn toml(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:?}"),
        _ => value.to_string(),
    }
}

fn parse(text: &str) -> Result<StudyFile, hpo::diagnostic::Diagnostics> {
    study_file::parse(text, Path::new("/here/s.toml"))
}

impl Written {
    fn text(&self) -> String {
        let finite = SAMPLERS[self.sampler] == "grid";
        let plain: Vec<String> = self.shapes.iter().map(|shape| shape.distribution(finite)).collect();
        let lines = plain
            .iter()
            .enumerate()
            .map(|(own, plain)| format!("p{own} = {{ {plain} }}\n"));
        let head = "[study]\ntrials = 1\n[policy]\nmax_resource = 9\n[trial]\ncommand = [\"none\"]\n[space]\n";
        let plain_file = parse(&format!("{head}{}", lines.collect::<String>()));
        let plain_file = plain_file.unwrap_or_else(|error| panic!("{error}"));
        let parameters = &plain_file.study.space.parameters;
        let at = |own: usize, share: f64| parameters[own].distribution.quantile(share);

        let constraints: Vec<String> = self.constraints(parameters.len()).map(|one| one.text(&at)).collect();
        let mut text = format!(
            "[study]\ntrials = {}\nseed = {}\nconstraints = {constraints:?}\n[policy]\ntype = {:?}\nmax_resource = 9\n\
             [sampler]\ntype = {:?}\n",
            self.trials, self.seed, POLICIES[self.policy], SAMPLERS[self.sampler]
        );
        if self.sampler < 2 {
            text += "startup_trials = 3\n";
        }
        if self.confirmed {
            text += "[confirmation]\nconfigurations = 1\nseeds = 2\n";
        }
        text += "[trial]\ncommand = [\"none\"]\n[space]\n";
        for (own, (shape, plain)) in self.shapes.iter().zip(&plain).enumerate() {
            let fixed = parameters[own].distribution.is_fixed();
            write!(text, "p{own} = {{ {plain}").unwrap();
            if let Some((on, bits)) = shape.when.filter(|_| own > 0) {
                let on = on % own;
                if parameters[on].distribution.scale() != Scale::Continuous {
                    let shares = (0..4u8).filter(|bit| *bit == 0 || bits >> bit & 1 == 1);
                    let values: Vec<String> = shares.map(|bit| toml(&at(on, (f64::from(bit) + 0.5) / 4.0))).collect();
                    write!(text, ", when = {{ p{on} = [{}] }}", values.join(", ")).unwrap();
                }
            }
            if let Some((share, confidence)) = shape.prior.filter(|_| self.sampler < 3 && !fixed) {
                let value = toml(&at(own, share));
                write!(
                    text,
                    ", prior = {value}, prior_confidence = {:?}",
                    CONFIDENCES[confidence]
                )
                .unwrap();
            }
            text += " }\n";
        }
        for (bits, share) in &self.first {
            text += "[[try_first]]\n";
            for own in (0..parameters.len()).filter(|own| bits >> own & 1 == 1) {
                writeln!(text, "p{own} = {}", toml(&at(own, *share))).unwrap();
            }
        }
        text
    }

    fn constraints(&self, parameters: usize) -> impl Iterator<Item = Compared> + '_ {
        self.constraints
            .iter()
            .map(move |&(one, other, low, high, how)| Compared {
                one: one % parameters,
                other: other % parameters,
                shares: (low, high),
                how,
            })
    }
}

/// A constraint between two parameters.
#[derive(Debug)]
struct Compared {
    one: usize,
    other: usize,
    shares: (f64, f64),
    how: usize,
}

impl Compared {
    /// The numbers that it compares with: none if a parameter has other values.
    fn numbers(&self, at: &dyn Fn(usize, f64) -> Value) -> Option<(f64, f64)> {
        let numeric = |own: usize| (0..=8).all(|place| at(own, f64::from(place) / 8.0).is_number());
        let number = |own: usize, share: f64| at(own, share).as_f64().filter(|_| numeric(own));
        Some((number(self.one, self.shares.0)?, number(self.other, self.shares.1)?))
    }

    fn text(&self, at: &dyn Fn(usize, f64) -> Value) -> String {
        let (one, other) = (format!("p{}", self.one), format!("p{}", self.other));
        match (self.numbers(at), self.how) {
            (Some((x, y)), 0) => format!("{one} + {other} <= {:?}", x + y),
            (Some((x, y)), 1) => format!("{one} < {x:?} or {other} >= {y:?}"),
            (Some((x, y)), 2) => format!("not ({one} > {x:?} and max({other}, {y:?}) == {other})"),
            (Some(_), _) => format!("{one} <= {other}"),
            (None, _) => format!("{one} != 'x' or {other} != 'x'"),
        }
    }

    /// The same, without hpo.
    fn holds(&self, at: &dyn Fn(usize, f64) -> Value, values: &Values) -> bool {
        let get = |own: usize| values.get(&format!("p{own}"));
        let (Some(one), Some(other)) = (get(self.one), get(self.other)) else {
            return true;
        };
        let Some((x, y)) = self.numbers(at) else {
            return one != "x" || other != "x";
        };
        let (a, b) = (one.as_f64().unwrap(), other.as_f64().unwrap());
        match self.how {
            0 => a + b <= x + y,
            1 => a < x || b >= y,
            2 => !(a > x && b >= y),
            _ => a <= b,
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

/// Whether a value is one of a distribution's.
fn is_of(distribution: &Distribution, value: &Value) -> bool {
    let number = |low: Option<f64>, high: Option<f64>, step: Option<f64>| {
        let x = value.as_f64().filter(|_| value.is_f64()).unwrap();
        let steps = step.map_or(0.0, |step| (x - low.unwrap_or(0.0)) / step);
        low.is_none_or(|low| low <= x)
            && high.is_none_or(|high| x <= high)
            && (steps - steps.round()).abs() < 1e-6 * steps.abs().max(1.0)
    };
    let whole = |low: i64, high: i64, step: u64| {
        let x = value.as_i64().unwrap();
        (low..=high).contains(&x) && ((x - low) as u64).is_multiple_of(step)
    };
    match distribution {
        Distribution::Fixed { value: own } => own == value,
        Distribution::Choice { values } => values.contains(value),
        Distribution::Uniform { low, high, step } | Distribution::LogUniform { low, high, step } => {
            number(Some(*low), Some(*high), *step)
        }
        Distribution::Integer { low, high, step } | Distribution::LogInteger { low, high, step } => {
            whole(*low, *high, *step)
        }
        Distribution::Normal { low, high, step, .. } | Distribution::LogNormal { low, high, step, .. } => {
            number(*low, *high, *step)
        }
    }
}

/// A configuration has the parameters whose conditions hold, with values of theirs, and nothing else.
fn lies_in(space: &SearchSpace, values: &Values) -> Result<(), TestCaseError> {
    for parameter in &space.parameters {
        let holds = parameter.when.iter().all(|condition| {
            let value = values.get(&condition.parameter);
            value.is_some_and(|value| condition.values.iter().any(|wanted| same(wanted, value)))
        });
        match values.get(&parameter.name) {
            None => prop_assert!(!holds, "no {} in {values:?}", parameter.name),
            Some(value) => {
                prop_assert!(holds, "{} in {values:?}", parameter.name);
                let own = is_of(&parameter.distribution, value);
                prop_assert!(own, "{value} is none of {:?}", parameter.distribution);
            }
        }
    }
    let known = |name: &String| space.parameters.iter().any(|parameter| parameter.name == *name);
    prop_assert!(values.keys().all(known), "{values:?}");
    Ok(())
}

/// All trials of a study, the second half drawn by what is known of the first.
fn drawn(file: &StudyFile) -> Vec<Values> {
    let study = &file.study;
    let rungs = study.policy.rungs();
    let half = study.trials / 2;
    let draw = |first, count, observations: &[Observation]| {
        study.sampler.draw(&Request {
            history: History {
                space: &study.space,
                rungs: &rungs,
                observations,
            },
            seed: study.seed,
            start: 0,
            first,
            count,
        })
    };
    let mut all = draw(0, half, &[]);
    let seen = all.iter().enumerate().map(|(trial, parameters)| Observation {
        parameters,
        costs: rungs.iter().map(|rung| (*rung, (trial as f64).sin())).collect(),
        failed: trial % 5 == 4,
    });
    let seen: Vec<Observation> = seen.collect();
    let rest = draw(half, study.trials - half, &seen);
    all.extend(rest);
    all
}

#[test]
fn everything_drawn_lies_in_the_space_that_was_written() {
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let accepted = Cell::new(0);
    let checked = TestRunner::new(config).run(&written(), |written| {
        let text = written.text();
        let file = match parse(&text) {
            Ok(file) => file,
            Err(error) => {
                let message = error.to_string();
                prop_assert!(REASONS.iter().any(|reason| message.contains(reason)), "{message}");
                prop_assert!(
                    error
                        .0
                        .iter()
                        .all(|one| one.line_column().is_some() && one.help.is_some()),
                    "{message}"
                );
                return Ok(());
            }
        };
        accepted.set(accepted.get() + 1);
        let space = &file.study.space;
        let at = |own: usize, share: f64| space.parameters[own].distribution.quantile(share);
        let all = drawn(&file);
        prop_assert_eq!(all.len() as u64, file.study.trials);
        prop_assert_eq!(&drawn(&file), &all);
        let mut study = Study::new(file.study.spec(1, 1));
        let limits = study.spec().limits();
        let slots = vec!["CPU".into()];
        study.handle(
            Timestamp(0),
            Event::Opened {
                process: 1,
                slots,
                limits,
            },
        );
        study.handle(Timestamp(1), Event::Idle { slots: vec![SlotId(0)] });
        prop_assert!(!study.trials().is_empty());
        for values in all.iter().chain(study.trials().iter().map(|trial| &trial.parameters)) {
            lies_in(space, values)?;
            for constraint in written.constraints(space.parameters.len()) {
                prop_assert!(constraint.holds(&at, values), "{constraint:?}: {values:?}\n{text}");
            }
        }
        for (given, values) in space.try_first.iter().zip(&all) {
            prop_assert!(
                given.iter().all(|(name, value)| values.get(name) == Some(value)),
                "{given:?} {values:?}"
            );
        }
        if SAMPLERS[written.sampler] == "grid" {
            let twice = (1..all.len()).any(|place| all[..place].contains(&all[place]));
            prop_assert!(!twice, "{all:?}");
        }
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
    assert!(accepted.get() > 15, "only {} were accepted", accepted.get());
}
