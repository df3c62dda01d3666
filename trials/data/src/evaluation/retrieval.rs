//! Queries, a corpus, and which of its documents are relevant.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use hpo_protocol::embedding::Evaluation;
use indexmap::IndexSet;

use super::beir::{Judgments, Texts};
use super::{Query, Reading, Retrieval, Task, count};
use crate::columns::Role;
use crate::error::{DataError, shown};
use crate::pool::Pool;

/// Places of a ranking that the usual metrics look at.
const TOP: usize = 10;

/// Reads the queries and the corpus: BEIR's files, or rows of anchors with positives, and negatives if there are any.
pub(super) fn load(reading: &mut Reading) -> Result<(Task, String), DataError> {
    let data = match &reading.evaluation.data {
        None => {
            return beir(
                reading,
                reading.path("corpus")?,
                reading.path("queries")?,
                reading.path("qrels")?,
            );
        }
        Some(data) => data.as_path(),
    };
    if !data.is_dir() {
        return of_rows(reading, data);
    }
    let [corpus, queries, qrels] = Evaluation::BEIR.map(|name| data.join(name));
    for file in [&corpus, &queries, &qrels] {
        if !file.exists() {
            return Err(not_beir(data, file));
        }
    }
    beir(reading, &corpus, &queries, &qrels)
}

/// The error of a directory without one of BEIR's files.
fn not_beir(directory: &Path, missing: &Path) -> DataError {
    let there: Vec<PathBuf> = std::fs::read_dir(directory.join("qrels"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let message = format!("there is no `{}`", missing.display());
    let others: Vec<String> = there.iter().map(|path| format!("`{}`", path.display())).collect();
    let there = match others.as_slice() {
        [] => String::new(),
        others => format!("; as judgments there is {}", others.join(", ")),
    };
    let help = format!(
        "put `{}` into the directory, or name three files with `queries`, `corpus` and `qrels` instead of `data`{there}",
        Evaluation::BEIR.join("`, `")
    );
    DataError::whole(directory, message, help)
}

fn beir(reading: &mut Reading, corpus: &Path, queries: &Path, qrels: &Path) -> Result<(Task, String), DataError> {
    if reading.evaluation.columns.is_some() {
        let message = "`columns` is for files of rows; those of BEIR's form have columns of their own";
        return Err(DataError::whole(corpus, message, "remove `columns` under `[trial]`"));
    }
    let documents = reading.texts(corpus, None)?;
    // Documents are the first texts.
    let mut copies = vec![0; reading.pool.texts.len()];
    for (text, _) in documents.by_id.values() {
        copies[*text as usize] += 1;
    }
    if documents.empty > 0 {
        let empty = count(documents.empty, "document", "documents");
        reading.warn(format!(
            "{empty} of `{}` without a text: ranked as the others are",
            corpus.display()
        ));
    }
    let judgments = reading.judgments(qrels, &documents)?;
    let asked = reading.texts(queries, Some(&judgments))?;
    warn_of_unknown(reading, [corpus, queries, qrels], &judgments, &asked);
    let mut all = Vec::new();
    let mut empty = 0;
    for (id, (text, _)) in &asked.by_id {
        let relevant: Vec<u32> = judgments.relevant[id]
            .iter()
            .filter_map(|&place| documents.by_id.get_index(place))
            .map(|(_, (text, _))| *text)
            .collect();
        if is_blank(&reading.pool, *text) {
            empty += 1;
            continue;
        }
        let missing = judgments.missing.get(id).copied().unwrap_or(0);
        all.push(Query {
            text: *text,
            relevant,
            missing,
        });
    }
    if empty > 0 {
        let empty = count(empty, "query", "queries");
        reading.warn(format!("{empty} of `{}` without a text left out", queries.display()));
    }
    if all.iter().all(|query| query.relevant.is_empty()) {
        let message = format!(
            "`{}` names no query of `{}` together with a relevant document of `{}`",
            qrels.display(),
            queries.display(),
            corpus.display()
        );
        let help =
            "check that the three files belong together: ids must be written alike, and scores above 0 are relevant";
        return Err(DataError::whole(qrels, message, help));
    }
    let task = Retrieval { copies, queries: all };
    let left_out = match asked.others {
        0 => String::new(),
        others => format!(
            "; {} without a relevant document left out",
            count(others, "query", "queries")
        ),
    };
    check(reading, corpus, &task)?;
    let summary = summary(&task) + &left_out;
    Ok((Task::Retrieval(task), summary))
}

fn is_blank(pool: &Pool, text: u32) -> bool {
    pool.texts.get_index(text as usize).is_none_or(String::is_empty)
}

/// Warns of judgments that name what is not there.
fn warn_of_unknown(reading: &mut Reading, files: [&Path; 3], judgments: &Judgments, asked: &Texts) {
    let [corpus, queries, qrels] = files.map(Path::display);
    let mut unknown: Vec<&String> = judgments
        .relevant
        .keys()
        .filter(|id| !asked.by_id.contains_key(*id))
        .collect();
    unknown.sort();
    if let Some(first) = unknown.first() {
        let number = count(unknown.len(), "query", "queries");
        reading.warn(format!(
            "`{qrels}` judges {number} that `{queries}` does not have, such as `{}`: left out",
            shown(first)
        ));
    }
    let of_asked = |id: &&String| asked.by_id.contains_key(*id);
    let missing: usize = judgments
        .missing
        .keys()
        .filter(of_asked)
        .map(|id| judgments.missing[id])
        .sum();
    if let (Some(first), 1..) = (&judgments.unknown, missing) {
        let number = count(missing, "document", "documents");
        reading.warn(format!(
            "`{qrels}` calls {number} relevant that `{corpus}` does not have, such as `{}`: they count as never found, as in \
             sentence-transformers",
            shown(first)
        ));
    }
}

/// Rows: the queries are the distinct anchors, the documents all distinct positives and negatives.
fn of_rows(reading: &mut Reading, file: &Path) -> Result<(Task, String), DataError> {
    let rows = reading.rows(file, &mut |sheet| {
        let anchor = sheet.texts(Role::Anchor)?;
        let (positives, negatives) = (sheet.texts(Role::Positive)?, sheet.texts(Role::Negative)?);
        Ok(match anchor.as_slice() {
            [anchor] if !positives.is_empty() => Some((*anchor, positives, negatives)),
            _ => None,
        })
    })?;
    let left_out = rows.left_out("an anchor or a positive");
    let mut texts: IndexSet<u32> = IndexSet::new();
    for (_, positives, negatives) in &rows.rows {
        texts.extend(positives.iter().chain(negatives));
    }
    let documents = texts.len();
    let mut relevant: indexmap::IndexMap<u32, IndexSet<u32>> = indexmap::IndexMap::new();
    for (anchor, positives, _) in &rows.rows {
        let anchor = texts.insert_full(*anchor).0 as u32;
        let positives = positives.iter().filter_map(|text| texts.get_index_of(text));
        relevant
            .entry(anchor)
            .or_default()
            .extend(positives.map(|place| place as u32));
    }
    let contradictory: HashSet<(u32, u32)> = rows
        .rows
        .iter()
        .flat_map(|(anchor, _, negatives)| negatives.iter().map(move |negative| (anchor, negative)))
        .filter_map(|(anchor, negative)| {
            Some((texts.get_index_of(anchor)? as u32, texts.get_index_of(negative)? as u32))
        })
        .filter(|(anchor, negative)| relevant.get(anchor).is_some_and(|relevant| relevant.contains(negative)))
        .collect();
    if !contradictory.is_empty() {
        let number = count(contradictory.len(), "text is", "texts are");
        reading.warn(format!(
            "{number} both positive and negative to the same anchor: relevant"
        ));
    }
    reading.keep_texts(&texts);
    let queries = relevant.into_iter().map(|(text, relevant)| Query {
        text,
        relevant: relevant.into_iter().collect(),
        missing: 0,
    });
    let task = Retrieval {
        copies: vec![1; documents],
        queries: queries.collect(),
    };
    check(reading, file, &task)?;
    let summary = summary(&task) + &left_out;
    Ok((Task::Retrieval(task), summary))
}

fn summary(task: &Retrieval) -> String {
    let documents: u32 = task.copies.iter().sum();
    let relevant: HashSet<u32> = task
        .queries
        .iter()
        .flat_map(|query| query.relevant.iter().copied())
        .collect();
    let relevant: u32 = relevant.iter().map(|&text| task.copies[text as usize]).sum();
    format!(
        "{}, {}, {relevant} of them relevant",
        count(task.queries.len(), "query", "queries"),
        count(documents as usize, "document", "documents")
    )
}

/// Refuses what no model can be better at than another, and warns of what makes metrics say less than they seem to.
fn check(reading: &mut Reading, file: &Path, task: &Retrieval) -> Result<(), DataError> {
    let number = count(task.queries.len(), "query", "queries");
    let texts = task.copies.len();
    if texts < 2 {
        return Err(reading.says_nothing(file, "there is one text to find"));
    }
    let mut itself = 0;
    let mut tied = 0;
    let mut informative = false;
    for query in &task.queries {
        let relevant: HashSet<u32> = query.relevant.iter().copied().collect();
        let is_document = (query.text as usize) < texts;
        itself += usize::from(is_document && !relevant.contains(&query.text));
        let of = |text: &u32| query.relevant.iter().filter(|other| *other == text).count();
        tied += usize::from(
            relevant
                .iter()
                .any(|text| of(text) < task.copies[*text as usize] as usize),
        );
        // The query's own text stands first whatever the model.
        let others = texts - usize::from(is_document);
        let found = relevant.iter().filter(|text| **text != query.text).count();
        informative |= (1..others).contains(&found);
    }
    if !informative {
        let is_itself = |query: &Query| query.relevant.iter().all(|text| *text == query.text);
        let common = match task.queries.iter().all(is_itself) {
            true => format!("the only relevant text of each of {number} is that of the query itself"),
            false => format!("all texts are relevant to each of {number}"),
        };
        return Err(reading.says_nothing(file, &common));
    }
    if itself > 0 {
        reading.warn(format!(
            "{itself} of {number} stand in the corpus and are not relevant to themselves: each finds itself first, as in \
             sentence-transformers"
        ));
    }
    if tied > 0 {
        reading.warn(format!(
            "for {tied} of {number} a document that is not relevant has the same text as one that is: it stands before it"
        ));
    }
    reading.warn_of_few(task.queries.len(), &number);
    if texts <= TOP {
        reading.warn(format!(
            "only {texts} different texts to find: accuracy@10 and recall@10 are always 1"
        ));
    }
    Ok(())
}
