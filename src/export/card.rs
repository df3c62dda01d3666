//! The model card: what a model was trained on, how, and what it comes to. Hugging Face's hub shows it, and people read it.

use std::fs;
use std::io;
use std::path::Path;

use hpo_protocol::embedding::ModelPrompts;
use hpo_protocol::{Measurement, Metrics};
use serde_json::Value;

use crate::study::{Objective, Study, TestResults, Trainer, Trial};
use crate::words::counted;

/// The file of a model card.
const FILE: &str = "README.md";
/// What of the base model's card holds for a model that was made of it.
const INHERITED: [&str; 4] = ["language", "license", "license_name", "license_link"];
/// The settings that say on what a model was trained.
const DATA: [&str; 5] = ["train", "validation", "test", "synonyms", "max_length"];

/// The card of a trial's model, but for what it inherits from the base model's.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The base model's name.
    base: String,
    /// What follows the metadata, in Markdown.
    text: String,
    /// Whether it was trained to rank, so that queries and documents may have prompts of their own.
    ranks: bool,
}

impl Card {
    /// That of a trial of the embedding trainer, whose model comes to `results`; `None` for other trainers, whose models are described
    /// by whoever writes them.
    pub fn of(study: &Study, trial: &Trial, results: &TestResults) -> Option<Self> {
        let spec = study.spec();
        if spec.trainer.command.is_some() {
            return None;
        }
        let base = name(spec.trainer.base_model(&trial.parameters).unwrap_or_default());
        let row = study.summary(trial);
        let objective = &spec.objective;
        let searched = counted(study.search_trials().count(), "configuration");
        let (unit, at) = (spec.policy.unit.one(), row.best_at.unwrap_or_default());
        let mut text = format!(
            "# {}, trial {}\n\n`{base}`, fine-tuned by a hyperparameter search over {searched} with hpo {}. The trials were compared by \
             `{}` on validation data ({}); these are the weights of trial {} at {unit} {at}.\n",
            spec.name,
            trial.id,
            env!("CARGO_PKG_VERSION"),
            objective.metric,
            objective.direction.name(),
            trial.id,
        );
        for require in &spec.require {
            let value = trial.value_up_to(at, &require.metric);
            let fulfils = match value {
                Some(value) if require.allows(value) => format!("it fulfils that, with {value}"),
                Some(value) => format!("it breaks that, with {value}"),
                None => format!(
                    "whether it fulfils that is not known, as `{}` was not reported",
                    require.metric
                ),
            };
            text += &format!("\nThe search required `{require}`: {fulfils}.\n");
        }
        if let Some(report) = trial.reports.get(&at) {
            let mut metrics = report.metrics.to_metrics();
            // What evaluations measure has a section of its own.
            metrics.retain(|name, _| !results.evaluations.contains_key(name));
            let loss = report.loss;
            text += "\n## Validation\n\nThe search chose by these values, so they are better than what new data will show.\n\n";
            text += &compared(&Measurement { loss, metrics }, study.untrained(trial));
        }
        if let Some(tested) = &results.measurement {
            text += "\n## Test\n\nNo decision of the search looked at these data.\n\n";
            text += &compared(tested, results.untrained.as_ref());
        }
        text += &evaluated(&spec.trainer, objective, results);
        text += "\n## Training\n\n| | |\n|---|---|\n";
        for (key, value) in DATA
            .iter()
            .filter_map(|key| Some((key, spec.trainer.settings.get(*key)?)))
        {
            let shown = value.as_str().map_or_else(|| value.to_string(), name);
            text += &format!("| {key} | `{shown}` |\n");
        }
        for (name, value) in &trial.parameters {
            text += &format!("| {name} | `{value}` |\n");
        }
        text += &format!("| seed | `{}` |\n", trial.seed);
        let ranks = row.metrics.contains_key("ndcg@10");
        Some(Self { base, text, ranks })
    }

    /// How the model is used, and what is put before texts in that.
    fn usage(&self, prompts: &ModelPrompts) -> String {
        let roles = prompts.roles();
        let of_sides = prompts.default_name().is_none() && !(roles.anchor.is_empty() && roles.positive.is_empty());
        let mut text = "\n## Use\n\n".to_owned();
        let named = prompts.prompts().iter().filter(|(_, prompt)| !prompt.is_empty());
        let lines: Vec<String> = named
            .map(|(name, prompt)| format!("| {name} | `{prompt}` |\n"))
            .collect();
        if let Some(name) = prompts.default_name() {
            text += &format!("`encode` puts the prompt `{name}` before every text, as in training.\n\n");
        } else if self.ranks && of_sides {
            text += "`encode_query` and `encode_document` put before texts what stood before anchors and positives in training; `encode` \
                     puts nothing there.\n\n";
        }
        if !lines.is_empty() {
            text += &format!("| prompt | |\n|---|---|\n{}\n", lines.concat());
        }
        text += "```python\nfrom sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"path/to/this/directory\")\n";
        text += match self.ranks && of_sides {
            true => {
                "queries = model.encode_query([\"a question\"])\ndocuments = model.encode_document([\"an answer\", \"another answer\"])\n"
            }
            false => "embeddings = model.encode([\"a text\", \"another text\"])\n",
        };
        text + "```\n"
    }

    /// Writes it into a directory of a model, in the place of the base model's.
    ///
    /// # Errors
    /// On an I/O error.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE);
        let before = match fs::read_to_string(&path) {
            Ok(text) => text,
            // One that is not text has no metadata.
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::InvalidData].contains(&error.kind()) => {
                String::new()
            }
            Err(error) => return Err(error),
        };
        let prompts = fs::read_to_string(directory.join(ModelPrompts::FILE));
        // The trainer has written it, or it is not there.
        let prompts = prompts.ok().and_then(|text| ModelPrompts::read(&text).ok());
        fs::write(&path, self.whole(&before, &prompts.unwrap_or_default()))
    }

    /// With what it inherits from the base model's card, and the prompts of the exported model.
    fn whole(&self, before: &str, prompts: &ModelPrompts) -> String {
        format!(
            "---\n{}base_model: {}\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n- sentence-transformers\n\
             - sentence-similarity\n- feature-extraction\n---\n\n{}{}",
            inherited(before),
            Value::from(self.base.as_str()),
            self.text,
            self.usage(prompts)
        )
    }
}

/// The last part of a path: those before it say nothing elsewhere.
fn name(path: &str) -> String {
    let last = Path::new(path).file_name();
    last.map_or(path, |last| last.to_str().unwrap_or(path)).to_owned()
}

/// What evaluations have measured of the model.
fn evaluated(trainer: &Trainer, objective: &Objective, results: &TestResults) -> String {
    if results.evaluations.is_empty() {
        return String::new();
    }
    let mut text = "\n## Evaluations\n\n".to_owned();
    for (called, evaluation) in trainer.evaluations() {
        let files: Vec<String> = evaluation
            .paths()
            .map(|(_, path)| format!("`{}`", name(&path.to_string_lossy())))
            .collect();
        text += &format!("- {called}: {} on {}\n", evaluation.r#type, files.join(", "));
    }
    if results.evaluations.contains_key(&objective.metric) {
        text += &format!("\nThe search chose by `{}`.\n", objective.metric);
    }
    let measured = |metrics: &Metrics| Measurement {
        loss: None,
        metrics: metrics.clone(),
    };
    let untrained = measured(&results.untrained_evaluations);
    let untrained = Some(&untrained).filter(|untrained| !untrained.metrics.is_empty());
    text + "\n" + &compared(&measured(&results.evaluations), untrained)
}

/// Two columns, or one if the untrained model was not measured.
fn compared(model: &Measurement, untrained: Option<&Measurement>) -> String {
    let values = |of: &Measurement| {
        let loss = of.loss.map(|loss| ("loss".to_owned(), loss));
        loss.into_iter().chain(of.metrics.clone()).collect::<Vec<_>>()
    };
    let before = untrained.map(values);
    let mut text = match before {
        Some(_) => "| | untrained | this model |\n|---|---|---|\n".to_owned(),
        None => "| | this model |\n|---|---|\n".to_owned(),
    };
    for (name, value) in values(model) {
        text += &match &before {
            Some(before) => {
                let before = before.iter().find(|(known, _)| *known == name);
                let before = before.map_or("–".to_owned(), |(_, value)| format!("{value:.4}"));
                format!("| {name} | {before} | {value:.4} |\n")
            }
            None => format!("| {name} | {value:.4} |\n"),
        };
    }
    text
}

/// The lines of the metadata at the beginning of a card that hold for a model made of that one.
fn inherited(card: &str) -> String {
    let Some(metadata) = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")) else {
        return String::new();
    };
    let mut kept = String::new();
    let mut keeps = false;
    for line in metadata.0.lines() {
        // What follows a key and belongs to it is indented, or an item of a list.
        if !line.starts_with([' ', '-', '\t', '#']) {
            keeps = line.split_once(':').is_some_and(|(key, _)| INHERITED.contains(&key));
        }
        if keeps {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::tests::finished;

    #[test]
    fn a_card_says_how_good_the_model_is_and_how_it_was_made() {
        let study = finished();
        let trial = study.best().unwrap();
        let measured = |loss, ndcg| Measurement {
            loss: Some(loss),
            metrics: [("ndcg@10".to_owned(), ndcg)].into(),
        };
        let evaluated = |value| [("docs.ndcg@10".to_owned(), value)].into();
        let results = TestResults {
            measurement: Some(measured(0.25, 0.625)),
            untrained: Some(measured(0.5, 0.5)),
            evaluations: evaluated(0.75),
            untrained_evaluations: evaluated(0.125),
        };
        let card = Card::of(&study, trial, &results);
        let Some(card) = card else {
            assert!(study.spec().trainer.command.is_some());
            return;
        };
        for line in [
            "| loss | 0.5000 | 0.2500 |",
            "| ndcg@10 | 0.5000 | 0.6250 |",
            "| docs.ndcg@10 | 0.1250 | 0.7500 |",
            "| loss | 0.1000 |",
            "| seed |",
        ] {
            assert!(card.text.contains(line), "{line}: {}", card.text);
        }
        let before = "---\nlanguage:\n- en\n- de\nlicense: mit\ntags:\n- x\nlicense_link: here\n---\n# Base\n";
        let whole = card.whole(before, &ModelPrompts::default());
        assert!(
            whole.starts_with("---\nlanguage:\n- en\n- de\nlicense: mit\nlicense_link: here\nbase_model: \""),
            "{whole}"
        );
        assert!(!whole.contains("# Base") && !whole.contains("- x\n"), "{whole}");
    }

    #[test]
    fn a_card_says_what_stands_before_texts() {
        let usage = |ranks, prompts: &str| {
            let card = Card {
                base: "base".to_owned(),
                text: String::new(),
                ranks,
            };
            card.usage(&ModelPrompts::read(prompts).unwrap())
        };
        let sides = r#"{"prompts": {"query": "q: ", "document": ""}}"#;
        assert!(usage(true, sides).contains("| query | `q: ` |") && usage(true, sides).contains("model.encode_query("));
        assert!(usage(false, sides).contains("model.encode("));
        let default = usage(true, r#"{"prompts": {"query": "q: "}, "default_prompt_name": "query"}"#);
        assert!(default.contains("the prompt `query` before every text") && default.contains("model.encode("));
        assert!(!usage(true, "{}").contains("prompt"));
    }
}
