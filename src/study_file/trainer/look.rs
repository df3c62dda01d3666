//! What a model and data are like, for whoever writes a study's file for them.

use std::path::Path;

use hpo_data::Kind;
use hpo_protocol::embedding::{Settings, Sizes};
use serde_json::json;

use super::check::{check_data, check_models};
use super::{effect, model};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::space::SearchSpace;
use crate::study_file::StudyFile;

/// The texts of which the lengths are estimated.
const SAMPLE: usize = 20_000;

/// How many of a hundred texts are nearly all.
const NEARLY_ALL: usize = 98;

/// What the embedding trainer of a study has to do with.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The sizes of its base model.
    pub sizes: Sizes,
    /// How many weights it has.
    pub weights: u64,
    /// The prompts that its directory names, by their names.
    pub prompts: Vec<(String, String)>,
    /// What rows are.
    pub kind: Kind,
    /// Rows to train with.
    pub rows: usize,
    /// Rows to compare trials by.
    pub validation_rows: usize,
    /// Estimated tokens of nearly all training texts, special ones included.
    pub tokens: usize,
    effects: effect::Data,
}

impl Look {
    /// The first parameter of a space that changes nothing for these data, whatever the others are.
    pub fn without_effect(&self, space: &SearchSpace) -> Option<String> {
        effect::without_effect(space, self.effects).map(|idle| idle.parameter)
    }
}

/// Looks at the one base model and the data of a study.
///
/// # Errors
/// All that is wrong with them.
pub fn look(file: &StudyFile) -> Result<Look, Diagnostics> {
    let settings: Settings = serde_json::from_value(json!(file.study.trainer.settings))
        .map_err(|error| Diagnostic::whole_file(&file.path, error.to_string(), "check the keys of `[trial]`"))?;
    let models = check_models(file, &settings);
    let data = check_data(file, &settings);
    let (models, data) = match (models, data) {
        (Ok(models), Ok(data)) => (models, data),
        (models, data) => {
            let flaws = models.err().into_iter().flatten();
            let mistakes = data.err().into_iter().flat_map(|Diagnostics(mistakes)| mistakes);
            return Err(Diagnostics(flaws.chain(mistakes).collect()));
        }
    };
    let directories: Vec<&Path> = settings
        .model
        .each()
        .into_iter()
        .map(|(_, directory)| directory)
        .collect();
    let ([base], [directory]) = (models.as_slice(), directories.as_slice()) else {
        unreachable!("the file was written with one base model");
    };
    let prompts = model::prompts(directory).unwrap_or_default();
    Ok(Look {
        sizes: base.sizes,
        weights: model::count(directory),
        prompts: prompts.prompts().clone().into_iter().collect(),
        kind: data.report.kind,
        rows: data.report.train.rows,
        validation_rows: data.report.validation.rows,
        tokens: long(&data.train.texts),
        effects: effect::Data::of(&data),
    })
}

/// The estimated tokens that nearly all texts have at most.
fn long(texts: &[String]) -> usize {
    let every = texts.len().div_ceil(SAMPLE).max(1);
    let mut lengths: Vec<usize> = texts.iter().step_by(every).map(|text| tokens(text)).collect();
    let at = (lengths.len() * NEARLY_ALL / 100).min(lengths.len().saturating_sub(1));
    match lengths.is_empty() {
        true => 0,
        false => *lengths.select_nth_unstable(at).1,
    }
}

/// About how many tokens a text has: one for five letters of a word, one for each character of a script without blanks, and two at its
/// ends.
fn tokens(text: &str) -> usize {
    let of_word = |word: &str| {
        let alone = word.chars().filter(|c| ('\u{2e80}'..='\u{ffdc}').contains(c)).count();
        alone + (word.chars().count() - alone).div_ceil(5)
    };
    text.split_whitespace().map(of_word).sum::<usize>() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_characters_are_counted_and_the_longest_texts_do_not_count() {
        assert_eq!(tokens("a reverse dictionary"), 7);
        assert_eq!(tokens("東京 tower"), 5);
        let mut texts = vec!["one two".to_owned(); 99];
        texts.push("word ".repeat(500));
        assert_eq!(long(&texts), 4);
        assert_eq!(long(&[]), 0);
    }
}
