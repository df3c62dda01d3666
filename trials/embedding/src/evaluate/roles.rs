//! What the texts of evaluations are for, which decides what stands before them.

use hpo_data::evaluation::{Candidates, Classification, Query, Retrieval, Task};
use hpo_protocol::embedding::Kind;

/// The rows whose columns a task's texts are like.
pub fn columns(task: &Task) -> Kind {
    match task {
        Task::Retrieval(_) => Kind::Pairs,
        Task::Similarity(_) => Kind::Scored,
        Task::Triplets(_) | Task::Reranking(_) => Kind::Triplets,
        Task::Classification(_) => Kind::Labelled,
    }
}

/// The same task of the texts' places, which `place` gives for a column of these rows and a text. Those of the corpus, and of what a
/// classifier is fitted on, are asked for first, as they must be the first ones.
pub fn placed(task: &Task, mut place: impl FnMut(usize, u32) -> u32) -> Task {
    match task {
        Task::Retrieval(task) => {
            (0..task.copies.len() as u32).for_each(|text| {
                place(1, text);
            });
            let query = |query: &Query| Query {
                text: place(0, query.text),
                relevant: query.relevant.iter().map(|&text| place(1, text)).collect(),
                missing: query.missing,
            };
            Task::Retrieval(Retrieval {
                queries: task.queries.iter().map(query).collect(),
                copies: task.copies.clone(),
            })
        }
        Task::Similarity(pairs) => {
            let pair = |&([one, other], score): &([u32; 2], f64)| ([place(0, one), place(1, other)], score);
            Task::Similarity(pairs.iter().map(pair).collect())
        }
        Task::Triplets(triplets) => {
            let triplet =
                |&[anchor, positive, negative]: &[u32; 3]| [place(0, anchor), place(1, positive), place(2, negative)];
            Task::Triplets(triplets.iter().map(triplet).collect())
        }
        Task::Classification(task) => {
            let mut labelled =
                |rows: &[(u32, u32)]| rows.iter().map(|&(text, label)| (place(0, text), label)).collect();
            Task::Classification(Classification {
                train: labelled(&task.train),
                test: labelled(&task.test),
                labels: task.labels.clone(),
            })
        }
        Task::Reranking(rows) => {
            let row = |row: &Candidates| Candidates {
                query: place(0, row.query),
                positives: row.positives.iter().map(|&text| place(1, text)).collect(),
                negatives: row.negatives.iter().map(|&text| place(2, text)).collect(),
            };
            Task::Reranking(rows.iter().map(row).collect())
        }
    }
}
