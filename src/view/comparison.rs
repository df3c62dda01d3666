//! Studies, and trials of a study, beside each other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::format::{duration, metric, value};
use super::history::PastStudy;
use super::line::cut;
use super::sheet::{Sheet, left_out};
use crate::analysis::{Apart, Comparable, Overview, SharedInput};
use crate::study::{StudySpec, Trial, TrialSummary};

/// Several studies. What compares them is about the first and each of the others.
pub struct Compared<'a> {
    /// The studies.
    pub studies: Vec<PastStudy>,
    /// The same in numbers.
    pub overviews: Vec<&'a Overview>,
    /// Whether their values can be compared.
    pub comparable: Vec<Comparable>,
    /// Their files by role.
    pub inputs: Vec<Vec<SharedInput>>,
    /// The keys of their files in which any differs from the first, with the values of all.
    pub differences: Vec<(String, Vec<Value>)>,
    /// Whether the best of one is better by more than chance.
    pub apart: Vec<Option<Apart>>,
}

/// Below this probability two configurations count as equally good.
const APART: f64 = 0.75;

/// Values that take more columns of a terminal are cut.
const LONGEST: usize = 60;

/// Studies beside each other, in words; tables as far as they fit into so many columns of a terminal.
pub fn compared(all: &Compared<'_>, width: Option<usize>) -> String {
    let mut text = outcomes(all, width);
    let first = &all.studies[0].study;
    for (place, comparable) in all.comparable.iter().enumerate() {
        let other = &all.studies[place + 1].study;
        text += &match (comparable.comparable, comparable.reasons.join("; ")) {
            (Some(true), _) => {
                format!("{first} and {other} can be compared: the same objective, measured on the same data\n")
            }
            (Some(false), why) => format!("{first} and {other} can't be compared: {why}\n"),
            (None, why) => format!("whether {first} and {other} can be compared is not known: {why}\n"),
        };
        let named = |same: Option<bool>| -> Vec<&str> {
            let inputs = all.inputs[place].iter().filter(|input| input.same == same);
            inputs.map(|input| input.role.as_str()).collect()
        };
        for (same, what) in [
            (Some(true), "the same"),
            (Some(false), "not the same"),
            (None, "only one of them has"),
        ] {
            let roles = named(same);
            if !roles.is_empty() {
                text += &format!("  {what}: {}\n", roles.join(", "));
            }
        }
        if comparable.comparable != Some(false)
            && let Some(apart) = &all.apart[place]
        {
            text += &separated(first, other, apart);
        }
    }
    text += &differing(all, width);
    text + &best(all, width)
}

fn outcomes(all: &Compared<'_>, width: Option<usize>) -> String {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    let mut row = |name, of: &dyn Fn(&PastStudy, &Overview) -> String| {
        let cells = all
            .studies
            .iter()
            .zip(&all.overviews)
            .map(|(study, overview)| of(study, overview));
        rows.push((name, cells.collect()));
    };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), metric);
    row("state", &|study, _| study.state.to_owned());
    row("objective", &|study, _| study.objective.metric.clone());
    row("best", &|study, _| number(study.best));
    row("its trial", &|study, _| {
        study.best_trial.map_or("-".into(), |trial| trial.to_string())
    });
    row("untrained", &|study, _| number(study.untrained));
    row("trials", &|_, overview| overview.searched().to_string());
    row("trained", &|_, overview| {
        format!("{} {}", overview.trained_resource, overview.spec.policy.unit.many())
    });
    row("slot time", &|study, _| duration(study.trained_ms));
    row("model", &|study, _| study.model.clone());
    row("data", &|study, _| {
        let data = study.data.as_deref().and_then(|data| data.file_name());
        data.map_or("-".into(), |name| name.to_string_lossy().into_owned())
    });
    table(
        all,
        rows.into_iter().map(|(name, cells)| (name.to_owned(), cells)),
        width,
    )
}

fn table(all: &Compared<'_>, rows: impl Iterator<Item = (String, Vec<String>)>, width: Option<usize>) -> String {
    let head = all.studies.iter().map(|study| study.study.clone());
    lines(head, rows, width)
}

/// A table with a column for each of what is compared, by its name.
fn lines(
    names: impl Iterator<Item = String>,
    rows: impl Iterator<Item = (String, Vec<String>)>,
    width: Option<usize>,
) -> String {
    let row = |(name, cells): (String, Vec<String>)| {
        let cells = cells.into_iter().map(|cell| cut(&cell, LONGEST));
        [name].into_iter().chain(cells).collect()
    };
    let sheet = Sheet {
        head: [String::new()].into_iter().chain(names).collect(),
        rows: rows.map(row).collect(),
        words: vec![0],
    };
    let (table, hidden) = sheet.text(width);
    table + &left_out(hidden, "a wider terminal")
}

fn separated(first: &str, other: &str, apart: &Apart) -> String {
    let (better, worse) = if apart.by >= 0.0 {
        (first, other)
    } else {
        (other, first)
    };
    let by = metric(apart.by.abs());
    let probability = apart
        .probability
        .map(|first| if apart.by >= 0.0 { first } else { 1.0 - first });
    match (probability, apart.runs) {
        (Some(probability), [one, two]) => {
            let verdict = match probability < APART {
                true => ": these runs can't separate them",
                false => "",
            };
            format!(
                "  {better} is better than {worse} by {by} on average of {one} and {two} runs with fresh seeds, with probability \
                 {probability:.2}{verdict}\n"
            )
        }
        (None, _) if apart.by == 0.0 => format!("  the best values of {first} and {other} are equal\n"),
        (None, _) => format!(
            "  {better} is better than {worse} by {by}; whether by more than chance is not known: that takes at least two runs of each with \
             fresh seeds (`[confirmation]`)\n"
        ),
    }
}

fn differing(all: &Compared<'_>, width: Option<usize>) -> String {
    if all.differences.is_empty() {
        return "their files say the same\n".to_owned();
    }
    let cell = |of: &Value| match of.is_null() {
        true => "-".to_owned(),
        false => value(of),
    };
    let rows = all.differences.iter();
    let rows = rows.map(|(key, values)| (key.clone(), values.iter().map(cell).collect()));
    "what differs between their files\n".to_owned() + &table(all, rows, width)
}

/// The best configurations.
fn best(all: &Compared<'_>, width: Option<usize>) -> String {
    let best: Vec<Option<&TrialSummary>> = all.overviews.iter().map(|overview| overview.best.as_ref()).collect();
    let names: BTreeSet<&String> = best.iter().flatten().flat_map(|best| best.parameters.keys()).collect();
    let rows = names.into_iter().map(|name| {
        let cell = |best: &Option<&TrialSummary>| {
            let of = best.and_then(|best| best.parameters.get(name));
            of.map_or("-".to_owned(), value)
        };
        (name.clone(), best.iter().map(cell).collect())
    });
    "the best configurations\n".to_owned() + &table(all, rows, width)
}

/// Several trials of a study.
pub struct ComparedTrials<'a> {
    /// The study.
    pub spec: &'a StudySpec,
    /// The trials.
    pub trials: &'a [Trial],
}

impl ComparedTrials<'_> {
    fn resources(&self) -> BTreeSet<u64> {
        self.trials
            .iter()
            .flat_map(|trial| trial.reports.keys().copied())
            .collect()
    }

    /// The value of the objective of each trial at a resource.
    fn values(&self, resource: u64) -> Vec<Option<f64>> {
        let value = |trial: &Trial| Some(self.spec.objective.signed(trial.reports.get(&resource)?.cost?));
        self.trials.iter().map(value).collect()
    }

    /// The parameters of which not all have the same value, and the others.
    fn parameters(&self) -> (Vec<&String>, Vec<&String>) {
        let names: BTreeSet<&String> = self.trials.iter().flat_map(|trial| trial.parameters.keys()).collect();
        let first = &self.trials[0].parameters;
        names.into_iter().partition(|name| {
            self.trials
                .iter()
                .any(|trial| trial.parameters.get(*name) != first.get(*name))
        })
    }

    /// Beside each other, in words; tables as far as they fit into so many columns of a terminal.
    pub fn text(&self, width: Option<usize>) -> String {
        let spec = self.spec;
        let head = || self.trials.iter().map(|trial| format!("trial {}", trial.id));
        let row = |name: &str, of: &dyn Fn(&Trial) -> String| {
            let cells: Vec<String> = self.trials.iter().map(of).collect();
            (name.to_owned(), cells)
        };
        let best = |trial: &Trial| match trial.best() {
            Some((at, cost)) => format!("{} at {at}", metric(spec.objective.signed(cost))),
            None => "-".to_owned(),
        };
        let rows = [
            row("state", &|trial| trial.state.word().to_owned()),
            row(&format!("best {}", spec.objective.metric), &best),
            row("seed", &|trial| trial.seed.to_string()),
            row("trained", &|trial| duration(trial.trained_ms)),
        ];
        let mut text = lines(head(), rows.into_iter(), width);
        let (differing, same) = self.parameters();
        let of = |name: &String| row(name, &|trial| trial.parameters.get(name).map_or("-".to_owned(), value));
        text += match differing.is_empty() {
            true => "the same configuration\n",
            false => "where their configurations differ\n",
        };
        text += &lines(head(), differing.into_iter().map(of), width);
        if !same.is_empty() {
            let names: Vec<&str> = same.iter().map(|name| name.as_str()).collect();
            text += &format!("the same in all: {}\n", names.join(", "));
        }
        let unit = spec.policy.unit;
        let reports = self.resources().into_iter().map(|resource| {
            let cell = |value: Option<f64>| value.map_or("-".to_owned(), metric);
            let cells = self.values(resource).into_iter().map(cell).collect();
            (format!("{} {resource}", unit.one()), cells)
        });
        text += &format!("{} at each report\n", spec.objective.metric);
        text + &lines(head(), reports, width)
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let (differing, same) = self.parameters();
        let reports = self.resources().into_iter();
        let reports: Vec<Value> = reports
            .map(|resource| json!({"resource": resource, "values": self.values(resource)}))
            .collect();
        let rows = self.trials.iter().map(|trial| TrialSummary::new(trial, self.spec));
        json!({
            "study": self.spec.name,
            "objective": self.spec.objective,
            "resource_unit": self.spec.policy.unit,
            "trials": rows.collect::<Vec<_>>(),
            "differing": differing,
            "same": same,
            "reports": reports,
        })
    }
}
