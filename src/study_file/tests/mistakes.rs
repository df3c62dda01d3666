//! Mistakes are reported with their place and how to fix them.

use super::*;

/// Blocks of lines taken out of [`GOOD`] (`- `), lines put in (`+ `), and what is then said.
pub(super) const MISTAKES: &str = include_str!("mistakes.txt");

/// The lines that a block takes out, and those that it puts in.
pub(super) fn edit(block: &str) -> (String, String) {
    let lines = |mark: &str| -> String {
        let lines = block.lines().filter_map(|line| line.strip_prefix(mark));
        lines.map(|line| format!("{line}\n")).collect()
    };
    (lines("- "), lines("+ "))
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_mend() {
    let mut reported = String::new();
    for block in MISTAKES.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (old, new) = edit(block);
        assert!(GOOD.contains(&old), "{block}");
        let mut errors = parse_at(&GOOD.replacen(&old, &new, 1)).expect_err(block);
        assert_eq!(errors.0.len(), 1, "{block}\n{errors}");
        let error = errors.0.remove(0);
        let place = error
            .line_column()
            .map_or("*".to_owned(), |(line, column)| format!("{line}:{column}"));
        let edit: String = block
            .lines()
            .filter(|line| line.starts_with(['-', '+']))
            .map(|line| format!("{line}\n"))
            .collect();
        reported += &format!(
            "{edit}{place} {}\n= {}\n\n",
            error.message,
            error.help.unwrap_or_default()
        );
    }
    assert_eq!(reported.trim_end(), MISTAKES.trim_end(), "all of it:\n{reported}");
}

#[test]
fn all_mistakes_are_reported_but_for_what_may_only_be_misspelt() {
    let text = GOOD
        .replace("trials = 27", "")
        .replace("max_resource", "max_resorce")
        .replace("margin = 1", "x = 1");
    let errors = parse_at(&text).unwrap_err().0.into_iter();
    let messages: Vec<String> = errors.map(|error| error.message).collect();
    assert_eq!(
        messages,
        [
            "unknown key `policy.max_resorce`",
            "the embedding trainer has no parameter `x`",
            "`study.trials` is missing"
        ]
    );
}

#[test]
fn all_mistakes_of_a_table_are_reported() {
    let text = GOOD
        .replace(
            "trials = 27",
            "trials = 27\nretries = 1.5\nobjective = 3\ntime_limit = \"2 weeks\"\nstop_when = { no_better = 3 }\n\
             constraints = [\"margin >> 1\", \"dropout < 1\", \"margin > 0\"]",
        )
        .replace("[trial]", "[trial]\nprompts = { query = \"q: \", positive = 7 }")
        + "[[try_first]]\nmargin = 9\nlr = 1\n[[try_first]]\nmargin = \"x\"\n";
    let errors = parse_at(&text).unwrap_err().0.into_iter();
    let reported: Vec<String> = errors
        .map(|error| format!("{} {}", error.line_column().unwrap().0, error.message))
        .collect();
    for said in [
        "`study.retries` must be a whole number",
        "`study.objective` must be a string",
        "`study.time_limit` is not a span of time",
        "`study.stop_when.no_better` is not known",
        "`trial.prompts.query` is nothing that a prompt can be for",
        "`trial.prompts.positive` must be a string",
        "`[space]` has no parameter `dropout`",
    ] {
        assert_eq!(
            reported.iter().filter(|one| one.contains(said)).count(),
            1,
            "{said}: {reported:#?}"
        );
    }
    // One of a constraint that is none, and no more.
    assert_eq!(reported.len(), 8, "{reported:#?}");
    let text = GOOD.to_owned() + "[[try_first]]\nmargin = 9\nlr = 1\n[[try_first]]\nmargin = \"x\"\n";
    let errors = parse_at(&text).unwrap_err().0.into_iter();
    let messages: Vec<String> = errors.map(|error| error.message).collect();
    assert_eq!(
        messages,
        [
            "`margin` is never 9",
            "`[space]` has no parameter `lr`",
            "`margin` is never \"x\""
        ]
    );
}

#[test]
fn what_cannot_be_required_is_reported_where_it_stands() {
    let text = GOOD.replace(
        "trials = 27",
        "trials = 27\nrequire = [\"ndgc@10 >= 0.5\", \"docs.ndcg@10 > 0.5\", \"loss < 2\", \"loss > 2\", \"mean_cosine <\", \"train_loss <= 1\", 3]",
    );
    let errors = parse_at(&text).unwrap_err().0.into_iter();
    let reported: Vec<_> = errors
        .map(|error| (error.line_column().unwrap().1, error.message, error.help.unwrap()))
        .collect();
    let expected = [
        (
            13,
            "the embedding trainer reports no `ndgc@10`",
            "did you mean `ndcg@10`?",
        ),
        (30, "`study.require[1]` is a metric of no evaluation", "add a table"),
        (
            64,
            "no value fulfils both `loss < 2` and `loss > 2`",
            "remove one of them",
        ),
        (89, "there is no number behind `<`", "such as `embed_ms <= 5`"),
        (112, "`study.require[6]` must be a string", "quotes"),
    ];
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for ((column, message, help), (at, says, fix)) in reported.iter().zip(expected) {
        assert!(
            *column == at && message.contains(says) && help.contains(fix),
            "{column} {message} {help}"
        );
    }
    let script = GOOD
        .replace("trials = 27", "trials = 27\nrequire = \"embed_ms <= 5\"")
        .replace(
            "model = \"../.cache/model/m\"",
            "command = [\"a\", \"{margin}\"]\nmetrics = { loss = 'loss (.*)', ms = 'ms (.*)' }",
        );
    let script: String = script
        .lines()
        .filter(|line| !line.starts_with("train =") && !line.starts_with("validation ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let error = parse_at(&script).unwrap_err().0.remove(0);
    assert_eq!(
        error.message,
        "`metrics` under `[trial]` does not say where `embed_ms` is found"
    );
}

#[test]
fn all_mistakes_of_evaluations_are_reported() {
    let evaluations = "
[evaluation.docs]
type = \"retrieval\"
queries = 7
train = \"t.csv\"
classifier = \"knn\"
every = \"never\"
[evaluation.\"a.b\"]
type = \"tripels\"
[evaluation.sts]
type = \"similarity\"
datum = \"x\"
columns = { text = \"a\", label = \"b\" }
";
    let errors = parse_at(&format!("{GOOD}{evaluations}")).unwrap_err().0.into_iter();
    let reported: Vec<String> = errors
        .map(|error| format!("{} {}", error.line_column().unwrap().0, error.message))
        .collect();
    assert_eq!(
        reported,
        [
            "17 `evaluation.docs.queries` must be a string, not a whole number",
            "18 `evaluation.docs.train` has no effect with the type of evaluation `retrieval`",
            "19 `evaluation.docs.classifier` has no effect with the type of evaluation `retrieval`",
            "20 `evaluation.docs.every` is none of `rung`, `report` and `end`",
            "21 `evaluation.a.b` cannot be the beginning of a metric's name",
            "22 there is no type of evaluation `tripels`",
            "25 unknown key `evaluation.sts.datum`",
            "26 `evaluation.sts.columns` are those of labelled texts, and `similarity` is measured with scored pairs",
            "15 `evaluation.docs.corpus` is missing",
            "15 `evaluation.docs.qrels` is missing",
        ]
    );
}

#[test]
fn a_parameter_of_another_trainer_needs_a_plain_name() {
    let text = GOOD
        .replace("model = \"../.cache/model/m\"", "command = [\"a\"]")
        .replace("margin = 1", "\"a b\" = 1");
    let error = parse_at(&text).unwrap_err().0.remove(0);
    assert_eq!(
        (error.message.as_str(), error.line_column()),
        ("`a b` cannot be the name of a parameter", Some((13, 1)))
    );
}

#[test]
fn an_error_is_drawn_like_one_of_rustc() {
    let text = GOOD.replace("margin = 1", "dropout = { type = \"uniform\", low = 0.0, high = 1.5 }");
    assert_eq!(
        parse_at(&text).unwrap_err().to_string(),
        r#"error: `dropout.high` must be a number from 0 to 0.9
  --> /here/sub/space.toml:13:49
   |
13 | dropout = { type = "uniform", low = 0.0, high = 1.5 }
   |                                                 ^^^ too large
   |
   = help: write a number of at most 0.9"#
    );
    let text = GOOD.replace("margin = 1", "margin = { type = \"uniform\", low = 2, high = 1 }");
    assert_eq!(
        parse_at(&text).unwrap_err().to_string(),
        r#"error: the range of `margin` is empty
  --> /here/sub/space.toml:13:30
   |
13 | margin = { type = "uniform", low = 2, high = 1 }
   |                              ^^^^^^^^^^^^^^^^^ `low` is above `high`
   |
   = help: swap `low` and `high`"#
    );
}
