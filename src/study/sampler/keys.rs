//! Keys that several samplers have.

use crate::keys::{Fallback, Interval, Key, Refusal, Takes};

/// Of the samplers that propose configurations by a model.
pub(super) const RANDOM_SHARE: Key = Key {
    name: "random_share",
    takes: Takes::Number(
        Interval::SHARE,
        Refusal {
            message: "must be from 0 to 1",
            label: "no share",
            help: "write a share of the trials, such as 0.1",
        },
    ),
    default: Fallback::Number(0.1),
    about: "the share of later configurations that are drawn at random",
};
