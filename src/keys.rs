//! The keys of the study's file: which values each takes, what it is without it, and what it means.
//!
//! What reads the file, the reference in `docs/`, and the schema for editors are all made from these.

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The values that it takes.
    pub takes: Takes,
    /// What holds without it.
    pub default: Fallback,
    /// What it means, in Markdown; links are relative to `docs/`.
    pub about: &'static str,
}

/// The values that a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// Whole numbers from `least` to `most`.
    Integer {
        /// The smallest one.
        least: i64,
        /// The largest one.
        most: i64,
    },
    /// Finite numbers of an interval.
    Number(Interval, Refusal),
    /// True or false.
    Flag,
    /// One of these words; the help of a refusal names the most similar one.
    Word(&'static [&'static str], Refusal),
    /// One of these words, or several of them in a list.
    WordOrWords(&'static [&'static str], Refusal),
    /// Any text but the empty one.
    Text,
    /// A path; relative ones count from the directory of the file.
    Path,
    /// A list of texts.
    Texts,
    /// A text, or several in a list.
    TextOrTexts,
    /// The numbers of GPUs, as a text or in a list, or one of the words for other devices.
    Devices,
    /// Two numbers, the smaller one first.
    Range,
    /// A text, number or boolean.
    Scalar,
    /// A list of texts, numbers and booleans.
    Scalars,
    /// A table whose keys are names of parameters, and whose values are one value or a list of them.
    Conditions,
    /// A table with these keys.
    Table(&'static [Key]),
    /// Any text, the empty one too.
    AnyText,
    /// One of these words, or a table with these keys.
    WordOrTable(&'static [&'static str], &'static [Key]),
    /// A table whose keys are names of the user's own, each with a value of this kind.
    Named(&'static Takes),
}

/// An interval of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end, infinite if there is none.
    pub low: f64,
    /// Whether the lower end belongs to it.
    pub low_included: bool,
    /// Its upper end, infinite if there is none.
    pub high: f64,
    /// Whether the upper end belongs to it.
    pub high_included: bool,
}

impl Interval {
    /// All numbers.
    pub const ALL: Self = Self {
        low: f64::NEG_INFINITY,
        low_included: false,
        high: f64::INFINITY,
        high_included: false,
    };
    /// All numbers above 0.
    pub const POSITIVE: Self = Self { low: 0.0, ..Self::ALL };
    /// The numbers from 0 to 1, both included.
    pub const SHARE: Self = Self {
        low: 0.0,
        low_included: true,
        high: 1.0,
        high_included: true,
    };

    /// Whether a number lies in it.
    pub fn contains(&self, x: f64) -> bool {
        (x > self.low || self.low_included && x == self.low) && (x < self.high || self.high_included && x == self.high)
    }
}

/// What is said about a value that a key does not take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// The end of a sentence that begins with the key.
    pub message: &'static str,
    /// What stands at the value.
    pub label: &'static str,
    /// How to fix it.
    pub help: &'static str,
}

impl Refusal {
    /// For what refuses nothing but values of another type.
    pub const NEVER: Self = Self {
        message: "",
        label: "",
        help: "",
    };
}

/// What holds without a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fallback {
    /// The key must be there; the text is a line that would do.
    Required(&'static str),
    /// This whole number.
    Integer(i64),
    /// This number.
    Number(f64),
    /// This truth.
    Flag(bool),
    /// This word.
    Word(&'static str),
    /// Nothing.
    Nothing,
    /// What this says, in Markdown.
    Described(&'static str),
}

/// The values that a table gives to keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(Vec<(&'static str, Given)>);

/// A value that a table gives to a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Given {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// The place of a word among those that the key takes.
    Word(usize),
}

impl Settings {
    /// Adds the value of a key, which the key takes.
    pub fn insert(&mut self, key: &Key, given: Given) {
        self.0.push((key.name, given));
    }

    /// The value of a key, or its default; none if the table does not have it and there is none.
    fn get(&self, key: &Key) -> Option<Given> {
        let given = self.0.iter().find(|(name, _)| *name == key.name);
        given.map(|(_, given)| *given).or_else(|| match key.default {
            Fallback::Integer(number) => Some(Given::Integer(number)),
            Fallback::Number(number) => Some(Given::Number(number)),
            Fallback::Flag(flag) => Some(Given::Flag(flag)),
            Fallback::Word(word) => key.place(word).map(Given::Word),
            Fallback::Required(_) | Fallback::Nothing | Fallback::Described(_) => None,
        })
    }

    /// The number of a key that takes whole numbers, none of them negative.
    pub fn count_if_any(&self, key: &Key) -> Option<u64> {
        match self.get(key)? {
            Given::Integer(number) => u64::try_from(number).ok(),
            Given::Number(_) | Given::Flag(_) | Given::Word(_) => None,
        }
    }

    /// The same of a key that has a default.
    pub fn count(&self, key: &Key) -> u64 {
        sure(key, self.count_if_any(key))
    }

    /// The number of a key that takes numbers.
    pub fn number_if_any(&self, key: &Key) -> Option<f64> {
        match self.get(key)? {
            Given::Number(number) => Some(number),
            Given::Integer(_) | Given::Flag(_) | Given::Word(_) => None,
        }
    }

    /// The same of a key that has a default.
    pub fn number(&self, key: &Key) -> f64 {
        sure(key, self.number_if_any(key))
    }

    /// The truth of a key that takes true and false.
    pub fn flag_if_any(&self, key: &Key) -> Option<bool> {
        match self.get(key)? {
            Given::Flag(flag) => Some(flag),
            Given::Integer(_) | Given::Number(_) | Given::Word(_) => None,
        }
    }

    /// The same of a key that has a default.
    pub fn flag(&self, key: &Key) -> bool {
        sure(key, self.flag_if_any(key))
    }

    /// What the word of a key stands for, if it is there; `all` is in the order of its words.
    pub fn choice_if_any<T: Copy>(&self, key: &Key, all: &[T]) -> Option<T> {
        match self.get(key)? {
            Given::Word(place) => all.get(place).copied(),
            Given::Integer(_) | Given::Number(_) | Given::Flag(_) => None,
        }
    }

    /// What the word of a key that has a default stands for; `all` is in the order of its words.
    pub fn choice<T: Copy>(&self, key: &Key, all: &[T]) -> T {
        sure(key, self.choice_if_any(key, all))
    }
}

fn sure<T>(key: &Key, value: Option<T>) -> T {
    value.unwrap_or_else(|| {
        unreachable!(
            "`{}` is asked for a value of a kind that it has no default of",
            key.name
        )
    })
}

impl Key {
    /// The place of a word among those that it takes.
    pub fn place(&self, word: &str) -> Option<usize> {
        let Takes::Word(words, _) = self.takes else { return None };
        words.iter().position(|other| *other == word)
    }
}

/// One of the kinds of a thing that a table names by its key `type`, such as a sampler.
#[derive(Debug, Clone, Copy)]
pub struct Kind<T, G> {
    /// Its name and its words.
    pub about: About,
    /// Makes it of what its table gives.
    pub read: fn(&G) -> T,
}

/// The name of a kind and what is said about it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The `type`, in the study's file as in its journal.
    pub name: &'static str,
    /// What it does, in Markdown.
    pub in_short: &'static str,
    /// When to use it, in Markdown.
    pub choose: &'static str,
    /// The keys that it has beside those that all have.
    pub keys: &'static [Key],
    /// Those that it has only together with a sampler that learns.
    pub keys_if_learning: &'static [Key],
}

/// Declares an enum of kinds that a study's file names by `type`, from one line for each.
///
/// A kind with settings is `Variant(path::Settings)`, one without is `Variant = path::Unit`. Either type has a constant `ABOUT`
/// and implements the trait; settings are read by a function `read`. The enum gets `KINDS`, the table of all, and `own`, by which
/// it is used as that trait.
macro_rules! kinds {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident as $trait:ident, read from $given:ty {
            $($(#[$about:meta])* $variant:ident $(($settings:path))? $(= $unit:path)?,)+
        }
    ) => {
        $(#[$attribute])*
        #[serde(tag = "type", rename_all = "snake_case")]
        $visibility enum $name {
            $($(#[$about])* $variant $(($settings))?,)+
        }

        impl $name {
            /// All of them, in the order in which they are listed for people.
            pub const KINDS: &'static [$crate::keys::Kind<Self, $given>] = &[
                $($crate::keys::kinds!(@kind $variant $(($settings))? $(= $unit)?),)+
            ];

            fn own(&self) -> &dyn $trait {
                match self {
                    $(Self::$variant $(($crate::keys::kinds!(@only $settings, own)))? =>
                        $($crate::keys::kinds!(@only $settings, own))? $(&$unit)?,)+
                }
            }
        }
    };
    (@only $settings:path, $own:ident) => { $own };
    (@kind $variant:ident ($settings:path)) => {
        $crate::keys::Kind {
            about: <$settings>::ABOUT,
            read: |given| Self::$variant(<$settings>::read(given)),
        }
    };
    (@kind $variant:ident = $unit:path) => {
        $crate::keys::Kind {
            about: <$unit>::ABOUT,
            read: |_| Self::$variant,
        }
    };
}

pub(crate) use kinds;
