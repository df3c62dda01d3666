//! The outcome of simulated studies.

use std::time::Duration;

use hpo_protocol::Unit;

use super::format::{duration, number};
use crate::simulate::{Simulated, Table};
use crate::words::counted;

/// The outcome of one or more studies, over a table of measured curves if there was one: at each budget the regret of their best
/// trials.
pub fn simulation(studies: &[&Simulated], table: Option<&Table>, budgets: &[u64], took: Duration) -> String {
    let unit = studies
        .first()
        .map_or(Unit::default(), |study| study.study.spec().policy.unit);
    let units = unit.many();
    let mut text = format!(
        "{} simulated in {:.1} s\n",
        counted(studies.len(), "study"),
        took.as_secs_f64()
    );
    if let Some(table) = table {
        text += &format!(
            "{}, {} of them in the space; best last value {}\n",
            counted(table.configurations(), "measured configuration"),
            table.allowed(),
            number(table.best())
        );
    }
    let middle = |numbers: Vec<f64>| quantiles(numbers).map_or(f64::NAN, |[_, median, _]| median);
    let of = |value: fn(&Simulated) -> f64| middle(studies.iter().map(|study| value(study)).collect());
    text += &format!(
        "trials {}, {units} {}, virtual time {}, slots busy {:.1} % ({:.1} % until the last trial started)\n",
        of(|study| study.study.search_trials().count() as f64),
        of(|study| study.resource as f64),
        duration(of(|study| study.ms as f64) as u64),
        100.0 * of(|study| study.utilisation),
        100.0 * of(|study| study.until_last_trial)
    );
    let thrown_away = of(|study| study.resource.saturating_sub(study.study.trained_resource()) as f64);
    if thrown_away > 0.0 {
        text += &format!("of these {units}, {thrown_away} were trained ahead of a decision and discarded\n");
    }
    let mut budgets = budgets.to_vec();
    if budgets.is_empty() {
        budgets.extend(studies.iter().map(|study| study.resource).max());
    }
    let width = budgets
        .iter()
        .map(|budget| budget.to_string().len())
        .chain([units.len()])
        .max();
    let width = width.unwrap_or(0) + 1;
    text += &format!("\n{units:>width$}  regret (quartiles)\n");
    for budget in budgets {
        let regrets = studies.iter().filter_map(|study| Some(study.at(budget)?.regret));
        if let Some([low, median, high]) = quantiles(regrets.collect()) {
            let (low, median, high) = (number(low), number(median), number(high));
            text += &format!("{budget:>width$}  {median} ({low} to {high})\n");
        }
    }
    text
}

/// Quartiles and median.
fn quantiles(mut numbers: Vec<f64>) -> Option<[f64; 3]> {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)? as f64;
    Some([0.25, 0.5, 0.75].map(|share| {
        let place = share * last;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        numbers[below] + (numbers[above] - numbers[below]) * place.fract()
    }))
}
