//! What can be set in the embedding trainer: its settings and its parameters, with their documentation.
//!
//! They stand here, and not in the trainer, so that `hpo` can check a study without libtorch.

mod declare;
mod domain;
mod model;
mod parameters;
mod settings;

pub use self::declare::Choice;
pub use self::domain::Domain;
pub use self::model::{FAMILIES, FILES, Family, POOLING_MODES, Sizes, WORD_EMBEDDINGS, pooling_mode};
pub use self::parameters::{
    DistanceKind, LossKind, Mining, Needs, OptimizerKind, PARAMETERS, Parameter, Parameters, PoolingKind,
    PrecisionKind, ScheduleKind,
};
pub use self::settings::{Columns, Key, Kind, Settings};
