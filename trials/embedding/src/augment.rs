//! Texts that are trained with in other words than they were written.

use std::borrow::Cow;

use hpo_protocol::embedding::Parameters;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::examples::Examples;
use crate::seed::derive;
use crate::tokens::{Prompted, prompted};

/// Changes of a text, drawn again for each text in each epoch: synonym replacement, random deletion and swaps (Wei & Zou,
/// 2019, section 2), and random crops (Wu et al., 2020, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    synonyms: f64,
    crop: f64,
    deletion: f64,
    swap: f64,
    seed: u64,
}

impl Augment {
    /// The changes of an epoch; none if the parameters ask for none. `seed` is that of the epoch.
    pub fn new(parameters: &Parameters, seed: u64) -> Option<Self> {
        let augment = Self {
            synonyms: parameters.synonym_replacement,
            crop: parameters.crop,
            deletion: parameters.token_deletion,
            swap: parameters.token_swap,
            seed,
        };
        let shares = [augment.synonyms, augment.crop, augment.deletion, augment.swap];
        shares.into_iter().any(|share| share > 0.0).then_some(augment)
    }

    /// The texts at some places, cut to `max_length` and then changed, all but their prompts.
    ///
    /// # Errors
    /// If words are to be replaced by synonyms, of which the data have none.
    pub fn texts<'a>(&self, places: &[u32], data: &'a Examples, max_length: usize) -> Result<Vec<Prompted<'a>>> {
        let mut reworded = match self.synonyms > 0.0 {
            true => data.reworded(places, self.synonyms, |place| self.draws(1, place))?,
            false => vec![None; places.len()],
        };
        let text = |(&place, reworded): (&u32, &mut Option<Box<[u32]>>)| {
            let (text, own) = match reworded.take() {
                Some(tokens) => {
                    let text = prompted(&tokens, data.prompt(place), data.edges(), max_length);
                    (Cow::Owned(text.tokens.into_owned()), text.prompt)
                }
                None => {
                    let text = data.cut(place, max_length);
                    (text.tokens, text.prompt)
                }
            };
            let (first, last) = data.edges();
            Prompted {
                tokens: self.tokens(place, text, (first.max(own), last)),
                prompt: own,
            }
        };
        Ok(places.iter().zip(&mut reworded).map(text).collect())
    }

    /// Random numbers from 0 to below 1 for a place.
    fn draws(&self, purpose: u64, place: u32) -> impl FnMut() -> f64 + use<> {
        let mut random = ChaCha8Rng::seed_from_u64(derive(self.seed, purpose, u64::from(place)));
        // As in the order of an epoch, no library's way of drawing may change what a resumed trial does.
        move || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The tokens of the text at a place, changed. The first `edges.0` tokens, special ones and the prompt's, and the last
    /// `edges.1`, which are special, stay; of the others at least one does.
    fn tokens<'a>(&self, place: u32, tokens: Cow<'a, [u32]>, edges: (usize, usize)) -> Cow<'a, [u32]> {
        let (first, last) = edges;
        if tokens.len() < first + last + 2 {
            return tokens;
        }
        let mut draw = self.draws(0, place);
        let (front, rest) = tokens.split_at(first);
        let (inner, back) = rest.split_at(rest.len() - last);

        let kept = ((1.0 - self.crop * draw()) * inner.len() as f64).ceil() as usize;
        let kept = kept.clamp(1, inner.len());
        let from = ((inner.len() - kept + 1) as f64 * draw()) as usize;
        let span = &inner[from.min(inner.len() - kept)..][..kept];

        let spared = ((kept as f64 * draw()) as usize).min(kept - 1);
        let mut changed: Vec<u32> = front.to_vec();
        for (number, &token) in span.iter().enumerate() {
            let dropped = draw() < self.deletion;
            if !dropped || number == spared {
                changed.push(token);
            }
        }
        let mut number = first;
        while number + 1 < changed.len() {
            if draw() < self.swap {
                changed.swap(number, number + 1);
                number += 1;
            }
            number += 1;
        }
        changed.extend_from_slice(back);
        Cow::Owned(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn augment(crop: f64, deletion: f64, swap: f64, seed: u64) -> Option<Augment> {
        let parameters = Parameters {
            crop,
            token_deletion: deletion,
            token_swap: swap,
            ..Parameters::default()
        };
        Augment::new(&parameters, seed)
    }

    proptest! {
        #[test]
        fn special_tokens_stay_and_so_does_some_other(
            crop in 0.01..0.9f64, deletion in 0.0..0.9f64, swap in 0.0..1.0f64, seed: u64, place: u32, length in 0usize..40,
        ) {
            let tokens: Vec<u32> = [1].into_iter().chain(10..10 + length as u32).chain([2, 3]).collect();
            let augment = augment(crop, deletion, swap, seed).unwrap();
            let changed = augment.tokens(place, tokens[..].into(), (1, 2));
            prop_assert_eq!(changed[0], 1);
            prop_assert_eq!(&changed[changed.len() - 2..], [2, 3]);
            let inner = &changed[1..changed.len() - 2];
            prop_assert_eq!(inner.is_empty(), length == 0);
            let mut sorted = inner.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), inner.len());
            prop_assert!(sorted.iter().all(|&token| (10..10 + length as u32).contains(&token)));
            prop_assert_eq!(&changed, &augment.tokens(place, tokens[..].into(), (1, 2)));
        }
    }

    #[test]
    fn the_shares_are_those_asked_for() {
        let tokens: Vec<u32> = (0..100).collect();
        let mean = |augment: Augment, count: &dyn Fn(&[u32]) -> usize| {
            let counts = (0..2000).map(|place| count(&augment.tokens(place, tokens[..].into(), (0, 0))));
            counts.sum::<usize>() as f64 / 2000.0
        };
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1.0, "{found} is not {expected}");
        let length = |tokens: &[u32]| tokens.len();
        near(mean(augment(0.0, 0.3, 0.0, 1).unwrap(), &length), 70.7);
        // From none to 0.4 of it, evenly.
        near(mean(augment(0.4, 0.0, 0.0, 1).unwrap(), &length), 80.5);
        // A swap takes both of its tokens: 0.2 / 1.2 of the places begin one.
        let moved = |tokens: &[u32]| {
            tokens
                .iter()
                .enumerate()
                .filter(|(place, token)| *place as u32 != **token)
                .count()
        };
        near(
            mean(augment(0.0, 0.0, 0.2, 1).unwrap(), &moved),
            2.0 * 100.0 * 0.2 / 1.2,
        );
        assert_eq!(augment(0.0, 0.0, 0.0, 1), None);
    }

    #[test]
    fn epochs_and_texts_differ() {
        let tokens: Vec<u32> = (0..50).collect();
        let of = |seed, place| {
            augment(0.5, 0.2, 0.2, seed)
                .unwrap()
                .tokens(place, tokens[..].into(), (1, 1))
                .into_owned()
        };
        assert_ne!(of(1, 1), of(2, 1));
        assert_ne!(of(1, 1), of(1, 2));
    }
}
