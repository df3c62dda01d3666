//! Numbers and lists in sentences.

/// A number of things: "1 study", "2 studies".
pub(crate) fn counted(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) if one.ends_with('s') => format!("{number} {one}es"),
        (_, None) => format!("{number} {one}s"),
    }
}

/// The same with a verb: "1 study is", "2 studies are".
pub(crate) fn there_are(number: impl TryInto<u64>, one: &str) -> String {
    let counted = counted(number, one);
    let verb = if counted.starts_with("1 ") { "is" } else { "are" };
    format!("{counted} {verb}")
}

/// If there are more values than this, only the first are listed.
const MANY: usize = 12;
const SHOWN: usize = 10;

/// Values in a row, but only the first ones of many.
pub(crate) fn listed(values: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let count = values.len();
    let shown = if count > MANY { SHOWN } else { count };
    let mut words: Vec<String> = values.take(shown).collect();
    if count > shown {
        words.push(format!("… ({count} values)"));
    }
    words.join(between)
}

/// The names of studies, but of many only the first, and how many there are.
pub(crate) fn studies(names: &[String]) -> String {
    const NAMED: usize = 5;
    match names.get(..NAMED).filter(|_| names.len() > NAMED + 1) {
        Some(first) => format!("{} … ({})", first.join(", "), counted(names.len(), "study")),
        None => names.join(", "),
    }
}

/// A text in the quotes of JSON, with escapes for what TOML or YAML do not allow as it is.
pub(crate) fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    serde_json::Value::from(text).to_string().chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural_and_many_are_not_listed() {
        assert_eq!(
            [0u64, 1, 2].map(|n| counted(n, "study")),
            ["0 studies", "1 study", "2 studies"]
        );
        assert_eq!(
            [
                counted(1usize, "trial"),
                counted(3usize, "trial"),
                counted(2, "process")
            ],
            ["1 trial", "3 trials", "2 processes"]
        );
        assert_eq!(
            [0u64, 1, 11].map(|n| there_are(n, "record")),
            ["0 records are", "1 record is", "11 records are"]
        );
        let list = |count: usize| listed((0..count).map(|n| n.to_string()), ", ");
        assert_eq!(list(3), "0, 1, 2");
        let named = |count: usize| studies(&(0..count).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(
            [named(6), named(7)],
            ["0, 1, 2, 3, 4, 5", "0, 1, 2, 3, 4 … (7 studies)"]
        );
        assert_eq!(list(13), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (13 values)");
    }
}
