//! Tokenising texts.

use std::borrow::Cow;
use std::path::Path;

use tokenizers::{Encoding, PostProcessor, Token, Tokenizer, TruncationParams};

use crate::error::{Error, Result};
use crate::model::read_tokenizer;

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

    /// Checks that the model has embeddings of all tokens that a text may become. Special ones, which are hardly ever written in one, need
    /// none. `directory` is that of the model, for messages.
    pub fn fit(&self, directory: &Path) -> Result<()> {
        let added = self.tokenizer.get_added_tokens_decoder();
        let added = added.iter().filter(|(_, token)| !token.special);
        let added = added.map(|(&id, token)| (id, token.content.clone()));
        let vocabulary = self.tokenizer.get_vocab(false).into_iter();
        let all = vocabulary.map(|(token, id)| (id, token)).chain(added);
        match all.filter(|(id, _)| *id >= self.vocabulary).max() {
            None => Ok(()),
            Some((id, token)) => Err(Error::file(
                &directory.join("tokenizer.json"),
                format!(
                    "the token {token:?} has the number {id}, and the model has embeddings of {} tokens: it is of another model",
                    self.vocabulary
                ),
            )),
        }
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
        let encodings = self.tokenizer.encode_batch_fast::<&str>(texts.to_vec(), true);
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

/// A text as a model takes it.
pub trait Text {
    /// Its token ids, at least one.
    fn tokens(&self) -> &[u32];

    /// How many of them, from the first one, are its prompt's.
    fn prompt(&self) -> usize {
        0
    }
}

impl Text for &[u32] {
    fn tokens(&self) -> &[u32] {
        self
    }
}

/// A text behind its prompt.
#[derive(Debug, Clone)]
pub struct Prompted<'a> {
    /// The token ids of both, at least one.
    pub tokens: Cow<'a, [u32]>,
    /// How many of them, from the first one, are the prompt's: the special ones before it are, those at the end are not.
    pub prompt: usize,
}

impl Text for Prompted<'_> {
    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn prompt(&self) -> usize {
        self.prompt
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

/// A text of which so many tokens are its prompt's, cut as [`cut`] does. Something is always left behind the prompt.
pub fn prompted(tokens: &[u32], prompt: usize, edges: (usize, usize), max_length: usize) -> Prompted<'_> {
    let tokens = cut(tokens, edges, max_length);
    Prompted {
        prompt: prompt.min(tokens.len() - 1),
        tokens,
    }
}

fn refused(error: tokenizers::Error) -> Error {
    Error::Invalid(format!("cannot tokenise: {error}"))
}
