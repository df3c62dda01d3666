//! What the columns of a file of data are for, and the kinds of rows that they make.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::declare::{Key, keys};

keys! {
    /// The columns of a file that are read, by what they are for. Anchor and positive make pairs; with a score they make
    /// scored pairs, with negatives triplets. Text and label make labelled texts.
    #[derive(Default, Eq)]
    #[serde(deny_unknown_fields, default)]
    Columns {
        /// The text compared with the others.
        #[serde(skip_serializing_if = "Option::is_none")]
        anchor: Option<String>,
        /// The text that belongs to the anchor, or that is scored with it. May hold lists.
        #[serde(skip_serializing_if = "Option::is_none")]
        positive: Option<String>,
        /// Texts that do not belong to the anchor. May hold lists.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        negative: Vec<String>,
        /// How near anchor and positive are.
        #[serde(skip_serializing_if = "Option::is_none")]
        score: Option<String>,
        /// A text that has a label.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The label of the text.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Rows with equal values here are never split.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    }
}

impl Columns {
    /// What the rows of these columns are; none if they do not go together.
    pub fn kind(&self) -> Option<Kind> {
        let pair = (self.anchor.is_some(), self.positive.is_some());
        let negative = !self.negative.is_empty();
        let labelled = (self.text.is_some(), self.label.is_some());
        match (pair, negative, self.score.is_some(), labelled) {
            ((true, true), true, false, (false, false)) => Some(Kind::Triplets),
            ((true, true), false, false, (false, false)) => Some(Kind::Pairs),
            ((true, true), false, true, (false, false)) => Some(Kind::Scored),
            ((false, false), false, false, (true, true)) => Some(Kind::Labelled),
            _ => None,
        }
    }
}

/// What the rows of a study's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An anchor, a text near to it in meaning, and one that is not.
    Triplets,
    /// An anchor and a text near to it.
    Pairs,
    /// Two texts and how near they are.
    Scored,
    /// A text and the label that it shares with others.
    Labelled,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Triplets => "triplets",
            Self::Pairs => "pairs",
            Self::Scored => "scored pairs",
            Self::Labelled => "labelled texts",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_make_rows_of_a_kind_or_do_not_go_together() {
        let kind = |columns: serde_json::Value| serde_json::from_value::<Columns>(columns).unwrap().kind();
        let cases = [
            (
                json!({"anchor": "a", "positive": "b", "negative": ["c"], "group": "g"}),
                Some(Kind::Triplets),
            ),
            (json!({"anchor": "a", "positive": "b"}), Some(Kind::Pairs)),
            (
                json!({"anchor": "a", "positive": "b", "score": "s"}),
                Some(Kind::Scored),
            ),
            (json!({"text": "a", "label": "b"}), Some(Kind::Labelled)),
            (
                json!({"anchor": "a", "positive": "b", "negative": ["c"], "score": "s"}),
                None,
            ),
            (json!({"anchor": "a", "positive": "b", "text": "t"}), None),
            (json!({"anchor": "a"}), None),
            (json!({"text": "a", "score": "b"}), None),
            (json!({}), None),
        ];
        for (columns, expected) in cases {
            assert_eq!(kind(columns.clone()), expected, "{columns}");
        }
    }
}
