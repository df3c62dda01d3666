//! What can be set in the embedding trainer: its settings and its parameters, with their documentation.
//!
//! They stand here, and not in the trainer, so that `hpo` can check a study without libtorch.

mod columns;
mod declare;
mod domain;
mod evaluation;
mod model;
mod parameters;
mod prompts;
mod release;
mod settings;
mod tokenizer;

/// The metrics that the embedding trainer reports beside the loss, some of them for some kinds of data only, and whether higher is
/// better.
pub const METRICS: &[(&str, bool)] = &[
    ("ndcg@10", true),
    ("mrr@10", true),
    ("recall@10", true),
    ("triplet_accuracy", true),
    ("spearman", true),
    ("pearson", true),
    ("accuracy", true),
    ("macro_f1", true),
];

pub use self::columns::{Columns, Kind};
pub use self::declare::{Choice, Key};
pub use self::domain::Domain;
pub use self::evaluation::{Classifier, Evaluation, EvaluationKind, Every};
pub use self::model::{FAMILIES, FILES, Family, POOLING_MODES, Sizes, WORD_EMBEDDINGS, pooling_mode};
pub use self::parameters::{
    DistanceKind, LossKind, Mining, Needs, OptimizerKind, PARAMETERS, Parameter, Parameters, PoolingKind,
    PrecisionKind, ScheduleKind,
};
pub use self::prompts::{ModelPrompts, PromptSet, PromptSource, Prompts, RolePrompts};
pub use self::release::release;
pub use self::settings::{Models, Negatives, Settings, ValidationLoss};
pub use self::tokenizer::{AddedToken, Rebuilt, Refusal, SENTENCE_FILES, Splits, Tokenization};
