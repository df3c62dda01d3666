//! What a study knows of an earlier one, in words.

use crate::study::{Earlier, StudySpec};
use crate::words::counted;

/// What was taken of the earlier study, and what not. Ends in a newline.
pub fn earlier(spec: &StudySpec, earlier: &Earlier) -> String {
    let (taken, all) = (earlier.taken(), counted(earlier.trials, "trial"));
    let mut text = format!("from the study {}: {taken} of {all} taken, ", earlier.study);
    text += match spec.sampler.is_adaptive() {
        true => "which the sampler knows\n",
        false => "but the sampler does not learn from results: only those that come first matter\n",
    };
    if let Some(left_out) = left_out(earlier) {
        text += &format!("  not taken: {left_out}\n");
    }
    for assumed in &earlier.assumed {
        text += &format!("  assumed: {assumed}\n");
    }
    let best = match earlier.first.len() {
        0 => return text,
        1 => "best one begins".to_owned(),
        count => format!("{count} best begin"),
    };
    text + &format!("  the {best} this study, trained anew like all others\n")
}

/// Why trials were not taken; none if all were.
pub fn left_out(earlier: &Earlier) -> Option<String> {
    let left_out = earlier.left_out.iter();
    let left_out: Vec<String> = left_out.map(|one| format!("{} {}", one.trials, one.reason)).collect();
    (!left_out.is_empty()).then(|| left_out.join("; "))
}
