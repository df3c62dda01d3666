//! Scrambled Sobol sequences: configurations that leave no part of the space empty. Sobol (1967), with the scrambling of Owen
//! (1995) by hashes (Burley, "Practical Hash-based Owen Scrambling", 2020).

use hpo_protocol::Values;
use rand::RngExt;
use sobol_burley::{NUM_DIMENSIONS, sample};

use super::{Drawn, Learned, Purpose, Reason, Request, Sampler, generator};
use crate::keys::About;
use crate::space::SearchSpace;

/// The sampler, which has no settings.
pub struct Sobol;

impl Sobol {
    pub(super) const ABOUT: About = About {
        name: "sobol",
        in_short: "points of a scrambled Sobol sequence, which leave no part of the space empty (Sobol, 1967; Owen, \
                   1995)",
        choose: "with few trials and nothing to learn from: it covers the space more evenly than random points",
        keys: &[],
        keys_if_learning: &[],
    };
}

impl Sampler for Sobol {
    fn is_adaptive(&self) -> bool {
        false
    }

    fn uses_priors(&self) -> bool {
        false
    }

    fn draw(&self, request: &Request<'_>, _: &Learned) -> Vec<Drawn> {
        let point = |trial| configuration(request.history.space, request.seed, trial);
        let draw = |trial| Drawn::new(point(trial), Reason::Sobol);
        request.trials().map(draw).collect()
    }
}

/// Points that the sequence has.
const POINTS: u64 = 1 << 16;

/// The configuration of a trial: the point of that number. Parameters beyond the 256th, trials beyond the 65,536th, and what the
/// space does not allow are drawn at random.
pub(super) fn configuration(space: &SearchSpace, study_seed: u64, number: u64) -> Values {
    let mut random = generator(study_seed, number, Purpose::Configuration);
    let scramble = (study_seed ^ (study_seed >> 32)) as u32;
    let coordinate = |dimension: usize| match u32::try_from(dimension) {
        Ok(axis) if axis < NUM_DIMENSIONS && number < POINTS => f64::from(sample(number as u32, axis, scramble)),
        _ => random.random(),
    };
    let point: Vec<f64> = (0..space.parameters.len()).map(coordinate).collect();
    let configuration = space.configuration(&point);
    configuration.unwrap_or_else(|| space.sample(&mut generator(study_seed, number, Purpose::Configuration)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Distribution, Parameter};

    fn cube(dimensions: usize) -> SearchSpace {
        let parameter = |number: usize| Parameter {
            name: format!("x{number:03}"),
            distribution: Distribution::Uniform {
                low: 0.0,
                high: 1.0,
                step: None,
            },
            when: Vec::new(),
            prior: None,
        };
        SearchSpace {
            parameters: (0..dimensions).map(parameter).collect(),
            try_first: Vec::new(),
            constraints: Vec::new(),
        }
    }

    #[test]
    fn every_part_of_every_parameter_has_its_share() {
        for seed in [0, 7, 1 << 40] {
            let drawn: Vec<Values> = (0..64).map(|trial| configuration(&cube(5), seed, trial)).collect();
            for name in drawn[0].keys() {
                let mut counts = [0; 16];
                for values in &drawn {
                    counts[(values[name].as_f64().unwrap() * 16.0) as usize] += 1;
                }
                assert_eq!(counts, [4; 16], "{name} with seed {seed}");
            }
            // And every quarter of each pair of the first two.
            let quarters = drawn.iter().map(|values| {
                let half = |name: &str| values[name].as_f64().unwrap() < 0.5;
                (half("x000"), half("x001"))
            });
            assert_eq!(quarters.filter(|quarter| *quarter == (true, false)).count(), 16);
        }
    }

    #[test]
    fn seeds_differ_and_more_than_the_sequence_has_is_drawn_all_the_same() {
        assert_ne!(configuration(&cube(3), 1, 5), configuration(&cube(3), 2, 5));
        let many = configuration(&cube(300), 1, 5);
        assert_eq!(many.len(), 300);
        assert_ne!(many["x298"], many["x299"]);
        assert_ne!(
            configuration(&cube(3), 1, POINTS),
            configuration(&cube(3), 1, POINTS + 1)
        );
    }
}
