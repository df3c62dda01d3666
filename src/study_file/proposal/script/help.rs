//! The options of a program, by what it prints for `--help`: argparse, click, typer and most other parsers write one below the other, each
//! with its names, what stands for its value, and what it is for.

/// What a program says of its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Help {
    /// The words that stand for the program itself in its usage.
    pub program: Vec<String>,
    /// Its options, in their order, but for those that ask for help or the version.
    pub options: Vec<ScriptOption>,
    /// The arguments without a name that it must be given.
    pub positional: Vec<String>,
}

/// An option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOption {
    /// Its names, with their dashes.
    pub names: Vec<String>,
    /// What stands for its value; none if it takes none.
    pub value: Option<String>,
    /// Whether it takes more than one.
    pub takes_several: bool,
    /// The values that it can have, if they are listed.
    pub choices: Vec<String>,
    /// Its value if it is not given, as far as that is said.
    pub default: Option<String>,
    /// Whether it must be given.
    pub is_required: bool,
}

impl ScriptOption {
    /// The name to write: a long one, if there is one.
    pub fn name(&self) -> &str {
        let long = self.names.iter().find(|name| name.starts_with("--"));
        long.or(self.names.first()).map_or("", String::as_str)
    }
}

/// An option stands no farther to the right; what does is part of a description.
const INDENT: usize = 12;

/// What some parsers call values that are no words in capitals.
const TYPES: [&str; 7] = ["float", "int", "integer", "number", "path", "string", "text"];

/// Reads what a program has printed.
pub fn read(text: &str) -> Help {
    let (mut usage, mut options) = (String::new(), Vec::<(ScriptOption, String)>::new());
    let (mut in_usage, mut in_option) = (false, false);
    for line in text.lines() {
        let line = unframed(line);
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let is_usage = trimmed.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("usage:"));
        if is_usage {
            usage = trimmed[6..].to_owned();
        } else if in_usage && !trimmed.is_empty() && indent > 0 && !is_described(trimmed) {
            usage += &format!(" {trimmed}");
        } else if let Some((option, about)) = option(trimmed).filter(|_| indent <= INDENT) {
            options.push((option, about));
            in_option = true;
            in_usage = false;
            continue;
        } else if let Some((_, about)) = options
            .last_mut()
            .filter(|_| in_option && indent > 0 && !trimmed.is_empty())
        {
            *about += &format!(" {trimmed}");
            continue;
        }
        in_usage = is_usage || in_usage && indent > 0 && !trimmed.is_empty();
        in_option = false;
    }
    let options = options.into_iter().map(|(option, about)| ScriptOption {
        default: default(&about),
        is_required: ["[required]", "(required)"]
            .iter()
            .any(|mark| about.to_lowercase().contains(mark)),
        ..option
    });
    let is_own = |option: &ScriptOption| {
        let asks = |name: &String| {
            ["help", "version", "install-completion", "show-completion"].contains(&name.trim_start_matches('-'))
        };
        option.names.iter().any(asks)
    };
    let mut help = Help {
        options: options.filter(|option| !is_own(option)).collect(),
        ..Help::default()
    };
    read_usage(&usage, &mut help);
    help
}

/// Whether a line has an option and, in a column of its own, what it is for: so options begin that follow a usage without an empty line.
fn is_described(line: &str) -> bool {
    option(line).is_some_and(|(_, about)| !about.is_empty()) && line.contains("  ")
}

/// A line without the frame that some draw, and without the star by which they mark what is required.
fn unframed(line: &str) -> &str {
    const FRAME: [char; 3] = ['│', '┃', '|'];
    let framed = line
        .trim()
        .strip_prefix(FRAME)
        .and_then(|inner| inner.strip_suffix(FRAME));
    let line = framed.unwrap_or(line).trim_end();
    line.trim_start().strip_prefix("* ").unwrap_or(line)
}

/// An option whose line begins here, and the description behind it.
fn option(line: &str) -> Option<(ScriptOption, String)> {
    let mut option = ScriptOption::default();
    let mut rest = line;
    while let Some(name) = name(rest) {
        option.names.push(name.to_owned());
        rest = &rest[name.len()..];
        if let Some((value, after)) = value(rest) {
            option.choices = choices(value);
            option.value = Some(value.to_owned());
            let more = more(value, after);
            option.takes_several |= more > 0 || value.contains("...");
            rest = &after[more..];
        }
        let next = rest.trim_start_matches([',', '/', ' ']);
        if name_of_same(rest, next) {
            rest = next;
        } else {
            break;
        }
    }
    (!option.names.is_empty()).then(|| (option, rest.trim().to_owned()))
}

/// Whether what follows an option's name is another name of it, not its description.
fn name_of_same(rest: &str, next: &str) -> bool {
    name(next).is_some() && (rest.trim_start().starts_with([',', '/']) || rest.len() - next.len() == 1)
}

/// The name of an option at the beginning of a text.
fn name(text: &str) -> Option<&str> {
    let bare = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let length = bare
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)))
        .unwrap_or(bare.len());
    let is_name = bare.starts_with(|c: char| c.is_ascii_alphabetic());
    is_name.then(|| &text[..text.len() - bare.len() + length])
}

/// What stands for the value of an option behind its name, and what follows.
fn value(rest: &str) -> Option<(&str, &str)> {
    let text = rest.trim_start_matches([' ', '=']);
    let is_apart = rest.starts_with("  ") || rest.starts_with('\t');
    if text.len() == rest.len() || text.starts_with(['-', ',', '/']) {
        return None;
    }
    let close = match text.chars().next()? {
        '{' => Some('}'),
        '[' => Some(']'),
        '<' => Some('>'),
        _ => None,
    };
    let end = match close {
        Some(close) => text.find(close)? + 1,
        None => text.find([' ', ',', '\t']).unwrap_or(text.len()),
    };
    let (word, after) = text.split_at(end);
    let is_word = word
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-.".contains(c))
        && word.contains(|c: char| c.is_ascii_uppercase());
    let ends = after.is_empty() || after.starts_with("  ") || after.starts_with(" RANGE") || after.starts_with('\t');
    // In a column of their own, descriptions may begin with the same words.
    let is_value = match (close, is_apart) {
        (Some(_), true) => choices(word).len() > 1,
        (None, true) => ends && (is_word || TYPES.contains(&word)),
        (_, false) => true,
    };
    is_value.then(|| (word, after.strip_prefix(" RANGE").unwrap_or(after)))
}

/// The bytes in which a help says that another value follows the first: `X X`, `X [X ...]` or `X...`.
fn more(value: &str, after: &str) -> usize {
    let end = after.find("  ").or_else(|| after.find(", -")).unwrap_or(after.len());
    let behind = &after[..end];
    let again = behind
        .trim_start_matches([' ', '[', '.'])
        .starts_with(value.trim_start_matches('['));
    if behind.starts_with("...") || (again && behind.starts_with(' ')) {
        end
    } else {
        0
    }
}

/// The values that are listed in braces or, separated by bars, in brackets.
fn choices(value: &str) -> Vec<String> {
    let (between, inner) = match value.as_bytes() {
        [b'{', inner @ .., b'}'] => (',', inner),
        [b'[' | b'<', inner @ .., b']' | b'>'] => ('|', inner),
        _ => return Vec::new(),
    };
    let inner = String::from_utf8_lossy(inner);
    let choices: Vec<String> = inner.split(between).map(|one| one.trim().to_owned()).collect();
    if choices.len() > 1 { choices } else { Vec::new() }
}

/// The default that a description names.
fn default(about: &str) -> Option<String> {
    let lower = about.to_ascii_lowercase();
    let mut behind = lower.match_indices("default").filter_map(|(at, word)| {
        let rest = about[at + word.len()..].trim_start();
        let rest = rest
            .strip_prefix([':', '='])
            .or_else(|| rest.strip_prefix("is "))
            .or_else(|| {
                let is_in_brackets = about[..at].ends_with(['(', '[']);
                is_in_brackets.then_some(rest)
            })?;
        let rest = rest.trim_start();
        let end = match rest.chars().next()? {
            '[' => rest.find(']').map(|end| end + 1),
            '(' => rest.find(')').map(|end| end + 1),
            _ => rest.find([' ', ')', ']', ',', ';']),
        };
        let end = end.unwrap_or(rest.len());
        let value = rest[..end].trim_end_matches('.').trim_matches(['\'', '"', '`']);
        (!value.is_empty() && !value.eq_ignore_ascii_case("none")).then(|| value.to_owned())
    });
    behind.next()
}

/// What the usage says: what the program is called, and what must be given, which stands outside of brackets.
fn read_usage(usage: &str, help: &mut Help) {
    let mut words = usage.split_whitespace();
    let Some(program) = words.next() else { return };
    help.program.push(program.to_owned());
    // Of several usages none is that of all.
    if words.clone().any(|word| word == program) {
        return;
    }
    let (mut depth, mut is_begun, mut is_value) = (0_usize, false, false);
    for word in words {
        is_begun |= word.starts_with(['[', '(', '-', '{', '<']);
        let opened = word.matches(['[', '(']).count();
        let is_outside = depth == 0 && opened == 0;
        depth = (depth + opened).saturating_sub(word.matches([']', ')']).count());
        if !is_begun {
            help.program.push(word.to_owned());
        }
        if !is_begun || !is_outside {
            is_value = false;
            continue;
        }
        let mut options = help.options.iter_mut();
        let option = options.find(|option| option.names.iter().any(|name| name == word));
        let name = word.trim_end_matches("...");
        match option {
            Some(option) => {
                option.is_required = true;
                is_value = option.value.is_some();
                continue;
            }
            None if !is_value && !name.is_empty() && !word.starts_with('-') => help.positional.push(name.to_owned()),
            None => {}
        }
        is_value = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGPARSE: &str = "\
usage: train.py [-h] [--lr LR] [-b BATCH_SIZE] [--optimizer {adam,sgd}] --out
                OUT [--amp | --no-amp] [--layers LAYERS [LAYERS ...]]
                data

Trains. The default is -5 of nothing.

positional arguments:
  data

options:
  -h, --help            show this help message and exit
  --lr LR               learning rate; --optimizer sgd wants more,
                        --lr of 1e-1 (default: 0.001)
  -b BATCH_SIZE, --batch-size BATCH_SIZE
                        (default: 32)
  --optimizer {adam,sgd}
                        which (default: adam)
  --out OUT             where to (default: None)
  --amp, --no-amp       half precision
  --layers LAYERS [LAYERS ...]
";

    const CLICK: &str = "\
Usage: train.py [OPTIONS] DATA

Options:
  --lr FLOAT                      Learning rate  [default: 0.001]
  -b, --batch-size INTEGER RANGE  [default: 32; x>=1]
  --optimizer [adam|sgd]          [required]
  --amp / --no-amp
  --help                          Show this message and exit.
";

    const TYPER: &str = "\
Usage: train.py [OPTIONS] DATA

╭─ Arguments ──────────────────────────────────────────────────────╮
│ *    data      TEXT  [required]                                  │
╰──────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────╮
│    --lr                  FLOAT       Learning rate               │
│                                      [default: 0.001]            │
│ *  --optimizer           [adam|sgd]  [required]                  │
│    --amp         --no-amp            A FLAG of its own           │
│    --help                            Show this message and exit. │
╰──────────────────────────────────────────────────────────────────╯
";

    /// Each option as its name, its value or its choices, and its default; with a star if it is required.
    fn said(help: &Help) -> Vec<String> {
        let each = help.options.iter().map(|option| {
            let star = if option.is_required { "*" } else { "" };
            let value = match option.choices.as_slice() {
                [] => option.value.clone().unwrap_or_default(),
                choices => choices.join("/"),
            };
            format!(
                "{star}{} {value} {}",
                option.name(),
                option.default.as_deref().unwrap_or("-")
            )
        });
        each.collect()
    }

    #[test]
    fn options_are_read_from_the_help_of_the_usual_parsers() {
        let help = read(ARGPARSE);
        assert_eq!(
            said(&help),
            [
                "--lr LR 0.001",
                "--batch-size BATCH_SIZE 32",
                "--optimizer adam/sgd adam",
                "*--out OUT -",
                "--amp  -",
                "--layers LAYERS -",
            ]
        );
        assert_eq!(
            (help.program, help.positional),
            (vec!["train.py".to_owned()], vec!["data".to_owned()])
        );
        let help = read(CLICK);
        assert_eq!(
            said(&help),
            [
                "--lr FLOAT 0.001",
                "--batch-size INTEGER 32",
                "*--optimizer adam/sgd -",
                "--amp  -"
            ]
        );
        assert_eq!(help.positional, ["DATA"]);
        let help = read(TYPER);
        assert_eq!(said(&help), ["--lr FLOAT 0.001", "*--optimizer adam/sgd -", "--amp  -"]);
        assert_eq!(help.positional, ["DATA"]);
    }

    #[test]
    fn what_is_no_help_has_no_options() {
        let several = "Usage:\n  ship new <name>\n  ship --version\n\nOptions:\n  --speed=<kn>  Knots [default: 10].\n";
        let help = read(several);
        assert_eq!(said(&help), ["--speed <kn> 10"]);
        assert_eq!(help.positional, Vec::<String>::new());
        for text in ["", "Traceback:\n  - one\n -- two\n", "epoch 1 loss 0.5\n", "usage:"] {
            assert_eq!(read(text).options, [], "{text}");
        }
    }
}
