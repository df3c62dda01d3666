//! Configurations that have not been tried yet.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use hpo_protocol::Values;
use rand::{Rng, RngExt};

use super::{History, Source};
use crate::space::{Around, SearchSpace};

/// So many draws in vain mean that nearly all has been tried.
const TRIES: usize = 100;

/// What has been tried, and what has been drawn since.
#[derive(Debug, Clone)]
pub(super) struct Tried<'a>(HashSet<Configuration<'a>, BuildHasherDefault<DefaultHasher>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Configuration<'a>(Cow<'a, Values>);

impl Hash for Configuration<'_> {
    /// Numbers distinguish nearly all configurations of a space. Names are left out: to hash them takes most of the time.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.0.values() {
            match value.as_f64() {
                // Both zeros are equal.
                Some(number) => state.write_u64((number + 0.0).to_bits()),
                None => value.hash(state),
            }
        }
    }
}

impl<'a> Tried<'a> {
    /// What a history says has been tried.
    pub fn new(history: &History<'a>) -> Self {
        let known = history.observations.iter();
        Self(known.map(|one| Configuration(Cow::Borrowed(one.parameters))).collect())
    }

    /// What need not be tried again: all but what has ended before the last rung.
    pub fn to_the_end(history: &History<'a>) -> Self {
        let last = history.rungs.last();
        let known = history.observations.iter();
        let ended = known.filter(|one| one.failed || one.costs.last().is_none_or(|(rung, _)| Some(rung) == last));
        Self(ended.map(|one| Configuration(Cow::Borrowed(one.parameters))).collect())
    }

    pub fn contains(&self, configuration: &Values) -> bool {
        self.0.contains(&Configuration(Cow::Borrowed(configuration)))
    }

    pub fn insert(&mut self, configuration: &Values) {
        self.0.insert(Configuration(Cow::Owned(configuration.clone())));
    }

    /// A configuration for a sampler that knows nothing yet, and how it came about: every other one as the user expects it, if that is
    /// known.
    pub fn early(&self, space: &SearchSpace, random: &mut impl Rng) -> (Values, Source) {
        let priors: Vec<Option<Around>> = space.parameters.iter().map(Around::prior).collect();
        if priors.iter().all(Option::is_none) || random.random::<bool>() {
            return (self.other(space, random), Source::Random);
        }
        match self.expected(space, &priors, random) {
            Some(expected) => (expected, Source::Prior),
            None => (self.other(space, random), Source::Random),
        }
    }

    /// A configuration drawn by the user's priors that has not been tried; none if there seems to be none.
    pub fn expected(&self, space: &SearchSpace, priors: &[Option<Around>], random: &mut impl Rng) -> Option<Values> {
        (0..TRIES).find_map(|_| {
            let coordinates = priors.iter().map(|prior| match prior {
                Some(prior) => prior.sample(random),
                None => random.random(),
            });
            let point: Vec<f64> = coordinates.collect();
            space.configuration(&point).filter(|one| !self.contains(one))
        })
    }

    /// A random configuration that has not been tried, unless nearly all have.
    pub fn other(&self, space: &SearchSpace, random: &mut impl Rng) -> Values {
        let mut configuration = space.sample(random);
        for _ in 0..TRIES {
            if !self.contains(&configuration) {
                break;
            }
            configuration = space.sample(random);
        }
        configuration
    }
}
