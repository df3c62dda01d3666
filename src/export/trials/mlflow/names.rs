//! Names as MLflow allows them.

use std::collections::BTreeMap;

/// The most characters of a name.
const LONGEST: usize = 250;

/// The names of parameters or of metrics, each with the one that it has on the server; no two have the same.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// What a name is on the server.
    pub fn key(&mut self, name: &str) -> String {
        if let Some(key) = self.0.get(name) {
            return key.clone();
        }
        let mut key = allowed(name);
        while self.0.values().any(|known| *known == key) {
            key.push('_');
        }
        self.0.insert(name.to_owned(), key.clone());
        key
    }

    /// The names that are others on the server, with those.
    pub fn changed(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().filter(|(name, key)| name != key)
    }
}

/// The name with underscores for what MLflow does not allow: it has letters, digits, `_`, `-`, `.`, `:`, blanks, and `/` as in paths.
fn allowed(name: &str) -> String {
    let is_path = name.split('/').all(|part| !["", ".", ".."].contains(&part));
    let plain = |c: char| match c {
        '/' | '.' if !is_path => '_',
        c if c.is_alphanumeric() || "_-.: /".contains(c) => c,
        _ => '_',
    };
    // Room for what makes it different from others.
    name.chars().map(plain).take(LONGEST - 10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_server_takes_and_stay_different() {
        let mut names = Names::default();
        let given = ["loss", "ndcg@10", "ndcg_10", "a/b", "a//b", "../x", ".", "größe", "a+b"];
        let keys = given.map(|name| names.key(name));
        assert_eq!(
            keys,
            [
                "loss", "ndcg_10", "ndcg_10_", "a/b", "a__b", "___x", "_", "größe", "a_b"
            ]
        );
        assert_eq!(names.key("ndcg@10"), "ndcg_10");
        assert_eq!(names.changed().count(), 6);
        assert_eq!(names.key(&"x".repeat(400)).len(), 240);
    }
}
