//! The tree-structured Parzen estimator over all parameters together (Bergstra et al., 2011; Watanabe, "Tree-Structured Parzen
//! Estimator: Understanding Its Algorithm Components and Their Roles for Better Empirical Performance", 2023, section 3), of the
//! highest rung that says enough (BOHB: Falkner et al., 2018, section 3.2).

mod mixture;

use hpo_protocol::Values;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use self::mixture::Mixture;
use super::axis::Axis;
use super::keys::RANDOM_SHARE;
use super::reason::Source;
use super::untried::Tried;
use super::{Drawn, Learned, Likely, Purpose, Reason, Request, Sampler, generator, revision};
use crate::ids::MAX_TRIALS;
use crate::keys::{About, Fallback, Key, Settings, Takes};
use crate::space::{Around, SearchSpace};

/// The settings of the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tpe {
    /// So many trials must have come to a rung before it is modelled; none: three more than there are parameters, and 8 at least.
    pub startup_trials: Option<u64>,
    /// The share of configurations that are drawn at random after that, 0 to 1.
    pub random_share: f64,
    /// By which revision of the algorithm a study draws: always by that with which it began. From 2 on, no more trials are modelled than
    /// say enough.
    #[serde(default = "revision::first", skip_serializing_if = "revision::is_first")]
    pub revision: u32,
}

/// The revision by which new studies draw.
const REVISION: u32 = 2;

const STARTUP_TRIALS: Key = Key {
    name: "startup_trials",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Described("three more than there are parameters, at least 8"),
    about: "a rung is modelled once this many trials have reached it",
};

impl Tpe {
    pub(super) const ABOUT: About = About {
        name: "tpe",
        in_short: "configurations similar to good ones and unlike bad ones (Bergstra et al., 2011; Watanabe, 2023), \
                   on the highest rung with enough trials (BOHB: Falkner et al., 2018)",
        choose: "with many choices and conditions, or trials of a second or less, since it draws in a tenth of the time",
        keys: &[STARTUP_TRIALS, RANDOM_SHARE],
        keys_if_learning: &[],
    };

    pub(super) fn read(settings: &Settings) -> Self {
        Self {
            startup_trials: settings.count_if_any(&STARTUP_TRIALS),
            random_share: settings.number(&RANDOM_SHARE),
            revision: REVISION,
        }
    }

    /// How many trials must have come to a rung before it is modelled, where so many parameters are searched.
    fn enough(&self, searched: usize) -> u64 {
        self.startup_trials.unwrap_or((searched as u64 + 3).max(8)).max(2)
    }
}

impl Default for Tpe {
    fn default() -> Self {
        Self::read(&Settings::default())
    }
}

impl Sampler for Tpe {
    fn is_adaptive(&self) -> bool {
        true
    }

    fn uses_priors(&self) -> bool {
        true
    }

    fn draw(&self, request: &Request<'_>, _: &Learned) -> Vec<Drawn> {
        draw(*self, request)
    }
}

/// Draws of which the one that promises most is taken.
const CANDIDATES: usize = 48;
/// The share of trials that count as good: Watanabe, section 3.2.
const GOOD: f64 = 0.15;
/// The most good trials that are modelled, the best ones, and the most bad ones, evenly by rank: each further one would take as much time
/// and say less.
const MOST_GOOD: usize = 150;
const MOST_BAD: usize = 350;

fn draw(settings: Tpe, request: &Request<'_>) -> Vec<Drawn> {
    let space = request.history.space;
    let mut tried = Tried::new(&request.history);
    let mut estimator = Estimator::new(settings, request);
    let share = settings.random_share;
    let mut drawn = Vec::new();
    for trial in request.trials() {
        let mut random = generator(request.seed, trial, Purpose::Configuration);
        let chance = |tried: &Tried<'_>, reason, random: &mut _| (tried.other(space, random), reason);
        let (configuration, reason) = match &estimator {
            Some(estimator) if random.random::<f64>() >= share => match estimator.next(space, &tried, &mut random) {
                Some((configuration, likely)) => (configuration, Reason::Likely(likely)),
                None => chance(&tried, Reason::Exhausted, &mut random),
            },
            Some(_) => chance(&tried, Reason::Chance { share }, &mut random),
            None => {
                let (configuration, source) = tried.early(space, &mut random);
                (configuration, unknowing(settings, request, source))
            }
        };
        if let Some(estimator) = &mut estimator {
            // Until it is known, it counts as bad, so that the next one is another (constant liar: Ginsbourger et al., 2010).
            estimator.bad.add(space.point(&configuration), 1.0);
        }
        tried.insert(&configuration);
        drawn.push(Drawn::new(configuration, reason));
    }
    drawn
}

/// That too few trials are known, at the rung that has the most.
fn unknowing(settings: Tpe, request: &Request<'_>, source: Source) -> Reason {
    let at = |rung: &u64| {
        let known = request.history.observations.iter().filter(|one| !one.failed);
        known
            .filter(|one| one.costs.iter().any(|(resource, _)| resource == rung))
            .count() as u64
    };
    Reason::Unknowing {
        source,
        known: request.history.rungs.iter().map(at).max().unwrap_or(0),
        startup: settings.enough(searched(request.history.space)),
    }
}

/// How many parameters are searched.
fn searched(space: &SearchSpace) -> usize {
    let axes = Axis::of_all(space).into_iter();
    axes.filter(|axis| *axis != Axis::Constant).count()
}

/// What good and bad configurations look like.
#[derive(Debug)]
struct Estimator {
    /// The resource of the rung that it models.
    rung: u64,
    good: Mixture,
    bad: Mixture,
}

impl Estimator {
    fn new(settings: Tpe, request: &Request<'_>) -> Option<Self> {
        let space = request.history.space;
        let axes = Axis::of_all(space);
        let enough = settings.enough(searched(space)) as usize;
        let (rung, mut seen) = request.history.rungs.iter().rev().find_map(|&rung| {
            let at = |(resource, cost): &(u64, f64)| (*resource == rung).then_some(*cost);
            let seen = request.history.observations.iter().filter_map(|one| {
                let cost = one.costs.iter().find_map(at);
                // Worse than any other.
                let cost = cost.filter(|_| !one.failed).or(one.failed.then_some(f64::INFINITY));
                Some((cost?, one.parameters))
            });
            let seen: Vec<(f64, &Values)> = seen.collect();
            (seen.iter().filter(|(cost, _)| cost.is_finite()).count() >= enough).then_some((rung, seen))
        })?;
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let good = ((GOOD * seen.len() as f64).ceil() as usize).max(2);
        let mut bad = seen.split_off(good.min(seen.len() - 1));
        if settings.revision > 1 {
            seen.truncate(MOST_GOOD);
            let count = bad.len().min(MOST_BAD);
            bad = (0..count).map(|number| bad[number * bad.len() / count]).collect();
        }
        // Better ones count more: Watanabe, section 3.2.4.
        let threshold = bad.first().map_or(0.0, |(cost, _)| *cost);
        let better = |cost: f64| if threshold.is_finite() { threshold - cost } else { 1.0 };
        let mean = seen.iter().map(|(cost, _)| better(*cost)).sum::<f64>() / seen.len() as f64;
        let usable = mean.is_finite() && mean > 0.0;
        let weighed = seen
            .into_iter()
            .map(|(cost, parameters)| (if usable { better(cost) / mean } else { 1.0 }, space.point(parameters)));
        let priors: Vec<Option<Around>> = space.parameters.iter().map(Around::prior).collect();
        let even = vec![None; axes.len()];
        let mut estimator = Self {
            rung,
            good: Mixture::new(axes.clone(), priors, weighed.collect()),
            bad: Mixture::new(
                axes,
                even,
                bad.into_iter()
                    .map(|(_, parameters)| (1.0, space.point(parameters)))
                    .collect(),
            ),
        };
        for one in request
            .history
            .observations
            .iter()
            .filter(|one| one.costs.is_empty() && !one.failed)
        {
            estimator.bad.add(space.point(one.parameters), 1.0);
        }
        Some(estimator)
    }

    /// Of some draws like the good ones the one that is the least like the bad ones.
    fn next(&self, space: &SearchSpace, tried: &Tried<'_>, random: &mut impl Rng) -> Option<(Values, Likely)> {
        let mut best: Option<(f64, Values)> = None;
        let mut candidates = 0;
        for _ in 0..CANDIDATES {
            let Some(configuration) = space.configuration(&self.good.sample(random)) else {
                continue;
            };
            if tried.contains(&configuration) {
                continue;
            }
            candidates += 1;
            let point = space.point(&configuration);
            let promise = self.good.density(&point).ln() - self.bad.density(&point).ln();
            if best.as_ref().is_none_or(|(most, _)| promise > *most) {
                best = Some((promise, configuration));
            }
        }
        best.map(|(promise, configuration)| {
            let likely = Likely {
                rung: self.rung,
                good: self.good.count(),
                bad: self.bad.count(),
                candidates,
                ratio: promise.exp(),
            };
            (configuration, likely)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{History, Observation, SamplerSpec};
    use super::*;

    #[test]
    fn no_more_is_modelled_than_says_enough_from_the_second_revision_on() {
        let space = json!({"parameters": [{"name": "x", "distribution": {"type": "uniform", "low": 0, "high": 1}}]});
        let space: SearchSpace = serde_json::from_value(space).unwrap();
        let known: Vec<Values> = (0..2000)
            .map(|trial| Values::from_iter([("x".to_owned(), json!(f64::from(trial) / 2000.0))]))
            .collect();
        let observations = known.iter().enumerate().map(|(trial, parameters)| Observation {
            parameters,
            costs: vec![(9, trial.abs_diff(700) as f64)],
            failed: false,
        });
        let observations: Vec<Observation<'_>> = observations.collect();
        let modelled = |settings: serde_json::Value, known: usize| {
            let sampler: SamplerSpec = serde_json::from_value(settings).unwrap();
            let history = History {
                space: &space,
                rungs: &[9],
                observations: &observations[..known],
            };
            let drawn = sampler.explain(&Request {
                history,
                seed: 1,
                start: 0,
                first: known as u64,
                count: 1,
            });
            let Reason::Likely(likely) = drawn[0].reason else {
                panic!("{:?}", drawn[0].reason)
            };
            (likely.good, likely.bad, drawn[0].parameters["x"].as_f64())
        };
        let before = json!({"type": "tpe", "startup_trials": null, "random_share": 0.0});
        let mut now = before.clone();
        now["revision"] = json!(REVISION);
        assert_eq!(modelled(before.clone(), 400), modelled(now.clone(), 400));
        let (good, bad, _) = modelled(before, 2000);
        assert_eq!((good, bad), (300, 1700));
        let (good, bad, drawn) = modelled(now, 2000);
        assert_eq!((good, bad), (MOST_GOOD as u64, MOST_BAD as u64));
        assert!((drawn.unwrap() - 0.35).abs() < 0.1, "{drawn:?}");
    }
}
