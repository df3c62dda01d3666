//! Tokenising texts, and the order in which an epoch takes them.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use crate::error::{Error, Result};
use crate::model::read_tokenizer;

/// A tokenizer that cuts texts to a number of tokens and never pads.
#[derive(Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    vocabulary: u32,
}

impl Tokens {
    /// Reads the tokenizer of a model directory. Texts are cut to `max_length` tokens, special ones included; ids
    /// must lie below `vocabulary`.
    pub fn read(directory: &Path, max_length: usize, vocabulary: i64) -> Result<Self> {
        let mut tokenizer = read_tokenizer(directory)?;
        let special = tokenizer
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(false));
        if max_length < 3 || max_length <= special {
            let least = 3.max(special + 1);
            return Err(Error::Invalid(format!(
                "max_length is {max_length}; it must be at least {least}"
            )));
        }
        let truncation = TruncationParams {
            max_length,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| Error::Invalid(format!("max_length is {max_length}: {error}")))?;
        tokenizer.with_padding(None);
        Ok(Self {
            tokenizer,
            vocabulary: u32::try_from(vocabulary).unwrap_or(u32::MAX),
        })
    }

    /// How many special tokens every text begins and ends with.
    pub fn edges(&self) -> Result<(usize, usize)> {
        let encoding = self
            .tokenizer
            .encode_fast("a", true)
            .map_err(|error| Error::Invalid(format!("cannot tokenise: {error}")))?;
        let mask = encoding.get_special_tokens_mask();
        let first = mask.iter().take_while(|&&special| special == 1).count();
        let last = mask[first..].iter().rev().take_while(|&&special| special == 1).count();
        Ok((first, last))
    }

    /// Token ids of each text, special tokens included; at least one each.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Box<[u32]>>> {
        let refused = |error: tokenizers::Error| Error::Invalid(format!("cannot tokenise: {error}"));
        // sentence-transformers stripped texts up to version 5, which matters to tokenizers that see spaces.
        let stripped = texts.iter().map(|text| text.trim()).collect();
        let encodings = self.tokenizer.encode_batch_fast::<&str>(stripped, true);
        let check = |(encoding, text): (tokenizers::Encoding, &&str)| {
            let ids: Box<[u32]> = encoding.get_ids().into();
            match ids.iter().max() {
                None => Err(Error::Invalid(format!("the text {text:?} has no tokens; remove it"))),
                Some(&id) if id >= self.vocabulary => Err(Error::Invalid(format!(
                    "token id {id} is outside the model's vocabulary of {}; tokenizer.json is of another model",
                    self.vocabulary
                ))),
                Some(_) => Ok(ids),
            }
        };
        encodings.map_err(refused)?.into_iter().zip(texts).map(check).collect()
    }
}

/// A seed of its own for each `(seed, purpose, count)`: two rounds of SplitMix64 (Steele et al., 2014).
pub fn derive(seed: u64, purpose: u64, count: u64) -> u64 {
    mix(mix(mix(seed) ^ purpose) ^ count)
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The purpose of [`derive`] for the order of an epoch.
const ORDER: u64 = 1;

/// The order in which an epoch (from 0) takes `rows` examples: a permutation of `0..rows`.
pub fn order(seed: u64, epoch: u64, rows: usize) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(derive(seed, ORDER, epoch));
    let mut order: Vec<usize> = (0..rows).collect();
    // A shuffle of our own: that of a library may change with its version, and with it the bits of a resumed trial.
    for last in (1..rows).rev() {
        let drawn = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, drawn as usize);
    }
    order
}
