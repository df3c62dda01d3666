//! Values that regular expressions find in lines.

use std::collections::BTreeSet;

use regex::Regex;

use super::{ValueError, number, shown};
use crate::collect::Record;
use crate::settings::{Metrics, RESOURCE};

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression.
    #[error("is no regular expression: {0}")]
    Syntax(String),
    /// It has not exactly one group.
    #[error("has {}, and must have one, around the number", groups(*.0))]
    Groups(usize),
}

fn groups(count: usize) -> String {
    match count {
        0 => "no group".to_owned(),
        count => format!("{count} groups"),
    }
}

/// Reads a pattern: a regular expression with one group.
///
/// # Errors
/// If it is none.
pub fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let regex = Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().next_back().unwrap_or_default();
        PatternError::Syntax(last.trim_start_matches("error: ").to_owned())
    })?;
    match regex.captures_len() - 1 {
        1 => Ok(regex),
        count => Err(PatternError::Groups(count)),
    }
}

/// The patterns of a script.
#[derive(Debug)]
pub(crate) struct Patterns {
    patterns: Vec<(String, Regex)>,
    found: BTreeSet<String>,
}

impl Patterns {
    /// Those of metrics, by name. What is no pattern finds nothing.
    pub fn new(metrics: &Metrics) -> Self {
        let patterns = metrics
            .iter()
            .filter_map(|(name, pattern)| Some((name.clone(), compile(pattern).ok()?)));
        Self {
            patterns: patterns.collect(),
            found: BTreeSet::new(),
        }
    }

    /// All that is found in a line; none if nothing is. The last resource of the line is that of all of it.
    pub fn find(&mut self, line: &str) -> Result<Option<Record>, ValueError> {
        let mut all = Vec::new();
        for (name, pattern) in &self.patterns {
            for captures in pattern.captures_iter(line) {
                let Some(group) = captures.get(1) else { continue };
                let value = number(group.as_str()).ok_or_else(|| ValueError::Found {
                    name: name.clone(),
                    found: shown(group.as_str()),
                    line: shown(line),
                })?;
                all.push((group.start(), name.clone(), value));
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        all.sort_by_key(|(start, ..)| *start);
        self.found.extend(all.iter().map(|(_, name, _)| name.clone()));
        let (resources, values): (Vec<_>, Vec<_>) = all
            .into_iter()
            .map(|(_, name, value)| (name, value))
            .partition(|(name, _)| name == RESOURCE);
        Ok(Some(Record {
            resource: resources.last().map(|(_, resource)| *resource),
            values,
            ..Record::default()
        }))
    }

    pub fn never_found(&self) -> Vec<String> {
        let idle = self.patterns.iter().filter(|(name, _)| !self.found.contains(name));
        idle.map(|(name, pattern)| {
            format!("no line that a script has printed matches the pattern of `{name}`, `{pattern}`")
        })
        .collect()
    }

    pub fn nothing(&self, objective: &str) -> String {
        let pattern = self.patterns.iter().find(|(name, _)| name == objective);
        let pattern = pattern.map_or("", |(_, pattern)| pattern.as_str());
        format!(
            "the script ended with success, but no line of its output matches the pattern of `{objective}` under `metrics`, `{pattern}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[(&str, &str)]) -> Patterns {
        Patterns::new(
            &all.iter()
                .map(|(name, pattern)| ((*name).into(), (*pattern).into()))
                .collect(),
        )
    }

    #[test]
    fn a_pattern_has_one_group() {
        assert!(compile(r"val_loss[=:]\s*([-+0-9.eE]+)").is_ok());
        assert!(compile(r"(?:a|b)=(?<x>\d+)").is_ok());
        let refused = |pattern: &str| compile(pattern).unwrap_err().to_string();
        assert_eq!(refused("loss"), "has no group, and must have one, around the number");
        assert_eq!(
            refused("(a|b)=(.*)"),
            "has 2 groups, and must have one, around the number"
        );
        assert_eq!(refused("loss=("), "is no regular expression: unclosed group");
    }

    #[test]
    fn values_are_found_anywhere_in_a_line_in_their_order() {
        let mut patterns = patterns(&[
            ("loss", r"loss=(\S+)"),
            ("acc", r"acc: ([0-9.]+)%?"),
            ("resource", r"epoch (\d+)/"),
            ("f1", r"f1=(\S+)"),
        ]);
        assert_eq!(patterns.find("nothing here"), Ok(None));
        let record = patterns.find("| acc: 0.5% loss=nan (epoch 3/9)").unwrap().unwrap();
        assert_eq!(record.resource, Some(3.0));
        let names: Vec<&str> = record.values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, record.values[1].1.is_nan()), (vec!["acc", "loss"], true));
        let error = patterns.find("loss=0,53").unwrap_err().to_string();
        assert_eq!(
            error,
            "`loss` is no number: its pattern has found `0,53` in the line `loss=0,53`"
        );
        assert_eq!(
            patterns.never_found(),
            [r"no line that a script has printed matches the pattern of `f1`, `f1=(\S+)`"]
        );
        assert!(patterns.nothing("loss").ends_with(r"under `metrics`, `loss=(\S+)`"));
    }
}
