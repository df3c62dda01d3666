//! The configuration of a trial in the formats that others read.

use hpo_protocol::Values;
use serde_json::{Map, Value, json};

use crate::study::{StudySpec, TrialSummary};

/// A format for a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A study's file with one trial whose parameters are fixed: what `hpo train` reads.
    Toml,
    /// A JSON object.
    Json,
    /// YAML.
    Yaml,
    /// `HPO_NAME=value` lines for a shell.
    Env,
    /// `--name value` words for a command line, quoted for a shell.
    Args,
}

/// The configuration of a trial, ending in a newline.
///
/// # Errors
/// If a value has no place in the format.
pub fn configuration(spec: &StudySpec, trial: &TrialSummary, format: Format) -> Result<String, toml::ser::Error> {
    Ok(match format {
        Format::Toml => toml(spec, trial)?,
        Format::Json => {
            let mut text = format!("{:#}", facts(spec, trial));
            text.push('\n');
            text
        }
        Format::Yaml => yaml(&facts(spec, trial), 0) + "\n",
        Format::Env => each(&trial.parameters, |name, value| {
            let name: String = name
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_uppercase()
                    } else {
                        '_'
                    }
                })
                .collect();
            format!("HPO_{name}={}\n", shell_word(value))
        }),
        Format::Args => {
            let words = each(&trial.parameters, |name, value| {
                format!("--{name} {} ", shell_word(value))
            });
            words.trim_end().to_owned() + "\n"
        }
    })
}

fn each(parameters: &Values, line: impl Fn(&str, &Value) -> String) -> String {
    parameters.iter().map(|(name, value)| line(name, value)).collect()
}

fn facts(spec: &StudySpec, trial: &TrialSummary) -> Value {
    json!({
        "study": spec.name,
        "trial": trial.trial,
        "loss": trial.loss,
        "resource": trial.best_at,
        "resource_unit": spec.policy.unit,
        "metrics": trial.best_at.map(|_| &trial.metrics),
        "seed": trial.seed,
        "parameters": trial.parameters,
    })
}

/// A scalar as one word for a POSIX shell.
fn shell_word(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-./:=@_".contains(c));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// JSON strings, booleans and integers are YAML as they stand. A number such as `1e-5` is not: readers of YAML 1.1,
/// PyYAML among them, take it for a text unless it has a point and the exponent a sign.
fn yaml(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().fold(String::new(), |text, (name, value)| {
            let newline = if text.is_empty() && indent == 0 { "" } else { "\n" };
            let value = yaml(value, indent + 1);
            let space = if value.starts_with('\n') { "" } else { " " };
            text + &format!(
                "{newline}{:width$}{}:{space}{value}",
                "",
                yaml_key(name),
                width = 2 * indent
            )
        }),
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, ""));
            let point = if mantissa.contains('.') { "" } else { ".0" };
            match exponent.strip_prefix(['+', '-']) {
                _ if exponent.is_empty() => format!("{mantissa}{point}"),
                Some(_) => format!("{mantissa}{point}e{exponent}"),
                None => format!("{mantissa}{point}e+{exponent}"),
            }
        }
        other => other.to_string(),
    }
}

fn yaml_key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && !matches!(
            name,
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain {
        name.to_owned()
    } else {
        json!(name).to_string()
    }
}

fn toml_key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain {
        name.to_owned()
    } else {
        json!(name).to_string()
    }
}

fn toml(spec: &StudySpec, trial: &TrialSummary) -> Result<String, toml::ser::Error> {
    let policy = &spec.policy;
    let mut text = format!("# Trial {} of the study {}", trial.trial, spec.name);
    if let Some((resource, loss)) = trial.best_at.zip(trial.loss) {
        text += &format!(": validation loss {loss:.6} at {} {resource}", policy.unit.one());
    }
    text += ".\n# To train it once more: hpo train --config THIS_FILE --output MODEL_DIRECTORY\n\n";
    let mut trainer = Map::new();
    if let Some(command) = &spec.trainer.command {
        trainer.insert("command".into(), json!(command));
        trainer.insert("directory".into(), json!(spec.trainer.directory));
    }
    trainer.insert("seed".into(), json!(trial.seed));
    trainer.extend(spec.trainer.settings.clone());
    let file = json!({
        "study": { "name": format!("{}-trial-{}", spec.name, trial.trial), "seed": spec.seed, "trials": 1 },
        "policy": {
            "type": "none",
            "resource": policy.unit,
            "max_resource": policy.max_resource,
            "report_every": policy.report_every,
        },
        "sampler": { "type": "random" },
        "slots": { "threads_per_trial": spec.threads },
        "trial": trainer,
    });
    text += &toml::to_string(&file)?;
    text += "\n[space]\n";
    // JSON scalars are TOML as they stand, and shorter than what the library writes for small numbers.
    text += &each(&trial.parameters, |name, value| {
        format!("{} = {value}\n", toml_key(name))
    });
    Ok(text)
}

#[cfg(test)]
mod tests {
    use hpo_protocol::Unit;

    use super::*;
    use crate::ids::Timestamp;
    use crate::space::SearchSpace;
    use crate::study::{Event, PolicyKind, PolicySpec, SamplerSpec, Study, Trainer};

    fn study() -> Study {
        let parameters = [
            ("learning_rate", json!(3e-7)),
            ("batch_size", json!(16)),
            ("note", json!("it's")),
        ];
        let parameters = parameters.map(|(name, value)| crate::space::Parameter {
            name: name.into(),
            distribution: crate::space::Distribution::Fixed { value },
            when: Vec::new(),
            prior: None,
        });
        let mut study = Study::new(StudySpec {
            name: "s".into(),
            seed: 1,
            trials: 1,
            retries: 0,
            sampler: SamplerSpec::default(),
            confirmation: None,
            policy: PolicySpec {
                kind: PolicyKind::SuccessiveHalving {
                    bracket_size: None,
                    small_brackets: false,
                },
                speculation: true,
                parallel_brackets: 1,
                unit: Unit::Epochs,
                report_every: 1,
                min_resource: 1,
                max_resource: 9,
                reduction_factor: 3,
            },
            trainer: Trainer {
                command: Some(vec!["python3".into(), "t.py".into()]),
                directory: "/work".into(),
                settings: [("level".to_owned(), json!(1e300))].into(),
                seed: Some(5),
            },
            threads: 2,
            space: SearchSpace {
                try_first: Vec::new(),
                constraints: Vec::new(),
                parameters: parameters.into(),
            },
        });
        let opened = Event::Opened {
            process: 1,
            slots: vec![],
            limits: study.spec().limits(),
        };
        study.handle(Timestamp(1), opened);
        study
    }

    fn write(format: Format) -> String {
        let study = study();
        configuration(study.spec(), &(&study.trials()[0]).into(), format).unwrap()
    }

    #[test]
    fn yaml_numbers_are_numbers_to_every_reader() {
        assert_eq!(
            write(Format::Yaml),
            "study: \"s\"\ntrial: 0\nloss: null\nresource: null\nresource_unit: \"epochs\"\nmetrics: null\nseed: 5\nparameters:\n  \
             batch_size: 16\n  learning_rate: 3.0e-7\n  note: \"it's\"\n"
        );
    }

    #[test]
    fn values_survive_a_shell() {
        assert_eq!(
            write(Format::Env),
            "HPO_BATCH_SIZE=16\nHPO_LEARNING_RATE=3e-7\nHPO_NOTE='it'\\''s'\n"
        );
        assert_eq!(
            write(Format::Args),
            "--batch_size 16 --learning_rate 3e-7 --note 'it'\\''s'\n"
        );
    }

    #[test]
    fn the_toml_is_a_file_of_a_study_with_nothing_left_to_search() {
        let text = write(Format::Toml);
        let file = crate::study_file::parse(&text, std::path::Path::new("/elsewhere/best.toml")).unwrap();
        let again = file.study.spec(file.slots.threads_per_trial.unwrap(), 1);
        let spec = study().spec().clone();
        assert_eq!((again.trainer, again.threads), (spec.trainer, spec.threads));
        let fixed = again
            .space
            .parameters
            .iter()
            .map(|p| (p.name.clone(), p.distribution.clone()));
        let mut expected: Vec<_> = spec
            .space
            .parameters
            .iter()
            .map(|p| (p.name.clone(), p.distribution.clone()))
            .collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(fixed.collect::<Vec<_>>(), expected);
        assert_eq!(
            (again.policy.kind, again.policy.max_resource, again.trials),
            (PolicyKind::None, 9, 1)
        );
    }
}
