//! Why a trial is what it is, in words.

mod decision;
mod shown;

use hpo_protocol::Values;

use self::shown::Shown;
use super::format::{duration, metric, value};
use crate::analysis::{Drawing, Explanation, First, Happened, Opening};
use crate::study::{Expected, Likely, PolicyKind, Reason, Source, Study, StudySpec, Trial, TrialStatus};
use crate::words::counted;

/// Why a trial is what it is. `version` is that of the program that created the study.
pub fn explanation(study: &Study, trial: &Trial, explanation: &Explanation, version: &str) -> String {
    let name = &study.spec().name;
    let mut text = format!("trial {} of the study {name}: {}\n", trial.id, trial.state.word());
    for (heading, reasons) in reasons(study, trial, explanation, version) {
        text += &format!("{heading}\n");
        text.extend(reasons.lines().map(|line| format!("  {line}\n")));
    }
    text
}

/// The same in parts, each with its heading.
pub fn reasons(study: &Study, trial: &Trial, explanation: &Explanation, version: &str) -> Vec<(&'static str, String)> {
    let mut sections = vec![("why these values", drawn(study, trial, explanation, version))];
    if let Some(bracket) = &explanation.bracket {
        sections.push(("why in this bracket", opened(study.spec(), bracket)));
    }
    let begin = explanation.steps.first().map(|step| step.at);
    let steps = explanation.steps.iter().map(|step| {
        let after = duration(step.at.since(begin.unwrap_or(step.at)));
        let happened = happened(study, trial, &step.what);
        format!("line {}, {after}: {}\n", step.line, happened.replace('\n', "\n  "))
    });
    let happened = match explanation.steps.is_empty() {
        true => "nothing yet: it waits for a slot\n".to_owned(),
        false => steps.collect(),
    };
    sections.push(("what happened", happened));
    sections
}

/// Values in a row.
fn row(values: &Values) -> String {
    let values = values.iter().map(|(name, of)| format!("{name} {}", value(of)));
    values.collect::<Vec<_>>().join(", ")
}

/// The objective's name and a value of it.
fn named(spec: &StudySpec, value: f64) -> String {
    format!("{} {}", spec.objective.metric, metric(value))
}

fn drawn(study: &Study, trial: &Trial, explanation: &Explanation, version: &str) -> String {
    let line = explanation.line;
    let own = row(&trial.parameters);
    let why = match &explanation.drawing {
        Drawing::Confirms { of, run } => format!(
            "trial {of} was among the best of the search: this is run {run} of its configuration with a fresh seed, {}, to confirm it",
            trial.seed
        ),
        Drawing::Otherwise { would } => format!(
            "this version, {}, would draw {}; what this configuration was drawn by is not known any more (the study was created by {version})",
            env!("CARGO_PKG_VERSION"),
            would.as_ref().map_or("none".to_owned(), row)
        ),
        Drawing::Drawn {
            reason,
            feasible,
            weights,
            first,
        } => {
            let shown = Shown::new(study.spec(), *feasible, weights);
            let why = reason_in_words(study, trial, reason, first.as_ref(), &shown);
            why.trim_end().to_owned() + &shown.about(reason)
        }
    };
    format!("{own} (line {line})\n{}\n", why.trim_end())
}

fn reason_in_words(study: &Study, trial: &Trial, reason: &Reason, first: Option<&First>, shown: &Shown<'_>) -> String {
    let spec = study.spec();
    match reason {
        Reason::First { place } => tried_first(spec, *place, first),
        Reason::Enqueued => "enqueued by the user while the search was under way".to_owned(),
        Reason::Random => "drawn at random, as the sampler `random` draws all".to_owned(),
        Reason::Sobol => {
            "the next point of the sampler's Sobol sequence, which leaves no part of the space empty".to_owned()
        }
        Reason::Grid => "the next configuration of the grid, in an order that depends on the seed".to_owned(),
        Reason::Unknowing { source, known, startup } => format!(
            "drawn {}: {} known then, and the sampler's model is asked from {startup} on",
            how(*source),
            crate::words::there_are(*known, "result")
        ),
        Reason::Chance { share } => format!(
            "drawn at random: so are {:.0} % of the configurations, whatever the sampler knows",
            100.0 * share
        ),
        Reason::Exhausted => {
            "drawn at random: all that the sampler would have proposed had been tried before".to_owned()
        }
        Reason::Prior { share } => format!(
            "drawn by the priors of the study's file, as {:.0} % of the configurations were at that point",
            100.0 * share
        ),
        Reason::Incumbent {
            parameters,
            value,
            share,
        } => {
            let best = study.search_trials().find(|other| other.parameters == *parameters);
            let best = best.map_or("a configuration of an earlier study".to_owned(), |best| {
                format!("trial {}", best.id)
            });
            format!(
                "drawn near {best}, the best known then with {}, as {:.0} % of the configurations were at that point",
                shown.named(*value),
                100.0 * share
            )
        }
        Reason::Expected(expected) => model(spec, trial, expected, shown),
        Reason::Likely(likely) => likeness(spec, likely),
    }
}

fn how(source: Source) -> &'static str {
    match source {
        Source::Random => "at random",
        Source::Sobol => "as a point of a Sobol sequence, which leaves no part of the space empty",
        Source::Prior => "by the priors of the study's file",
    }
}

fn tried_first(spec: &StudySpec, place: u64, first: Option<&First>) -> String {
    match first {
        Some(First::File { place }) => {
            let given = spec.space.try_first.get(*place as usize - 1);
            let open = given.is_some_and(|given| given.len() < spec.space.parameters.len());
            let rest = if open {
                "; what it leaves open was drawn at random"
            } else {
                ""
            };
            format!("number {place} of `[[try_first]]` in the study's file, which come before all others{rest}")
        }
        Some(First::Earlier { study, number, value }) => {
            let with = value.map_or(String::new(), |value| format!(", with {}", named(spec, value)));
            format!(
                "adopted: it is that of trial {number} of {study}, one of the best there{with}; the results of that study are known to \
                 this one"
            )
        }
        None => format!("number {} of the configurations to be tried first", place + 1),
    }
}

fn model(spec: &StudySpec, trial: &Trial, expected: &Expected, shown: &Shown<'_>) -> String {
    let Expected {
        known,
        under_way,
        candidates,
        value,
        better,
        worse,
        best,
        prior,
    } = *expected;
    let (one, last) = (spec.policy.unit.one(), spec.policy.max_resource);
    let mut text = format!(
        "proposed by the sampler's model, a Gaussian process that knew {}: of {candidates} candidates this one had the greatest expected \
         improvement\n",
        counted(known, "trial")
    );
    if under_way > 0 {
        text += &format!(
            "  it took for granted what it expected of {} under way\n",
            counted(under_way, "trial")
        );
    }
    text += &format!(
        "  it expected {} at {one} {last} (one standard deviation better: {}, worse: {}), and of the best configuration it knew {}\n",
        shown.named(value),
        metric(better),
        metric(worse),
        metric(best)
    );
    if prior != 0.0 {
        text += &format!(
            "  the priors of the study's file weighed {} in the logarithm of the improvement\n",
            metric(prior)
        );
    }
    if let Some((at, cost)) = trial.best().filter(|_| shown.is_objective()) {
        let came = spec.objective.signed(cost);
        text += &format!("  its best value since: {} at {one} {at}\n", metric(came));
    }
    text
}

fn likeness(spec: &StudySpec, likely: &Likely) -> String {
    let Likely {
        rung,
        good,
        bad,
        candidates,
        ratio,
    } = *likely;
    format!(
        "proposed by the sampler's tree-structured Parzen estimator, from the trials at {} {rung}: of {candidates} configurations like the \
         {good} good ones it is the least like the {bad} others (those under way included), {} times as likely among the good",
        spec.policy.unit.one(),
        super::format::number(ratio)
    )
}

fn opened(spec: &StudySpec, bracket: &Opening) -> String {
    let unit = spec.policy.unit;
    let rungs: Vec<String> = bracket.rungs.iter().map(u64::to_string).collect();
    let first = bracket.rungs.first().copied().unwrap_or(0);
    let trials = match bracket.trials {
        0 => "to which trials are added one by one".to_owned(),
        trials => format!("of {}", counted(trials, "trial")),
    };
    let mut text = format!(
        "bracket {} {trials}, with rungs at {} {} (line {})\n",
        bracket.number,
        unit.many(),
        rungs.join(", "),
        bracket.line
    );
    text += &format!("it begins at {} {first}: {}\n", unit.one(), begins(spec, bracket));
    text
}

/// Why a bracket begins at its first rung.
fn begins(spec: &StudySpec, bracket: &Opening) -> String {
    let all = spec.policy.rungs().len();
    let number = bracket.number;
    match spec.policy.kind {
        PolicyKind::SuccessiveHalving(halving) if halving.small_brackets && number > 0 => {
            match bracket.advised.zip(bracket.agreement) {
                Some((skipped, agreement)) => format!(
                    "by what the sampler had learned, neighbouring rungs correlate with {agreement:.2}, so that the lowest rung that says \
                     enough of the last one is number {} of {all}",
                    skipped + 1
                ),
                None => "too few trials had come beyond the first rung to know whether it could be skipped".to_owned(),
            }
        }
        PolicyKind::Hyperband(_) if number > 0 => format!(
            "the brackets of Hyperband begin at one rung after the other, and number {number} skips {} of {all}",
            bracket.skipped
        ),
        PolicyKind::AsyncHyperband(_) => format!(
            "it skips {} of {all} rungs; a trial is added to the bracket that is the farthest behind its share of Hyperband's trials",
            bracket.skipped
        ),
        PolicyKind::None => "nothing is compared before the end".to_owned(),
        PolicyKind::SuccessiveHalving(_)
        | PolicyKind::Hyperband(_)
        | PolicyKind::Asha(_)
        | PolicyKind::Pasha
        | PolicyKind::MedianStopping(_) => "the first rung of the policy".to_owned(),
    }
}

fn happened(study: &Study, trial: &Trial, what: &Happened) -> String {
    let spec = study.spec();
    let one = spec.policy.unit.one();
    match what {
        Happened::Started {
            attempt,
            slot,
            from,
            to,
            ahead,
        } => {
            let why = match ahead {
                true => ", ahead of the decision at its rung: the slot had nothing else to do",
                false => "",
            };
            format!("attempt {attempt} on slot {slot}, from {one} {from} to {to}{why}")
        }
        Happened::Reported {
            resource,
            value,
            ahead,
            last,
        } => {
            let value = value.map_or("its objective was not finite".to_owned(), |value| named(spec, value));
            let ahead = if *ahead {
                ", which counts only if it is promoted"
            } else {
                ""
            };
            let last = if *last { "; it has ended by itself" } else { "" };
            format!("{one} {resource}: {value}{ahead}{last}")
        }
        Happened::Preempted => "asked to make room for a trial that needs no decision".to_owned(),
        Happened::Saved { checkpoint: true } => "stopped before its rung, and saved".to_owned(),
        Happened::Saved { checkpoint: false } => "stopped before its rung: it goes on from its last report".to_owned(),
        Happened::Failed {
            message,
            checkpoint_lost,
            retry,
        } => {
            let lost = if *checkpoint_lost {
                "its checkpoint could not be used: "
            } else {
                "failed: "
            };
            let then = match retry {
                true => "it is tried again",
                false => "it is not tried again",
            };
            format!("{lost}{message}\n{then}")
        }
        Happened::Interrupted => {
            "the search was stopped or killed meanwhile: what came after its last report is done again".to_owned()
        }
        Happened::CheckpointLost { file } => format!("its checkpoint {file} was found lost or damaged"),
        Happened::Decided(decided) => decision::in_words(spec, trial.id, decided),
        Happened::Ended => "ended by hand".to_owned(),
        Happened::Retried => "given all its attempts again".to_owned(),
        Happened::Over { state } => over(*state).to_owned(),
    }
}

fn over(state: TrialStatus) -> &'static str {
    match state {
        TrialStatus::Completed => "completed: it has reached the end of its training",
        TrialStatus::Diverged => "diverged: it ends here, and ranks last at its rung",
        TrialStatus::Failed => "failed for good: it ranks last at its rung",
        TrialStatus::Pruned => "stopped",
        TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused => "goes on",
    }
}
