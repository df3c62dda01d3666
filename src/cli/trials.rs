//! `hpo trials`.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};

use super::CliError;
use super::layout::{Layout, no_column};
use super::number::whole;
use super::study::{Studies, Unanswered, as_json, ask_of, find, print};
use super::watch::{Seen, watch};
use crate::store::Records;
use crate::study::{Direction, StudySpec, TrialStatus, TrialSummary};
use crate::view::{self, Column, Columns, TrialTable, trial_table};

/// The arguments of `hpo trials`.
#[derive(Debug, clap::Args)]
pub(super) struct Trials {
    /// The study: its name, its directory, or its file [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Sort by trial, state, resource (or its unit: epochs, steps, examples), objective, loss, a parameter or a metric, from low to high,
    /// or with the best first where it is known what is better; if a name is ambiguous, write parameters.NAME or metrics.NAME
    #[arg(long, value_name = "COLUMN", default_value = "trial")]
    sort: String,

    /// Sort the other way round: from high to low, and metrics of which it is known what is better from the worst to the best
    #[arg(long)]
    reverse: bool,

    /// Print only trials in these states, such as completed,pruned
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<String>,

    /// Print only trials for which this holds, such as 'learning_rate>1e-5'; if given several times, all must hold
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<Condition>,

    /// With several objectives, print only the trials that no other dominates
    #[arg(long)]
    non_dominated: bool,

    /// Print at most this many trials
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = whole::<usize>(0..=u64::MAX))]
    limit: Option<usize>,

    #[command(flatten)]
    layout: Layout,

    /// Show the table anew while the study runs, until it is over
    #[arg(long, conflicts_with = "json")]
    watch: bool,

    /// Print JSON
    #[arg(long, conflicts_with_all = ["columns", "wide"])]
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
    fn holds(&self, column: &Column, row: &TrialSummary) -> bool {
        column
            .value(row)
            .is_some_and(|value| self.accepted.contains(&compare(&value, &self.value)))
    }

    /// Refuses to compare numbers with something else.
    fn check(&self, column: &Column, rows: &[TrialSummary]) -> Result<(), CliError> {
        let mut cells = rows.iter().filter_map(|row| column.value(row)).peekable();
        if !self.value.is_number() && cells.peek().is_some() && cells.all(|cell| cell.is_number()) {
            return Err(CliError::usage(
                format!(
                    "`{}` has numbers, and `{}` is not a number",
                    self.column,
                    text(&self.value)
                ),
                format!("write a number, such as '{}<0.3'", self.column),
            ));
        }
        Ok(())
    }

    /// Whether it compares by order.
    fn is_by_order(&self) -> bool {
        self.accepted.contains(&Ordering::Less) != self.accepted.contains(&Ordering::Greater)
    }
}

impl Trials {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        self.check_states()?;
        let directory = find(studies, self.study.as_deref())?;
        if self.watch {
            return watch(|| {
                let runs = directory.is_locked();
                let text = ask_of(directory.clone(), |records, _| {
                    Ok(view::in_short(&records.overview(), runs) + &self.table(records)?)
                });
                text.map(|text| Seen { text, runs })
            });
        }
        print(&ask_of(directory, |records, _| match self.json {
            true => self.as_json(records),
            false => self.table(records),
        })?)
    }

    fn as_json(&self, records: Records<'_>) -> Result<String, Unanswered> {
        let unit = records.spec().policy.unit;
        let rows = self.rows(records)?;
        let rows = rows.iter().map(|row| {
            let mut row = json!(row);
            row["resource_unit"] = json!(unit);
            row
        });
        Ok(as_json(&Value::from_iter(rows)))
    }

    fn table(&self, records: Records<'_>) -> Result<String, Unanswered> {
        let (spec, baseline) = (records.spec(), records.baseline());
        let rows = self.rows(records)?;
        let chosen = self.layout.chosen().map(|names| {
            let find = |rows: &[TrialSummary]| {
                let columns = Columns::of(spec, baseline, rows);
                let found = names.iter().map(|name| found(&columns, name));
                found.collect::<Result<Vec<_>, _>>()
            };
            match find(&rows) {
                // Trials that are not among these may have it.
                Err(_) => Ok::<_, Unanswered>(find(&records.first(usize::MAX)?)?),
                found => Ok(found?),
            }
        });
        let shown = TrialTable {
            rows,
            left_out: None,
            columns: chosen.transpose()?,
            width: self.layout.width(),
            wide: "--wide".into(),
        };
        Ok(trial_table(spec, baseline, &shown))
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
        let spec = records.spec();
        let limit = self.limit.unwrap_or(usize::MAX);
        // Without a condition these need not look at all trials.
        if self.state.is_empty() && self.conditions.is_empty() && !self.non_dominated {
            match self.sort.as_str() {
                "trial" if !self.reverse => return Ok(records.first(limit)?),
                name if name == "objective" || *name == spec.objective.metric => {
                    return Ok(records.by_objective(self.reverse, limit)?);
                }
                _ => {}
            }
        }
        let mut rows = match self.non_dominated {
            true if !spec.has_several() => return Err(one_objective(spec).into()),
            true => records.overview().front.clone(),
            false => records.first(usize::MAX)?,
        };
        let columns = Columns::of(spec, records.baseline(), &rows);
        let sort = found(&columns, &self.sort)?;
        let descends = self.reverse != (columns.direction(&sort) == Some(Direction::Maximize));
        let conditions = self.conditions.iter().map(|condition| {
            let column = found(&columns, &condition.column)?;
            condition.check(&column, &rows).map(|()| (condition, column))
        });
        let conditions = conditions.collect::<Result<Vec<_>, CliError>>()?;
        rows.retain(|row| {
            let state = self.state.is_empty() || self.state.iter().any(|state| state == row.state.word());
            let holds = |(condition, column): &(&Condition, Column)| condition.holds(column, row);
            state && conditions.iter().all(holds)
        });
        rows.sort_by(|a, b| {
            match (sort.value(a), sort.value(b)) {
                (Some(x), Some(y)) if descends => compare(&y, &x),
                (Some(x), Some(y)) => compare(&x, &y),
                // Trials without a value come last in either order.
                (x, y) => y.is_some().cmp(&x.is_some()),
            }
            .then(a.trial.cmp(&b.trial))
        });
        rows.truncate(limit);
        Ok(rows)
    }
}

/// Of a study of which no two trials are both the best.
fn one_objective(spec: &StudySpec) -> CliError {
    CliError::usage(
        format!("the study {} has one objective, {}", spec.name, spec.objective.metric),
        "its best trials: --sort objective",
    )
}

/// The column of this name.
fn found(columns: &Columns<'_>, name: &str) -> Result<Column, CliError> {
    columns.find(name).ok_or_else(|| {
        let names = columns.names();
        no_column(name, &names.iter().map(String::as_str).collect::<Vec<_>>())
    })
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
