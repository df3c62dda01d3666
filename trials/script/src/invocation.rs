//! How a script is started for a segment: its arguments, its environment, and the file that has all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hpo_protocol::Run;
use serde_json::{Value, json};

use crate::names;
use crate::template::Template;

/// Scripts are given seeds below this: NumPy and what is built on it take no larger ones than 32 bits hold.
pub const SEEDS: u64 = 1 << 31;

/// The values of a segment by the names of their placeholders, in the order of these.
pub(crate) struct Values<'a> {
    /// The segment.
    pub run: &'a Run,
    /// The study's name.
    pub study: &'a str,
    /// CPU threads that the script may use.
    pub threads: usize,
    /// The script's own directory.
    pub checkpoint_dir: &'a Path,
    /// The directory that it goes on from, if there is one.
    pub resume_from: Option<&'a Path>,
    /// The file that has all of it.
    pub config: &'a Path,
}

impl Values<'_> {
    /// Those that `hpo` itself passes; without a value if there is none in this segment.
    fn own(&self) -> Vec<(&'static str, Option<Value>)> {
        let run = self.run;
        let path = |path: &Path| Some(json!(path.to_string_lossy()));
        vec![
            (names::RESOURCE, Some(json!(run.to))),
            (names::FROM, Some(json!(run.from))),
            (names::MAX, Some(json!(run.max))),
            (names::UNIT, Some(json!(run.unit.many()))),
            (names::TRIAL, Some(json!(run.segment.trial))),
            (names::ATTEMPT, Some(json!(run.segment.attempt))),
            (names::SEED, Some(json!(run.seed % SEEDS))),
            (names::THREADS, Some(json!(self.threads))),
            (names::STUDY, Some(json!(self.study))),
            (names::CHECKPOINT_DIR, path(self.checkpoint_dir)),
            (names::RESUME_FROM, self.resume_from.and_then(path)),
            (names::CONFIG, path(self.config)),
        ]
    }

    /// The value of a placeholder as text; none if there is none in this segment.
    pub fn text(&self, name: &str) -> Option<String> {
        let own = || self.own().into_iter().find(|(own, _)| *own == name)?.1;
        self.run.parameters.get(name).cloned().or_else(own).as_ref().map(text)
    }

    /// The content of the file that has all of it.
    pub fn config(&self) -> Value {
        let own = self.own().into_iter().filter(|(name, _)| *name != names::CONFIG);
        let mut all: serde_json::Map<String, Value> =
            own.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        all.insert("parameters".to_owned(), json!(self.run.parameters));
        Value::Object(all)
    }

    /// The variables of the environment; without a value those that are empty or not set. The user's own come last.
    pub fn environment(&self, own: &BTreeMap<String, Template>) -> Vec<(String, Option<String>)> {
        let given = self.own().into_iter().map(|(name, value)| {
            let value = value.as_ref().map_or(String::new(), text);
            (names::variable(name), Some(value))
        });
        let parameters = self.run.parameters.iter();
        let parameters = parameters.map(|(name, value)| (names::variable(name), Some(text(value))));
        let own = own.iter();
        let own = own.map(|(name, template)| (name.clone(), template.fill(|name| self.text(name))));
        given.chain(parameters).chain(own).collect()
    }

    /// The program and its arguments.
    pub fn arguments(&self, command: &[Template]) -> Vec<String> {
        filled(command, |name| self.text(name))
    }

    /// The path that a template stands for.
    pub fn path(&self, template: &Template) -> Option<PathBuf> {
        template.fill(|name| self.text(name)).map(PathBuf::from)
    }
}

/// The program and its arguments with the values of placeholders, as far as there are values. An argument that is only a placeholder and
/// whose value is the empty text is left out, so that a flag can be a choice.
fn filled(command: &[Template], text: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let places = filled_places(command, text).into_iter();
    places.map(|(_, argument)| argument).collect()
}

/// The same, each with its place in the command.
fn filled_places(command: &[Template], text: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
    let kept = kept(command, |name| text(name).is_some());
    let kept = kept.into_iter().filter_map(|place| {
        let template = &command[place];
        let argument = template.fill(&text)?;
        let is_flag = place > 0 && template.head() == ("", true);
        (!is_flag || !argument.is_empty()).then_some((place, argument))
    });
    kept.collect()
}

/// Whether an argument is an option whose value is the next one.
fn is_option(argument: &Template) -> bool {
    let text = argument.fill(|_| None);
    text.is_some_and(|text| text.starts_with('-') && !text.contains('='))
}

/// A value as a program reads it: texts as they are, numbers by the shortest text that stands for them.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is passed to a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// The program and all its arguments.
    pub all: Vec<String>,
    /// Of these, those with the values of placeholders, with the options that stand before them.
    pub parameters: Vec<String>,
}

/// What the command of a script comes to in a segment, but for what is in a directory of `hpo`'s own. What has no value is left out, with
/// the option before it.
pub fn passed(command: &[String], run: &Run, study: &str, threads: usize) -> Passed {
    let templates: Vec<Template> = command.iter().filter_map(|text| Template::parse(text).ok()).collect();
    let nowhere = Path::new("");
    let values = Values {
        run,
        study,
        threads,
        checkpoint_dir: nowhere,
        resume_from: None,
        config: nowhere,
    };
    let value = |name: &str| {
        let is_own = [names::CHECKPOINT_DIR, names::CONFIG].contains(&name);
        (!is_own).then(|| values.text(name))?
    };
    let varies = |place: usize| {
        templates
            .get(place)
            .is_some_and(|template| template.names().next().is_some())
    };
    let places = filled_places(&templates, value);
    let own = places.iter().filter(|(place, _)| {
        let next = place + 1;
        let leads = *place > 0 && is_option(&templates[*place]) && varies(next) && templates[next].head() == ("", true);
        let is_there = places.iter().any(|(other, _)| *other == next);
        varies(*place) || (leads && is_there)
    });
    let parameters = own.map(|(_, argument)| argument.clone()).collect();
    let all = places.iter().map(|(_, argument)| argument.clone()).collect();
    Passed { all, parameters }
}

/// Whether an argument is made for one value: it is a placeholder, or an option with one, `--name={placeholder}`. Only such an argument
/// can be left out in segments that have no such value.
pub fn carries_value(argument: &Template) -> bool {
    let (head, whole) = argument.head();
    whole && (head.is_empty() || (head.starts_with('-') && head.ends_with('=')))
}

/// The places of the arguments of a command that are there if only some placeholders have values. With a placeholder, the option goes
/// that stands before it as an argument of its own.
fn kept(command: &[Template], has: impl Fn(&str) -> bool) -> Vec<usize> {
    let absent = |place: usize| command[place].names().any(|name| !has(name));
    let leads = |place: usize| {
        let next = place + 1;
        next < command.len() && absent(next) && command[next].head() == ("", true) && is_option(&command[place])
    };
    (0..command.len())
        .filter(|&place| place == 0 || !(absent(place) || leads(place)))
        .collect()
}

/// The arguments of a command, as the study's file has them, that are there if only some placeholders have values.
pub fn arguments_for(command: &[String], has: impl Fn(&str) -> bool) -> Vec<String> {
    let templates: Vec<Template> = command.iter().filter_map(|text| Template::parse(text).ok()).collect();
    match templates.len() == command.len() {
        true => kept(&templates, has)
            .into_iter()
            .map(|place| command[place].clone())
            .collect(),
        // It is no script's.
        false => command.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use hpo_protocol::{SegmentId, TrialId, Unit};

    use super::*;

    fn run(parameters: Value) -> Run {
        Run {
            segment: SegmentId {
                trial: TrialId(4),
                attempt: 2,
            },
            seed: SEEDS + 7,
            parameters: serde_json::from_value(parameters).unwrap(),
            unit: Unit::Epochs,
            report_every: 1,
            from: 1,
            to: 3,
            max: 9,
            checkpoint: None,
            checkpoints: "/c".into(),
        }
    }

    fn values(run: &Run) -> Values<'_> {
        Values {
            run,
            study: "s",
            threads: 2,
            checkpoint_dir: Path::new("/c/a2"),
            resume_from: None,
            config: Path::new("/c/a2.json"),
        }
    }

    #[test]
    fn arguments_without_a_value_are_left_out_with_their_options() {
        let run = run(json!({ "lr": 2.5e-7, "batch": 16, "decay": 1.0, "name": "a b", "nesterov": true }));
        let given = [
            "python",
            "-u",
            "{name}",
            "--lr={lr}",
            "-b{batch}",
            "--decay",
            "{decay}",
            "--nesterov={nesterov}",
            "--momentum",
            "{momentum}",
            "--beta={beta}",
            "--resume",
            "{resume_from}",
            "--flag=1",
            "{momentum}",
            "--out",
            "{checkpoint_dir}",
            "{resource}/{max}",
        ];
        let templates: Vec<Template> = given.iter().map(|text| Template::parse(text).unwrap()).collect();
        let expected = "python|-u|a b|--lr=2.5e-7|-b16|--decay|1.0|--nesterov=true|--flag=1|--out|/c/a2|3/9";
        assert_eq!(values(&run).arguments(&templates).join("|"), expected);
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        let left = arguments_for(&given, |name| name != "momentum");
        assert_eq!(left.len(), given.len() - 3);
    }

    #[test]
    fn an_argument_for_one_value_is_known() {
        let carries = |text: &str| carries_value(&Template::parse(text).unwrap());
        assert!(carries("{a}") && carries("--x={a}") && carries("-x={a}"));
        assert!(
            !carries("-x{a}")
                && !carries("{a}{b}")
                && !carries("--x={a},{b}")
                && !carries("sh -c '{a}'")
                && !carries("x")
        );
    }

    #[test]
    fn the_environment_and_the_file_have_everything() {
        let run = run(json!({ "lr": 2.5e-7 }));
        let values = values(&run);
        let own = BTreeMap::from([("RATE", "{lr}"), ("NONE", "{momentum}")]);
        let own = own
            .into_iter()
            .map(|(name, text)| (name.to_owned(), Template::parse(text).unwrap()))
            .collect();
        let all: BTreeMap<String, Option<String>> = values.environment(&own).into_iter().collect();
        let get = |name: &str| all[name].as_deref();
        assert_eq!(
            (get("HPO_LR"), get("RATE"), get("NONE")),
            (Some("2.5e-7"), Some("2.5e-7"), None)
        );
        assert_eq!((get("HPO_RESOURCE"), get("HPO_RESUME_FROM")), (Some("3"), Some("")));
        assert_eq!(get("HPO_SEED"), Some("7"), "of 32 bits");
        assert_eq!((get("HPO_CONFIG"), get("HPO_STUDY")), (Some("/c/a2.json"), Some("s")));
        let config = values.config();
        assert_eq!(
            (&config["parameters"]["lr"], &config["resume_from"]),
            (&json!(2.5e-7), &Value::Null)
        );
        assert_eq!(
            (&config["resource"], &config["checkpoint_dir"]),
            (&json!(3), &json!("/c/a2"))
        );
    }
}
