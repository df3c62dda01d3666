//! What can be set in the embedding trainer: its settings and its parameters, with their documentation.
//!
//! They stand here, and not in the trainer, so that `hpo` can check a study without libtorch.

mod columns;
mod declare;
mod domain;
mod evaluation;
mod examined;
mod model;
mod parameters;
mod prompts;
mod release;
mod settings;
mod tokenizer;

/// The metrics that the embedding trainer reports beside the loss, and the kinds of data for which it does. Of all of them higher is
/// better.
pub const METRICS: &[(&str, &[Kind])] = &[
    ("ndcg@10", RANKED),
    ("mrr@10", RANKED),
    ("recall@10", RANKED),
    ("triplet_accuracy", &[Kind::Triplets]),
    ("spearman", &[Kind::Scored]),
    ("pearson", &[Kind::Scored]),
    ("accuracy", &[Kind::Labelled]),
    ("macro_f1", &[Kind::Labelled]),
];

/// The parameters that decide how long training takes, and how much memory.
pub const COSTLY: &[&str] = &[
    "model",
    "prompts",
    "max_length",
    "batch_size",
    "micro_batch_size",
    "negatives_per_row",
    "frozen_layers",
    "freeze_embeddings",
    "precision",
    "optimizer",
    "loss",
    "synonym_replacement",
    "token_deletion",
    "crop",
];

/// The data of which the answers are ranked.
const RANKED: &[Kind] = &[Kind::Triplets, Kind::Pairs];

pub use self::columns::{Columns, Kind};
pub use self::declare::{Choice, Key};
pub use self::domain::Domain;
pub use self::evaluation::{Classifier, Evaluation, EvaluationKind, Every};
pub use self::examined::{EXAMINE, Examined, Flaw, Flawed};
pub use self::model::{FAMILIES, FILES, Family, POOLING_MODES, Sizes, WORD_EMBEDDINGS, pooling_mode};
pub use self::parameters::{
    DistanceKind, LossKind, Mining, Needs, OptimizerKind, PARAMETERS, Parameter, Parameters, PoolingKind,
    PrecisionKind, ScheduleKind,
};
pub use self::prompts::{ModelPrompts, PromptSet, PromptSource, Prompts, RolePrompts};
pub use self::release::release;
pub use self::settings::{Models, Negatives, Settings, ValidationLoss};
pub use self::tokenizer::{AddedToken, Rebuilt, Refusal, SENTENCE_FILES, Splits, Tokenization};
