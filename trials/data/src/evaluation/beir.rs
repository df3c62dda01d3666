//! BEIR's files: texts that have ids, and judgments that name them.

use std::collections::HashMap;
use std::path::Path;

use indexmap::IndexMap;

use super::{Reading, count};
use crate::Kind;
use crate::columns::{Layout, Role, Unclear, list, named};
use crate::error::{DataError, shown};
use crate::names::plain;
use crate::pool::{Pool, intern};
use crate::rows::{Flaw, Found, Record, Sheet};
use crate::source::{self, Sink};

/// Names of columns; the first of each is BEIR's own, and goes before the others.
const ID: &[&str] = &[
    "_id",
    "id",
    "query_id",
    "corpus_id",
    "doc_id",
    "document_id",
    "passage_id",
    "qid",
    "docid",
    "pid",
    "docno",
];
const TEXT: &[&str] = &[
    "text", "query", "question", "contents", "content", "passage", "document", "body",
];
const TITLE: &[&str] = &["title"];
const QUERY: &[&str] = &["query_id", "qid", "query", "q_id"];
const DOCUMENT: &[&str] = &[
    "corpus_id",
    "doc_id",
    "document_id",
    "passage_id",
    "docid",
    "pid",
    "docno",
    "document",
];
const RELEVANCE: &[&str] = &["score", "relevance", "rel", "label", "grade"];

const TEXTS_HELP: &str = "name the columns `_id` and `text`, and `title` if there are titles, as BEIR does";
const JUDGMENTS_HELP: &str = "name the columns `query-id`, `corpus-id` and `score`, as BEIR does";

/// The layout of the columns with the names of a role each; `help` is for those that are not there.
fn layout(found: &[&str], kind: Kind, roles: &[(&[&'static str], Role)], help: &str) -> Result<Layout, Unclear> {
    let mut columns = Vec::new();
    for (names, role) in roles {
        match named(found, names, *role) {
            Some(named) => columns.push(named.only().map_err(|unclear| Unclear {
                help: help.to_owned(),
                ..unclear
            })?),
            // Lines of JSON may have a title although the first has none.
            None if *role == Role::Title => columns.push((names[0].to_owned(), *role)),
            None => {
                let own = names[0]
                    .replace("query_id", "query-id")
                    .replace("corpus_id", "corpus-id");
                return Err(Unclear {
                    message: format!("there is no column `{own}`; the columns are {}", list(found)),
                    help: help.to_owned(),
                    at: None,
                });
            }
        }
    }
    let layout = Layout::known(kind, columns);
    let second = |name: &str| (0..found.len()).filter(|&at| found[at] == name).nth(1);
    match layout.columns.iter().find_map(|(name, _)| second(name)) {
        Some(at) => Err(Unclear {
            message: format!("the column `{}` appears twice", shown(found[at])),
            help: "rename or remove one of the two".to_owned(),
            at: Some(at),
        }),
        None => Ok(layout),
    }
}

/// The id in a column.
fn id(sheet: &Sheet, role: Role) -> Result<String, Flaw> {
    match sheet.named(role, "an id")? {
        Some((_, id)) if !id.is_empty() => Ok(id),
        Some(_) | None => Err(sheet.flaw(role, "the id is blank".to_owned(), "give it an id, or remove it")),
    }
}

/// Texts by their ids.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The place of the text of each id in the pool, and the number of the record.
    pub by_id: IndexMap<String, (u32, u64)>,
    /// Records that repeat an earlier one.
    pub repeated: usize,
    /// Records without a text.
    pub empty: usize,
    /// Records of ids that do not matter.
    pub others: usize,
}

/// Reads texts.
struct ReadTexts<'a> {
    pool: &'a mut Pool,
    layout: Option<Layout>,
    /// The ids that matter, if not all do.
    wanted: Option<&'a Judgments>,
    texts: Texts,
}

impl Sink for ReadTexts<'_> {
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear> {
        let roles = [(ID, Role::Id), (TITLE, Role::Title), (TEXT, Role::Text)];
        let layout = layout(names, Kind::Labelled, &roles, TEXTS_HELP)?;
        Ok(self.layout.insert(layout).clone())
    }

    fn names(&self, first: &[&str]) -> Option<&'static [&'static str]> {
        let known = |name: &&str| ID.contains(&plain(name).as_str()) || TEXT.contains(&plain(name).as_str());
        (first.len() == 2 && !first.iter().any(known)).then_some(&["_id", "text"])
    }

    fn take(&mut self, record: &Record) -> Result<(), Flaw> {
        let Some(layout) = &self.layout else { return Ok(()) };
        let mut sheet = Sheet::new(layout, record, true, self.pool);
        sheet.is_no_header()?;
        let id = id(&sheet, Role::Id)?;
        let (title, text) = (sheet.plain(Role::Title)?, sheet.plain(Role::Text)?);
        if self.wanted.is_some_and(|judged| !judged.relevant.contains_key(&id)) {
            self.texts.others += 1;
            return Ok(());
        }
        let whole = format!("{title} {text}");
        let whole = whole.trim();
        if let Some((known, number)) = self.texts.by_id.get(&id) {
            if self.pool.texts.get_index(*known as usize).map(String::as_str) == Some(whole) {
                self.texts.repeated += 1;
                return Ok(());
            }
            let kind = record.storage.record;
            let message = format!(
                "the id `{}` is that of {kind} {number} too, which has another text",
                shown(&id)
            );
            let sheet = Sheet::new(layout, record, true, self.pool);
            return Err(sheet.flaw(Role::Id, message, "give each text an id of its own"));
        }
        self.texts.empty += usize::from(whole.is_empty());
        let place = intern(&mut self.pool.texts, whole);
        self.texts.by_id.insert(id, (place, record.number));
        Ok(())
    }
}

/// Which documents are relevant to which query.
#[derive(Debug, Default)]
pub(super) struct Judgments {
    /// By the id of the query, the relevant documents: places in [`Texts::by_id`]. Queries without any are not there.
    pub relevant: HashMap<String, Vec<usize>>,
    /// By the id of the query, how many relevant documents the corpus does not have.
    pub missing: HashMap<String, usize>,
    /// The first of these.
    pub unknown: Option<String>,
    /// Judgments that repeat an earlier one.
    pub repeated: usize,
}

/// Reads judgments.
struct ReadJudgments<'a> {
    pool: &'a mut Pool,
    corpus: &'a Texts,
    layout: Option<Layout>,
    seen: HashMap<(u32, String), bool>,
    queries: IndexMap<String, ()>,
    found: Judgments,
}

impl Sink for ReadJudgments<'_> {
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear> {
        let roles = [
            (QUERY, Role::Anchor),
            (DOCUMENT, Role::Positive),
            (RELEVANCE, Role::Score),
        ];
        let layout = layout(names, Kind::Scored, &roles, JUDGMENTS_HELP)?;
        Ok(self.layout.insert(layout).clone())
    }

    fn names(&self, first: &[&str]) -> Option<&'static [&'static str]> {
        let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
        match first {
            [_, _, score] if is_number(score) => Some(&["query-id", "corpus-id", "score"]),
            // TREC's, whose second column nobody reads.
            [_, _, _, score] if is_number(score) => Some(&["query-id", "iteration", "corpus-id", "score"]),
            _ => None,
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), Flaw> {
        let Some(layout) = &self.layout else { return Ok(()) };
        let sheet = Sheet::new(layout, record, true, self.pool);
        sheet.is_no_header()?;
        let (query, document) = (id(&sheet, Role::Anchor)?, id(&sheet, Role::Positive)?);
        let Found::Value((_, score)) = sheet.number()? else {
            return Err(sheet.flaw(
                Role::Score,
                "there is no score".to_owned(),
                "give 1 for relevant, 0 for not",
            ));
        };
        let relevant = score > 0.0;
        let number = self.queries.insert_full(query.clone(), ()).0 as u32;
        match self.seen.insert((number, document.clone()), relevant) {
            Some(before) if before == relevant => {
                self.found.repeated += 1;
                return Ok(());
            }
            Some(_) => {
                let message = format!(
                    "`{}` is relevant to `{}` here and not elsewhere in the file, or the other way round",
                    shown(&document),
                    shown(&query)
                );
                return Err(sheet.flaw(Role::Score, message, "remove one of the two"));
            }
            None => {}
        }
        if !relevant {
            return Ok(());
        }
        let of_query = self.found.relevant.entry(query.clone()).or_default();
        match self.corpus.by_id.get_index_of(&document) {
            Some(place) => of_query.push(place),
            None => {
                *self.found.missing.entry(query).or_default() += 1;
                self.found.unknown.get_or_insert(document);
            }
        }
        Ok(())
    }
}

/// What the errors of the readers say of rows that train.
fn reworded(error: DataError, help: &str) -> DataError {
    error.with_help(&|said| match source::HELPS.contains(&said.as_str()) {
        true => help.to_owned(),
        false => said,
    })
}

impl Reading<'_> {
    /// Reads texts with ids, all of them or those that judgments name.
    pub(super) fn texts(&mut self, file: &Path, wanted: Option<&Judgments>) -> Result<Texts, DataError> {
        let mut sink = ReadTexts {
            pool: &mut self.pool,
            layout: None,
            wanted,
            texts: Texts::default(),
        };
        source::read(file, &mut sink).map_err(|error| reworded(error, TEXTS_HELP))?;
        let texts = sink.texts;
        if texts.repeated > 0 {
            let number = count(texts.repeated, "row", "rows");
            self.warn(format!("{number} of `{}` repeated, which counts once", file.display()));
        }
        Ok(texts)
    }

    /// Reads judgments of documents.
    pub(super) fn judgments(&mut self, file: &Path, corpus: &Texts) -> Result<Judgments, DataError> {
        let mut sink = ReadJudgments {
            pool: &mut self.pool,
            corpus,
            layout: None,
            seen: HashMap::new(),
            queries: IndexMap::new(),
            found: Judgments::default(),
        };
        source::read(file, &mut sink).map_err(|error| reworded(error, JUDGMENTS_HELP))?;
        let judgments = sink.found;
        if judgments.repeated > 0 {
            let number = count(judgments.repeated, "judgment", "judgments");
            self.warn(format!("{number} of `{}` repeated, which counts once", file.display()));
        }
        Ok(judgments)
    }
}
