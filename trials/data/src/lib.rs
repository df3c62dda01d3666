//! The texts that embedding models are fine-tuned with: read from files, checked, cleaned and split.
//!
//! [`load`] does it all, and does the same wherever it is called with the same settings and files.

#![deny(clippy::wildcard_enum_match_arm)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod batch;
mod clean;
mod columns;
mod error;
pub mod evaluation;
mod example;
mod informative;
mod labels;
mod lists;
mod load;
mod mix;
mod moment;
mod names;
mod negatives;
mod pool;
mod report;
mod rows;
mod source;
mod split;
mod statistics;
mod synonyms;
mod value;

pub use hpo_protocol::embedding::Kind;

pub use self::error::{DataError, Place, shown};
pub use self::load::load;
pub use self::mix::{finalise, mix};
pub use self::moment::{date, time};
pub use self::report::{Dropped, Read, Report, SetReport};
pub use self::statistics::{pearson, spearman};
pub use self::synonyms::Synonyms;

/// Rows to train or to validate with. Numbers of texts are places in `texts`, each of which some row names.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The texts of all rows, all distinct, none blank, in the order in which rows name them.
    pub texts: Vec<String>,
    /// The rows, in the order of the file; at least one.
    pub rows: Rows,
    /// The labels of the training data, sorted; empty unless the rows are labelled.
    pub labels: Vec<String>,
}

/// Rows of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Anchor, positive, and one or more negatives.
    Triplets(Vec<Triplet>),
    /// Anchor and positive.
    Pairs(Vec<[u32; 2]>),
    /// Two texts and their score, -1 (opposite) to 1 (the same).
    Scored(Vec<([u32; 2], f32)>),
    /// A text and the place of its label in [`Data::labels`].
    Labelled(Vec<(u32, u32)>),
}

/// A row of an anchor, a positive, and at least one negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triplet {
    /// The text that the others are compared with.
    pub anchor: u32,
    /// The one that belongs to it.
    pub positive: u32,
    /// Those that do not.
    pub negatives: Vec<u32>,
}

impl From<[u32; 3]> for Triplet {
    fn from([anchor, positive, negative]: [u32; 3]) -> Self {
        Self {
            anchor,
            positive,
            negatives: vec![negative],
        }
    }
}

impl Rows {
    /// What they are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Triplets(_) => Kind::Triplets,
            Self::Pairs(_) => Kind::Pairs,
            Self::Scored(_) => Kind::Scored,
            Self::Labelled(_) => Kind::Labelled,
        }
    }

    /// How many there are.
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
}

impl Data {
    /// What the rows are.
    pub fn kind(&self) -> Kind {
        self.rows.kind()
    }
}

/// The data of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Sets {
    /// What trials train with.
    pub train: Data,
    /// What they are compared by.
    pub validation: Data,
    /// What no decision of the search looks at.
    pub test: Option<Data>,
    /// Words of the training texts that can be replaced in training.
    pub synonyms: Option<Synonyms>,
    /// What was read and what was dropped.
    pub report: Report,
}
