//! `hpo trials`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use hpo_protocol::Unit;
use serde_json::{Value, json};

use super::CliError;
use super::number::whole;
use super::study::{Studies, Unanswered, as_json, ask, print};
use crate::store::Records;
use crate::study::{TrialStatus, TrialSummary};
use crate::view::{TrialTable, trial_table};

/// The arguments of `hpo trials`.
#[derive(Debug, clap::Args)]
pub(super) struct Trials {
    /// The study: its name, its directory, or its file [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Sort by trial, state, resource (or its unit: epochs, steps, examples), objective, loss, a parameter or a metric; if a name is ambiguous,
    /// write parameters.NAME or metrics.NAME
    #[arg(long, value_name = "COLUMN", default_value = "trial")]
    sort: String,

    /// Sort from high to low
    #[arg(long)]
    reverse: bool,

    /// Print only trials in these states, such as completed,pruned
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<String>,

    /// Print only trials for which this holds, such as 'learning_rate>1e-5'; if given several times, all must hold
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<Condition>,

    /// Print at most this many trials
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = whole::<usize>(0..=u64::MAX))]
    limit: Option<usize>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The column of the words for [`TrialStatus`].
const STATE: &str = "state";

/// A comparison of a column with a value.
#[derive(Debug, Clone, PartialEq)]
struct Condition {
    column: String,
    accepted: &'static [Ordering],
    value: Value,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use Ordering::{Equal, Greater, Less};
        const OPERATORS: [(&str, &[Ordering]); 6] = [
            ("<=", &[Less, Equal]),
            (">=", &[Greater, Equal]),
            ("!=", &[Less, Greater]),
            ("<", &[Less]),
            (">", &[Greater]),
            ("=", &[Equal]),
        ];
        let first = OPERATORS
            .iter()
            .filter_map(|&(operator, accepted)| Some((text.find(operator)?, operator, accepted)))
            .min_by_key(|&(at, operator, _)| (at, usize::MAX - operator.len()));
        let (at, operator, accepted) = first.ok_or("write a column, one of < <= = != >= >, and a value")?;
        let value = text[at + operator.len()..].trim();
        let column = text[..at].trim();
        // A state is a word, so single quotes cannot be part of it.
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = quoted.filter(|_| column == STATE).unwrap_or(value);
        Ok(Self {
            column: column.to_owned(),
            accepted,
            value: serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        })
    }
}

impl Condition {
    /// Whether it compares by order.
    fn is_by_order(&self) -> bool {
        self.accepted.contains(&Ordering::Less) != self.accepted.contains(&Ordering::Greater)
    }
}

impl Trials {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        self.check_states()?;
        let text = ask(studies, self.study.as_deref(), |records, _| {
            let spec = records.spec();
            let rows = self.rows(records)?;
            Ok(if self.json {
                let rows = rows.iter().map(|row| {
                    let mut row = json!(row);
                    row["resource_unit"] = json!(spec.policy.unit);
                    row
                });
                as_json(&Value::from_iter(rows))
            } else {
                trial_table(spec, records.baseline(), &TrialTable { rows, left_out: None })
            })
        })?;
        print(&text)
    }

    /// Refuses states that there are not, and comparisons by an order that states do not have.
    fn check_states(&self) -> Result<(), CliError> {
        let words = || TrialStatus::ALL.map(TrialStatus::word).join(", ");
        let of_states = || self.conditions.iter().filter(|condition| condition.column == STATE);
        if of_states().any(Condition::is_by_order) {
            return Err(CliError::usage(
                "states have no order",
                format!("write `state=` or `state!=` and one of them: {}", words()),
            ));
        }
        let compared = of_states().map(|condition| text(&condition.value));
        let mut asked = self.state.iter().cloned().chain(compared);
        match asked.find(|state| TrialStatus::of_word(state).is_none()) {
            Some(unknown) => Err(CliError::usage(
                format!("there is no state `{unknown}`"),
                format!("states: {}", words()),
            )),
            None => Ok(()),
        }
    }

    /// The rows that were asked for, in order.
    fn rows(&self, records: Records<'_>) -> Result<Vec<TrialSummary>, Unanswered> {
        let unit = records.spec().policy.unit;
        let limit = self.limit.unwrap_or(usize::MAX);
        // Without a condition these need not look at all trials.
        if self.state.is_empty() && self.conditions.is_empty() {
            match self.sort.as_str() {
                "trial" if !self.reverse => return Ok(records.first(limit)?),
                "objective" => return Ok(records.by_objective(self.reverse, limit)?),
                name if *name == records.spec().objective.metric => {
                    return Ok(records.by_objective(self.reverse, limit)?);
                }
                _ => {}
            }
        }
        let mut rows = records.first(usize::MAX)?;
        self.check_columns(&rows, unit)?;
        rows.retain(|row| {
            let state = self.state.is_empty() || self.state.iter().any(|state| state == row.state.word());
            state && self.conditions.iter().all(|condition| holds(condition, row, unit))
        });
        rows.sort_by(|a, b| {
            match (cell(a, &self.sort, unit), cell(b, &self.sort, unit)) {
                (Some(x), Some(y)) if self.reverse => compare(&y, &x),
                (Some(x), Some(y)) => compare(&x, &y),
                // Trials without a value come last in either order.
                (x, y) => y.is_some().cmp(&x.is_some()),
            }
            .then(a.trial.cmp(&b.trial))
        });
        rows.truncate(limit);
        Ok(rows)
    }

    /// Refuses columns that no trial has, and comparisons of numbers with something else.
    fn check_columns(&self, rows: &[TrialSummary], unit: Unit) -> Result<(), CliError> {
        for column in self.conditions.iter().map(|one| &one.column).chain([&self.sort]) {
            let known = rows.is_empty() || rows.iter().any(|row| cell(row, column, unit).is_some());
            if !known && !["objective", "loss", "confirms"].contains(&column.as_str()) {
                return Err(CliError::usage(
                    format!("the trials have no column `{column}`"),
                    format!("columns: {}", columns_of(rows, unit).join(", ")),
                ));
            }
        }
        for Condition { column, value, .. } in &self.conditions {
            let mut cells = rows.iter().filter_map(|row| cell(row, column, unit)).peekable();
            if !value.is_number() && cells.peek().is_some() && cells.all(|cell| cell.is_number()) {
                return Err(CliError::usage(
                    format!("`{column}` has numbers, and `{}` is not a number", text(value)),
                    format!("write a number, such as '{column}<0.3'"),
                ));
            }
        }
        Ok(())
    }
}

fn holds(condition: &Condition, row: &TrialSummary, unit: Unit) -> bool {
    cell(row, &condition.column, unit)
        .is_some_and(|value| condition.accepted.contains(&compare(&value, &condition.value)))
}

/// The prefix of a parameter or a metric whose name another column has too.
const PARAMETERS: &str = "parameters.";
const METRICS: &str = "metrics.";

/// The value of a row's column: a field of the row, a parameter or a metric. The resource is also known by its unit.
fn cell(row: &TrialSummary, column: &str, unit: Unit) -> Option<Value> {
    match column {
        "trial" => Some(row.trial.0.into()),
        STATE => Some(row.state.word().into()),
        "resource" => Some(row.resource.into()),
        name if name == unit.many() => Some(row.resource.into()),
        "objective" => row.objective.map(Value::from),
        "loss" => row.loss.map(Value::from),
        "trained_seconds" => Some(row.trained_seconds.into()),
        "failures" => Some(row.failures.into()),
        "confirms" => row.confirms.map(|trial| trial.0.into()),
        name => {
            let parameter = |name: &str| row.parameters.get(name).cloned();
            let metric = |name: &str| row.metrics.get(name).map(|&metric| metric.into());
            let whole = parameter(name).or_else(|| metric(name));
            whole
                .or_else(|| parameter(name.strip_prefix(PARAMETERS)?))
                .or_else(|| metric(name.strip_prefix(METRICS)?))
        }
    }
}

fn columns_of(rows: &[TrialSummary], unit: Unit) -> Vec<String> {
    const FIXED: [&str; 8] = [
        "trial",
        STATE,
        "resource",
        "objective",
        "loss",
        "trained_seconds",
        "failures",
        "confirms",
    ];
    let parameters: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row.parameters.keys().map(String::as_str))
        .collect();
    let metrics: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row.metrics.keys().map(String::as_str))
        .collect();
    let named = |prefix: &str, name: &str, hidden: bool| {
        if hidden {
            format!("{prefix}{name}")
        } else {
            name.to_owned()
        }
    };
    let is_fixed = |name: &str| FIXED.contains(&name) || name == unit.many();
    let fixed = FIXED.iter().map(|&name| name.to_owned());
    let of_parameters = parameters.iter().map(|name| named(PARAMETERS, name, is_fixed(name)));
    let hidden = |name: &str| is_fixed(name) || parameters.contains(name);
    let of_metrics = metrics.iter().map(|name| named(METRICS, name, hidden(name)));
    fixed.chain(of_parameters).chain(of_metrics).collect()
}

/// Numbers by value, everything else by its text.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        // Adding zero makes -0.0 and 0.0 a tie.
        (Some(a), Some(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
        _ => text(a).cmp(&text(b)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_with_the_longest_operator() {
        let read = |text: &str| text.parse::<Condition>().map(|c| (c.column, c.accepted.len(), c.value));
        assert_eq!(read("loss<=0.3"), Ok(("loss".into(), 2, 0.3.into())));
        assert_eq!(
            read("learning_rate > 1e-5"),
            Ok(("learning_rate".into(), 1, 1e-5.into()))
        );
        assert_eq!(read("state!=pruned"), Ok(("state".into(), 2, "pruned".into())));
        assert!(read("loss").is_err());
    }
}
