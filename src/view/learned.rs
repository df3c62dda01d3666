//! What a new study has learned from earlier ones, in words.

use std::path::Path;

use super::format::{metric, value};
use super::sheet::Sheet;
use crate::analysis::{Experience, Likeness, Useless, Wanted};
use crate::diagnostic::visible;
use crate::space::{Distribution, Learned, Lesson};
use crate::words::{counted, listed, studies};

/// A study that has taught something.
#[derive(Debug, Clone)]
pub struct Teacher<'a> {
    /// What is known of it.
    pub experience: &'a Experience,
    /// How near its model is.
    pub likeness: Likeness,
    /// What it teaches.
    pub lesson: Lesson,
}

/// What was learned, and from what.
#[derive(Debug, Clone, Copy)]
pub struct LearnedFrom<'a> {
    /// Where the studies are.
    pub directory: &'a Path,
    /// The new study.
    pub wanted: &'a Wanted,
    /// Those that have taught something.
    pub teachers: &'a [Teacher<'a>],
    /// Those that have not.
    pub useless: &'a [(&'a Experience, Useless)],
    /// The space.
    pub learned: &'a Learned,
}

/// What a configuration to begin with is: the good one at that place, from 0, of a study, and what it had come to.
pub fn begins(experience: &Experience, place: usize, came_to: Option<f64>) -> String {
    let place = match place {
        0 => "the best".to_owned(),
        place => format!("number {}", place + 1),
    };
    let came_to = came_to.map(|x| format!(": {} {}", experience.objective.metric, metric(x)));
    format!(
        "{place} of the study {}{}",
        experience.study,
        came_to.unwrap_or_default()
    )
}

/// From which studies a space was learned, what they have changed, and why others have taught nothing.
pub fn learned(from: &LearnedFrom) -> String {
    let all = from.teachers.len() + from.useless.len();
    let place = from.directory.display();
    if from.teachers.is_empty() {
        return format!(
            "nothing learned from {} in {place}; the ranges are the usual ones\n{}",
            counted(all, "study"),
            useless(from.useless)
        );
    }
    let mut text = format!(
        "learned from {} of {} in {place}:\n",
        from.teachers.len(),
        counted(all, "study")
    );
    text += &teachers(from.teachers);
    text += &notes(from.teachers, from.wanted);
    text += &useless(from.useless);
    text += &parameters(from.learned);
    match from.learned.first.len() {
        0 => text,
        first => text + &format!("it begins with {} of theirs\n", counted(first, "configuration")),
    }
}

fn teachers(teachers: &[Teacher]) -> String {
    let rows = teachers.iter().map(
        |Teacher {
             experience, likeness, ..
         }| {
            let model = match likeness {
                Likeness::Same => "the same",
                Likeness::Alike => "of the same size",
            };
            let data = match (experience.data, experience.kind) {
                (Some(data), _) => format!("{} {}", data.rows, data.kind),
                (None, Some(kind)) => kind.to_string(),
                (None, None) => "-".to_owned(),
            };
            let best = experience
                .good
                .first()
                .map_or("-".to_owned(), |good| metric(good.value));
            vec![
                visible(&experience.study),
                model.to_owned(),
                data,
                visible(&experience.objective.metric),
                best,
                experience.trials.to_string(),
            ]
        },
    );
    let sheet = Sheet {
        head: ["study", "model", "data", "objective", "best", "trials"]
            .map(str::to_owned)
            .into(),
        rows: rows.collect(),
        words: vec![0, 1, 2, 3],
    };
    sheet.text(None).0
}

/// How much more or fewer rows are worth a word.
const FAR: f64 = 10.0;

/// What makes what was good there less sure to be good here.
fn notes(teachers: &[Teacher], wanted: &Wanted) -> String {
    let named = |is: &dyn Fn(&Experience) -> bool| {
        let names = teachers.iter().map(|teacher| teacher.experience).filter(|one| is(one));
        names.map(|one| visible(&one.study)).collect::<Vec<_>>()
    };
    let far = |rows: u64| {
        let ratio = rows.max(1) as f64 / wanted.rows.max(1) as f64;
        !(1.0 / FAR..=FAR).contains(&ratio)
    };
    let notes = [
        (
            named(&|one| one.objective.metric != wanted.metric),
            format!("compared by something else than {}", wanted.metric),
        ),
        (
            named(&|one| one.kind != Some(wanted.kind)),
            format!("on other data than {}", wanted.kind),
        ),
        (
            named(&|one| one.data.is_some_and(|data| far(data.rows))),
            format!("on far more, or far fewer, than {}", counted(wanted.rows, "row")),
        ),
    ];
    let notes = notes.into_iter().filter(|(names, _)| !names.is_empty());
    let notes = notes.map(|(names, what)| format!("note: {what}: {}\n", studies(&names)));
    notes.collect()
}

fn useless(useless: &[(&Experience, Useless)]) -> String {
    let why = |why: &Useless| match why {
        Useless::OtherTrainer => "another program trains".to_owned(),
        Useless::OtherModel => "its model is another one, and not known to be of the same size".to_owned(),
        Useless::OtherLoss(Some(kind)) => format!("its data are {kind}, which have other losses"),
        Useless::OtherLoss(None) => "what its data are is not known".to_owned(),
        Useless::Few(0) => "no trial has a result".to_owned(),
        Useless::Few(trials) => format!("a result of {} says too little", counted(*trials, "trial")),
        Useless::Unfinished => "no trial has been trained to the end".to_owned(),
        Useless::NotBetter => "no trial is better than the untrained model".to_owned(),
        Useless::OtherScale => "its good trials have another optimizer or distance".to_owned(),
        Useless::Repeated(study) => format!("its results are those of {}", visible(study)),
    };
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (experience, reason) in useless {
        let (reason, name) = (why(reason), visible(&experience.study));
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let lines = reasons
        .iter()
        .map(|(reason, names)| format!("not used: {} ({reason})\n", studies(names)));
    lines.collect()
}

fn parameters(learned: &Learned) -> String {
    let searched = learned
        .parameters
        .iter()
        .filter(|one| !(one.from.is_empty() && one.usual.is_fixed()));
    let rows = searched.map(|one| {
        let changed = one.usual != one.parameter.distribution;
        let proposed = match (one.from.is_empty(), changed) {
            (true, _) | (false, false) => "as usual".to_owned(),
            (false, true) => values(&one.parameter.distribution),
        };
        let opened = match one.opened {
            [false, false] => "",
            [true, false] => " (opened below)",
            [false, true] => " (opened above)",
            [true, true] => " (opened on both sides)",
        };
        let from: Vec<String> = one.from.iter().map(|study| visible(study)).collect();
        vec![
            one.parameter.name.clone(),
            values(&one.usual),
            format!("{proposed}{opened}"),
            studies(&from),
        ]
    });
    let sheet = Sheet {
        head: ["parameter", "usual", "proposed", "from"].map(str::to_owned).into(),
        rows: rows.collect(),
        words: vec![0, 1, 2, 3],
    };
    sheet.text(None).0
}

fn values(distribution: &Distribution) -> String {
    match distribution.listed() {
        Some(values) => listed(values.iter().map(value), ", "),
        None => {
            let (low, high, _) = distribution.range();
            format!("{} to {}", value(&low.into()), value(&high.into()))
        }
    }
}
