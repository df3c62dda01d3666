//! Tokenised triplets, and the order in which an epoch takes them.

use std::collections::HashMap;
use std::path::Path;

use hpo_data::{Data, Rows};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use crate::error::{Error, Result};
use crate::model::{hex, read_json};

/// A triplet: places of its anchor, positive and negative in [`Triplets`].
pub type Row = [u32; 3];

/// The triplets of a file, with each distinct text tokenised once.
#[derive(Debug)]
pub struct Triplets {
    rows: Vec<Row>,
    texts: Vec<Box<[u32]>>,
    positives: HashMap<u32, Vec<u32>>,
}

/// A tokenizer that cuts texts to a number of tokens and never pads.
#[derive(Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    lower_case: bool,
    vocabulary: u32,
}

impl Tokens {
    /// Reads `tokenizer.json` of a model directory. Texts are cut to `max_length` tokens, special ones included; ids
    /// must lie below `vocabulary`.
    pub fn read(directory: &Path, max_length: usize, vocabulary: i64) -> Result<Self> {
        #[derive(Default, serde::Deserialize)]
        struct Sentence {
            #[serde(default)]
            do_lower_case: bool,
        }
        let path = directory.join("tokenizer.json");
        std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        let refused = |error: tokenizers::Error| Error::file(&path, format!("{error}; fetch the model again"));
        let mut tokenizer = Tokenizer::from_file(&path).map_err(refused)?;
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
        tokenizer.with_truncation(Some(truncation)).map_err(refused)?;
        tokenizer.with_padding(None);
        let sentence = directory.join("sentence_bert_config.json");
        let sentence: Sentence = if sentence.exists() {
            read_json(&sentence)?
        } else {
            Sentence::default()
        };
        Ok(Self {
            tokenizer,
            lower_case: sentence.do_lower_case,
            vocabulary: u32::try_from(vocabulary).unwrap_or(u32::MAX),
        })
    }

    /// Token ids of each text, special tokens included; at least one each.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Box<[u32]>>> {
        let refused = |error: tokenizers::Error| Error::Invalid(format!("cannot tokenise: {error}"));
        let encodings = if self.lower_case {
            let texts = texts.iter().map(|text| text.trim().to_lowercase()).collect();
            self.tokenizer.encode_batch_fast::<String>(texts, true)
        } else {
            // sentence-transformers strips texts too, which matters to tokenizers that see spaces.
            let texts = texts.iter().map(|text| text.trim()).collect();
            self.tokenizer.encode_batch_fast::<&str>(texts, true)
        };
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

impl Triplets {
    /// Tokenises data, which must be triplets.
    pub fn of(data: &Data, tokens: &Tokens) -> Result<Self> {
        let Rows::Triplets(rows) = &data.rows else {
            let kind = data.kind();
            return Err(Error::Invalid(format!("the data are {kind}; give triplets")));
        };
        let texts: Vec<&str> = data.texts.iter().map(String::as_str).collect();
        Ok(Self::new(rows.clone(), tokens.encode(&texts)?))
    }

    /// Triplets of tokenised texts.
    pub fn new(rows: Vec<Row>, texts: Vec<Box<[u32]>>) -> Self {
        let mut positives: HashMap<u32, Vec<u32>> = HashMap::new();
        for &[anchor, positive, _] in &rows {
            let known = positives.entry(anchor).or_default();
            if !known.contains(&positive) {
                known.push(positive);
            }
        }
        Self { rows, texts, positives }
    }

    /// The triplets, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Token ids of the text at that place.
    pub fn text(&self, place: u32) -> &[u32] {
        &self.texts[place as usize]
    }

    /// Number of distinct texts.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// All positives of an anchor, each once.
    pub fn positives(&self, anchor: u32) -> &[u32] {
        self.positives.get(&anchor).map_or(&[], Vec::as_slice)
    }

    /// The SHA-256 of the tokenised triplets, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for text in self.rows.iter().flatten().map(|&place| self.text(place)) {
            hash.update((text.len() as u32).to_le_bytes());
            for id in text {
                hash.update(id.to_le_bytes());
            }
        }
        hex(&hash.finalize())
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

/// The order in which an epoch (from 0) takes `rows` triplets: a permutation of `0..rows`.
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
