//! `--learn-from`: what earlier studies say about the space of a new one.

use std::path::Path;

use hpo_protocol::BASE_MODEL;
use hpo_protocol::embedding::PARAMETERS;

use super::CliError;
use super::run::Private;
use super::study::{Studies, all, nowhere};
use crate::analysis::{Content, Experience, Model, Useless, Wanted, also_searched};
use crate::shell::{about, path_word};
use crate::space::{Learned, Lesson, SearchSpace, Value};
use crate::store::{StudyDirectory, experiences};
use crate::study::Shape;
use crate::study_file::{Facts, Look, StudyFile, named_inputs, usual_space};
use crate::view::{self, LearnedFrom, Teacher, notify};

/// A space, with what is to be said of it.
pub(super) struct Taught {
    /// The space, and what to begin with.
    pub learned: Learned,
    /// What each configuration to begin with is.
    pub begins: Vec<String>,
    /// From which studies it is, and what they have changed; empty without any.
    pub said: String,
}

impl Taught {
    /// The usual space.
    pub fn nothing(facts: &Facts) -> Self {
        Self {
            learned: Learned::usual(usual_space(facts)),
            begins: Vec::new(),
            said: String::new(),
        }
    }
}

/// What the studies in a directory teach a study of these facts; `file` names its model, and `look` knows its data.
///
/// # Errors
/// If there are no studies, or the model can't be read.
pub(super) fn learn(directory: &Path, facts: &Facts, file: &StudyFile, look: &Look) -> Result<Taught, CliError> {
    let here = StudyDirectory::new(directory);
    if here.has_study() {
        let parent = path_word(
            directory
                .parent()
                .filter(|parent| *parent != Path::new(""))
                .unwrap_or(Path::new(".")),
        );
        return Err(CliError::usage(
            format!("{} is a study, not a directory of studies", directory.display()),
            format!(
                "name the directory that it is in: --learn-from {}",
                parent.to_string_lossy()
            ),
        ));
    }
    let studies = all(&Studies(Some(directory.to_owned())));
    if studies.is_empty() {
        return Err(nowhere(&here, None));
    }
    let _private = Private::new();
    let known = known(directory, &studies);
    let wanted = Wanted {
        model: model(file, look, &known)?,
        kind: facts.kind,
        rows: facts.rows,
        metric: facts.metric().to_owned(),
    };
    let (teachers, useless) = teachers(&known, &wanted);
    let lessons: Vec<Lesson> = teachers.iter().map(|teacher| teacher.lesson.clone()).collect();
    let learned = space(facts, look, &lessons);
    let begins = learned.first.iter().map(|first| {
        let experience = teachers[first.lesson].experience;
        let lesson = &lessons[first.lesson];
        let good = experience
            .good
            .iter()
            .find(|good| good.parameters == lesson.good[first.place]);
        view::begins(experience, first.place, good.map(|good| good.value))
    });
    Ok(Taught {
        begins: begins.collect(),
        said: view::learned(&LearnedFrom {
            directory,
            wanted: &wanted,
            teachers: &teachers,
            useless: &useless,
            learned: &learned,
        }),
        learned,
    })
}

/// What is known of the studies. One that can't be read does not hide the others.
fn known(directory: &Path, studies: &[StudyDirectory]) -> Vec<Experience> {
    let mut known = Vec::new();
    for (study, experience) in studies.iter().zip(experiences(directory, studies)) {
        match experience {
            Ok(experience) => known.push(experience),
            Err(error) => notify(&format!(
                "{}: {error} (look at it: {})",
                study.name(),
                about(study.root(), ["fsck"])
            )),
        }
    }
    known
}

/// The base model of the new study. Its files are digested, which takes a while, only if one of the others may be the same.
fn model(file: &StudyFile, look: &Look, known: &[Experience]) -> Result<Model, CliError> {
    let shape = Some(Shape::from(look.sizes));
    let mut others = known.iter().flat_map(|experience| experience.models.values());
    let mut content = Content::new();
    if others.any(|model| model.shape.is_none() || model.shape == shape) {
        let inputs = named_inputs(&file.study.trainer).into_iter();
        for named in inputs.filter(|named| named.role == BASE_MODEL) {
            let read = named.read().map_err(|error| {
                let message = format!("can't read the model {}: {error}", named.path.display());
                CliError::usage(message, "check the path and its permissions")
            })?;
            content.extend(read.into_iter().map(|input| (input.file, input.sha256)));
        }
    }
    Ok(Model { content, shape })
}

/// The studies that teach something, the nearest first; and why others do not.
fn teachers<'e>(known: &'e [Experience], wanted: &Wanted) -> (Vec<Teacher<'e>>, Vec<(&'e Experience, Useless)>) {
    let (mut teachers, mut useless) = (Vec::new(), Vec::new());
    for experience in known {
        match experience.lesson(wanted) {
            Ok((likeness, lesson)) => teachers.push(Teacher {
                experience,
                likeness,
                lesson,
            }),
            Err(why) => useless.push((experience, why)),
        }
    }
    let apart = |experience: &Experience| {
        let rows = experience.data.map_or(f64::MAX, |data| data.rows as f64);
        (rows.max(1.0).ln() - (wanted.rows.max(1) as f64).ln()).abs()
    };
    let other = |experience: &Experience| experience.kind != Some(wanted.kind);
    teachers.sort_by(|a, b| {
        let order = a.likeness.cmp(&b.likeness);
        let (a, b) = (a.experience, b.experience);
        let order = order.then(other(a).cmp(&other(b))).then(apart(a).total_cmp(&apart(b)));
        order.then_with(|| b.created.cmp(&a.created))
    });
    // The same results twice, of a copy or of a search with the same seed, are no more evidence than once.
    let mut distinct: Vec<Teacher<'e>> = Vec::new();
    for teacher in teachers {
        let known = distinct
            .iter()
            .find(|known| known.experience.good == teacher.experience.good);
        match known.map(|known| known.experience.study.clone()) {
            Some(study) => useless.push((teacher.experience, Useless::Repeated(study))),
            None => distinct.push(teacher),
        }
    }
    (distinct, useless)
}

/// What the lessons make of the usual space, and of what they searched beside that, as far as it makes a difference for these data.
fn space(facts: &Facts, look: &Look, lessons: &[Lesson]) -> Learned {
    let usual = usual_space(facts);
    let mut also = also_searched(&usual, lessons);
    loop {
        let mut wanted = SearchSpace {
            parameters: usual.parameters.iter().chain(&also).cloned().collect(),
            ..SearchSpace::default()
        };
        let learned = Learned::of(&wanted, lessons, &allowed);
        wanted = learned.space();
        let idle = look.without_effect(&wanted);
        let Some(place) = idle.and_then(|idle| also.iter().position(|parameter| parameter.name == idle)) else {
            return learned;
        };
        also.remove(place);
    }
}

/// Whether the trainer takes a value of a parameter.
fn allowed(name: &str, value: &Value) -> bool {
    let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
    parameter.is_some_and(|parameter| parameter.domain.contains(value))
}
