//! Tokenised examples of one kind.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use hpo_data::{Data, Rows, Sets};
use hpo_protocol::embedding::RolePrompts;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::kept_tokens::KeptTokens;
use crate::tokens::{Prompted, Tokens, prompted};

/// Examples with each distinct text tokenised once behind each of its prompts. A place is that of a text with one of them.
#[derive(Debug)]
pub struct Examples {
    rows: Rows,
    texts: Vec<Box<[u32]>>,
    origins: Vec<Origin>,
    prompts: Vec<Prompt>,
    positives: HashMap<u32, Vec<u32>>,
    labels: usize,
    edges: (usize, usize),
    words: Option<Words>,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin {
    /// The place of the text in [`Data::texts`].
    text: u32,
    /// The place of its prompt among those of the examples.
    prompt: u32,
}

/// A prompt, and how many tokens from the first one are its own.
#[derive(Debug, Default)]
struct Prompt {
    text: String,
    tokens: usize,
}

/// What is needed to say a text in other words.
#[derive(Debug)]
struct Words {
    /// With synonyms.
    sets: Rc<Sets>,
    tokens: Tokens,
}

impl Examples {
    /// Tokenises data, each text behind the prompt of its column.
    pub fn of(data: &Data, tokens: &KeptTokens, prompts: &RolePrompts) -> Result<Self> {
        let columns = prompts.columns(data.kind());
        let mut distinct: Vec<&str> = Vec::new();
        let of_column = columns.iter().map(|prompt| {
            distinct.iter().position(|known| known == prompt).unwrap_or_else(|| {
                distinct.push(prompt);
                distinct.len() - 1
            })
        });
        let of_column: Vec<u32> = of_column.map(|prompt| prompt as u32).collect();
        let (rows, origins) = match distinct.len() {
            1 => (data.rows.clone(), plain(data.texts.len())),
            _ => with_prompts(&data.rows, &of_column),
        };
        let mut all = Self {
            origins,
            ..Self::new(rows, Vec::new(), data.labels.len())
        };
        all.texts = vec![Box::default(); all.origins.len()];
        for (number, prompt) in distinct.into_iter().enumerate() {
            let is_behind = |place: &usize| all.origins[*place].prompt == number as u32;
            let places: Vec<usize> = (0..all.origins.len()).filter(is_behind).collect();
            let text = |place: &usize| data.texts[all.origins[*place].text as usize].as_str();
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

    /// Examples over tokenised texts without special tokens and prompts; `labels` is how many labels there are.
    pub fn new(rows: Rows, texts: Vec<Box<[u32]>>, labels: usize) -> Self {
        let mut positives: HashMap<u32, Vec<u32>> = HashMap::new();
        if matches!(rows, Rows::Triplets(_) | Rows::Pairs(_)) {
            for (anchor, positive) in rows.column(0).into_iter().zip(rows.column(1)) {
                let known = positives.entry(anchor).or_default();
                if !known.contains(&positive) {
                    known.push(positive);
                }
            }
        }
        Self {
            origins: plain(texts.len()),
            prompts: Vec::new(),
            rows,
            texts,
            positives,
            labels,
            edges: (0, 0),
            words: None,
        }
    }

    /// The same examples, which are those to train with of `sets`. If there are synonyms, words can then be replaced by them.
    pub fn with_synonyms(self, sets: Rc<Sets>, tokens: Tokens) -> Self {
        Self {
            words: Some(Words { sets, tokens }),
            ..self
        }
    }

    /// Texts by their places, in which each word that has synonyms is replaced by one with the probability `share`: token
    /// ids of those that have changed. `draws` makes the random numbers for a place, from 0 to below 1.
    ///
    /// # Errors
    /// If there are no synonyms.
    pub fn reworded<D: FnMut() -> f64>(
        &self,
        places: &[u32],
        share: f64,
        draws: impl Fn(u32) -> D,
    ) -> Result<Vec<Option<Box<[u32]>>>> {
        let words = self.words.as_ref();
        let Some((words, synonyms)) = words.and_then(|words| Some((words, words.sets.synonyms.as_ref()?))) else {
            return Err(Error::Invalid(
                "`synonym_replacement` is above 0, but there are no synonyms: name a file of them with `synonyms` under `[trial]`"
                    .to_owned(),
            ));
        };
        let replace = |&place: &u32| {
            let Origin { text, prompt } = self.origins[place as usize];
            let replaced = synonyms.replace(&words.sets.train.texts[text as usize], share, draws(place))?;
            let prompt = self.prompts.get(prompt as usize).map_or("", |prompt| &prompt.text);
            Some(format!("{prompt}{replaced}"))
        };
        let replaced: Vec<Option<String>> = places.iter().map(replace).collect();
        let texts: Vec<&str> = replaced.iter().flatten().map(String::as_str).collect();
        let mut tokens = words.tokens.encode(&texts)?.into_iter();
        Ok(replaced
            .iter()
            .map(|text| text.as_ref().and_then(|_| tokens.next()))
            .collect())
    }

    /// The examples, in the order of the file.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Token ids of the text at that place.
    pub fn text(&self, place: u32) -> &[u32] {
        &self.texts[place as usize]
    }

    /// How many tokens of the text at that place are its prompt's, from the first one.
    pub fn prompt(&self, place: u32) -> usize {
        let prompt = self.origins[place as usize].prompt as usize;
        self.prompts.get(prompt).map_or(0, |prompt| prompt.tokens)
    }

    /// How many tokens the longest prompt has, with the special ones before it.
    pub fn longest_prompt(&self) -> usize {
        self.prompts.iter().map(|prompt| prompt.tokens).max().unwrap_or(0)
    }

    /// The text at that place, cut to so many tokens: more than the special ones.
    pub fn cut(&self, place: u32, max_length: usize) -> Prompted<'_> {
        prompted(self.text(place), self.prompt(place), self.edges, max_length)
    }

    /// The token ids of all texts in the order of their places, cut likewise.
    pub fn all(&self, max_length: usize) -> impl Iterator<Item = Cow<'_, [u32]>> {
        (0..self.texts() as u32).map(move |place| self.cut(place, max_length).tokens)
    }

    /// How many special tokens each text begins and ends with.
    pub fn edges(&self) -> (usize, usize) {
        self.edges
    }

    /// Number of places: distinct texts, each as often as it has different prompts.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// How many labels there are.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// All positives of an anchor, each once.
    pub fn positives(&self, anchor: u32) -> &[u32] {
        self.positives.get(&anchor).map_or(&[], Vec::as_slice)
    }

    /// Whether a text is no wrong answer to an anchor: it is one of its positives, or the anchor itself.
    /// Behind another prompt it is the same text.
    pub fn is_right(&self, anchor: u32, text: u32) -> bool {
        let is = |other: u32| self.origin(text) == self.origin(other);
        is(anchor) || self.positives(anchor).iter().any(|&positive| is(positive))
    }

    /// What the text at a place shares with the same text behind other prompts.
    pub fn origin(&self, place: u32) -> u32 {
        self.origins[place as usize].text
    }

    /// The SHA-256 of the tokenised examples, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update([self.rows.columns() as u8]);
        for place in self.rows.texts() {
            let text = self.text(place);
            hash.update((text.len() as u32).to_le_bytes());
            for id in text {
                hash.update(id.to_le_bytes());
            }
        }
        if let Rows::Triplets(rows) = &self.rows
            && rows.iter().any(|row| row.negatives.len() > 1)
        {
            let counts = rows.iter().map(|row| row.negatives.len() as u32);
            counts.for_each(|count| hash.update(count.to_le_bytes()));
        }
        match &self.rows {
            Rows::Scored(rows) => rows.iter().for_each(|(_, score)| hash.update(score.to_le_bytes())),
            Rows::Labelled(rows) => rows.iter().for_each(|(_, label)| hash.update(label.to_le_bytes())),
            Rows::Triplets(_) | Rows::Pairs(_) => {}
        }
        if let Some(words) = &self.words {
            // Texts of the same tokens may differ in words that have synonyms.
            let groups = words.sets.synonyms.iter().flat_map(|synonyms| synonyms.groups());
            let groups = groups.flat_map(|group| group.iter().map(String::as_str).chain([""]));
            for text in words.sets.train.texts.iter().map(String::as_str).chain(groups) {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        hex(&hash.finalize())
    }
}

/// Places of texts without prompts, or all with the same.
fn plain(texts: usize) -> Vec<Origin> {
    (0..texts as u32).map(|text| Origin { text, prompt: 0 }).collect()
}

/// The rows by places of texts with the prompts of their columns, and what stands at these places, in the order in which rows name them.
fn with_prompts(rows: &Rows, of_column: &[u32]) -> (Rows, Vec<Origin>) {
    let (mut places, mut origins) = (HashMap::new(), Vec::new());
    let rows = rows.map(|column, text| {
        let origin = Origin {
            text,
            prompt: of_column[column],
        };
        *places.entry(origin).or_insert_with(|| {
            origins.push(origin);
            origins.len() as u32 - 1
        })
    });
    (rows, origins)
}
