//! The outcome of confirmation, in words.

use super::format::metric;
use super::sheet::{Sheet, left_out};
use crate::analysis::Overview;
use crate::ids::TrialId;
use crate::study::{Confirmation, ConfirmationSpec};

/// Below this probability two configurations count as equally good.
const APART: f64 = 0.75;

/// The question that identical runs raise.
const BLIND: &str = "does the trainer use the `seed` that it is given? If it does not, nothing was confirmed";

/// What comes after the search, before it has begun.
pub(super) fn to_be_confirmed(overview: &Overview) -> String {
    match overview.spec.confirmation.filter(|_| !overview.search_over) {
        Some(ConfirmationSpec { configurations, seeds }) => {
            let are = if configurations == 1 { "is" } else { "are" };
            format!("after the search: the best {configurations} {are} trained again with {seeds} fresh seeds each\n")
        }
        None => String::new(),
    }
}

/// The confirmed configurations and whether the first is really better; empty before the search has finished. The table fits into so
/// many columns of a terminal. Ends in a newline.
pub(super) fn confirmed(overview: &Overview, width: Option<usize>) -> String {
    let Some(confirmation) = &overview.confirmation else {
        return String::new();
    };
    let mut text = if confirmation.over < confirmation.runs {
        let Confirmation { over, runs, .. } = confirmation;
        format!("confirmation with fresh seeds, {over} of {runs} runs so far:\n")
    } else {
        "confirmed with fresh seeds (the result of the search, for which they were selected, does not count):\n"
            .to_owned()
    };
    let unit = overview.spec.policy.unit.one();
    let mean = format!("mean {}", overview.spec.objective.metric);
    let mut sheet = Sheet {
        head: ["trial", "runs", &mean, "95 % interval", "in the search", ""]
            .map(str::to_owned)
            .into(),
        rows: Vec::new(),
        words: vec![5],
    };
    for one in &confirmation.configurations {
        let mut lost = Vec::new();
        for (count, what) in [
            (one.diverged, "diverged"),
            (one.failed, "failed"),
            (one.infeasible, "infeasible"),
        ] {
            if count > 0 {
                lost.push(format!("{count} {what}"));
            }
        }
        let interval = one.interval;
        let search = overview.confirmed.get(&one.trial);
        sheet.rows.push(vec![
            one.trial.to_string(),
            one.values.len().to_string(),
            one.mean.map_or("-".into(), metric),
            interval.map_or("-".into(), |(low, high)| format!("{} to {}", metric(low), metric(high))),
            search.map_or("-".into(), |(at, value)| format!("{} at {unit} {at}", metric(*value))),
            lost.join(", "),
        ]);
    }
    let (table, hidden) = sheet.text(width);
    text += &(table + &left_out(hidden, "a wider terminal"));
    text + &comparison(confirmation)
}

/// Whether the first configuration is really better than the second, as far as the runs can show it.
fn comparison(confirmation: &Confirmation) -> String {
    let (first, second) = match &confirmation.configurations[..] {
        [first, second, ..] => (first, second),
        [only] if only.is_blind_to_seeds() => {
            return format!("all runs of trial {} ended with the same result: {BLIND}\n", only.trial);
        }
        _ => return String::new(),
    };
    let (a, b) = (first.trial, second.trial);
    match (confirmation.first_is_better, first.mean, second.mean) {
        (Some(probability), Some(of_a), Some(of_b)) => {
            let mut text = format!(
                "trial {a} is better than trial {b} with probability {}",
                share(probability)
            );
            if probability < APART {
                text += &format!(
                    ": these runs can't separate them (their means differ by {}), and the choice hardly matters",
                    metric((of_b - of_a).abs())
                );
            }
            text + "\n"
        }
        _ if first.is_blind_to_seeds() && second.is_blind_to_seeds() => {
            format!("all runs of trial {a} ended with the same result, and so did those of trial {b}: {BLIND}\n")
        }
        _ if first.diverged == 0 && second.diverged > 0 => {
            format!("trial {a} is preferred to trial {b}, which can diverge\n")
        }
        _ => format!("too few runs were completed to compare trial {a} with trial {b}\n"),
    }
}

/// A probability: never shown as 1 or 0 if it is only close to it.
fn share(probability: f64) -> String {
    match probability {
        p if p > 0.995 && p < 1.0 => "above 0.99".into(),
        p => format!("{p:.2}"),
    }
}

/// What follows the number of a trial: the trial that it confirms, if it does.
pub(super) fn confirms(of: Option<TrialId>) -> String {
    of.map_or(String::new(), |of| format!(" (trial {of} with another seed)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TrialId;
    use crate::study::Confirmed;

    fn sentence(means: [Option<f64>; 2], diverged: usize, first_is_better: Option<f64>) -> String {
        let one = |trial: u64, mean, diverged| one(trial, vec![], mean, diverged);
        of_two(one(9, means[0], 0), one(6, means[1], diverged), first_is_better)
    }

    fn one(trial: u64, values: Vec<f64>, mean: Option<f64>, diverged: usize) -> Confirmed {
        Confirmed {
            infeasible: 0,
            trial: TrialId(trial),
            search_value: Some(0.2),
            runs: vec![],
            values,
            diverged,
            failed: 0,
            mean,
            interval: None,
        }
    }

    fn of_two(first: Confirmed, second: Confirmed, first_is_better: Option<f64>) -> String {
        comparison(&Confirmation {
            runs: 6,
            over: 6,
            configurations: vec![first, second],
            first_is_better,
        })
    }

    #[test]
    fn runs_that_are_all_the_same_are_reported_as_such() {
        let same = |trial, loss| one(trial, vec![loss; 3], Some(loss), 0);
        let sentence = of_two(same(9, 0.2), same(6, 0.3), None);
        assert!(sentence.contains("does the trainer use the `seed`"), "{sentence}");
        let sentence = of_two(same(9, 0.2), one(6, vec![0.3, 0.4], Some(0.35), 0), Some(0.8));
        assert!(sentence.contains("with probability 0.80"), "{sentence}");
    }

    #[test]
    fn a_difference_that_may_be_chance_is_reported_as_such() {
        let means = [Some(0.2061), Some(0.207)];
        assert_eq!(
            sentence(means, 0, Some(0.874)),
            "trial 9 is better than trial 6 with probability 0.87\n"
        );
        assert_eq!(
            sentence(means, 0, Some(0.61)),
            "trial 9 is better than trial 6 with probability 0.61: these runs can't separate them (their means \
             differ by 9.00e-4), and the choice hardly matters\n"
        );
        assert!(sentence(means, 0, Some(0.9999)).ends_with("above 0.99\n"));
        assert!(sentence(means, 1, None).contains("which can diverge"));
        assert!(sentence([Some(0.2), None], 0, None).contains("too few runs"));
    }
}
