//! A model-based sampler that learns from rungs: a Gaussian process over configurations and rungs, as in MOBSTER
//! (Klein et al., "Model-based Asynchronous Hyperparameter and Neural Architecture Search", 2020, section 4), and expected
//! improvement at the last rung (Jones et al., 1998).

mod data;
mod learned;
mod surrogate;

use hpo_gaussian_process::{Point, Prediction, Process};
use hpo_protocol::Values;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use self::data::{Levels, features};
use self::learned::Explained;
pub(super) use self::learned::Learned;
pub use self::surrogate::Surrogate;
use super::axis::Axis;
use super::keys::RANDOM_SHARE;
use super::untried::Tried;
use super::{Drawn, Expected, History, Purpose, Reason, Request, Sampler, Source, generator, revision, sobol};
use crate::ids::MAX_TRIALS;
use crate::keys::{About, Fallback, Key, Settings, Takes};
use crate::space::{Around, SearchSpace};

/// The settings of the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaussianProcess {
    /// So many trials are drawn before the model is asked; none: 4.
    pub startup_trials: Option<u64>,
    /// The share of configurations that are drawn at random after that, 0 to 1.
    pub random_share: f64,
    /// By which revision of the algorithm a study draws: always by that with which it began. From 2 on, configurations near the best may
    /// have any other value of an unordered choice, with all else the same, and hyperparameters are searched for by a faster method. From 3
    /// on, configurations are drawn by the losses at the highest rungs that have enough of them.
    #[serde(default = "revision::first", skip_serializing_if = "revision::is_first")]
    pub revision: u32,
}

/// The revision by which new studies draw.
const REVISION: u32 = 3;

const STARTUP_TRIALS: Key = Key {
    name: "startup_trials",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Described("4"),
    about: "until this many trials have results, they are drawn at random; or, unless there are priors or a bracket \
            has more trials, as points of a Sobol sequence",
};

impl Default for GaussianProcess {
    fn default() -> Self {
        Self::read(&Settings::default())
    }
}

impl Sampler for GaussianProcess {
    fn is_adaptive(&self) -> bool {
        true
    }

    fn uses_priors(&self) -> bool {
        true
    }

    fn learn(&self, history: &History<'_>) -> super::Learned {
        super::Learned(Learned::new(*self, history))
    }

    fn draw(&self, request: &Request<'_>, learned: &super::Learned) -> Vec<Drawn> {
        draw(*self, request, learned.0.as_ref())
    }
}

impl GaussianProcess {
    pub(super) const ABOUT: About = About {
        name: "gaussian_process",
        in_short: "a model of the objective over the space and the rungs proposes the most promising configurations",
        choose: "usually, and by default: it finds better configurations with the same epochs",
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

    /// How many trials are drawn before the model is asked.
    fn startup(&self) -> u64 {
        self.startup_trials.unwrap_or(4)
    }
}

/// Places that are drawn from the whole space.
const ANYWHERE: usize = 500;
/// Places near each of the best ones.
const NEARBY: usize = 40;
/// How many of the best ones.
const BEST: usize = 10;
/// How far from them, as shares of each parameter's range.
const RADII: [f64; 3] = [0.02, 0.08, 0.2];
/// How probable it is that a parameter stays, so that others can be seen to matter.
const STAYS: f64 = 0.3;
/// The same for the value of an unordered choice, of which none is near another.
const STAYS_UNORDERED: f64 = 0.8;
/// Trials under way of which it is asked what is expected, the latest.
const UNDER_WAY: usize = 1000;
/// How many of them are taken into account, those of which most is expected.
const BELIEVED: usize = 200;

/// Draws configurations, by what has been learned if it is enough.
fn draw(settings: GaussianProcess, request: &Request<'_>, learned: Option<&Learned>) -> Vec<Drawn> {
    let share = settings.random_share;
    let mut random = generator(request.seed, request.first, Purpose::Model);
    let mut tried = Tried::new(&request.history);
    // Needed only where nearly all has been tried.
    let mut ended: Option<Tried<'_>> = None;
    let mut drawn: Vec<Drawn> = Vec::new();
    let mut candidates = learned.and_then(|learned| Candidates::new(request, learned, &mut random));
    for trial in request.trials() {
        let mut own = generator(request.seed, trial, Purpose::Configuration);
        let chance = |reason, own: &mut _| Drawn::new(tried.other(request.history.space, own), reason);
        let one = match &mut candidates {
            Some(candidates) if own.random::<f64>() >= share => {
                let next = candidates.next(&tried).or_else(|| {
                    let ended = ended.get_or_insert_with(|| all_ended(&request.history, &drawn));
                    candidates.next(ended)
                });
                next.unwrap_or_else(|| chance(Reason::Exhausted, &mut own))
            }
            Some(_) => chance(Reason::Chance { share }, &mut own),
            None => {
                let (configuration, source) = unknowing(settings, request, &tried, trial, &mut own);
                let (known, startup) = (known(request), settings.startup());
                Drawn::new(configuration, Reason::Unknowing { source, known, startup })
            }
        };
        tried.insert(&one.parameters);
        if let Some(ended) = &mut ended {
            ended.insert(&one.parameters);
        }
        drawn.push(one);
    }
    drawn
}

/// What need not be tried again, and what has been drawn since.
fn all_ended<'a>(history: &History<'a>, drawn: &[Drawn]) -> Tried<'a> {
    let mut ended = Tried::to_the_end(history);
    drawn.iter().for_each(|one| ended.insert(&one.parameters));
    ended
}

/// How many trials have a result.
fn known(request: &Request<'_>) -> u64 {
    let known = request.history.observations.iter();
    known.filter(|one| one.failed || !one.costs.is_empty()).count() as u64
}

/// A configuration for as long as nothing is known, and how it came about. Where the model is asked after a few of them these leave no part of the space
/// empty; those of a larger bracket do so by chance.
fn unknowing(
    settings: GaussianProcess,
    request: &Request<'_>,
    tried: &Tried<'_>,
    trial: u64,
    random: &mut impl Rng,
) -> (Values, Source) {
    let space = request.history.space;
    let guessed = space.parameters.iter().any(|parameter| parameter.prior.is_some());
    let few = request.count.max(trial + 1) <= settings.startup();
    let evenly = (few && !guessed).then(|| sobol::configuration(space, request.seed, trial));
    match evenly.filter(|one| !tried.contains(one)) {
        Some(configuration) => (configuration, Source::Sobol),
        None => tried.early(space, random),
    }
}

/// Configurations, and what the model expects of them at the last rung.
struct Candidates {
    configurations: Vec<Values>,
    prediction: Prediction,
    /// The last one drawn, which has not been taken as tried yet.
    last: Option<usize>,
    /// The lowest cost expected of a configuration that has been seen.
    best: f64,
    /// What the user's priors add to the logarithm of each one's improvement.
    expected: Vec<f64>,
    /// By what costs are transformed.
    levels: Levels,
    known: u64,
    under_way: u64,
}

/// So many trials weigh as much as the priors: beta of Hvarfner et al., "piBO: Augmenting Acquisition Functions with User Beliefs
/// for Bayesian Optimization" (2022, section 4.1).
const PRIOR_TRIALS: f64 = 10.0;

/// The logarithm of the density of the priors at a point, 0 without any.
fn prior(space: &SearchSpace, point: &[Option<f64>]) -> f64 {
    let each = space.parameters.iter().zip(point);
    each.filter_map(|(parameter, coordinate)| Some(Around::prior(parameter)?.density((*coordinate)?).max(1e-12).ln()))
        .sum()
}

/// Places by what a process expects of them at a rung, the lowest cost first.
fn promising(process: &Process, places: &[Vec<f64>], rung: usize) -> Vec<(f64, usize)> {
    let means = process.means(places, rung).into_iter();
    let mut order: Vec<(f64, usize)> = means.zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    order
}

/// The process if what it expects of the trials under way is taken for granted, so that others are drawn, and of how many of them.
fn believing(process: Process, request: &Request<'_>, learned: &Learned) -> Option<(Process, usize)> {
    let (space, rung) = (request.history.space, request.history.rungs.len().saturating_sub(1));
    let under_way = request
        .history
        .observations
        .iter()
        .rev()
        .filter(|one| one.costs.is_empty() && !one.failed)
        .take(UNDER_WAY);
    let places: Vec<Vec<f64>> = under_way
        .map(|one| features(&learned.data.axes, &space.point(one.parameters)))
        .collect();
    if places.is_empty() {
        return Some((process, 0));
    }
    let Explained {
        points: seen,
        hyperparameters,
    } = &learned.explained;
    let mut points = seen.clone();
    points.extend(
        promising(&process, &places, rung)
            .into_iter()
            .take(BELIEVED)
            .map(|(cost, place)| Point {
                features: places[place].clone(),
                rung,
                cost,
            }),
    );
    let believed = points.len() - seen.len();
    Some((Process::new(hyperparameters, &points, rung)?, believed))
}

/// Whether two configurations differ by no more than rounding.
fn is_same(one: &[f64], other: &[f64]) -> bool {
    one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-12)
}

impl Candidates {
    fn new(request: &Request<'_>, learned: &Learned, random: &mut impl Rng) -> Option<Self> {
        let data = &learned.data;
        if data.trials < learned.startup {
            return None;
        }
        let rung = request.history.rungs.len().saturating_sub(1);
        let Explained {
            points,
            hyperparameters,
        } = &learned.explained;
        let process = Process::new(hyperparameters, points, rung)?;
        let space = request.history.space;
        // The best that have been seen, by what the model expects of them.
        let order = promising(&process, &data.features, rung);
        let best = order.first().map_or(0.0, |(expected, _)| *expected);

        let mut points: Vec<Vec<f64>> = (0..ANYWHERE)
            .map(|_| space.parameters.iter().map(|_| random.random()).collect())
            .collect();
        let is_unordered = |axis: &Axis| learned.revision > 1 && matches!(axis, Axis::Categories(_));
        let unordered: Vec<bool> = data.axes.iter().map(is_unordered).collect();
        for &(_, near) in order.iter().take(BEST) {
            for number in 0..NEARBY {
                let radius = RADII[number % RADII.len()];
                let moved = data.seen[near].iter().zip(&unordered).map(|(coordinate, &unordered)| {
                    let from = coordinate.unwrap_or_else(|| random.random());
                    if unordered {
                        let stays = random.random::<f64>() < STAYS_UNORDERED;
                        return if stays { from } else { random.random() };
                    }
                    let stays = random.random::<f64>() < STAYS;
                    let step = radius * (2.0 * random.random::<f64>() - 1.0) * 2.0;
                    if stays { from } else { (from + step).clamp(0.0, 1.0) }
                });
                points.push(moved.collect());
            }
        }
        let near = |number: usize| Some(order[number.checked_sub(ANYWHERE)? / NEARBY].1);
        let made = points.iter().enumerate();
        let made = made.filter_map(|(number, point)| Some((near(number), space.configuration(point)?)));
        let (near, mut configurations): (Vec<Option<usize>>, Vec<Values>) = made.unzip();
        let points: Vec<Vec<Option<f64>>> = configurations.iter().map(|one| space.point(one)).collect();
        let places: Vec<Vec<f64>> = points.iter().map(|point| features(&data.axes, point)).collect();
        if learned.revision > 1 {
            // A value does not come back from its coordinate to the last bit, and would pass for another one.
            for (number, near) in near.into_iter().enumerate() {
                if let Some(near) = near.filter(|&near| is_same(&places[number], &data.features[near])) {
                    configurations[number].clone_from(&data.known[near]);
                }
            }
        }
        let (process, under_way) = believing(process, request, learned)?;
        let weight = PRIOR_TRIALS / data.trials.max(1) as f64;
        Some(Self {
            expected: points.iter().map(|point| weight * prior(space, point)).collect(),
            prediction: Prediction::new(process, &places, rung),
            configurations,
            last: None,
            best,
            levels: data.levels,
            known: learned.trials as u64,
            under_way: under_way as u64,
        })
    }

    /// The configuration with the greatest expected improvement of those not tried, if there is one. It is taken as tried from then
    /// on, with the cost that is expected of it, so that the next one is another.
    fn next(&mut self, tried: &Tried<'_>) -> Option<Drawn> {
        if let Some(last) = self.last.take() {
            self.prediction.imagine(last);
        }
        let (best, expected, configurations) = (self.best, &self.expected, &self.configurations);
        let improvement = |place: usize, mean, variance| improvement(best, mean, variance) + expected[place];
        let is_new = |place: usize| !tried.contains(&configurations[place]);
        let place = self.prediction.highest(improvement, SLACK, is_new)?;
        let reason = Reason::Expected(self.expectation(place));
        self.last = Some(place);
        Some(Drawn::new(self.configurations[place].clone(), reason))
    }

    /// What is expected of a place, as costs.
    fn expectation(&mut self, place: usize) -> Expected {
        let (mean, variance) = (self.prediction.mean(place), self.prediction.variance(place));
        let deviation = variance.max(0.0).sqrt();
        Expected {
            known: self.known,
            under_way: self.under_way,
            candidates: self.configurations.len() as u64,
            value: self.levels.cost(mean),
            better: self.levels.cost(mean - deviation),
            worse: self.levels.cost(mean + deviation),
            best: self.levels.cost(self.best),
            prior: self.expected[place],
        }
    }
}

/// By how much less an improvement may be with a higher variance: where it goes over into its asymptote, which is an eighth too high there.
const SLACK: f64 = 0.2;

/// The logarithm of the expected improvement on `best` of a cost with that mean and variance.
fn improvement(best: f64, mean: f64, variance: f64) -> f64 {
    let deviation = variance.sqrt().max(1e-9);
    let z = (best - mean) / deviation;
    let normal = Normal::standard();
    if z > -5.0 {
        (deviation * (z * normal.cdf(z) + normal.pdf(z)))
            .max(f64::MIN_POSITIVE)
            .ln()
    } else {
        // Its asymptote, where the difference of the two is lost to rounding.
        deviation.ln() - 0.5 * z * z - 0.5 * (2.0 * std::f64::consts::PI).ln() - 2.0 * (-z).ln()
    }
}

#[cfg(test)]
mod tests;
