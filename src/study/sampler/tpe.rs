//! The tree-structured Parzen estimator over all parameters together (Bergstra et al., 2011; Watanabe, "Tree-Structured Parzen
//! Estimator: Understanding Its Algorithm Components and Their Roles for Better Empirical Performance", 2023, section 3), of the
//! highest rung that says enough (BOHB: Falkner et al., 2018, section 3.2).

use hpo_protocol::Values;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use statrs::statistics::Statistics;

use super::axis::Axis;
use super::keys::RANDOM_SHARE;
use super::reason::Source;
use super::untried::Tried;
use super::{Drawn, Learned, Likely, Purpose, Reason, Request, Sampler, generator};
use crate::ids::MAX_TRIALS;
use crate::keys::{About, Fallback, Key, Settings, Takes};
use crate::space::{Around, SearchSpace, UnitNormal};

/// The settings of the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tpe {
    /// So many trials must have come to a rung before it is modelled; none: three more than there are parameters, and 8 at least.
    pub startup_trials: Option<u64>,
    /// The share of configurations that are drawn at random after that, 0 to 1.
    pub random_share: f64,
}

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
        choose: "with many choices and conditions, or thousands of trials, where a Gaussian process is slow",
        keys: &[STARTUP_TRIALS, RANDOM_SHARE],
        keys_if_learning: &[],
    };

    pub(super) fn read(settings: &Settings) -> Self {
        Self {
            startup_trials: settings.count_if_any(&STARTUP_TRIALS),
            random_share: settings.number(&RANDOM_SHARE),
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
/// The narrowest kernel among many points, as a share of the range: Watanabe, section 3.3.4.
const NARROWEST: f64 = 0.03;
/// The probability with which a choice changes: Watanabe, section 3.3.3.
const CHANGED: f64 = 0.2;

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
    let axes = space.parameters.iter().map(|one| Axis::of(&one.distribution));
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
        let axes: Vec<Axis> = space.parameters.iter().map(|one| Axis::of(&one.distribution)).collect();
        let enough = settings.enough(searched(space)) as usize;
        let (rung, mut seen) = request.history.rungs.iter().rev().find_map(|&rung| {
            let at = |(resource, cost): &(u64, f64)| (*resource == rung).then_some(*cost);
            let seen = request.history.observations.iter().filter_map(|one| {
                let cost = one.costs.iter().find_map(at);
                // Worse than any other.
                let cost = cost.filter(|_| !one.failed).or(one.failed.then_some(f64::INFINITY));
                Some((cost?, space.point(one.parameters)))
            });
            let seen: Vec<(f64, Vec<Option<f64>>)> = seen.collect();
            (seen.iter().filter(|(cost, _)| cost.is_finite()).count() >= enough).then_some((rung, seen))
        })?;
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let good = ((GOOD * seen.len() as f64).ceil() as usize).max(2);
        let bad = seen.split_off(good.min(seen.len() - 1));
        // Better ones count more: Watanabe, section 3.2.4.
        let threshold = bad.first().map_or(0.0, |(cost, _)| *cost);
        let better = |cost: f64| if threshold.is_finite() { threshold - cost } else { 1.0 };
        let mean = seen.iter().map(|(cost, _)| better(*cost)).sum::<f64>() / seen.len() as f64;
        let usable = mean.is_finite() && mean > 0.0;
        let weighed = seen
            .into_iter()
            .map(|(cost, point)| (if usable { better(cost) / mean } else { 1.0 }, point));
        let priors: Vec<Option<Around>> = space.parameters.iter().map(Around::prior).collect();
        let even = vec![None; axes.len()];
        let mut estimator = Self {
            rung,
            good: Mixture::new(axes.clone(), priors, weighed.collect()),
            bad: Mixture::new(axes, even, bad.into_iter().map(|(_, point)| (1.0, point)).collect()),
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
                good: self.good.points.len() as u64,
                bad: self.bad.points.len() as u64,
                candidates,
                ratio: promise.exp(),
            };
            (configuration, likely)
        })
    }
}

/// A mixture of kernels around points, and of a wide one, which the user's priors replace.
#[derive(Debug)]
struct Mixture {
    axes: Vec<Axis>,
    priors: Vec<Option<Around>>,
    /// With their weights.
    points: Vec<(f64, Vec<Option<f64>>)>,
    /// The kernels' width on each axis.
    widths: Vec<f64>,
}

impl Mixture {
    fn new(axes: Vec<Axis>, priors: Vec<Option<Around>>, points: Vec<(f64, Vec<Option<f64>>)>) -> Self {
        let searched = axes.iter().filter(|axis| **axis != Axis::Constant).count() as f64;
        // Scott's rule (1992) for as many parameters.
        let scott = (points.len().max(1) as f64).powf(-1.0 / (searched + 4.0));
        // Few points do not say how wide they lie (magic clipping: Watanabe, section 3.3.4).
        let narrowest = NARROWEST.max(1.0 / (1.0 + points.len() as f64));
        let width = |place: usize| {
            let own = points
                .iter()
                .filter_map(|(_, point)| Some(line(&axes[place], point[place]?)));
            // Not much narrower than a step, so that neighbours are seen.
            let steps = match &axes[place] {
                Axis::Line { steps: Some(steps) } => *steps as f64,
                Axis::Ranks(ranks) => ranks.len() as f64,
                Axis::Line { steps: None } | Axis::Constant | Axis::Categories(_) => f64::INFINITY,
            };
            (deviation(own) * scott).max(narrowest).max(0.5 / steps)
        };
        Self {
            widths: (0..axes.len()).map(width).collect(),
            axes,
            priors,
            points,
        }
    }

    fn add(&mut self, point: Vec<Option<f64>>, weight: f64) {
        self.points.push((weight, point));
    }

    /// A point of the unit cube.
    fn sample(&self, random: &mut impl Rng) -> Vec<f64> {
        let total: f64 = 1.0 + self.points.iter().map(|(weight, _)| weight).sum::<f64>();
        let mut left = random.random::<f64>() * total;
        let around = self.points.iter().find(|(weight, _)| {
            left -= weight;
            left < 0.0
        });
        (0..self.axes.len())
            .map(|place| match around.and_then(|(_, point)| point[place]) {
                Some(own) => self.near(place, own, random),
                None => match self.priors[place] {
                    Some(prior) => prior.sample(random),
                    None => random.random(),
                },
            })
            .collect()
    }

    /// A coordinate near another one.
    fn near(&self, axis: usize, own: f64, random: &mut impl Rng) -> f64 {
        match &self.axes[axis] {
            Axis::Constant => own,
            Axis::Line { .. } => UnitNormal::new(own, self.widths[axis]).at(random.random()),
            Axis::Ranks(ranks) => {
                let moved = UnitNormal::new(line(&self.axes[axis], own), self.widths[axis]).at(random.random());
                let rank = ((moved * ranks.len() as f64) as usize).min(ranks.len() - 1);
                let place = ranks.iter().position(|other| *other == rank).unwrap_or(0);
                (place as f64 + 0.5) / ranks.len() as f64
            }
            Axis::Categories(_) if random.random::<f64>() < CHANGED => random.random(),
            Axis::Categories(_) => own,
        }
    }

    /// The density, where that of even draws is 1. Parameters that either side does not have say nothing.
    fn density(&self, point: &[Option<f64>]) -> f64 {
        let mut sum: f64 = (0..point.len())
            .filter_map(|place| Some(self.priors[place]?.density(point[place]?)))
            .product();
        let mut total = 1.0;
        for (weight, own) in &self.points {
            let factors = (0..point.len()).filter_map(|place| Some(self.kernel(place, own[place]?, point[place]?)));
            sum += weight * factors.product::<f64>();
            total += weight;
        }
        (sum / total).max(f64::MIN_POSITIVE)
    }

    fn kernel(&self, axis: usize, own: f64, other: f64) -> f64 {
        match &self.axes[axis] {
            Axis::Constant => 1.0,
            Axis::Line { .. } | Axis::Ranks(_) => {
                UnitNormal::new(line(&self.axes[axis], own), self.widths[axis]).density(line(&self.axes[axis], other))
            }
            // Aitchison and Aitken (1976).
            Axis::Categories(count) => {
                let same = self.axes[axis].place(own) == self.axes[axis].place(other);
                CHANGED + if same { (1.0 - CHANGED) * *count as f64 } else { 0.0 }
            }
        }
    }
}

/// Where a coordinate lies among numbers in order.
fn line(axis: &Axis, coordinate: f64) -> f64 {
    match (axis, axis.place(coordinate)) {
        (Axis::Ranks(ranks), Some(place)) => (ranks[place] as f64 + 0.5) / ranks.len() as f64,
        _ => coordinate,
    }
}

/// The standard deviation of coordinates; that of even draws for less than two.
fn deviation(coordinates: impl Iterator<Item = f64>) -> f64 {
    let coordinates: Vec<f64> = coordinates.collect();
    let deviation = coordinates.iter().std_dev();
    if deviation.is_finite() {
        deviation
    } else {
        1.0 / 12f64.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn axes() -> Vec<Axis> {
        vec![
            Axis::Line { steps: None },
            Axis::Categories(3),
            Axis::Ranks(vec![1, 0, 2, 3]),
            Axis::Constant,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn densities_are_those_of_the_draws(
            points in prop::collection::vec((0.1..3.0f64, prop::collection::vec(prop::option::of(0.0..1.0f64), 4)), 1..6), seed: u64,
        ) {
            let mixture = Mixture::new(axes(), vec![None; 4], points);
            // The mean over even draws of a density is 1, and half of the draws lie where half of the density is.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut even = || (0..4).map(|_| Some(random.random::<f64>())).collect::<Vec<_>>();
            let mut masses = [0.0, 0.0];
            for _ in 0..8000 {
                let point = even();
                masses[usize::from(point[0].unwrap() < 0.5 && point[2].unwrap() < 0.5)] += mixture.density(&point) / 8000.0;
            }
            prop_assert!((masses[0] + masses[1] - 1.0).abs() < 0.15, "{:?}", masses);
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ 1);
            let inside = (0..4000).filter(|_| {
                let point = mixture.sample(&mut random);
                point[0] < 0.5 && point[2] < 0.5
            });
            let inside = inside.count() as f64 / 4000.0;
            prop_assert!((inside - masses[1]).abs() < 0.1, "{} {:?}", inside, masses);
        }
    }
}
