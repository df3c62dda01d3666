//! A table of results in CSV: a column for each parameter, one for the objective, and perhaps one for the resource and the state.
//!
//! Its columns may be called as `hpo export --trials csv` and Optuna's `trials_dataframe` call them.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use hpo_protocol::Values;

use super::{FAILED, ImportError, Imported, ImportedTrial, value};
use crate::space::Parameter;
use crate::study::StudySpec;

/// What may stand before the name of a parameter.
const PREFIXES: [&str; 3] = ["", "parameters.", "params_"];
/// The states of trials that came to nothing, of those that have diverged, and of those that did not come to the end.
const HAS_FAILED: [&str; 3] = ["failed", "FAIL", "error"];
const HAS_DIVERGED: &str = "diverged";
const WAS_PRUNED: [&str; 2] = ["pruned", "PRUNED"];

/// The column of `hpo export --trials csv` that says what a resource counts, by which such a table is known.
const UNIT: &str = "resource_unit";
/// The columns of `hpo export --trials csv`, beside those of parameters and metrics.
const OWN: [&str; 17] = [
    "trial",
    "state",
    "confirms",
    "resource",
    UNIT,
    "objective",
    "feasible",
    "loss",
    "best_at",
    "seed",
    "attempts",
    "failures",
    "trained_seconds",
    "created",
    "started",
    "ended",
    "message",
];
/// What stands before the name of a metric there.
const METRIC: &str = "metrics.";

/// Where what stands in a row.
struct Columns<'s> {
    parameters: Vec<(&'s Parameter, usize)>,
    objective: usize,
    resource: Option<usize>,
    state: Option<usize>,
    /// Those that only `hpo` itself writes: what a resource counts, and which trial this one confirms.
    unit: Option<usize>,
    confirms: Option<usize>,
}

/// Reads the results of a file for a study; `objective` is the name of the column that has it, if not its own.
///
/// # Errors
/// If it can't be read, or lacks a column.
pub fn read(path: &Path, spec: &StudySpec, objective: Option<&str>) -> Result<Imported, ImportError> {
    let unusable = |error: csv::Error| unreadable(path, error);
    let mut reader = csv::ReaderBuilder::new().from_path(path).map_err(unusable)?;
    let headers = reader.headers().map_err(unusable)?.clone();
    let columns = Columns::find(path, &headers, spec, objective)?;
    let mut trials = Vec::new();
    for (number, row) in (0..).zip(reader.records()) {
        trials.push(columns.trial(path, spec, number, &row.map_err(unusable)?)?);
    }
    let mut assumed = vec![format!(
        "`{}` has the study's objective, `{}`, measured as here on the same data",
        &headers[columns.objective], spec.objective.metric
    )];
    if columns.resource.is_none() {
        let max = spec.policy.max_resource;
        assumed.push(format!(
            "all were trained to `max_resource`, which is {max}: there is no column `resource`"
        ));
    }
    let unused = columns.unused(&headers);
    if !unused.is_empty() {
        assumed.push(format!("the columns {} do not matter", unused.join(", ")));
    }
    Ok(Imported {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        trials,
        assumed,
    })
}

fn unreadable(path: &Path, error: csv::Error) -> ImportError {
    let line = error.position().map(csv::Position::line);
    let unusable = |message: String, help: &str| ImportError::Unusable {
        path: path.to_owned(),
        line,
        message,
        help: help.into(),
    };
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        let help = "write as many cells as there are columns; a cell with a comma stands in double quotes";
        return unusable(format!("the row has {len} cells, the header has {expected_len}"), help);
    }
    let message = error.to_string();
    if let csv::ErrorKind::Io(source) = error.into_kind() {
        let path = path.to_owned();
        return ImportError::Unreadable { path, source };
    }
    unusable(message, "save it as CSV in UTF-8")
}

impl<'s> Columns<'s> {
    fn find(
        path: &Path,
        headers: &StringRecord,
        spec: &'s StudySpec,
        objective: Option<&str>,
    ) -> Result<Self, ImportError> {
        let unusable = |message: String, help: String| ImportError::Unusable {
            path: path.to_owned(),
            line: Some(1),
            message,
            help,
        };
        let names: Vec<&str> = headers
            .iter()
            .map(|name| name.trim().trim_start_matches('\u{feff}'))
            .collect();
        let place = |name: &str| names.iter().position(|own| *own == name);
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            let help = "give each column a name of its own".to_owned();
            return Err(unusable(format!("there are two columns `{}`", twice.1), help));
        }
        let metric = &spec.objective.metric;
        let found = match objective {
            Some(named) => place(named),
            None => [metric.as_str(), &format!("{METRIC}{metric}"), "objective", "value"]
                .into_iter()
                .find_map(place),
        };
        let listed = names.join(", ");
        let Some(objective) = found else {
            let wanted = objective.unwrap_or(metric);
            let help = format!("name the column of the objective with --objective; there are {listed}");
            return Err(unusable(format!("there is no column `{wanted}`"), help));
        };
        let unit = spec.policy.unit;
        let of = |parameter: &'s Parameter| {
            let called = PREFIXES.into_iter().map(|prefix| format!("{prefix}{}", parameter.name));
            let at = called
                .into_iter()
                .filter_map(|name| place(&name))
                .find(|at| *at != objective)?;
            Some((parameter, at))
        };
        let parameters: Vec<(&Parameter, usize)> = spec.space.parameters.iter().filter_map(of).collect();
        if parameters.is_empty() {
            let own: Vec<&str> = spec
                .space
                .parameters
                .iter()
                .map(|parameter| parameter.name.as_str())
                .collect();
            let help = format!(
                "name columns as the parameters are: {}; there are {listed}",
                own.join(", ")
            );
            return Err(unusable("no column has the name of a parameter".to_owned(), help));
        }
        let free = |at: &usize| *at != objective && parameters.iter().all(|(_, taken)| taken != at);
        let resource = ["resource", unit.many(), unit.one()]
            .into_iter()
            .find_map(place)
            .filter(free);
        let state = place("state").filter(free);
        let own = place(UNIT).filter(free);
        Ok(Self {
            resource,
            state,
            unit: own,
            confirms: own.and_then(|_| place("confirms")).filter(free),
            parameters,
            objective,
        })
    }

    /// The columns of which the user may think that they matter, and which do not.
    fn unused<'h>(&self, headers: &'h StringRecord) -> Vec<&'h str> {
        let used = |place: usize| {
            let others = [Some(self.objective), self.resource, self.state];
            others.contains(&Some(place)) || self.parameters.iter().any(|(_, at)| *at == place)
        };
        let is_own = |name: &str| self.unit.is_some() && (OWN.contains(&name) || name.starts_with(METRIC));
        let unused = headers.iter().enumerate();
        let unused = unused.filter(|(place, name)| !used(*place) && !is_own(name));
        unused.map(|(_, name)| name).collect()
    }

    fn trial(
        &self,
        path: &Path,
        spec: &StudySpec,
        number: u64,
        row: &StringRecord,
    ) -> Result<ImportedTrial, ImportError> {
        let cell = |at: usize| row.get(at).unwrap_or_default().trim();
        let unusable = |what: &str, text: &str, help: &str| not(path, row, what, text, help);
        let given = self
            .parameters
            .iter()
            .map(|(parameter, at)| (parameter, row.get(*at).unwrap_or_default()));
        let given = given.filter(|(_, text)| !text.trim().is_empty());
        let parameters: Values = given
            .map(|(parameter, text)| (parameter.name.clone(), value(&parameter.distribution, text)))
            .collect();
        self.check_unit(path, row, spec.policy.unit.many())?;
        let state = self.state.map_or("", cell);
        let text = cell(self.objective);
        let result = match text {
            "" => None,
            text => Some(text.parse::<f64>().map_err(|_| {
                unusable(
                    "a number",
                    text,
                    "write a number, nan for a trial that has diverged, or nothing for one without a result",
                )
            })?),
        };
        let resource = match self.resource.map(cell) {
            Some("") => None,
            // Other tools write whole numbers with a point.
            Some(text) => Some(
                text.parse::<f64>()
                    .ok()
                    .filter(|at| *at >= 0.0 && at.fract() == 0.0)
                    .ok_or_else(|| {
                        unusable(
                            "a resource",
                            text,
                            "write a whole number, such as the epochs that the trial was trained for",
                        )
                    })? as u64,
            ),
            None => Some(spec.policy.max_resource),
        };
        let finite = result.filter(|value| value.is_finite());
        let values: BTreeMap<u64, f64> = resource.zip(finite).into_iter().collect();
        let diverged = state == HAS_DIVERGED || result.is_some_and(|value| !value.is_finite());
        Ok(ImportedTrial {
            number,
            parameters,
            values,
            left_out: self.left_out(row),
            diverged,
        })
    }

    /// Why a row is of no use, whatever its values.
    fn left_out(&self, row: &StringRecord) -> Option<&'static str> {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().trim();
        let state = cell(self.state);
        if !cell(self.confirms).is_empty() {
            Some("that confirm others")
        } else if HAS_FAILED.contains(&state) {
            Some(FAILED)
        } else if self.resource.is_none() && WAS_PRUNED.contains(&state) {
            Some("that were pruned at an unknown resource")
        } else {
            None
        }
    }

    /// Refuses resources that count something else than those of the study.
    fn check_unit(&self, path: &Path, row: &StringRecord, wanted: &str) -> Result<(), ImportError> {
        let unit = self.unit.and_then(|at| row.get(at)).unwrap_or_default().trim();
        if unit.is_empty() || unit == wanted {
            return Ok(());
        }
        let what = format!("what this study's resource counts, which is {wanted}");
        let help = format!("import it into a study whose `resource` under `[policy]` is `{unit}`");
        Err(not(path, row, &what, unit, &help))
    }
}

/// That a text of a row is not what it must be.
fn not(path: &Path, row: &StringRecord, what: &str, text: &str, help: &str) -> ImportError {
    ImportError::Unusable {
        path: path.to_owned(),
        line: row.position().map(csv::Position::line),
        message: format!("`{text}` is not {what}"),
        help: help.into(),
    }
}
