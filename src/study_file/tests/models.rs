//! `model` under `[space]`.

use super::*;

fn space(lines: &str) -> Result<StudyFile, Diagnostics> {
    let without = GOOD.replace("model = \"../.cache/model/m\"\n", "");
    parse_at(&without.replace("margin = 1", lines))
}

#[test]
fn models_are_named_as_they_are_written_and_found_by_the_files_directory() {
    let file = space("model = { type = \"choice\", values = [\"../b\", \"/a\"] }").unwrap();
    let expected = json!({ "../b": "/here/b", "/a": "/a" });
    assert_eq!(file.study.trainer.settings["model"], expected);
    assert_eq!(
        file.study.space.parameters[0].distribution,
        Distribution::Choice {
            values: vec![json!("../b"), json!("/a")]
        }
    );
    let roles: Vec<String> = named_inputs(&file.study.trainer)
        .into_iter()
        .map(|named| named.role)
        .collect();
    assert_eq!(roles, ["model[../b]", "model[/a]", "train", "validation"]);
    let one = space("model = \"b\"").unwrap();
    assert_eq!(one.study.trainer.settings["model"], json!({ "b": "/here/sub/b" }));
    assert_eq!(
        one.study.trainer.base_model(&[("model".to_owned(), json!("b"))].into()),
        Some("/here/sub/b")
    );
    // Other parameters know them by the same names.
    let lines = "model = { type = \"choice\", values = [\"b\", \"c\"] }\nfrozen_layers = { type = \"choice\", values = [0, 1], when = \
                 { model = \"b\" } }";
    assert!(space(lines).is_ok());
}

#[test]
fn what_is_no_choice_of_directories_is_refused_once() {
    for (lines, place, message) in [
        (
            "model = { type = \"choice\", values = [\"m\", \"./m\"] }",
            (12, 43),
            "`./m` is the same directory as `m`",
        ),
        (
            "model = { type = \"choice\", values = [\"m\", 3] }",
            (12, 43),
            "`model.values[1]` must be the directory of a model",
        ),
        (
            "model = { type = \"choice\", values = [\"m\", \"\"] }",
            (12, 43),
            "`model.values[1]` must be the directory of a model",
        ),
        (
            "model = { type = \"choice\", values = [] }",
            (12, 37),
            "`model.values` is empty",
        ),
        (
            "model = { type = \"uniform\", low = 0, high = 1 }",
            (12, 9),
            "`model` must be the directory of a model, and this draws numbers",
        ),
        ("model = [\"a\"]", (12, 9), "`model` is an array"),
        (
            "model = { type = \"choice\", values = [\"a\", \"b\"], when = { optimizer = \"sgd\" } }\noptimizer = \"sgd\"",
            (12, 56),
            "`model` can't depend on other parameters: every trial has a base model",
        ),
        ("margin = 1", (7, 1), "`trial.model` is missing"),
    ] {
        let errors = space(lines).unwrap_err().0;
        let [error] = &errors[..] else {
            panic!("{lines}: {errors:?}")
        };
        assert_eq!(
            (error.message.as_str(), error.line_column()),
            (message, Some(place)),
            "{lines}"
        );
    }
}
