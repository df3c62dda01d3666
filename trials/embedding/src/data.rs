//! Tokenising texts, and the order in which an epoch takes them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tokenizers::{Encoding, PostProcessor, Token, Tokenizer, TruncationParams};

use crate::cache::{Cache, Key};
use crate::error::{Error, Result};
use crate::model::{read_tokenizer, tokenizer_files};

/// Texts as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenised {
    /// How many special tokens each begins and ends with.
    pub edges: (usize, usize),
    /// The token ids of each, special ones included; at least one each.
    pub texts: Vec<Box<[u32]>>,
}

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
        // A token that stands for any: what is put around it does not depend on what it is.
        let any = Encoding::from_tokens(vec![Token::new(0, String::new(), (0, 0))], 0);
        let encoding = self.tokenizer.post_process(any, None, true).map_err(refused)?;
        let mask = encoding.get_special_tokens_mask();
        let first = mask.iter().take_while(|&&special| special == 1).count();
        let last = mask[first..].iter().rev().take_while(|&&special| special == 1).count();
        Ok((first, last))
    }

    /// Token ids of each text, special tokens included; at least one each.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Box<[u32]>>> {
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

/// The token ids of a text as [`Tokens::read`] with that `max_length` would have given them. `edges` is how many special
/// tokens the text begins and ends with: they stay, so `max_length` must be above their sum.
pub fn cut(tokens: &[u32], edges: (usize, usize), max_length: usize) -> Cow<'_, [u32]> {
    if tokens.len() <= max_length {
        return Cow::Borrowed(tokens);
    }
    let kept = &tokens[..max_length - edges.1];
    Cow::Owned([kept, &tokens[tokens.len() - edges.1..]].concat())
}

fn refused(error: tokenizers::Error) -> Error {
    Error::Invalid(format!("cannot tokenise: {error}"))
}

/// The version of the library that tokenises: another one may do it otherwise.
const LIBRARY: &str = "tokenizers 0.23.2";

/// [`Tokens`] that are read when they are needed, and of whose work a [`Cache`] keeps the results.
#[derive(Debug)]
pub struct KeptTokens {
    directory: PathBuf,
    max_length: usize,
    vocabulary: i64,
    cache: Option<Cache>,
    tokens: OnceCell<Tokens>,
}

impl KeptTokens {
    /// As [`Tokens::read`] says. Without a cache, nothing is kept.
    pub fn new(directory: &Path, max_length: usize, vocabulary: i64, cache: Option<Cache>) -> Self {
        Self {
            directory: directory.to_owned(),
            max_length,
            vocabulary,
            cache,
            tokens: OnceCell::new(),
        }
    }

    /// The tokenizer.
    pub fn tokens(&self) -> Result<&Tokens> {
        match self.tokens.get() {
            Some(tokens) => Ok(tokens),
            None => {
                let read = Tokens::read(&self.directory, self.max_length, self.vocabulary)?;
                Ok(self.tokens.get_or_init(|| read))
            }
        }
    }

    /// The tokenizer, for good.
    pub fn into_tokens(self) -> Result<Tokens> {
        self.tokens()?;
        let read = || Tokens::read(&self.directory, self.max_length, self.vocabulary);
        self.tokens.into_inner().map_or_else(read, Ok)
    }

    /// The texts as token ids.
    pub fn encode(&self, texts: &[&str]) -> Result<Tokenised> {
        let make = || {
            let tokens = self.tokens()?;
            Ok(Tokenised {
                edges: tokens.edges()?,
                texts: tokens.encode(texts)?,
            })
        };
        match &self.cache {
            Some(cache) => cache.get_or_make(&self.key(texts)?, make),
            None => make(),
        }
    }

    /// The digest of all that the token ids of `texts` depend on.
    fn key(&self, texts: &[&str]) -> Result<Key> {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(LIBRARY.as_bytes());
        add(env!("CARGO_PKG_VERSION").as_bytes());
        for path in tokenizer_files(&self.directory) {
            match std::fs::read(&path) {
                Ok(bytes) => {
                    add(b"there");
                    add(&bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => add(b"not there"),
                Err(error) => return Err(Error::io("read", &path)(error)),
            }
        }
        add(&(self.max_length as u64).to_le_bytes());
        add(&self.vocabulary.to_le_bytes());
        for text in texts {
            add(text.as_bytes());
        }
        Ok(hash.finalize().into())
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

#[cfg(test)]
mod tests {
    use super::LIBRARY;

    #[test]
    fn what_is_kept_names_the_library_that_made_it() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = LIBRARY.split_once(' ').unwrap_or_default();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
    }
}
