//! Tokenised texts that are kept from one worker to the next.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cache::{Cache, Key};
use crate::error::{Error, Result};
use crate::model::tokenizer_files;
use crate::tokens::{Prompted, Tokenised, Tokens, prompted};

/// The version of the library that tokenises: another one may do it otherwise.
const LIBRARY: &str = "tokenizers 0.23.2";

/// Is raised whenever the same files and texts become other tokens.
const READING: u32 = 2;

/// [`Tokens`] that are read when they are needed, and of whose work a [`Cache`] keeps the results.
#[derive(Debug)]
pub struct KeptTokens {
    directory: PathBuf,
    max_length: usize,
    vocabulary: i64,
    cache: Option<Cache>,
    tokens: OnceCell<Tokens>,
}

/// Texts behind one prompt.
#[derive(Debug)]
pub struct Behind {
    /// The prompt and the text as one, each.
    pub tokenised: Tokenised,
    /// How many tokens of each, from the first one, are the prompt's; 0 if it is empty.
    pub prompt: usize,
}

impl Behind {
    /// The text at a place, cut to so many tokens: more than the special ones.
    pub fn cut(&self, place: usize, max_length: usize) -> Prompted<'_> {
        prompted(
            &self.tokenised.texts[place],
            self.prompt,
            self.tokenised.edges,
            max_length,
        )
    }
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

    /// The texts, each behind the same prompt, as token ids.
    ///
    /// # Errors
    /// As [`encode`](Self::encode) has, and if the prompt leaves no room for a text.
    pub fn behind(&self, prompt: &str, texts: &[&str]) -> Result<Behind> {
        if prompt.is_empty() {
            let tokenised = self.encode(texts)?;
            return Ok(Behind { tokenised, prompt: 0 });
        }
        let whole: Vec<String> = texts.iter().map(|text| format!("{prompt}{text}")).collect();
        let tokenised = self.encode(&whole.iter().map(String::as_str).collect::<Vec<_>>())?;
        // As sentence-transformers counts them.
        let alone = self.encode(&[prompt])?.texts.first().map_or(0, |tokens| tokens.len());
        if alone >= self.max_length {
            return Err(Error::Prompt {
                prompt: prompt.to_owned(),
                max_length: self.max_length,
            });
        }
        Ok(Behind {
            prompt: alone - alone.min(tokenised.edges.1.min(1)),
            tokenised,
        })
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
        add(&READING.to_le_bytes());
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
