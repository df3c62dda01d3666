//! The keys of `[trial]`.

use hpo_protocol::BASE_MODEL;
use hpo_protocol::embedding::{self, Columns, Negatives, PromptSource, Prompts, Settings, ValidationLoss};

use super::super::settings::MAX_SEED;
use crate::keys::{Fallback, Interval, Key, Refusal, Takes};

/// The key that makes it another trainer.
pub(in super::super) const COMMAND: Key = Key {
    name: "command",
    takes: Takes::Texts,
    default: Fallback::Nothing,
    about: "a program of yours that trains, and its arguments: see [trainers.md](trainers.md)",
};

/// Where the command runs.
pub(in super::super) const DIRECTORY: Key = Key {
    name: "directory",
    takes: Takes::Path,
    default: Fallback::Described("that of the file"),
    about: "where the command runs",
};

/// The key that has the tokens per text. The parameter of this name must not exceed it.
pub(in super::super) const MAX_LENGTH: &str = "max_length";

/// The key that has sets of prompts, of which the parameter [`PROMPTS`] names one.
pub(crate) const PROMPT_SETS: &str = "prompt_sets";

/// The key of the prompts, and the parameter of this name.
pub(crate) const PROMPTS: &str = "prompts";

/// Of any trainer.
pub(in super::super) const SEED: Key = Key {
    name: "seed",
    takes: Takes::Integer {
        least: 0,
        most: MAX_SEED,
    },
    default: Fallback::Described("a seed for each trial"),
    about: "let every trial of the search train with this seed; those of `[confirmation]` have others",
};

const SHARE: Takes = Takes::Number(
    Interval {
        high: 1.0,
        ..Interval::POSITIVE
    },
    Refusal {
        message: "must be above 0 and below 1",
        label: "no share of the rows",
        help: "write a share of the training rows, such as 0.1",
    },
);

/// A key of one of the tables that the trainer declares with what each key is.
pub(super) const fn declared(table: &[embedding::Key], name: &'static str, takes: Takes, default: Fallback) -> Key {
    let mut place = 0;
    // What fails here fails the compilation: the trainer has no such key.
    while !same(table[place].name, name) {
        place += 1;
    }
    Key {
        name,
        takes,
        default,
        about: table[place].about,
    }
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

const fn setting(name: &'static str, takes: Takes, default: Fallback) -> Key {
    declared(Settings::KEYS, name, takes, default)
}

const fn column(name: &'static str, takes: Takes) -> Key {
    declared(Columns::KEYS, name, takes, Fallback::Nothing)
}

/// The keys of `columns`.
pub(in super::super) const COLUMNS: &[Key] = &[
    column("anchor", Takes::Text),
    column("positive", Takes::Text),
    column("negative", Takes::TextOrTexts),
    column("score", Takes::Text),
    column("text", Takes::Text),
    column("label", Takes::Text),
    column("group", Takes::Text),
];

/// The keys of `prompts`.
pub(in super::super) const ROLES: &[Key] = &[
    declared(Prompts::KEYS, "anchor", Takes::AnyText, Fallback::Nothing),
    declared(Prompts::KEYS, "positive", Takes::AnyText, Fallback::Nothing),
    declared(
        Prompts::KEYS,
        "negative",
        Takes::AnyText,
        Fallback::Described("`positive`"),
    ),
    declared(Prompts::KEYS, "text", Takes::AnyText, Fallback::Described("`anchor`")),
];

const PROMPT_SET: Takes = Takes::WordOrTable(&[PromptSource::Model.name()], ROLES);

pub(super) const MODEL: Key = setting(
    BASE_MODEL,
    Takes::Path,
    Fallback::Described("that of the trial: the parameter `model`"),
);
pub(super) const TRAIN: Key = setting("train", Takes::Path, Fallback::Required("train = \"train.jsonl\""));
pub(super) const VALIDATION: Key = setting("validation", Takes::Path, Fallback::Described("a share of `train`"));
pub(super) const TEST: Key = setting("test", Takes::Path, Fallback::Nothing);
pub(super) const COLUMNS_KEY: Key = setting("columns", Takes::Table(COLUMNS), Fallback::Described("by their names"));
pub(super) const CLEAN: Key = setting("clean", Takes::Flag, Fallback::Flag(true));
pub(super) const SCORE_RANGE: Key = setting("score_range", Takes::Range, Fallback::Nothing);
pub(super) const VALIDATION_SHARE: Key =
    setting("validation_share", SHARE, Fallback::Number(Settings::VALIDATION_SHARE));
pub(super) const TEST_SHARE: Key = setting("test_share", SHARE, Fallback::Nothing);
pub(super) const SPLIT_SEED: Key = setting(
    "split_seed",
    Takes::Integer {
        least: 0,
        most: MAX_SEED,
    },
    Fallback::Integer(0),
);
pub(super) const SYNONYMS: Key = setting("synonyms", Takes::Path, Fallback::Nothing);
/// Its words are in the order of [`ValidationLoss::ALL`].
pub(super) const VALIDATION_LOSS: Key = setting(
    "validation_loss",
    Takes::Word(
        &[
            ValidationLoss::Auto.name(),
            ValidationLoss::LogRank.name(),
            ValidationLoss::CrossEntropy.name(),
            ValidationLoss::Triplet.name(),
        ],
        Refusal {
            message: "is none of `auto`, `log_rank`, `cross_entropy` and `triplet`",
            label: "unknown validation loss",
            help: "",
        },
    ),
    Fallback::Word(ValidationLoss::Auto.name()),
);
pub(super) const VALIDATION_MARGIN: Key = setting(
    "validation_margin",
    Takes::Number(
        Interval::POSITIVE,
        Refusal {
            message: "must be above 0",
            label: "not above 0",
            help: "write a number above 0, such as 0.5",
        },
    ),
    Fallback::Number(Settings::VALIDATION_MARGIN),
);
pub(super) const MAX_TOKENS: Key = setting(
    MAX_LENGTH,
    Takes::Integer {
        least: 3,
        most: 1_000_000,
    },
    Fallback::Integer(128),
);

/// Its words are in the order of [`Negatives::ALL`].
pub(super) const NEGATIVES: Key = setting(
    "negatives",
    Takes::Word(
        &[Negatives::Together.name(), Negatives::Apart.name()],
        Refusal {
            message: "is neither `together` nor `apart`",
            label: "neither of these",
            help: "",
        },
    ),
    Fallback::Word(Negatives::Together.name()),
);
const PROMPTS_KEY: Key = setting(PROMPTS, PROMPT_SET, Fallback::Word(PromptSource::Model.name()));
const PROMPT_SETS_KEY: Key = setting(PROMPT_SETS, Takes::Named(&PROMPT_SET), Fallback::Nothing);

/// The keys of the table.
pub(in super::super) const KEYS: &[Key] = &[
    MODEL,
    TRAIN,
    VALIDATION,
    TEST,
    COLUMNS_KEY,
    CLEAN,
    SCORE_RANGE,
    VALIDATION_SHARE,
    TEST_SHARE,
    SPLIT_SEED,
    SYNONYMS,
    VALIDATION_LOSS,
    VALIDATION_MARGIN,
    MAX_TOKENS,
    NEGATIVES,
    PROMPTS_KEY,
    PROMPT_SETS_KEY,
    SEED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trainer_declares_the_same_keys() {
        let names = |keys: &[Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
        let declared = |keys: &[embedding::Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
        // Evaluations have tables of their own.
        let (evaluations, settings) = Settings::KEYS.split_last().unwrap();
        assert_eq!(evaluations.name, "evaluations");
        assert_eq!(names(KEYS), [declared(settings), vec![SEED.name]].concat());
        assert_eq!(names(COLUMNS), declared(Columns::KEYS));
        assert_eq!(names(ROLES), declared(Prompts::KEYS));
        let places = ValidationLoss::ALL
            .iter()
            .map(|loss| VALIDATION_LOSS.place(loss.name()));
        assert!(places.eq((0..ValidationLoss::ALL.len()).map(Some)));
        let places = Negatives::ALL.iter().map(|choice| NEGATIVES.place(choice.name()));
        assert!(places.eq((0..Negatives::ALL.len()).map(Some)));
    }
}
