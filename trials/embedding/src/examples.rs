//! Tokenised examples of one kind.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use hpo_data::{Data, Rows, Sets};
use hpo_protocol::embedding::RolePrompts;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::kept_tokens::KeptTokens;
use crate::prompted::{Places, PromptedTexts};
use crate::tokens::{Prompted, Tokens};

/// Examples with each distinct text tokenised once behind each of its prompts. A place is that of a text with one of them.
#[derive(Debug)]
pub struct Examples {
    rows: Rows,
    texts: PromptedTexts,
    positives: HashMap<u32, Vec<u32>>,
    labels: usize,
    words: Option<Words>,
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
        let mut places = Places::new(&prompts.columns(data.kind()), data.texts.len());
        let rows = data.rows.map(|column, text| places.of(column, text));
        let texts = places.tokenise(&data.texts, tokens)?;
        Ok(Self::over(rows, texts, data.labels.len()))
    }

    /// Examples over tokenised texts without special tokens and prompts; `labels` is how many labels there are.
    pub fn new(rows: Rows, texts: Vec<Box<[u32]>>, labels: usize) -> Self {
        Self::over(rows, PromptedTexts::plain(texts), labels)
    }

    fn over(rows: Rows, texts: PromptedTexts, labels: usize) -> Self {
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
            rows,
            texts,
            positives,
            labels,
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
            let text = &words.sets.train.texts[self.origin(place) as usize];
            let replaced = synonyms.replace(text, share, draws(place))?;
            let prompt = &self.texts.prompt(place).text;
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
        self.texts.text(place)
    }

    /// How many tokens of the text at that place are its prompt's, from the first one.
    pub fn prompt(&self, place: u32) -> usize {
        self.texts.prompt(place).tokens
    }

    /// How many tokens the longest prompt has, with the special ones before it.
    pub fn longest_prompt(&self) -> usize {
        self.texts.longest_prompt()
    }

    /// The text at that place, cut to so many tokens: more than the special ones.
    pub fn cut(&self, place: u32, max_length: usize) -> Prompted<'_> {
        self.texts.cut(place, max_length)
    }

    /// The token ids of all texts in the order of their places, cut likewise.
    pub fn all(&self, max_length: usize) -> impl Iterator<Item = Cow<'_, [u32]>> {
        (0..self.texts() as u32).map(move |place| self.cut(place, max_length).tokens)
    }

    /// How many special tokens each text begins and ends with.
    pub fn edges(&self) -> (usize, usize) {
        self.texts.edges()
    }

    /// Number of places: distinct texts, each as often as it has different prompts.
    pub fn texts(&self) -> usize {
        self.texts.count()
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

    /// The first column whose texts differ, but not in their tokens, so that no model can tell them apart; with how many there are.
    pub fn alike(&self) -> Option<(usize, usize)> {
        let alike = |column: usize| {
            let places = self.rows.column(column);
            let texts: HashSet<u32> = places.iter().map(|&place| self.origin(place)).collect();
            let first = self.text(*places.first()?);
            let are = texts.len() > 1 && places.iter().all(|&place| self.text(place) == first);
            are.then_some((column, texts.len()))
        };
        (0..self.rows.columns()).find_map(alike)
    }

    /// What the text at a place shares with the same text behind other prompts.
    pub fn origin(&self, place: u32) -> u32 {
        self.texts.origin(place)
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
