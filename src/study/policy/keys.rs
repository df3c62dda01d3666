//! Keys that several policies have.

use hpo_protocol::Unit;

use crate::ids::MAX_TRIALS;
use crate::keys::{Fallback, Key, Refusal, Takes};

/// The most that a resource can count.
const MAX_RESOURCE: i64 = 1_000_000_000_000;

/// Every policy has it.
pub const RESOURCE: Key = Key {
    name: "resource",
    takes: Takes::Word(
        &[Unit::Epochs.many(), Unit::Steps.many(), Unit::Examples.many()],
        Refusal {
            message: "is none of `epochs`, `steps` and `examples`",
            label: "unknown resource",
            help: "",
        },
    ),
    default: Fallback::Word(Unit::Epochs.many()),
    about: "what resources count, see [below](#epochs-steps-or-examples)",
};

/// Every policy has it.
pub const MAX: Key = Key {
    name: "max_resource",
    takes: Takes::Integer {
        least: 1,
        most: MAX_RESOURCE,
    },
    default: Fallback::Required("max_resource = 9"),
    about: "epochs (steps, examples) of a trial that is never stopped",
};

/// Every policy has it.
pub const REPORT_EVERY: Key = Key {
    name: "report_every",
    takes: Takes::Integer {
        least: 1,
        most: MAX_RESOURCE,
    },
    default: Fallback::Described("1; `min_resource` for steps and examples"),
    about: "so often a trial is validated and writes a checkpoint, and at `max_resource`. It divides `min_resource`, so that there \
            is a report at every rung. With `none` it has no default for steps and examples",
};

/// Of the policies that compare trials before the end.
pub const MIN: Key = Key {
    name: "min_resource",
    takes: Takes::Integer {
        least: 1,
        most: MAX_RESOURCE,
    },
    default: Fallback::Described("1; required for steps and examples"),
    about: "epochs (steps, examples) at the first rung; with `median_stopping`, before which no trial is stopped",
};

/// Of the policies with rungs.
pub const REDUCTION_FACTOR: Key = Key {
    name: "reduction_factor",
    takes: Takes::Integer {
        least: 2,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Integer(3),
    about: "eta: rungs lie at `min_resource * eta^k`, the last one at `max_resource`, and one in eta goes on",
};

/// Of the policies whose brackets may wait for each other.
pub const PARALLEL_BRACKETS: Key = Key {
    name: "parallel_brackets",
    // Nobody has more slots.
    takes: Takes::Integer { least: 1, most: 10_000 },
    default: Fallback::Described("as many as slots"),
    about: "so many brackets may be under way at once with a sampler that learns. Frozen when the study begins; another number \
            gives other trials",
};

/// Of the policies whose slots may have nothing to do.
pub const SPECULATION: Key = Key {
    name: "speculation",
    takes: Takes::Flag,
    default: Fallback::Flag(true),
    about: "whether idle slots train on trials that most likely will be promoted",
};
