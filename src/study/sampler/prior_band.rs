//! Sampling by the user's priors, the incumbent and chance, as in PriorBand (Mallik et al., "PriorBand: Practical Hyperparameter
//! Optimization in the Age of Deep Learning", 2023, section 5 and algorithm 2).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::untried::Tried;
use super::{Drawn, Learned, Observation, Purpose, Reason, Request, Sampler, generator};
use crate::keys::About;
use crate::space::{Around, SearchSpace};

/// How far from the incumbent a parameter moves, as a share of its range, and how probable it is to move: section 5.2.
const MOVED: (f64, f64) = (0.25, 0.5);
/// Fewer trials than these at a rung rank nothing.
const ENOUGH: usize = 3;

/// The sampler, which has no settings.
pub struct PriorBand;

impl PriorBand {
    pub(super) const ABOUT: About = About {
        name: "prior_band",
        in_short: "from your priors, near the best so far, and at random (Mallik et al., 2023)",
        choose: "with good priors and few trials",
        keys: &[],
        keys_if_learning: &[],
    };
}

impl Sampler for PriorBand {
    fn is_adaptive(&self) -> bool {
        true
    }

    fn uses_priors(&self) -> bool {
        true
    }

    fn draw(&self, request: &Request<'_>, _: &Learned) -> Vec<Drawn> {
        draw(request)
    }
}

fn draw(request: &Request<'_>) -> Vec<Drawn> {
    let space = request.history.space;
    let mut tried = Tried::new(&request.history);
    let shares = Shares::new(request);
    let priors: Vec<Option<Around>> = space.parameters.iter().map(Around::prior).collect();
    let incumbent = shares.incumbent.map(|one| (space.point(one.parameters), one));
    let mut drawn = Vec::new();
    for trial in request.trials() {
        const TRIES: usize = 100;
        let mut random = generator(request.seed, trial, Purpose::Configuration);
        let kind = random.random::<f64>();
        let by_chance = 1.0 - shares.by_incumbent - shares.by_prior;
        let (chosen, reason) = match &incumbent {
            Some((point, one)) if kind < shares.by_incumbent => {
                let mut points = (0..TRIES).filter_map(|_| space.configuration(&near(space, point, &mut random)));
                (points.find(|one| !tried.contains(one)), shares.reason(one))
            }
            _ if kind < shares.by_incumbent + shares.by_prior => {
                let share = shares.by_prior;
                (tried.expected(space, &priors, &mut random), Reason::Prior { share })
            }
            _ => (None, Reason::Chance { share: by_chance }),
        };
        let in_vain = chosen.is_none() && !matches!(reason, Reason::Chance { .. });
        let reason = if in_vain { Reason::Exhausted } else { reason };
        let configuration = chosen.unwrap_or_else(|| tried.other(space, &mut random));
        tried.insert(&configuration);
        drawn.push(Drawn::new(configuration, reason));
    }
    drawn
}

/// A point near another one.
fn near(space: &SearchSpace, point: &[Option<f64>], random: &mut ChaCha8Rng) -> Vec<f64> {
    let (deviation, probability) = MOVED;
    let coordinates = space.parameters.iter().zip(point).map(|(parameter, coordinate)| {
        let Some(own) = *coordinate else { return random.random() };
        let moves = random.random::<f64>() < probability;
        let around = Around::new(parameter.distribution.scale(), own, deviation).filter(|_| moves);
        around.map_or(own, |around| around.sample(random))
    });
    coordinates.collect()
}

/// With which probability a configuration is drawn how.
#[derive(Debug)]
struct Shares<'a> {
    by_prior: f64,
    by_incumbent: f64,
    incumbent: Option<&'a Observation<'a>>,
}

impl<'a> Shares<'a> {
    fn new(request: &Request<'a>) -> Self {
        // The higher the first rung, the fewer trials there are, and the more they count.
        let rung = |place: usize| request.history.rungs.get(place).copied().unwrap_or(1).max(1) as f64;
        let by_chance = 1.0 / (1.0 + rung(request.start) / rung(0));
        let others = 1.0 - by_chance;
        let Some((incumbent, share)) = Self::incumbent(request) else {
            return Self {
                by_prior: others,
                by_incumbent: 0.0,
                incumbent: None,
            };
        };
        Self {
            by_prior: others * (1.0 - share),
            by_incumbent: others * share,
            incumbent: Some(incumbent),
        }
    }

    /// That a configuration lies near the best one.
    fn reason(&self, incumbent: &Observation<'_>) -> Reason {
        Reason::Incumbent {
            parameters: incumbent.parameters.clone(),
            value: incumbent.costs.last().map_or(f64::NAN, |(_, cost)| *cost),
            share: self.by_incumbent,
        }
    }

    /// The best trial once one has come to the last rung, and how much more likely than the priors it makes the best trials.
    fn incumbent(request: &Request<'a>) -> Option<(&'a Observation<'a>, f64)> {
        let at = |rung: u64| {
            let mut seen: Vec<(f64, &Observation<'_>)> = Vec::new();
            for one in request.history.observations.iter().filter(|one| !one.failed) {
                let cost = one.costs.iter().find(|(resource, _)| *resource == rung);
                seen.extend(cost.map(|(_, cost)| (*cost, one)));
            }
            seen.sort_by(|a, b| a.0.total_cmp(&b.0));
            seen
        };
        let (_, incumbent) = *at(*request.history.rungs.last()?).first()?;
        let ranked = request
            .history
            .rungs
            .iter()
            .rev()
            .map(|&rung| at(rung))
            .find(|seen| seen.len() >= ENOUGH)?;
        let best = &ranked[..ranked.len().div_ceil(3).max(ENOUGH).min(ranked.len())];

        let space = request.history.space;
        let centre = space.point(incumbent.parameters);
        let (mut of_prior, mut of_incumbent) = (0.0, 0.0);
        for (rank, (_, one)) in best.iter().enumerate() {
            let weight = (best.len() - rank) as f64;
            let (mut prior, mut near) = (1.0, 1.0);
            for ((parameter, coordinate), own) in space.parameters.iter().zip(space.point(one.parameters)).zip(&centre)
            {
                let Some(coordinate) = coordinate else { continue };
                prior *= Around::prior(parameter).map_or(1.0, |around| around.density(coordinate));
                let around = own.and_then(|own| Around::new(parameter.distribution.scale(), own, MOVED.0));
                near *= around.map_or(1.0, |around| around.density(coordinate));
            }
            of_prior += weight * prior;
            of_incumbent += weight * near;
        }
        let share = of_incumbent / (of_prior + of_incumbent);
        Some((incumbent, if share.is_finite() { share } else { 0.5 }))
    }
}
