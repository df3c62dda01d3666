//! The names that columns have in data sets, the role's own one first.

pub(crate) const ANCHOR: &[&str] = &["anchor", "query", "question"];
pub(crate) const POSITIVE: &[&str] = &[
    "positive",
    "positives",
    "pos",
    "answer",
    "response",
    "document",
    "doc",
    "passage",
    "positive_text",
    "positive_passage",
    "positive_document",
    "positive_doc",
];
/// Each may have a number behind it: `negative_1`, `neg2`.
const NEGATIVE: &[&str] = &[
    "negative",
    "negatives",
    "neg",
    "hard_negative",
    "hard_negatives",
    "negative_text",
    "negative_passage",
    "negative_document",
    "negative_doc",
];
pub(crate) const FIRST: &[&str] = &["sentence1", "sentence_1", "sentence_a", "text1", "text_1", "text_a"];
pub(crate) const SECOND: &[&str] = &["sentence2", "sentence_2", "sentence_b", "text2", "text_2", "text_b"];
pub(crate) const SCORE: &[&str] = &[
    "score",
    "similarity",
    "similarity_score",
    "relatedness_score",
    "label",
    "labels",
];
pub(crate) const TEXT: &[&str] = &["text", "sentence", "content", "utterance"];
pub(crate) const LABEL: &[&str] = &["label", "labels", "class", "category", "intent", "topic"];
pub(crate) const GROUP: &[&str] = &["group"];

/// Whether a column may have a role by its name.
pub(crate) fn has_role(name: &str) -> bool {
    let known = [ANCHOR, POSITIVE, FIRST, SECOND, SCORE, TEXT, LABEL, GROUP];
    is_negative(name) || known.iter().any(|names| names.contains(&plain(name).as_str()))
}

/// A name without what data sets write differently.
pub(crate) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

/// Whether columns of that name have negatives.
pub(crate) fn is_negative(name: &str) -> bool {
    let name = plain(name);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    NEGATIVE.contains(&stem.strip_suffix('_').unwrap_or(stem))
}

/// The number at the end of a name: `negative_10` comes after `negative_9`.
pub(crate) fn number(name: &str) -> u64 {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name[stem.len()..].parse().unwrap_or(0)
}
