//! Texts behind their prompts.

use std::collections::HashMap;

use crate::error::Result;
use crate::kept_tokens::KeptTokens;
use crate::tokens::{Prompted, prompted};

/// Texts, each tokenised once behind each of its prompts. A place is that of a text with one of them.
#[derive(Debug)]
pub struct PromptedTexts {
    texts: Vec<Box<[u32]>>,
    origins: Vec<Origin>,
    prompts: Vec<Prompt>,
    edges: (usize, usize),
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin {
    /// The number of the text without prompts.
    text: u32,
    /// The number of its prompt.
    prompt: u32,
}

/// What stands before a text.
#[derive(Debug, Default)]
pub struct Prompt {
    /// The prompt itself.
    pub text: String,
    /// How many tokens, from the first one, are its own.
    pub tokens: usize,
}

impl PromptedTexts {
    /// Tokenised texts without special tokens and prompts.
    pub fn plain(texts: Vec<Box<[u32]>>) -> Self {
        Self {
            origins: alike(texts.len()),
            texts,
            prompts: vec![Prompt::default()],
            edges: (0, 0),
        }
    }

    /// Number of places.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Token ids of the text at that place, behind its prompt.
    pub fn text(&self, place: u32) -> &[u32] {
        &self.texts[place as usize]
    }

    /// The text at that place, cut to so many tokens: more than the special ones.
    pub fn cut(&self, place: u32, max_length: usize) -> Prompted<'_> {
        prompted(self.text(place), self.prompt(place).tokens, self.edges, max_length)
    }

    /// What stands before the text at that place.
    pub fn prompt(&self, place: u32) -> &Prompt {
        &self.prompts[self.origins[place as usize].prompt as usize]
    }

    /// The number of the text at that place without prompts: it is the same behind other prompts.
    pub fn origin(&self, place: u32) -> u32 {
        self.origins[place as usize].text
    }

    /// How many tokens the longest prompt has, with the special ones before it.
    pub fn longest_prompt(&self) -> usize {
        self.prompts.iter().map(|prompt| prompt.tokens).max().unwrap_or(0)
    }

    /// How many special tokens each text begins and ends with.
    pub fn edges(&self) -> (usize, usize) {
        self.edges
    }
}

/// The places of texts that stand in columns, each of which has a prompt.
#[derive(Debug)]
pub struct Places<'a> {
    /// The distinct prompts.
    prompts: Vec<&'a str>,
    /// The number of each column's prompt.
    of_column: Vec<u32>,
    origins: Vec<Origin>,
    /// The places of those that are known; none if there is but one prompt, so that texts stay where they are.
    known: Option<HashMap<Origin, u32>>,
}

impl<'a> Places<'a> {
    /// Of so many texts; what stands before those of each column.
    pub fn new(columns: &[&'a str], texts: usize) -> Self {
        let mut prompts: Vec<&str> = Vec::new();
        let of_column = columns.iter().map(|prompt| {
            let known = prompts.iter().position(|known| known == prompt);
            known.unwrap_or_else(|| {
                prompts.push(prompt);
                prompts.len() - 1
            }) as u32
        });
        let of_column = of_column.collect();
        let several = prompts.len() > 1;
        Self {
            prompts,
            of_column,
            origins: if several { Vec::new() } else { alike(texts) },
            known: several.then(HashMap::new),
        }
    }

    /// The place of a text of a column. Places are in the order in which they are asked for, if they are not those of the texts.
    pub fn of(&mut self, column: usize, text: u32) -> u32 {
        let Some(known) = &mut self.known else { return text };
        let prompt = self.of_column[column];
        let origin = Origin { text, prompt };
        *known.entry(origin).or_insert_with(|| {
            self.origins.push(origin);
            self.origins.len() as u32 - 1
        })
    }

    /// Tokenises what stands at the places.
    ///
    /// # Errors
    /// Those of [`KeptTokens::behind`].
    pub fn tokenise(self, texts: &[String], tokens: &KeptTokens) -> Result<PromptedTexts> {
        let mut all = PromptedTexts {
            texts: vec![Box::default(); self.origins.len()],
            origins: self.origins,
            prompts: Vec::new(),
            edges: (0, 0),
        };
        for (number, prompt) in self.prompts.into_iter().enumerate() {
            let is_behind = |place: &usize| all.origins[*place].prompt == number as u32;
            let places: Vec<usize> = (0..all.origins.len()).filter(is_behind).collect();
            let text = |place: &usize| texts[all.origins[*place].text as usize].as_str();
            let behind = tokens.behind(prompt, &places.iter().map(text).collect::<Vec<_>>())?;
            all.edges = behind.tokenised.edges;
            for (place, text) in places.into_iter().zip(behind.tokenised.texts) {
                all.texts[place] = text;
            }
            all.prompts.push(Prompt {
                text: prompt.to_owned(),
                tokens: behind.prompt,
            });
        }
        Ok(all)
    }
}

/// Places of texts that all have the same prompt.
fn alike(texts: usize) -> Vec<Origin> {
    (0..texts as u32).map(|text| Origin { text, prompt: 0 }).collect()
}
