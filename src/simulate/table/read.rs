//! Reading a table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use hpo_protocol::Values;

use super::row::{Flaw, Row};
use super::{Measured, Run, Table, key};
use crate::diagnostic::{Diagnostic, Source};
use crate::space::{Scale, SearchSpace};
use crate::study::Objective;

/// Most bytes of a line. A curve of 10,000 epochs has a quarter of it.
const MAX_LINE: u64 = 1 << 20;
/// Most bytes of a table, so that it fits into memory.
const MAX_BYTES: u64 = 1 << 30;

/// The rows so far.
struct Rows<'a> {
    space: &'a SearchSpace,
    max_resource: u64,
    objective: &'a Objective,
    measured: Vec<Measured>,
    by_values: HashMap<String, usize>,
    /// The line of each configuration and seed.
    lines: HashMap<(usize, Option<u64>), usize>,
    /// The line and the epochs of the first row.
    first: Option<(usize, usize)>,
    /// Why the space does not allow the first such row.
    refused: Option<String>,
}

impl Table {
    /// Reads a table of JSON lines for a study; its values are those of the study's objective.
    ///
    /// # Errors
    /// If the file can't be read, a row is invalid or does not fit the others, the space or the maximum resource, or no row lies
    /// in the space.
    pub fn read(
        path: &Path,
        space: &SearchSpace,
        max_resource: u64,
        objective: &Objective,
    ) -> Result<Self, Diagnostic> {
        const HELP: &str = "give a table of learning curves, as described in docs/simulation.md";
        let shown = path.display();
        let unreadable = |error| Diagnostic::whole_file(path, format!("cannot read `{shown}`: {error}"), HELP);
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(Diagnostic::whole_file(path, format!("`{shown}` is a directory"), HELP));
        }
        let mut file = BufReader::new(file);
        let mut rows = Rows {
            space,
            max_resource,
            objective,
            measured: Vec::new(),
            by_values: HashMap::new(),
            lines: HashMap::new(),
            first: None,
            refused: None,
        };
        let (mut line, mut bytes) = (Vec::new(), 0);
        for number in 1.. {
            line.clear();
            let read = file
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .map_err(unreadable)? as u64;
            bytes += read;
            if read == 0 {
                break;
            }
            if bytes > MAX_BYTES {
                let help = "leave out rows, or the parts of them that the study does not need";
                return Err(Diagnostic::whole_file(
                    path,
                    format!("`{shown}` is larger than 1 GiB"),
                    help,
                ));
            }
            let whole = line.last() == Some(&b'\n') || read < MAX_LINE;
            if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            let added = match std::str::from_utf8(&line) {
                _ if !whole => Err(Flaw::line("the line is longer than 1 MiB", HELP)),
                Ok(text) => rows.add(number, text.trim_end()),
                Err(error) => Err(Flaw {
                    // The replacement of the first bad byte is where that byte was.
                    span: error.valid_up_to()..error.valid_up_to() + 3,
                    ..Flaw::line("the table is not UTF-8", "save it as UTF-8")
                }),
            };
            let Err(flaw) = added else { continue };
            return Err(Diagnostic {
                message: flaw.message,
                file: path.to_owned(),
                source: Some(Box::new(Source {
                    text: String::from_utf8_lossy(&line).into_owned(),
                    line_start: number,
                    span: flaw.span,
                })),
                label: String::new(),
                help: Some(flaw.help),
            });
        }
        rows.finish(path)
    }
}

impl Rows<'_> {
    fn add(&mut self, number: usize, line: &str) -> Result<(), Flaw> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let row = Row::parse(line)?;
        let epochs = row.losses.len();
        let (first, expected) = *self.first.get_or_insert((number, epochs));
        if epochs != expected {
            let message = format!("the row has {epochs} losses, but that of line {first} has {expected}");
            let help =
                "give every row a loss for each of the same epochs; null from the epoch at which a run diverged on";
            return Err(Flaw::at(line, "losses", message, help));
        }
        let max = self.max_resource;
        if (epochs as u64) < max {
            let message = format!("the curve ends at epoch {epochs}, but the study trains to epoch {max}");
            let help = format!("set `max_resource` under `[policy]` to {epochs} or less");
            return Err(Flaw::at(line, "losses", message, help));
        }
        let configuration = row.configuration(self.space, line)?;
        let place = match self.by_values.entry(key(&configuration)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let point = self.space.point(&configuration);
                let refused = refused(self.space, &configuration, &point);
                self.measured.push(Measured {
                    point: refused.is_none().then_some(point),
                    runs: Vec::new(),
                    last: f64::NAN,
                });
                self.refused = self
                    .refused
                    .take()
                    .or(refused.map(|why| format!("line {number}: {why}")));
                *entry.insert(self.measured.len() - 1)
            }
        };
        if let Some(line_before) = self.lines.insert((place, row.seed), number) {
            let message = format!("line {line_before} has the same configuration with the same seed");
            let help = "give each run of a configuration another \"seed\", or remove the duplicate";
            return Err(Flaw::at(line, "parameters", message, help));
        }
        self.measured[place].runs.push(Run {
            seconds: row.seconds,
            costs: row
                .losses
                .iter()
                .map(|value| self.objective.signed(value.unwrap_or(f64::NAN)))
                .collect(),
        });
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<Table, Diagnostic> {
        let shown = path.display();
        let whole = |message: String, help: String| Err(Diagnostic::whole_file(path, message, help));
        if self.measured.is_empty() {
            return whole(
                format!("`{shown}` has no rows"),
                "write a row for each configuration: docs/simulation.md".into(),
            );
        }
        if self.measured.iter().all(|one| one.point.is_none()) {
            let why = self.refused.unwrap_or_default();
            return whole(
                format!("the study's space allows no row of `{shown}`"),
                format!("widen the space; {why}"),
            );
        }
        let last = self.max_resource as usize - 1;
        let costs = self
            .measured
            .iter()
            .flat_map(|one| &one.runs)
            .map(|run| run.costs[last]);
        let Some(worst) = costs.filter(|cost| cost.is_finite()).reduce(f64::max) else {
            let help = "take another table, or a lower `max_resource`";
            return whole(
                format!("in `{shown}` every run has diverged by epoch {}", self.max_resource),
                help.into(),
            );
        };
        for one in &mut self.measured {
            let count = one.runs.len() as f64;
            let share = |run: &Run| if run.costs[last].is_finite() { run.costs[last] } else { worst } / count;
            one.last = one.runs.iter().map(share).sum();
        }
        let scales = self
            .space
            .parameters
            .iter()
            .map(|parameter| parameter.distribution.scale());
        Ok(Table {
            unordered: scales.map(|scale| matches!(scale, Scale::Categories(_))).collect(),
            best: self.measured.iter().map(|one| one.last).fold(f64::INFINITY, f64::min),
            objective: self.objective.clone(),
            space: self.space.clone(),
            measured: self.measured,
            by_values: self.by_values,
        })
    }
}

/// Why the space does not allow a configuration, if so.
fn refused(space: &SearchSpace, configuration: &Values, point: &[Option<f64>]) -> Option<String> {
    let outside = space.parameters.iter().zip(point).find_map(|(parameter, coordinate)| {
        let value = configuration.get(&parameter.name).filter(|_| coordinate.is_none())?;
        let value: String = value.to_string().chars().take(60).collect();
        Some(format!("`{}` is never {value} in the study", parameter.name))
    });
    outside.or_else(|| (!space.allows(configuration)).then(|| "the study's constraints are not satisfied".into()))
}

impl Flaw {
    /// About a line as a whole.
    fn line(message: &str, help: &str) -> Self {
        Self {
            span: 0..1,
            message: message.into(),
            help: help.into(),
        }
    }
}
