//! Tokenised examples of one kind.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::model::hex;

/// Examples as places of their texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Anchor, positive, negative.
    Triplets(Vec<[u32; 3]>),
    /// Anchor, positive.
    Pairs(Vec<[u32; 2]>),
    /// Two texts and how alike they are.
    Scored(Vec<([u32; 2], f32)>),
    /// A text and the number of its label.
    Labelled(Vec<(u32, u32)>),
}

impl Rows {
    /// Number of examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Triplets(rows) => rows.len(),
            Self::Pairs(rows) => rows.len(),
            Self::Scored(rows) => rows.len(),
            Self::Labelled(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Texts of an example.
    pub fn columns(&self) -> usize {
        match self {
            Self::Triplets(_) => 3,
            Self::Pairs(_) | Self::Scored(_) => 2,
            Self::Labelled(_) => 1,
        }
    }

    /// These examples, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        fn pick<T: Copy>(rows: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| rows[place]).collect()
        }
        match self {
            Self::Triplets(rows) => Self::Triplets(pick(rows, places)),
            Self::Pairs(rows) => Self::Pairs(pick(rows, places)),
            Self::Scored(rows) => Self::Scored(pick(rows, places)),
            Self::Labelled(rows) => Self::Labelled(pick(rows, places)),
        }
    }

    /// One column of texts: the anchors (0), then positives, then negatives.
    pub fn column(&self, column: usize) -> Vec<u32> {
        match self {
            Self::Triplets(rows) => rows.iter().map(|row| row[column]).collect(),
            Self::Pairs(rows) => rows.iter().map(|row| row[column]).collect(),
            Self::Scored(rows) => rows.iter().map(|(row, _)| row[column]).collect(),
            Self::Labelled(rows) => rows.iter().map(|&(text, _)| text).collect(),
        }
    }

    /// All texts, column by column.
    pub fn texts(&self) -> Vec<u32> {
        (0..self.columns()).flat_map(|column| self.column(column)).collect()
    }
}

/// Examples with each distinct text tokenised once.
#[derive(Debug)]
pub struct Examples {
    rows: Rows,
    texts: Vec<Box<[u32]>>,
    positives: HashMap<u32, Vec<u32>>,
    labels: usize,
}

impl Examples {
    /// Examples over tokenised texts; `labels` is how many labels there are.
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
            rows,
            texts,
            positives,
            labels,
        }
    }

    /// The examples, in the order of the file.
    pub fn rows(&self) -> &Rows {
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

    /// How many labels there are.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// All positives of an anchor, each once.
    pub fn positives(&self, anchor: u32) -> &[u32] {
        self.positives.get(&anchor).map_or(&[], Vec::as_slice)
    }

    /// Whether a text is no wrong answer to an anchor: it is one of its positives, or the anchor itself.
    pub fn is_right(&self, anchor: u32, text: u32) -> bool {
        text == anchor || self.positives(anchor).contains(&text)
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
        match &self.rows {
            Rows::Scored(rows) => rows.iter().for_each(|(_, score)| hash.update(score.to_le_bytes())),
            Rows::Labelled(rows) => rows.iter().for_each(|(_, label)| hash.update(label.to_le_bytes())),
            Rows::Triplets(_) | Rows::Pairs(_) => {}
        }
        hex(&hash.finalize())
    }
}
