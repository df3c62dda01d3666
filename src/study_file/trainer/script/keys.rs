//! The keys of `[trial]` that only scripts have.

use hpo_script::Script;

use crate::keys::{Fallback, Interval, Key, Refusal, Takes};

pub(in crate::study_file) const SCRIPT: Key = Key {
    name: "script",
    takes: Takes::Flag,
    default: Fallback::Described("whether a placeholder, `metrics`, `metrics_file` or `environment` makes it one"),
    about: "whether the command is a script. `true` for one that is passed nothing, but reads its environment or asks `hpo.config()`, and \
            prints reports; `false` for a trainer that speaks the worker protocol and is passed what looks like a placeholder",
};

pub(in crate::study_file) const METRICS: Key = Key {
    name: "metrics",
    takes: Takes::Named(&Takes::Text),
    default: Fallback::Described(
        "with `metrics_file`, its columns; else the reports that the script prints as messages",
    ),
    about: "where the values of metrics are found: by the name of each, a regular expression whose only group matches the number in a line \
            that the script prints, or the column of `metrics_file`. The objective must be among them. `resource` is no metric: it finds \
            the epoch (step, example) that the values belong to; without it, reports are counted",
};

pub(in crate::study_file) const METRICS_FILE: Key = Key {
    name: "metrics_file",
    takes: Takes::Text,
    default: Fallback::Nothing,
    about: "a file of JSON lines, CSV or TSV that the script writes, `{checkpoint_dir}/…`, instead of what it prints",
};

pub(in crate::study_file) const ENVIRONMENT: Key = Key {
    name: "environment",
    takes: Takes::Named(&Takes::AnyText),
    default: Fallback::Nothing,
    about: "variables of the script's environment, with placeholders",
};

pub(in crate::study_file) const GRACE: Key = Key {
    name: "grace_seconds",
    takes: Takes::Number(
        Interval {
            low: 0.0,
            low_included: true,
            // A day.
            high: 86_400.0,
            high_included: true,
        },
        Refusal {
            message: "is not a time that a script may take to end",
            label: "negative, or more than a day",
            help: "write seconds, such as 30",
        },
    ),
    default: Fallback::Number(Script::GRACE_SECONDS),
    about: "how long a script that is stopped may take to end after a SIGTERM, in seconds. Then it is killed with all in its process group",
};

pub(in crate::study_file) const RESUME: Key = Key {
    name: "resume",
    takes: Takes::Flag,
    default: Fallback::Flag(true),
    about: "whether `{checkpoint_dir}` begins with what the trial has left in it; `false`: it is empty at each start",
};

pub(in crate::study_file) const STOPS_EARLY: Key = Key {
    name: "stops_early",
    takes: Takes::Flag,
    default: Fallback::Flag(false),
    about: "whether a script that ends with success before `{resource}` has ended because more training would make it no better. Otherwise \
            that is an error",
};

/// Its keys.
pub(in crate::study_file) const KEYS: &[Key] =
    &[SCRIPT, METRICS, METRICS_FILE, ENVIRONMENT, GRACE, RESUME, STOPS_EARLY];
