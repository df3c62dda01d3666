//! What a study requires of models, and which trials fulfil it, in words.

use super::format::number;
use crate::analysis::Overview;
use crate::study::{Broken, StudySpec, Trial, TrialSummary};
use crate::words::{counted, listed};

/// One line for each requirement, with how many trials fulfil it.
pub(super) fn required(overview: &Overview) -> String {
    let each = overview.required.iter().filter(|one| one.of > 0).map(|one| {
        let metric = &one.require.metric;
        let mut line = format!(
            "required: {}: {} of {} with a result {} it",
            one.require,
            one.fulfilled,
            counted(one.of, "trial"),
            if one.fulfilled == 1 { "fulfils" } else { "fulfil" },
        );
        if one.unknown > 0 {
            let has = if one.unknown == 1 { "has" } else { "have" };
            line += &format!("; {} of them {has} not reported `{metric}`", one.unknown);
            // Then it is most likely the name that is wrong.
            if one.unknown == one.of {
                line += &format!(": the best one has {}", one.reported.join(", "));
            }
        }
        line + "\n"
    });
    each.collect()
}

/// What is said first of a study none of whose trials fulfils what it requires; empty if one does, or if there is no result yet.
pub(super) fn nothing_fulfils(overview: &Overview) -> String {
    let best = overview.best.as_ref();
    let broken = best.and_then(|best| Some((best.trial, breaks(best)?)));
    let so_far = if overview.finished { "" } else { " yet" };
    broken.map_or_else(String::new, |(trial, breaks)| {
        format!("no trial fulfils what the study requires{so_far}: the best, trial {trial}, {breaks}\n")
    })
}

/// What a trial breaks, as the end of a sentence; none if it breaks nothing.
pub fn breaks(trial: &TrialSummary) -> Option<String> {
    let each = trial.breaks.iter().map(|Broken { require, value }| match value {
        Some(value) => format!("breaks `{require}` with {}", number(*value)),
        None => format!(
            "has not reported `{}`, of which `{require}` is required",
            require.metric
        ),
    });
    (!trial.breaks.is_empty()).then(|| listed(each, " and "))
}

/// What the model of a trial's best report comes to in what the study requires.
pub(super) fn fulfilled(spec: &StudySpec, trial: &Trial) -> String {
    let Some((at, _)) = trial.best().filter(|_| !spec.require.is_empty()) else {
        return String::new();
    };
    let each = spec
        .require
        .iter()
        .map(|require| match trial.value_up_to(at, &require.metric) {
            Some(value) => {
                let verdict = if require.allows(value) { "fulfilled" } else { "broken" };
                format!("  {require}: {verdict}, with {}\n", number(value))
            }
            None => format!("  {require}: not known, as `{}` was not reported\n", require.metric),
        });
    format!("required of its model\n{}", each.collect::<String>())
}
