//! Declarations that keep a name, its documentation and its meaning in one place.
//!
//! Documentation comments become texts that a program can show: lines are joined, and must be plain Markdown, without
//! links to items.

/// One of the names that a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The name, as it stands in a study's file.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// A key of a table of the study's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// Declares an enum whose variants are names in a study's file: `variant = "name",` with documentation.
macro_rules! choices {
    (
        $(#[doc = $what:literal])+
        $kind:ident {
            $($(#[doc = $about:literal])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[doc = $about])+ #[serde(rename = $name)] $variant,)+
        }

        impl $kind {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Their names and what they mean, in the same order.
            pub const CHOICES: &'static [Choice] = &[
                $(Choice { name: $name, about: concat!($($about),+).trim_ascii_start() }),+
            ];

            /// The name under which it stands in a study's file.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// Declares a struct whose fields are keys of a study's file, and the table of them.
macro_rules! keys {
    (
        $(#[doc = $what:literal])+
        $(#[derive($($derive:ident),+)])?
        $(#[serde($($whole:tt)*)])?
        $table:ident {
            $(
                $(#[doc = $about:literal])+
                $(#[serde($($serde:tt)*)])?
                $name:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize $(, $($derive),+)?)]
        $(#[serde($($whole)*)])?
        pub struct $table {
            $($(#[doc = $about])+ $(#[serde($($serde)*)])? pub $name: $type,)+
        }

        impl $table {
            /// Its keys, in the order of the fields.
            pub const KEYS: &'static [Key] = &[
                $(Key {
                    name: $crate::embedding::declare::plain(stringify!($name)),
                    about: concat!($($about),+).trim_ascii_start(),
                }),+
            ];
        }
    };
}

/// The name of a field without the `r#` of one that is a keyword.
pub(super) const fn plain(name: &str) -> &str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares the parameters: the struct of one configuration, its default, and the table by which `hpo` checks a study.
macro_rules! parameters {
    (
        $(#[doc = $what:literal])+
        $table:ident {
            $(
                $(#[doc = $about:literal])+
                $(#[serde($($serde:tt)*)])?
                $name:ident: $type:ty = $default:expr, $domain:expr
                    $(, if $decides:ident is [$($with:expr),+])?
                    $(, advice $advice:literal)?;
            )+
        }
    ) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {
            $($(#[doc = $about])+ $(#[serde($($serde)*)])? pub $name: $type,)+
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($name: $default),+ }
            }
        }

        /// All parameters, in the order of the fields of [`Parameters`].
        pub const PARAMETERS: &[Parameter] = &[
            $(Parameter {
                name: stringify!($name),
                about: concat!($($about),+).trim_ascii_start(),
                advice: concat!($($advice)?),
                domain: $domain,
                needs: &[$(Needs { parameter: stringify!($decides), values: &[$($with.name()),+] })?],
            }),+
        ];
    };
}

pub(super) use {choices, keys, parameters};
