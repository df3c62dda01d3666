//! What the columns of a file are for: the study says it, or else their names do.

use hpo_protocol::embedding::Columns;
use indexmap::IndexSet;

use crate::Kind;
use crate::error::shown;
use crate::names::{ANCHOR, FIRST, GROUP, LABEL, POSITIVE, SCORE, SECOND, TEXT, has_role, is_negative, number, plain};

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Anchor,
    Positive,
    Negative,
    Score,
    Text,
    Label,
    Group,
    /// By what other files name a text.
    Id,
    /// What belongs in front of a text.
    Title,
}

/// The columns of a file that are read, and what their rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub kind: Kind,
    /// Names as the file has them. Of [`Role::Negative`] there may be several, of the others one each.
    pub columns: Vec<(String, Role)>,
    /// Columns that the file has beside these; none if the roles were not guessed from the names.
    pub others: Option<IndexSet<String>>,
}

/// Why the columns of a file can't be used, and the fix.
#[derive(Debug)]
pub(crate) struct Unclear {
    pub message: String,
    pub help: String,
    /// The place among the columns of the one that is at fault, if it is one.
    pub at: Option<usize>,
}

const MAPPINGS: &str = "say it under `[trial]` with the file's own names: \
    `columns = { anchor = \"…\", positive = \"…\", negative = \"…\" }` for triplets, \
    `{ anchor, positive }` for pairs that belong together, `{ anchor, positive, score }` for scored pairs, \
    `{ text, label }` for labelled texts";

impl Layout {
    /// The layout of a file whose columns are `found`.
    pub fn of(found: &[&str], mapping: Option<&Columns>) -> Result<Self, Unclear> {
        let layout = match mapping {
            Some(mapping) => mapped(found, mapping),
            None => recognised(found),
        }?;
        let second = |name: &str| (0..found.len()).filter(|&at| found[at] == name).nth(1);
        let mut seconds = layout.columns.iter().filter_map(|(name, _)| second(name));
        match seconds.next() {
            Some(at) => Err(Unclear {
                message: format!("the column `{}` appears twice", shown(found[at])),
                help: "rename or remove one of the two".to_owned(),
                at: Some(at),
            }),
            None => Ok(layout),
        }
    }

    /// A layout of columns of which it is known what they are for.
    pub fn known(kind: Kind, columns: Vec<(String, Role)>) -> Self {
        Self {
            kind,
            columns,
            others: None,
        }
    }

    /// Whether a record without this column is in order.
    pub fn is_optional(&self, column: usize) -> bool {
        let role = |at: usize| self.columns.get(at).map(|(_, role)| *role);
        match role(column) {
            Some(Role::Group | Role::Title) => true,
            // Texts may have different numbers of negatives.
            Some(Role::Negative) => column > 0 && role(column - 1) == Some(Role::Negative),
            _ => false,
        }
    }

    /// Whether a column has texts.
    pub fn is_text(&self, name: &str) -> bool {
        let role = self.position(name).map(|column| self.columns[column].1);
        role.is_some_and(|role| matches!(role, Role::Anchor | Role::Positive | Role::Negative | Role::Text))
    }

    /// The place of a column that is read.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column == name)
    }

    /// Whether a column that the first record did not have would have changed what is read, had it been known in time.
    pub fn is_surprising(&self, name: &str) -> bool {
        let Some(others) = &self.others else { return false };
        if others.contains(name) || !has_role(name) {
            return false;
        }
        let known = self.columns.iter().map(|(name, _)| name.as_str());
        let with: Vec<&str> = known.chain([name]).collect();
        recognised(&with).map_or(true, |layout| {
            (layout.kind, layout.columns) != (self.kind, self.columns.clone())
        })
    }

    /// How a line of JSON with these columns looks.
    pub fn example(&self) -> String {
        let member = |(name, role): &(String, Role)| match role {
            Role::Score => format!("\"{}\": 0.5", shown(name)),
            Role::Anchor
            | Role::Positive
            | Role::Negative
            | Role::Text
            | Role::Label
            | Role::Group
            | Role::Id
            | Role::Title => format!("\"{}\": \"…\"", shown(name)),
        };
        let required = (0..self.columns.len()).filter(|&column| !self.is_optional(column));
        let members: Vec<String> = required.map(|column| member(&self.columns[column])).collect();
        format!("write one {{{}}} per line", members.join(", "))
    }
}

fn mapped(found: &[&str], mapping: &Columns) -> Result<Layout, Unclear> {
    let mut columns = Vec::new();
    let mut add = |name: &String, role| columns.push((name.clone(), role));
    let single = [
        (&mapping.anchor, Role::Anchor),
        (&mapping.positive, Role::Positive),
        (&mapping.text, Role::Text),
    ];
    for (name, role) in single {
        name.iter().for_each(|name| add(name, role));
    }
    mapping.negative.iter().for_each(|name| add(name, Role::Negative));
    for (name, role) in [
        (&mapping.score, Role::Score),
        (&mapping.label, Role::Label),
        (&mapping.group, Role::Group),
    ] {
        name.iter().for_each(|name| add(name, role));
    }
    let kind = mapping.kind().ok_or_else(|| Unclear {
        message: "`columns` names roles that do not go together".to_owned(),
        help: MAPPINGS.to_owned(),
        at: None,
    })?;
    let layout = Layout::known(kind, columns);
    let names: IndexSet<&str> = layout.columns.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() < layout.columns.len() {
        return Err(Unclear {
            message: "`columns` names one column for two roles".to_owned(),
            help: "give each role a column of its own under `[trial]`".to_owned(),
            at: None,
        });
    }
    match layout.columns.iter().find(|(name, _)| !found.contains(&name.as_str())) {
        Some((name, _)) => Err(Unclear {
            message: format!("there is no column `{}`; the columns are {}", shown(name), list(found)),
            help: "fix `columns` under `[trial]`, or the file".to_owned(),
            at: None,
        }),
        None => Ok(layout),
    }
}

fn recognised(found: &[&str]) -> Result<Layout, Unclear> {
    // One that is there twice is no choice between two.
    let found: &[&str] = &found
        .iter()
        .copied()
        .collect::<IndexSet<_>>()
        .into_iter()
        .collect::<Vec<_>>();
    let anchor = named(found, ANCHOR, Role::Anchor);
    let positive = named(found, POSITIVE, Role::Positive);
    let (first, second) = (named(found, FIRST, Role::Anchor), named(found, SECOND, Role::Positive));
    let score = named(found, SCORE, Role::Score);
    let (text, label) = (named(found, TEXT, Role::Text), named(found, LABEL, Role::Label));
    let mut negatives: Vec<&str> = found.iter().copied().filter(|name| is_negative(name)).collect();
    negatives.sort_by_key(|name| (number(name), plain(name)));

    let mut kinds = Vec::new();
    if let (Some(anchor), Some(positive)) = (&anchor, &positive) {
        kinds.push(match (negatives.is_empty(), &score) {
            (true, None) => (Kind::Pairs, vec![anchor, positive]),
            (true, Some(score)) => (Kind::Scored, vec![anchor, positive, score]),
            // A score says nothing about three texts.
            (false, _) => (Kind::Triplets, vec![anchor, positive]),
        });
    }
    if let (Some(first), Some(second), Some(score)) = (&first, &second, &score) {
        kinds.push((Kind::Scored, vec![first, second, score]));
    }
    if let (Some(text), Some(label)) = (&text, &label) {
        kinds.push((Kind::Labelled, vec![text, label]));
    }
    let unclear = |message: String| Unclear {
        message,
        help: MAPPINGS.to_owned(),
        at: None,
    };
    let (kind, chosen) = match kinds.as_slice() {
        [(kind, chosen)] => (*kind, chosen),
        [] => {
            let message = format!("cannot tell what the columns are for: {}", list(found));
            return Err(unclear(message));
        }
        [(one, _), (other, _), ..] => {
            let message = format!("the columns may be {one} or {other}: {}", list(found));
            return Err(unclear(message));
        }
    };
    let mut columns = Vec::new();
    let group = named(found, GROUP, Role::Group);
    for named in chosen.iter().copied().chain(&group) {
        columns.push(named.only()?);
        if named.role == Role::Positive && kind == Kind::Triplets {
            columns.extend(negatives.iter().map(|name| ((*name).to_owned(), Role::Negative)));
        }
    }
    let is_other = |name: &&str| columns.iter().all(|(column, _)| column != name);
    let others = found.iter().copied().filter(is_other).map(str::to_owned).collect();
    Ok(Layout {
        kind,
        columns,
        others: Some(others),
    })
}

/// Columns that may have a role by their names.
pub(crate) struct Named<'a> {
    role: Role,
    /// The role's own name.
    own: &'static str,
    /// At least one.
    candidates: Vec<&'a str>,
}

impl Named<'_> {
    /// The one column, and what it is for.
    pub fn only(&self) -> Result<(String, Role), Unclear> {
        match self.candidates.as_slice() {
            [name] => Ok(((*name).to_owned(), self.role)),
            several => Err(Unclear {
                message: format!("more than one column may be the {}: {}", self.own, list(several)),
                help: MAPPINGS.to_owned(),
                at: None,
            }),
        }
    }
}

/// The columns with one of the `names`. The first of the names is the role's own and goes before the others.
pub(crate) fn named<'a>(found: &[&'a str], names: &[&'static str], role: Role) -> Option<Named<'a>> {
    let of = |wanted: &[&str]| -> Vec<&'a str> {
        let is = |name: &&&str| wanted.contains(&plain(name).as_str());
        found.iter().filter(is).copied().collect()
    };
    let (own, others) = names.split_first()?;
    let candidates = Some(of(&[own])).filter(|of_its_own| !of_its_own.is_empty());
    let candidates = candidates.unwrap_or_else(|| of(others));
    (!candidates.is_empty()).then_some(Named { role, own, candidates })
}

/// The first of the names, quoted.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let quoted: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    let more = names.len().saturating_sub(SHOWN);
    match (quoted.as_slice(), more) {
        ([], _) => "there are none".to_owned(),
        (quoted, 0) => quoted.join(", "),
        (quoted, more) => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(found: &[&str]) -> String {
        match Layout::of(found, None) {
            Ok(layout) => {
                let names: Vec<&str> = layout.columns.iter().map(|(name, _)| name.as_str()).collect();
                format!("{}: {}", layout.kind, names.join(" "))
            }
            Err(unclear) => unclear.message,
        }
    }

    #[test]
    fn kinds_are_recognised_by_the_names_that_data_sets_use() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["negative", "anchor", "id", "positive"],
                "triplets: anchor positive negative",
            ),
            (&["query", "pos", "neg"], "triplets: query pos neg"),
            (
                &["Query", "Positive", "negative_10", "negative_9", "label"],
                "triplets: Query Positive negative_9 negative_10",
            ),
            (&["question", "answer"], "pairs: question answer"),
            (&["anchor", "positive", "query"], "pairs: anchor positive"),
            (
                &["sentence_A", "sentence_B", "relatedness_score"],
                "scored pairs: sentence_A sentence_B relatedness_score",
            ),
            (&["text1", "text2", "label"], "scored pairs: text1 text2 label"),
            (
                &["anchor", "positive", "similarity"],
                "scored pairs: anchor positive similarity",
            ),
            (&["text", "label", "label_text"], "labelled texts: text label"),
            (&["text", "intent", "group"], "labelled texts: text intent group"),
            (
                &["anchor", "positive", "sentence", "content", "label_text"],
                "pairs: anchor positive",
            ),
            (
                &["query", "question", "answer"],
                "more than one column may be the anchor: `query`, `question`",
            ),
            (
                &["text", "label", "anchor", "positive"],
                "the columns may be scored pairs or labelled texts: `text`, `label`, `anchor`, `positive`",
            ),
            (
                &["sentence1", "sentence2"],
                "cannot tell what the columns are for: `sentence1`, `sentence2`",
            ),
            (&["a\u{1b}"], "cannot tell what the columns are for: `a\\u{1b}`"),
            (&[], "cannot tell what the columns are for: there are none"),
        ];
        for (found, expected) in cases {
            assert_eq!(described(found), *expected);
        }
        let many: Vec<String> = (0..100).map(|n| format!("column {n} {}", "x".repeat(100))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let message = described(&many);
        assert!(
            message.ends_with("… and 88 more") || message.ends_with(" and 88 more"),
            "{message}"
        );
        assert!(message.len() < 1200);
    }

    #[test]
    fn a_mapping_takes_the_columns_that_it_names_and_no_others() {
        let mapping = |json: &str| serde_json::from_str::<Columns>(json).unwrap();
        let found = ["anchor", "a", "b", "c", "score"];
        let of = |json: &str| Layout::of(&found, Some(&mapping(json)));
        let layout = of(r#"{"anchor": "a", "positive": "b"}"#).unwrap();
        assert_eq!(layout.kind, Kind::Pairs);
        assert_eq!(
            layout.columns,
            [("a".to_owned(), Role::Anchor), ("b".to_owned(), Role::Positive)]
        );
        let layout = of(r#"{"anchor": "a", "positive": "b", "negative": ["c", "score"]}"#).unwrap();
        assert!(layout.kind == Kind::Triplets && layout.is_optional(3) && !layout.is_optional(2));
        assert_eq!(
            of(r#"{"anchor": "x", "positive": "b"}"#).unwrap_err().message,
            "there is no column `x`; the columns are `anchor`, `a`, `b`, `c`, `score`"
        );
        let unclear = of(r#"{"anchor": "a", "score": "score"}"#).unwrap_err();
        assert_eq!(unclear.message, "`columns` names roles that do not go together");
        assert!(unclear.help.contains("columns = {"));
    }

    #[test]
    fn a_column_that_is_read_is_there_once() {
        let at = |found: &[&str], mapping: Option<&Columns>| {
            let unclear = Layout::of(found, mapping).unwrap_err();
            assert_eq!(
                unclear.message,
                format!("the column `{}` appears twice", found[unclear.at.unwrap()])
            );
            unclear.at.unwrap()
        };
        assert_eq!(at(&["anchor", "positive", "negative", "negative"], None), 3);
        assert_eq!(at(&["anchor", "id", "anchor", "positive"], None), 2);
        assert_eq!(at(&["label", "text", "group", "label", "group"], None), 3);
        let mapping = serde_json::from_str::<Columns>(r#"{"anchor": "a", "positive": "b"}"#).unwrap();
        assert_eq!(at(&["b", "a", "b"], Some(&mapping)), 2);
        // Nobody reads these.
        assert!(Layout::of(&["a", "b", "id", "id"], Some(&mapping)).is_ok());
        assert!(Layout::of(&["query", "answer", "id", "id"], None).is_ok());
    }
}
