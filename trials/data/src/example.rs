//! A row, whatever file it comes from.

/// What a trainer sees of a row. Texts and labels are places in a [`Pool`](crate::pool::Pool).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Example {
    /// Anchor, positive, negative.
    Triplet([u32; 3]),
    /// Anchor and positive.
    Pair([u32; 2]),
    /// Two texts and how near they are.
    Scored([u32; 2], f32),
    /// A text and its label.
    Labelled(u32, u32),
}

impl Example {
    /// The text that the others belong to.
    pub fn anchor(&self) -> u32 {
        match *self {
            Self::Triplet([anchor, ..]) | Self::Pair([anchor, _]) | Self::Scored([anchor, _], _) => anchor,
            Self::Labelled(text, _) => text,
        }
    }

    /// The text that belongs to the anchor.
    pub fn positive(&self) -> Option<u32> {
        match *self {
            Self::Triplet([_, positive, _]) | Self::Pair([_, positive]) | Self::Scored([_, positive], _) => {
                Some(positive)
            }
            Self::Labelled(..) => None,
        }
    }

    /// Whether it compares a text with itself.
    pub fn names_a_text_twice(&self) -> bool {
        match *self {
            Self::Triplet([anchor, positive, negative]) => {
                anchor == positive || anchor == negative || positive == negative
            }
            Self::Pair([one, other]) | Self::Scored([one, other], _) => one == other,
            Self::Labelled(..) => false,
        }
    }

    /// The label's place.
    pub fn label(&self) -> Option<u32> {
        match *self {
            Self::Labelled(_, label) => Some(label),
            Self::Triplet(_) | Self::Pair(_) | Self::Scored(..) => None,
        }
    }
}

/// A row and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub example: Example,
    /// The further negatives, if there are several: a place in [`Pool::others`](crate::pool::Pool::others).
    pub others: Option<u32>,
    /// Rows of one group are never split: a place in [`Pool::groups`](crate::pool::Pool::groups).
    pub group: Option<u32>,
    /// The number of its record in the file: that of its first line, in Parquet that of its row; from 1.
    pub number: u64,
}
