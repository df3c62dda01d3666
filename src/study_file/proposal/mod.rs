//! A study's file for whoever has none yet: written for a model, data and a machine.
//!
//! The ranges are what guides to fine-tuning recommend and what [`Parameters`](hpo_protocol::embedding::Parameters) say of
//! themselves, by the size of the model and the number of rows; the user narrows them once there are results.

mod script;
mod space;

use std::fmt::Write as _;

use hpo_protocol::embedding::{Kind, Sizes};

use crate::space::Learned;
use crate::study::LOSS;
use crate::words::counted;

pub use script::{ScriptHelp, ScriptStart, Unproposed, propose_script, read_help};
pub use space::usual as usual_space;

/// What is known before a study is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The name of the base model.
    pub name: String,
    /// Its directory, as the file is to name it, in quotes.
    pub model: String,
    /// Its sizes.
    pub sizes: Sizes,
    /// Its weights.
    pub weights: u64,
    /// The prompts that its directory names, each as `name = "prompt"`.
    pub prompts: Vec<String>,
    /// The data.
    pub files: DataFiles,
    /// What rows are.
    pub kind: Kind,
    /// Rows to train with, after cleaning and splitting.
    pub rows: u64,
    /// Rows that trials are compared by.
    pub validation_rows: u64,
    /// Tokens of nearly all texts, estimated, special tokens included.
    pub tokens: u64,
    /// The GPUs of this machine.
    pub gpus: Vec<String>,
    /// Its CPU cores.
    pub cores: u64,
    /// How many trials it trains at once.
    pub slots: u64,
}

/// The data of a study, as its file is to name them, in quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFiles {
    /// Training data.
    pub train: String,
    /// Validation data; none: a share of the training data.
    pub validation: Option<String>,
    /// Test data; none: a share of the training data, if there are enough.
    pub test: Option<String>,
    /// What their columns are for, as a table; none: their names say it.
    pub columns: Option<String>,
    /// Directories of BEIR's form by the name that each evaluation gets.
    pub retrieval: Vec<(String, String)>,
}

impl Facts {
    /// The objective: a metric, if there are rows enough to compare trials by it, or the loss.
    pub fn metric(&self) -> &'static str {
        match self.validation_rows {
            ENOUGH.. => objective(self.kind),
            _ => LOSS,
        }
    }
}

/// A file, and what it takes for granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The text of the file.
    pub text: String,
    /// What was assumed, a sentence each.
    pub assumed: Vec<String>,
}

/// How long a trial is.
struct Horizon {
    /// `epochs` or `examples`.
    unit: &'static str,
    min: u64,
    max: u64,
}

impl Horizon {
    /// Few rows are worth many epochs; of many, weak configurations are known long before the first epoch ends.
    fn of(rows: u64) -> Self {
        let (unit, min, max) = match rows {
            ..50_000 => ("epochs", 1, 9),
            50_000..300_000 => ("epochs", 1, 3),
            _ => {
                let first = round(rows / 27);
                ("examples", first, 27 * first)
            }
        };
        Self { unit, min, max }
    }
}

/// A number with two digits.
fn round(number: u64) -> u64 {
    let unit = 10u64.pow(number.max(1).ilog10().saturating_sub(1));
    (number / unit).max(1) * unit
}

/// A number with its thousands apart: TOML has `_` between them.
fn grouped(number: u64, between: &str) -> String {
    let digits = number.to_string();
    let (head, rest) = digits.split_at(digits.len() % 3);
    let groups = rest.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let head = (!head.is_empty()).then(|| head.into());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(between)
}

/// The objective: what a user of such data looks at, if there are rows enough to measure it.
fn objective(kind: Kind) -> &'static str {
    match kind {
        Kind::Triplets | Kind::Pairs => "ndcg@10",
        Kind::Scored => "spearman",
        Kind::Labelled => "macro_f1",
    }
}

/// With fewer validation rows than this, the loss tells models apart and a metric of ranks does not.
const ENOUGH: u64 = 200;

/// With at least so many rows, a share can be spared for a test.
const SPARE: u64 = 2_000;

/// The shortest usual length that nearly all texts fit into.
fn max_length(tokens: u64, longest: u64) -> u64 {
    let fitting = [32, 64, 128, 256, 512].into_iter().find(|length| tokens <= *length);
    fitting.unwrap_or(512).min(longest)
}

/// The file for these facts, with the space that was learned from other studies, or the usual one. `begins` says of each of the
/// configurations to be tried first what it is.
pub fn propose(facts: &Facts, learned: &Learned, begins: &[String]) -> Proposal {
    let mut assumed = Vec::new();
    let metric = facts.metric();
    let weights = facts.weights as f64 / 1e6;
    let mut text = format!(
        "# Fine-tunes {} ({} layers, {weights:.0} million weights) on {} rows: {}.\n",
        facts.name,
        facts.sizes.layers,
        grouped(facts.rows, ","),
        facts.kind
    );
    text += "# Check: hpo space check FILE    Search: hpo search FILE    All keys: docs/study-file.md, hpo schema\n\n";
    text += &study(facts, metric, &mut assumed);
    text += &policy(facts, &mut assumed);
    text += &trial(facts, &mut assumed);
    text += &evaluations(facts, &mut assumed);
    text += &space::text(facts, learned);
    text += &space::first(learned, begins);
    let machine = match facts.gpus.as_slice() {
        [] => counted(facts.cores, "CPU core"),
        gpus => gpus.join(", "),
    };
    assumed.push(format!(
        "it runs on this machine ({machine}): {} at once",
        counted(facts.slots, "trial")
    ));
    Proposal { text, assumed }
}

fn study(facts: &Facts, metric: &str, assumed: &mut Vec<String>) -> String {
    let mut text = "[study]\ntrials = 27            # configurations in all; may be raised later\n".to_owned();
    match metric {
        LOSS => {
            let usual = objective(facts.kind);
            let rows = counted(facts.validation_rows, "validation row");
            let _ = writeln!(
                text,
                "# objective = \"{usual}\"    # with more than {rows}; until then trials are compared by their loss"
            );
            assumed.push(format!(
                "{rows} are too few to compare trials by {usual}: the validation loss decides"
            ));
        }
        metric => {
            let _ = writeln!(
                text,
                "objective = \"{metric}\"   # what decides: a metric of the validation data, of an evaluation, or \"loss\""
            );
            assumed.push(format!("you want the best {metric}"));
        }
    }
    text + "# time_limit = \"2h\"     # then the best so far is exported, and the same command with a higher limit continues\n\n"
}

fn policy(facts: &Facts, assumed: &mut Vec<String>) -> String {
    let Horizon { unit, min, max } = Horizon::of(facts.rows);
    assumed.push(match unit {
        "epochs" => format!("{max} {unit} are enough for {} rows", grouped(facts.rows, ",")),
        _ => format!("one pass over {} rows is enough", grouped(facts.rows, ",")),
    });
    let resource = match unit {
        "epochs" => String::new(),
        unit => format!("resource = \"{unit}\"\n"),
    };
    format!(
        "[policy]                # weak trials end at rungs: one in three goes on to the next\n\
         {resource}min_resource = {}\nmax_resource = {}\n\n",
        grouped(min, "_"),
        grouped(max, "_")
    )
}

fn trial(facts: &Facts, assumed: &mut Vec<String>) -> String {
    let DataFiles {
        train,
        validation,
        test,
        columns,
        retrieval: _,
    } = &facts.files;
    let mut text = format!("[trial]\nmodel = {}\ntrain = {train}\n", facts.model);
    match validation {
        Some(file) => text += &format!("validation = {file}\n"),
        None => {
            text += "validation_share = 0.1  # split off the training data\n";
            assumed.push("a tenth of the training data can be spared for validation".to_owned());
        }
    }
    match test {
        Some(file) => text += &format!("test = {file}    # only the best model is measured on it, at the end\n"),
        None if facts.rows >= SPARE => {
            text += "test_share = 0.1        # only the best model is measured on it, at the end\n";
            assumed.push("another tenth can be spared for a test that no decision looks at".to_owned());
        }
        None => {}
    }
    if let Some(columns) = columns {
        text += &format!("columns = {columns}\n");
    }
    let length = max_length(facts.tokens, facts.sizes.longest);
    let _ = writeln!(
        text,
        "max_length = {length}        # tokens; nearly all texts have at most about {}, and longer ones are cut",
        facts.tokens
    );
    assumed.push(format!(
        "{length} tokens hold what matters: nearly all texts have at most about {} (estimated)",
        facts.tokens
    ));
    text += &prompts(facts, assumed);
    text + "\n"
}

/// The prompts: those of the model's directory, or what its makers say elsewhere.
fn prompts(facts: &Facts, assumed: &mut Vec<String>) -> String {
    let ranks = matches!(facts.kind, Kind::Triplets | Kind::Pairs);
    if !facts.prompts.is_empty() {
        let named = facts.prompts.join(", ");
        return format!("# The model's directory names prompts, which stand before the texts: {named}\n");
    }
    // Their model cards ask for them, and their directories do not name them.
    let of_e5 = facts.name.to_lowercase().split(['-', '_']).any(|part| part == "e5");
    match of_e5 {
        true if ranks => {
            assumed.push("this is an E5 model, which wants \"query: \" and \"passage: \" before texts".to_owned());
            "prompts = { anchor = \"query: \", positive = \"passage: \" }    # E5 models want them\n".to_owned()
        }
        true => {
            assumed.push("this is an E5 model, which wants \"query: \" before texts".to_owned());
            "prompts = { anchor = \"query: \", positive = \"query: \", text = \"query: \" }    # E5 models want them\n"
                .to_owned()
        }
        false if ranks => {
            "# prompts = { anchor = \"query: \", positive = \"passage: \" }    # if the model's card asks for them\n"
                .to_owned()
        }
        false => String::new(),
    }
}

fn evaluations(facts: &Facts, assumed: &mut Vec<String>) -> String {
    let retrieval = &facts.files.retrieval;
    let mut text = String::new();
    for (name, data) in retrieval {
        assumed.push(format!(
            "{name} is measured beside the validation data and decides nothing (objective = \"{name}.ndcg@10\" lets it decide)"
        ));
        let _ = writeln!(
            text,
            "[evaluation.{name}]     # may be the objective, as \"{name}.ndcg@10\"\ntype = \"retrieval\"\ndata = {data}\n"
        );
    }
    if retrieval.is_empty() {
        text += "# Data of your own that say more than the validation data, measured beside them; may be the objective, as \"docs.ndcg@10\":\n\
                 # [evaluation.docs]\n# type = \"retrieval\"     # or \"similarity\", \"triplets\", \"reranking\", \"classification\"\n\
                 # data = \"beir/docs\"     # corpus.jsonl, queries.jsonl and qrels/test.tsv\n\n";
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use hpo_protocol::embedding::FAMILIES;

    use super::*;
    use crate::study_file::parse;

    pub fn facts(kind: Kind, rows: u64, weights: u64) -> Facts {
        Facts {
            name: "e5-small".into(),
            model: "\"e5-small\"".into(),
            sizes: Sizes {
                family: FAMILIES[0],
                layers: 6,
                longest: 100,
                vocabulary: 1000,
                hidden: 64,
            },
            weights,
            prompts: Vec::new(),
            files: DataFiles {
                train: "\"train.jsonl\"".into(),
                retrieval: vec![("docs".into(), "\"beir\"".into())],
                ..DataFiles::default()
            },
            kind,
            rows,
            validation_rows: rows / 10,
            tokens: rows % 700,
            gpus: Vec::new(),
            cores: 2,
            slots: 2,
        }
    }

    #[test]
    fn whatever_the_facts_the_file_is_read() {
        let path = Path::new("/nowhere/s.toml");
        for kind in [Kind::Triplets, Kind::Pairs, Kind::Scored, Kind::Labelled] {
            for rows in [1, 30, 999, 2_000, 20_000, 49_999, 50_000, 299_999, 300_000, 123_456_789] {
                for weights in [1_000, 60_000_000, 300_000_000] {
                    let mut facts = facts(kind, rows, weights);
                    for gpus in [0, 1] {
                        facts.gpus = vec!["NVIDIA H200".into(); gpus];
                        let usual = Learned::usual(usual_space(&facts));
                        let Proposal { text, assumed } = propose(&facts, &usual, &[]);
                        let file = parse(&text, path).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
                        assert_eq!(file.study.space, usual.space(), "{text}");
                        assert!(file.study.space.parameters.len() >= 5 && assumed.len() >= 3, "{text}");
                        let length = &file.study.trainer.settings["max_length"];
                        assert!(length.as_u64().unwrap() <= facts.sizes.longest, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn many_rows_are_judged_within_an_epoch() {
        let Horizon { unit, min, max } = Horizon::of(2_750_000);
        assert_eq!((unit, min, max), ("examples", 100_000, 2_700_000));
        assert_eq!(
            [round(7), round(1234), grouped(1_234_567, ",").len() as u64],
            [7, 1200, 9]
        );
    }
}
