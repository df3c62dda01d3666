//! Whether a study's file still says what the study was created as.

use std::path::Path;

use hpo_data::Kind;
use hpo_protocol::BASE_MODEL;
use serde_json::{Map, Value, json};

use super::{CliError, origin};
use crate::diagnostic::Diagnostics;
use crate::store::StudyReader;
use crate::study::{StudySpec, Trainer};
use crate::study_file::{
    PROMPT_SETS, PROMPTS, StudyFile, clean, named_inputs, relative, settings_of_then, settings_of_today,
};

/// A study is one search: what it was created as and on must not change, except for its limits, which may grow. Returns the trainer as
/// recorded, with the paths that the file has.
///
/// # Errors
/// What has changed.
pub(super) fn check(reader: &StudyReader, wanted: &StudySpec, file: &StudyFile) -> Result<Trainer, CliError> {
    let recorded = reader.study().spec();
    if let Some(origin) = reader.origin() {
        let changed = origin::diagnostics(origin, file, &recorded.name);
        if !changed.is_empty() {
            return Err(CliError::Input(Diagnostics(changed)));
        }
    }
    let mut comparable = wanted.clone();
    if wanted.trials >= reader.study().filed_limits().trials {
        comparable.trials = recorded.trials;
    }
    if let Some(confirmation) = wanted.confirmation
        && recorded.confirmation.is_none_or(|has| confirmation.covers(has))
    {
        comparable.confirmation = recorded.confirmation;
    }
    comparable.stop = recorded.stop;
    comparable.trainer = as_recorded(reader, &wanted.trainer, file);
    if let Some(earlier) = reader.study().earlier() {
        comparable.space.try_first.extend(earlier.first.iter().cloned());
    }
    let mut differences = Vec::new();
    differ("", &as_value(recorded), &as_value(&comparable), &mut differences);
    if differences.is_empty() {
        return Ok(origin::with_paths(reader.origin(), &recorded.trainer, &wanted.trainer));
    }
    Err(CliError::usage(
        format!(
            "{} has changed since the study {} was created from it:\n{}",
            file.path.display(),
            recorded.name,
            lines(&differences).join("\n")
        ),
        "undo the change, or give the changed study another name; only `trials` and `[confirmation]` may grow",
    ))
}

/// What keeps the results of a recorded study from being compared with those of the study that a file is to become, one line each:
/// its objective, its trainer with the evaluation that the objective is of, and the unit of its resource. Of the trainer's files only the
/// names are looked at, of those that `reader` knows by their content not even these, nor of base models among which trials choose. `kind` is that of the data, if known.
pub(super) fn incomparable(
    reader: &StudyReader,
    wanted: &StudySpec,
    file: &StudyFile,
    kind: Option<Kind>,
) -> Vec<String> {
    let compared = |spec: &StudySpec, trainer: &Trainer| {
        let all = as_value(spec);
        json!({
            "objective": all["objective"],
            "policy": { "resource": all["policy"]["resource"] },
            "trainer": { "command": trainer.command, "directory": trainer.directory, "settings": trainer.settings },
        })
    };
    let recorded = reader.study().spec();
    let (mut was, mut is) = (recorded.trainer.clone(), as_recorded(reader, &wanted.trainer, file));
    if wanted.trainer.command.is_none() {
        // A study of before goes on as it was, and a new one does not begin so.
        let today = settings_of_today(&recorded.trainer.settings, kind == Some(Kind::Triplets));
        let usual = |(key, _): &(String, Value)| !recorded.trainer.settings.contains_key(key);
        for (key, value) in today.into_iter().filter(usual) {
            let now = wanted.trainer.settings.get(&key).cloned();
            is.settings.extend(now.map(|now| (key.clone(), now)));
            was.settings.insert(key, value);
        }
        let evaluation = wanted.trainer.evaluation_of(&wanted.objective.metric);
        let both = [&mut was.settings, &mut is.settings];
        // What trials choose among is compared for each of them.
        let chosen = |key: &str| {
            both.iter()
                .any(|settings| settings.get(key).is_some_and(Value::is_object))
        };
        let of_trials = [
            (chosen(BASE_MODEL), &[BASE_MODEL][..]),
            (chosen(PROMPT_SETS), &[PROMPT_SETS, PROMPTS][..]),
        ];
        for settings in both {
            if let Some(Value::Object(all)) = settings.get_mut(Trainer::EVALUATIONS) {
                all.retain(|name, _| Some(name) == evaluation.as_ref());
            }
            for (_, keys) in of_trials.iter().filter(|(chosen, _)| *chosen) {
                settings.retain(|key, _| !keys.contains(&key.as_str()));
            }
        }
    }
    let mut differences = Vec::new();
    let (old, new) = (compared(recorded, &was), compared(wanted, &is));
    differ("", &old, &new, &mut differences);
    lines(&differences)
}

/// A key of the studies' files in which two studies differ.
pub(super) struct Differing {
    /// The key with its table, or what differs if that is no value.
    pub key: String,
    /// The value in the one and in the other, null where it is not there.
    pub values: Option<(Value, Value)>,
}

/// Where two specifications differ, but for their names and limits. What both know to be the same by its content is the same.
pub(super) fn between(one: (&StudySpec, &Trainer), other: (&StudySpec, &Trainer)) -> Vec<Differing> {
    let compared = |(spec, trainer): (&StudySpec, &Trainer)| {
        let mut all = as_value(spec);
        all["trainer"] = json!(trainer);
        if let Some(all) = all.as_object_mut() {
            all.retain(|key, _| !["name", "stop", "trials"].contains(&key.as_str()));
        }
        all
    };
    let mut differences = Vec::new();
    differ("", &compared(one), &compared(other), &mut differences);
    differences
}

/// A specification with all that decides what is compared, even if it is as usual; but for the revision of the sampler, which is that of
/// the version with which a study began.
fn as_value(spec: &StudySpec) -> Value {
    let mut all = json!(spec);
    all["objective"] = json!(spec.objective);
    all["policy"]["resource"] = json!(spec.policy.unit);
    if let Some(sampler) = all["sampler"].as_object_mut() {
        sampler.remove("revision");
    }
    all
}

/// The trainer of a file as a recorded study has it, where they differ only in where the same things are, or in how versions of then
/// wrote them. What the study knows by its content is taken to be the same.
fn as_recorded(reader: &StudyReader, wanted: &Trainer, file: &StudyFile) -> Trainer {
    let recorded = &reader.study().spec().trainer;
    let mut trainer = wanted.clone();
    if wanted.command.is_none() {
        // The embedding trainer's files are absolute: it does not matter where it starts.
        trainer.directory.clone_from(&recorded.directory);
        trainer.settings = settings_of_then(file, &recorded.settings);
        // Which models there are to choose from is said by the space, and their content is compared elsewhere.
        let models = recorded.settings.get(BASE_MODEL).filter(|models| models.is_object());
        if let (Some(was), Some(now @ Value::Object(_))) = (models, trainer.settings.get_mut(BASE_MODEL)) {
            now.clone_from(was);
        }
    }
    let Some(origin) = reader.origin() else { return trainer };
    // The content is the same, whatever the files are called now.
    for named in named_inputs(wanted) {
        let is_another = || {
            named.is_program
                && !origin
                    .changes(&named.role, &named.read().unwrap_or_default())
                    .is_empty()
        };
        if origin.has(&named.role) && !is_another() {
            named.copy_setting(recorded, &mut trainer);
        }
    }
    let now = file.absolute_path();
    if let (Some(was), Some(now)) = (origin.file.as_ref().and_then(|file| file.path.parent()), now.parent()) {
        place(recorded, was, &mut trainer, now);
    }
    trainer
}

/// Gives the program and its directory the paths that they had when the study's file was in the directory `was`, if they are the same
/// as seen from the directory that the file is in `now`.
fn place(recorded: &Trainer, was: &Path, trainer: &mut Trainer, now: &Path) {
    let is_same = |old: &Path, new: &Path| clean(&was.join(relative(new, now))) == old;
    if is_same(&recorded.directory, &trainer.directory) {
        trainer.directory.clone_from(&recorded.directory);
    }
    let programs = (
        recorded.command.as_ref().and_then(|command| command.first()),
        trainer.command.as_mut().and_then(|command| command.first_mut()),
    );
    if let (Some(old), Some(new)) = programs
        && Path::new(new.as_str()).is_absolute()
        && is_same(Path::new(old), Path::new(new.as_str()))
    {
        new.clone_from(old);
    }
}

/// The place of the evaluations, and what stands before the name of one.
const EVALUATIONS: &str = "trainer.settings.evaluations";
const EVALUATION: &str = "trainer.settings.evaluations.";

/// What stands before the name of a parameter in the place of its table.
const PARAMETER: &str = "space.parameter.";

/// Lists where two specifications differ, by the keys of the study's file. `place` is that within them.
fn differ(place: &str, old: &Value, new: &Value, differences: &mut Vec<Differing>) {
    use serde_json::Value::{Array, Null, Object};
    let below = |key: &str| match place {
        "" => key.to_owned(),
        place => format!("{place}.{key}"),
    };
    match (old, new) {
        (Object(a), Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Null);
                differ(&below(key), &of(a), &of(b), differences);
            }
        }
        (Object(_), Null) if place == EVALUATIONS => differ(place, old, &Object(Map::new()), differences),
        (Null, Object(_)) if place == EVALUATIONS => differ(place, &Object(Map::new()), new, differences),
        (Array(a), Array(b)) if place == "space.parameters" => {
            let named = |list: &[Value]| -> Map<String, Value> {
                let pair = |parameter: &Value| {
                    let mut of = parameter.clone();
                    let name = of.as_object_mut().and_then(|of| of.remove("name"));
                    (
                        name.and_then(|name| name.as_str().map(str::to_owned))
                            .unwrap_or_default(),
                        of,
                    )
                };
                list.iter().map(pair).collect()
            };
            let (old, new) = (named(a), named(b));
            if old == new && a != b {
                differences.push(Differing {
                    key: "[space]: the parameters are in another order".into(),
                    values: None,
                });
            }
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                let of = |map: &Map<String, Value>| map.get(name).map_or(Null, flat);
                differ(&format!("{PARAMETER}{name}"), &of(&old), &of(&new), differences);
            }
        }
        (a, b) if a != b => differences.push(Differing {
            key: key(place),
            values: Some((a.clone(), b.clone())),
        }),
        _ => {}
    }
}

fn lines(differences: &[Differing]) -> Vec<String> {
    let words = |value: &Value| match value.is_null() {
        true => "not there".to_owned(),
        false => value.to_string(),
    };
    let line = |Differing { key, values }: &Differing| match values {
        Some((old, new)) => format!("  {key}: was {}, is {}", words(old), words(new)),
        None => format!("  {key}"),
    };
    differences.iter().map(line).collect()
}

/// The distribution of a parameter with what else its table has.
fn flat(parameter: &Value) -> Value {
    let Some(Value::Object(distribution)) = parameter.get("distribution") else {
        return parameter.clone();
    };
    let mut all = distribution.clone();
    let others = parameter.as_object().into_iter().flatten();
    all.extend(
        others
            .filter(|(key, _)| *key != "distribution")
            .map(|(key, of)| (key.clone(), of.clone())),
    );
    Value::Object(all)
}

/// The table and the key of the study's file that set what stands at a place of the specification.
fn key(place: &str) -> String {
    if let Some(name) = place.strip_prefix(PARAMETER) {
        return format!("[space] {name}");
    }
    if let Some(place) = place.strip_prefix(EVALUATION) {
        return match place.split_once('.') {
            Some((name, key)) => format!("[evaluation.{name}] {key}"),
            None => format!("[evaluation.{place}]"),
        };
    }
    let renamed = match place {
        "threads" => "slots.threads_per_trial",
        "space.constraints" => "study.constraints",
        "space.try_first" => return "[[try_first]]".to_owned(),
        "confirmation" => return "[confirmation]".to_owned(),
        "objective.metric" | "further" => "objective",
        "objective.direction" => "direction",
        place => place,
    };
    let (table, key) = match renamed.split_once('.') {
        Some(("trainer", key)) => ("trial", key.strip_prefix("settings.").unwrap_or(key)),
        Some((table, key)) => (table, key),
        None => ("study", renamed),
    };
    format!("[{table}] {key}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::SamplerSpec;
    use crate::study_file::parse;

    #[test]
    fn differences_have_the_names_that_the_file_has_for_them() {
        let old = json!({
            "seed": 1, "objective": { "metric": "loss", "direction": "minimize" }, "threads": 1,
            "policy": { "type": "asha", "resource": "epochs" }, "confirmation": null,
            "trainer": {
                "command": ["a"],
                "settings": { "evaluations": { "docs": { "type": "retrieval", "every": "rung" } }, "max_length": 32 },
            },
            "space": {
                "parameters": [
                    { "name": "x", "distribution": { "type": "fixed", "value": 1 } },
                    { "name": "seed", "distribution": { "type": "uniform", "low": 0.0, "high": 1.0 } },
                ],
                "constraints": [],
            }
        });
        let new = json!({
            "seed": 2, "objective": { "metric": "f1", "direction": "maximize" }, "threads": 2,
            "policy": { "type": "pasha", "resource": "steps" }, "confirmation": { "seeds": 2 },
            "trainer": {
                "command": ["b"],
                "settings": {
                    "evaluations": { "docs": { "type": "retrieval", "every": "end" }, "faq": { "type": "triplets" } },
                    "max_length": 40,
                    "level": 1,
                },
            },
            "space": {
                "parameters": [
                    { "name": "y", "distribution": { "type": "fixed", "value": 1 } },
                    { "name": "seed", "distribution": { "type": "uniform", "low": 0.0, "high": 2.0 }, "prior": 1.0 },
                ],
                "constraints": ["x > 1"],
            }
        });
        let mut differences = Vec::new();
        differ("", &old, &new, &mut differences);
        assert_eq!(
            lines(&differences),
            [
                "  [study] seed: was 1, is 2",
                "  [study] objective: was \"loss\", is \"f1\"",
                "  [study] direction: was \"minimize\", is \"maximize\"",
                "  [slots] threads_per_trial: was 1, is 2",
                "  [policy] type: was \"asha\", is \"pasha\"",
                "  [policy] resource: was \"epochs\", is \"steps\"",
                "  [confirmation]: was not there, is {\"seeds\":2}",
                "  [trial] command: was [\"a\"], is [\"b\"]",
                "  [evaluation.docs] every: was \"rung\", is \"end\"",
                "  [evaluation.faq]: was not there, is {\"type\":\"triplets\"}",
                "  [trial] max_length: was 32, is 40",
                "  [trial] level: was not there, is 1",
                "  [space] x: was {\"type\":\"fixed\",\"value\":1}, is not there",
                "  [space] seed.high: was 1.0, is 2.0",
                "  [space] seed.prior: was not there, is 1.0",
                "  [space] y: was not there, is {\"type\":\"fixed\",\"value\":1}",
                "  [study] constraints: was [], is [\"x > 1\"]",
            ]
        );
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let settings = json!({ "docs": { "type": "triplets" } });
        differ(EVALUATIONS, &Value::Null, &settings, &mut added);
        differ(EVALUATIONS, &settings, &Value::Null, &mut removed);
        assert_eq!(
            lines(&added),
            ["  [evaluation.docs]: was not there, is {\"type\":\"triplets\"}"]
        );
        assert_eq!(
            lines(&removed),
            ["  [evaluation.docs]: was {\"type\":\"triplets\"}, is not there"]
        );
    }

    #[test]
    fn a_study_goes_on_by_the_revision_of_the_sampler_with_which_it_began() {
        let file = "[study]\ntrials = 3\n[policy]\nmax_resource = 9\n[trial]\ncommand = [\"x\"]\n[space]\nx = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
        let now = parse(file, "s.toml".as_ref()).unwrap().study.spec(1, 1);
        let mut before = now.clone();
        let recorded = json!({ "type": "gaussian_process", "startup_trials": null, "random_share": 0.1 });
        before.sampler = serde_json::from_value(recorded.clone()).unwrap();
        assert_eq!(json!(before.sampler), recorded);
        assert_ne!(before.sampler, now.sampler);
        assert_eq!(as_value(&before), as_value(&now));
        before.sampler = SamplerSpec::Random;
        assert_ne!(as_value(&before), as_value(&now));
    }
}
