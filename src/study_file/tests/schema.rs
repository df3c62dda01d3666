//! The schema accepts what is right, and refuses unknown keys.

use serde_json::Value;

use super::mistakes::{MISTAKES, edit};
use super::*;
use crate::study::PolicyKind;

/// Whether a value is what a schema of draft 7 wants, by those of its words that the schema of study files uses.
fn accepts(schema: &Value, value: &Value, root: &Value) -> bool {
    let Value::Object(words) = schema else {
        return schema == true;
    };
    words
        .iter()
        .all(|(word, wanted)| holds(word, wanted, words, value, root))
}

fn holds(word: &str, wanted: &Value, schema: &serde_json::Map<String, Value>, value: &Value, root: &Value) -> bool {
    let each = || wanted.as_array().unwrap().iter();
    let number = |holds: fn(f64, f64) -> bool| value.as_f64().is_none_or(|x| holds(x, wanted.as_f64().unwrap()));
    let length = || match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    };
    let limit = wanted.as_u64().unwrap_or_default() as usize;
    let fields = value.as_object();
    match word {
        "$schema" | "title" | "description" | "default" | "definitions" | "then" | "else" => true,
        "$ref" => accepts(root.pointer(&wanted.as_str().unwrap()[1..]).unwrap(), value, root),
        "type" => match wanted {
            Value::Array(_) => each().any(|one| is(one, value)),
            _ => is(wanted, value),
        },
        "enum" => each().any(|one| one == value),
        "const" => wanted == value,
        "minimum" => number(|x, least| x >= least),
        "exclusiveMinimum" => number(|x, low| x > low),
        "maximum" => number(|x, most| x <= most),
        "exclusiveMaximum" => number(|x, high| x < high),
        "minLength" | "minItems" | "minProperties" => length().is_none_or(|length| length >= limit),
        "maxItems" => length().is_none_or(|length| length <= limit),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| accepts(wanted, item, root))),
        "required" => fields.is_none_or(|fields| each().all(|key| fields.contains_key(key.as_str().unwrap()))),
        "properties" => fields.is_none_or(|fields| {
            let mut known = fields.iter().filter_map(|(key, value)| Some((wanted.get(key)?, value)));
            known.all(|(wanted, value)| accepts(wanted, value, root))
        }),
        "pattern" => {
            let pattern = hpo_script::compile(&format!("({})", wanted.as_str().unwrap())).unwrap();
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "contains" => value
            .as_array()
            .is_none_or(|items| items.iter().any(|item| accepts(wanted, item, root))),
        "propertyNames" => fields.is_none_or(|fields| fields.keys().all(|key| accepts(wanted, &json!(key), root))),
        "additionalProperties" => fields.is_none_or(|fields| {
            let named = |key: &String| schema.get("properties").is_some_and(|own| own.get(key).is_some());
            let mut others = fields.iter().filter(|(key, _)| !named(key));
            others.all(|(_, value)| accepts(wanted, value, root))
        }),
        "allOf" => each().all(|one| accepts(one, value, root)),
        "anyOf" => each().any(|one| accepts(one, value, root)),
        "not" => !accepts(wanted, value, root),
        "if" => {
            let branch = if accepts(wanted, value, root) { "then" } else { "else" };
            schema.get(branch).is_none_or(|branch| accepts(branch, value, root))
        }
        other => panic!("this test does not know {other}"),
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("this test does not know {other}"),
    }
}

fn accepted(schema: &Value, text: &str) -> bool {
    accepts(schema, &toml::from_str(text).unwrap(), schema)
}

#[test]
fn the_schema_accepts_what_is_right() {
    let schema = schema();
    let mut files: Vec<String> = vec![GOOD.to_owned()];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in [
        "search_spaces",
        "tests/fixtures/journal-v1/halving",
        "tests/fixtures/journal-v1/pasha",
    ] {
        let all = fs::read_dir(root.join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let studies = all.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
        files.extend(studies.map(|path| fs::read_to_string(path).unwrap()));
    }
    assert!(files.len() >= 6);
    for text in files {
        assert!(accepted(&schema, &text), "{text}");
    }
    for policy in PolicyKind::KINDS {
        let text = GOOD.replace(
            "max_resource",
            &format!("type = \"{}\"\nmax_resource", policy.about.name),
        );
        assert!(accepted(&schema, &text), "{text}");
    }
    for kind in trainer::EVALUATION_KINDS {
        let train = if kind.about.name == "classification" {
            "train = \"u.csv\"\nclassifier = \"knn\""
        } else {
            ""
        };
        let lines = format!(
            "type = \"{}\"\ndata = \"t.csv\"\nevery = \"end\"\n{train}\n",
            kind.about.name
        );
        let text = format!("{GOOD}[evaluation.one]\n{lines}[evaluation.two-2_B]\n{lines}");
        assert!(accepted(&schema, &text), "{text}");
        for (known, unknown) in [
            ("one", "\"a.b\""),
            ("[evaluation.one]", "[evaluation]"),
            ("data", "date"),
            ("\"end\"", "\"never\""),
            ("model = \"../.cache/model/m\"", "command = [\"a\"]"),
        ] {
            let text = text.replacen(known, unknown, 1);
            assert!(!accepted(&schema, &text), "{text}");
        }
    }
    for sampler in SamplerSpec::KINDS {
        let text = format!("{GOOD}[sampler]\ntype = \"{}\"\n", sampler.about.name);
        assert!(accepted(&schema, &text), "{text}");
    }
}

#[test]
fn the_schema_refuses_keys_that_are_not_known() {
    let schema = schema();
    let unknown = [
        "unknown key",
        "has no setting",
        "has no key",
        "the embedding trainer has no parameter",
        "is not a role that a column can have",
        "is nothing that a prompt can be for",
        "has no effect with the sampler",
        "has no effect with the type of evaluation",
    ];
    let mut refused = 0;
    for block in MISTAKES.split("\n\n").filter(|block| !block.trim().is_empty()) {
        if unknown.iter().any(|words| block.contains(words)) {
            let (old, new) = edit(block);
            let text = GOOD.replacen(&old, &new, 1);
            assert!(!accepted(&schema, &text), "{block}");
            refused += 1;
        }
    }
    assert!(refused >= 12, "{refused}");
    for (known, unknown) in [
        ("trials = 27", "x = 1\ntrials = 27"),
        ("margin = 1", "margins = 1"),
        ("[space]", "[spaces]"),
    ] {
        assert!(!accepted(&schema, &GOOD.replace(known, unknown)), "{unknown}");
    }
    for line in [
        "type = \"asha\"\nspeculation = true",
        "bracket_size = 9\ntype = \"hyperband\"",
        "percentile = 50",
    ] {
        let text = GOOD.replace("max_resource", &format!("{line}\nmax_resource"));
        assert!(!accepted(&schema, &text), "{line}");
    }
}

/// A file whose trials are trained by a command, with these lines under `[trial]`.
fn with_command(trial: &str) -> String {
    format!("[study]\ntrials = 9\n[policy]\nmax_resource = 9\n[trial]\n{trial}\n[space]\nlr = 1\n")
}

#[test]
fn the_schema_knows_the_values_of_a_script() {
    let schema = schema();
    let marks = [
        "command = [\"sh\", \"{resource}\"]",
        "command = [\"sh\", \"--out={checkpoint_dir}/a\"]",
        "command = [\"sh\"]\nmetrics = { loss = '(.)' }",
        "command = [\"sh\"]\nmetrics_file = \"{checkpoint_dir}/m.csv\"",
        "command = [\"sh\"]\nenvironment = { A = \"\" }",
        "command = [\"sh\"]\nscript = true",
    ];
    for mark in marks {
        let right = "grace_seconds = 3\nresume = false\nstops_early = true\nseed = 1\ndirectory = \".\"";
        let text = with_command(&format!("{mark}\n{right}"));
        assert!(parse_at(&text).is_ok() && accepted(&schema, &text), "{text}");
        for wrong in ["grace_seconds = -1", "resume = \"no\"", "stops_early = 1", "metric = 1"] {
            let text = with_command(&format!("{mark}\n{wrong}"));
            assert!(parse_at(&text).is_err() && !accepted(&schema, &text), "{text}");
        }
    }
    for other in [
        "command = [\"sh\"]",
        "command = [\"sh\", \"${resource} {{resource}}\"]",
        "command = [\"sh\", \"{resource}\"]\nscript = false",
        "command = [\"sh\"]\nscript = \"train.py\"",
    ] {
        let text = with_command(&format!("{other}\ngrace_seconds = -1\nmetric = 1"));
        assert!(parse_at(&text).is_ok() && accepted(&schema, &text), "{text}");
    }
    for wrong in [
        "metrics = { loss = 1 }",
        "metrics = 'loss'",
        "metrics_file = 1",
        "environment = { A = 1 }",
    ] {
        let text = with_command(&format!("command = [\"sh\"]\n{wrong}"));
        assert!(parse_at(&text).is_err() && !accepted(&schema, &text), "{text}");
    }
}
