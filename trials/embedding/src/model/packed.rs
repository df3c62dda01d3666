//! Texts of a batch side by side, without padding.

use tch::Tensor;

/// Consecutive texts of equal length in a packed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of texts.
    pub texts: i64,
    /// Tokens of each.
    pub length: i64,
}

impl Group {
    /// Tokens of all its texts.
    pub fn tokens(&self) -> i64 {
        self.texts * self.length
    }
}

/// A batch of texts whose tokens stand one after the other, ordered by text length.
///
/// About half of the tokens of a padded batch are padding; here every row is a real token, and only attention has to
/// know where a text ends.
#[derive(Debug)]
pub struct Packed {
    /// The distinct token ids, ascending.
    pub words: Vec<i64>,
    /// The place of each token in `words`.
    pub ids: Vec<i64>,
    /// The row of the position embeddings of each token.
    pub positions: Vec<i64>,
    /// Where each text of the caller stands in the packed order.
    pub rows: Vec<i64>,
    /// The groups, in the packed order.
    pub groups: Vec<Group>,
}

/// How the tokens of a text are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// 0, 1, 2 …
    FromZero,
    /// From the padding token's id plus 1, as in RoBERTa. A padding token within a text, which only a text that spells
    /// it has, gets its own id and is not counted.
    AfterPadding(u32),
}

impl Positions {
    /// The position of a text's first token.
    pub fn first(self) -> i64 {
        match self {
            Self::FromZero => 0,
            Self::AfterPadding(padding) => i64::from(padding) + 1,
        }
    }

    fn of(self, text: &[u32]) -> impl Iterator<Item = i64> {
        let mut next = self.first();
        text.iter().map(move |&token| match self {
            Self::AfterPadding(padding) if token == padding => i64::from(padding),
            Self::FromZero | Self::AfterPadding(_) => {
                next += 1;
                next - 1
            }
        })
    }
}

/// What the lowest layers have made of the texts of a batch.
#[derive(Debug)]
pub struct Below {
    /// How many layers.
    pub layers: usize,
    /// Token vectors `[tokens, hidden]` of each text, in the packed order.
    pub states: Vec<Tensor>,
}

impl Packed {
    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        // The groups are ordered by length, which is positive.
        self.groups.last().map_or(0, |group| group.length as usize)
    }

    /// Packs token ids; no text may be empty.
    pub fn new(texts: &[&[u32]], numbering: Positions) -> Self {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| texts[text].len());
        let total = texts.iter().map(|text| text.len()).sum();
        let mut ids = Vec::with_capacity(total);
        let mut positions = Vec::with_capacity(total);
        let mut rows = vec![0; texts.len()];
        let mut groups: Vec<Group> = Vec::new();
        for (row, &text) in order.iter().enumerate() {
            rows[text] = row as i64;
            ids.extend(texts[text].iter().map(|&id| i64::from(id)));
            let length = texts[text].len() as i64;
            positions.extend(numbering.of(texts[text]));
            match groups.last_mut() {
                Some(group) if group.length == length => group.texts += 1,
                _ => groups.push(Group { texts: 1, length }),
            }
        }
        let mut words = ids.clone();
        words.sort_unstable();
        words.dedup();
        for id in &mut ids {
            // Found, since `words` was made of `ids`.
            *id = words.partition_point(|word| word < id) as i64;
        }
        Self {
            words,
            ids,
            positions,
            rows,
            groups,
        }
    }
}
