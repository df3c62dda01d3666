//! `objective` and `direction` of `[study]`: what trials are compared by.

use hpo_protocol::embedding::METRICS;

use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean};
use super::trainer::{self, Evaluations};
use crate::keys::{Fallback, Key, Refusal, Takes};
use crate::study::{Direction, LOSS, Objective, PolicyKind, PolicySpec};

pub(super) const OBJECTIVE: Key = Key {
    name: "objective",
    takes: Takes::TextOrTexts,
    default: Fallback::Described("`\"loss\"`, the validation loss"),
    about: "what decides which trials are better: `loss`, a metric that the trainer reports, such as `ndcg@10`, or one of an \
            [evaluation](#evaluationname), such as `docs.ndcg@10`. Trials are pruned, sampled, confirmed and exported by it. A list of \
            several is a search for the best compromises: see [Several objectives](#several-objectives)",
};

const DIRECTIONS: [&str; 2] = [Direction::ALL[0].name(), Direction::ALL[1].name()];

const REFUSAL: Refusal = Refusal {
    message: "is not a direction",
    label: "unknown",
    help: "write `minimize` or `maximize`",
};

pub(super) const DIRECTION: Key = Key {
    name: "direction",
    takes: Takes::WordOrWords(&DIRECTIONS, REFUSAL),
    default: Fallback::Described("known for the loss and the metrics of the embedding trainer; else required"),
    about: "whether lower (`minimize`) or higher (`maximize`) values of the objective are better; of several objectives a list, in their \
            order, or one word for all",
};

/// The objectives, the first one first, whose directions are known or written. `embedding` if the embedding trainer trains the study, with
/// these evaluations, if they could be read.
pub(super) fn read(table: &Table, embedding: bool, evaluations: Option<&Evaluations>) -> Results<Vec<Objective>> {
    let mut problems = Problems::default();
    let items = problems.keep(elements(
        table,
        &OBJECTIVE,
        "write, for example, `objective = [\"ndcg@10\", \"embed_ms\"]`",
    ));
    let written = table.get(DIRECTION.name);
    let directions = problems.keep(directions(table));
    let (items, directions) = problems.or(items.zip(directions))?;
    let count = items.len().max(1);
    let (mut objectives, mut problems) = (Vec::<Objective>::new(), Problems::default());
    if let (Some(item), true) = (&written, directions.len() > 1 && directions.len() != count) {
        let message = format!("has {} directions for {count} objectives", directions.len());
        return Err(item
            .problem(message, "one for each", "write one for each objective, in their order")
            .into());
    }
    if items.is_empty() {
        let written = directions.first().copied().zip(written.as_ref());
        return Ok(vec![objective(None, written, embedding, evaluations, count)?]);
    }
    for (place, item) in items.iter().enumerate() {
        let direction = directions
            .get(place)
            .or(directions.first().filter(|_| directions.len() == 1))
            .copied();
        let Some(objective) = problems.keep(objective(
            Some(item),
            direction.zip(written.as_ref()),
            embedding,
            evaluations,
            count,
        )) else {
            continue;
        };
        if objectives.iter().any(|other| other.metric == objective.metric) {
            let message = format!("`{}` is an objective twice", objective.metric);
            problems.0.push(Problem::new(
                item.span.clone(),
                message,
                "again",
                "remove one of the two",
            ));
        }
        objectives.push(objective);
    }
    problems.or(Some(objectives))
}

/// The texts of a key that takes one or several; none without it.
fn elements<'a>(table: &Table<'a>, key: &Key, example: &str) -> Result<Vec<Item<'a>>> {
    table.get(key.name).map_or(Ok(Vec::new()), |item| item.texts(example))
}

fn directions(table: &Table) -> Results<Vec<Direction>> {
    let (mut directions, mut problems) = (Vec::new(), Problems::default());
    for item in elements(
        table,
        &DIRECTION,
        "write, for example, `direction = [\"maximize\", \"minimize\"]`",
    )? {
        let direction = item.string().and_then(|word| {
            let known = Direction::ALL.into_iter().find(|direction| direction.name() == word);
            known.ok_or_else(|| item.problem(REFUSAL.message, REFUSAL.label, did_you_mean(word, DIRECTIONS)))
        });
        directions.extend(problems.keep(direction));
    }
    problems.or(Some(directions))
}

/// One of so many objectives, whose direction is known or written in an item.
fn objective(
    item: Option<&Item>,
    written: Option<(Direction, &Item)>,
    embedding: bool,
    evaluations: Option<&Evaluations>,
    count: usize,
) -> Result<Objective> {
    let metric = item.map_or(Ok(LOSS), Item::string)?;
    let known = match item {
        None => Some(Direction::Minimize),
        Some(_) if metric == LOSS => Some(Direction::Minimize),
        Some(item) if embedding && metric.contains('.') => Some(trainer::direction(item, metric, evaluations)?),
        Some(item) if embedding => Some(own_direction(item, metric)?),
        Some(_) => None,
    };
    match (known, written, item) {
        (Some(known), Some((written, place)), _) if known != written => {
            let help = match count {
                1 => format!("write `{}`, or leave `direction` out", known.name()),
                _ => format!(
                    "write `{}` for it, or leave `direction` out if all are known",
                    known.name()
                ),
            };
            Err(place.problem(
                format_args!("is the wrong direction for `{metric}`"),
                "the wrong one",
                help,
            ))
        }
        (None, None, Some(item)) => {
            let help = match count {
                1 => "add `direction = \"maximize\"` or `direction = \"minimize\"`".to_owned(),
                _ => "add a list with one for each objective, such as `direction = [\"maximize\", \"minimize\"]`"
                    .to_owned(),
            };
            Err(item.problem("has no known direction", "is higher better?", help))
        }
        (known, written, _) => Ok(Objective {
            metric: metric.to_owned(),
            direction: known.or(written.map(|(written, _)| written)).unwrap_or_default(),
        }),
    }
}

/// The direction of a metric that the embedding trainer reports of the validation data.
fn own_direction(item: &Item, metric: &str) -> Result<Direction> {
    match METRICS.iter().any(|(name, _)| *name == metric) {
        true => Ok(Direction::Maximize),
        false => {
            let help = did_you_mean(metric, METRICS.iter().map(|(name, _)| *name).chain([LOSS]));
            Err(item.problem("is not a metric of the embedding trainer", "unknown metric", help))
        }
    }
}

/// Tables that compare one number only, in a study with several objectives.
pub(super) fn refused(root: &Table, objectives: usize, policy: Option<&PolicySpec>) -> Vec<Problem> {
    if objectives < 2 {
        return Vec::new();
    }
    let policy = policy.and_then(|policy| match policy.kind {
        PolicyKind::Pasha => Some("pasha"),
        PolicyKind::MedianStopping(_) => Some("median_stopping"),
        PolicyKind::SuccessiveHalving(_)
        | PolicyKind::Hyperband(_)
        | PolicyKind::Asha(_)
        | PolicyKind::AsyncHyperband(_)
        | PolicyKind::None => None,
    });
    let of_policy = policy.and_then(|policy| {
        let item = root.get("policy")?.table().ok()?.get("type")?;
        let message = format!("`{policy}` compares trials by one objective, and the study has {objectives}");
        let help = "choose `successive_halving`, `hyperband`, `asha`, `async_hyperband` or `none`";
        Some(Problem::new(item.span.clone(), message, "of one objective", help))
    });
    let confirmation = root.get("confirmation").map(|item| {
        let message = format!("`[confirmation]` compares means of one objective, and the study has {objectives}");
        Problem::new(item.key_span.clone(), message, "of one objective", "remove it")
    });
    of_policy.into_iter().chain(confirmation).collect()
}
