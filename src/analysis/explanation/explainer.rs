//! Following the records of a study for what they say of one trial.

use hpo_protocol::Values;

use super::{Decided, Drawing, Explanation, First, Happened, Opening, Outcome, Step};
use crate::ids::{Timestamp, TrialId};
use crate::study::{Fact, Misfit, Objective, Point, Reason, Record, Reported, Rule, Study, TrialState, TrialStatus};

/// Follows the records of a study, and notes what they say of one trial.
#[derive(Debug)]
pub struct Explainer {
    id: TrialId,
    study: Option<Study>,
    line: u64,
    /// The lines that have opened the brackets.
    opened: Vec<u64>,
    /// The trials that the user has ended.
    by_hand: Vec<TrialId>,
    /// A decision that holds unless the next record says that the trial was pruned.
    passed: Option<Step>,
    explanation: Option<Explanation>,
}

impl Explainer {
    /// Of one trial, before the first record.
    pub fn new(id: TrialId) -> Self {
        Self {
            id,
            study: None,
            line: 0,
            opened: Vec::new(),
            by_hand: Vec::new(),
            passed: None,
            explanation: None,
        }
    }

    /// Takes in the next record.
    ///
    /// # Errors
    /// If it does not fit those before it.
    pub fn take(&mut self, record: &Record) -> Result<(), Misfit> {
        self.line += 1;
        if let Fact::StudyCreated { spec, .. } = &record.fact {
            self.study.get_or_insert_with(|| Study::new((**spec).clone()));
        }
        let Some(mut study) = self.study.take() else {
            return Ok(());
        };
        self.before(&study, record);
        let was = study.trial(self.id).map(|trial| trial.state.status());
        let followed = study.follow(record);
        if followed.is_ok() {
            self.after(&study, record, was);
        }
        self.study = Some(study);
        followed
    }

    /// The study after the last record, and what was found; none before the study or the trial was created.
    pub fn end(mut self) -> (Option<Study>, Option<Explanation>) {
        let passed = self.passed.take();
        if let Some(explanation) = &mut self.explanation {
            explanation.steps.extend(passed);
        }
        (self.study, self.explanation)
    }

    fn note(&mut self, at: Timestamp, what: Happened) {
        let line = self.line;
        if let Some(explanation) = &mut self.explanation {
            explanation.steps.push(Step { at, line, what });
        }
    }

    /// What can be said of a record before the study has taken it in.
    fn before(&mut self, study: &Study, record: &Record) {
        let about = record.fact.trial() == Some(self.id);
        let pruned = about && matches!(record.fact, Fact::TrialPruned { .. });
        if let (Some(passed), Some(explanation)) = (self.passed.take().filter(|_| !pruned), &mut self.explanation) {
            explanation.steps.push(passed);
        }
        if let Fact::BracketOpened { .. } = record.fact {
            self.opened.push(self.line);
        } else if let Fact::TrialStopped { trial } = record.fact {
            self.by_hand.push(trial);
        }
        let changes_hands = matches!(record.fact, Fact::SchedulerStarted { .. } | Fact::SchedulerStopped);
        if changes_hands && study.trial(self.id).is_some_and(|trial| trial.slot().is_some()) {
            self.note(record.at, Happened::Interrupted);
        }
        if about && let Some(what) = self.happened(study, &record.fact) {
            self.note(record.at, what);
        }
        if about && let Some((drawing, bracket)) = self.created(study, &record.fact) {
            self.explanation = Some(Explanation {
                trial: self.id,
                line: self.line,
                drawing,
                bracket,
                steps: Vec::new(),
            });
        }
    }

    /// Why the trial is created as a record says, if it does.
    fn created(&self, study: &Study, fact: &Fact) -> Option<(Drawing, Option<Opening>)> {
        if let Fact::TrialCreated {
            bracket, parameters, ..
        } = fact
        {
            let number = *bracket as usize;
            return Some((drawing(study, number, parameters), self.opening(study, number)));
        }
        let &Fact::ConfirmationCreated { confirms: of, .. } = fact else {
            return None;
        };
        let before = study.trials().iter().filter(|trial| trial.confirms() == Some(of));
        let run = before.count() + 1;
        Some((Drawing::Confirms { of, run }, None))
    }

    fn after(&mut self, study: &Study, record: &Record, was: Option<TrialStatus>) {
        let Some(trial) = study.trial(self.id) else { return };
        let state = trial.state.status();
        let reported = matches!(record.fact, Fact::Reported(Reported { trial, .. }) if trial == self.id);
        let silent = matches!(
            record.fact,
            Fact::TrialPruned { .. } | Fact::TrialCompleted { .. } | Fact::TrialStopped { .. }
        );
        if state.is_final() && was.is_some_and(|was| !was.is_final()) && !silent {
            self.note(record.at, Happened::Over { state });
        }
        let at = trial.resource();
        let passing = trial.bracket().filter(|&bracket| study.decides_in_passing(bracket));
        let ladder = passing.and_then(|bracket| study.ladder(bracket));
        if let Some((rungs, _)) = ladder
            && reported
            && !state.is_final()
            && rungs.contains(&at)
            && let Some(decided) = self.decided(study, at, Outcome::Passed)
        {
            let what = Happened::Decided(decided);
            self.passed = Some(Step {
                at: record.at,
                line: self.line,
                what,
            });
        }
    }

    fn opening(&self, study: &Study, number: usize) -> Option<Opening> {
        let (rungs, trials) = study.ladder(number)?;
        let first = *rungs.first()?;
        let all = study.spec().policy.rungs();
        let advice = study.advice(number);
        Some(Opening {
            number,
            line: self.opened.get(number).copied().unwrap_or(0),
            skipped: all.iter().position(|rung| *rung == first).unwrap_or(0),
            rungs,
            trials,
            advised: advice.map(|(skipped, _)| skipped),
            agreement: advice.map(|(_, agreement)| agreement),
        })
    }

    /// What a record says of the trial.
    fn happened(&self, study: &Study, fact: &Fact) -> Option<Happened> {
        let objective = &study.spec().objective;
        let decided = |rung, outcome| self.decided(study, rung, outcome).map(Happened::Decided);
        match fact {
            &Fact::SegmentStarted {
                attempt,
                slot,
                from,
                to,
                ahead,
                ..
            } => Some(Happened::Started {
                attempt,
                slot,
                from,
                to,
                ahead,
            }),
            Fact::Reported(reported) => Some(Happened::Reported {
                resource: reported.resource,
                value: value_of(reported, objective),
                ahead: matches!(study.trial(self.id)?.state, TrialState::Ahead { .. }),
                last: reported.last,
            }),
            Fact::SegmentPreempted { .. } => Some(Happened::Preempted),
            Fact::SegmentStopped { checkpoint, .. } => Some(Happened::Saved {
                checkpoint: checkpoint.is_some(),
            }),
            Fact::SegmentFailed {
                message,
                checkpoint_lost,
                retry,
                ..
            } => Some(Happened::Failed {
                message: message.clone(),
                checkpoint_lost: *checkpoint_lost,
                retry: *retry,
            }),
            Fact::CheckpointLost { file, .. } => Some(Happened::CheckpointLost { file: file.clone() }),
            &Fact::TrialPromoted { rung, to, .. } => decided(rung, Outcome::Promoted { to }),
            &Fact::TrialPruned { rung, .. } => decided(rung, Outcome::Pruned),
            &Fact::TrialCompleted { rung, .. } => decided(rung, Outcome::Completed),
            Fact::TrialStopped { .. } => Some(Happened::Ended),
            Fact::TrialRetried { .. } => Some(Happened::Retried),
            Fact::StudyCreated { .. }
            | Fact::EarlierStudy(_)
            | Fact::EarlierResult(_)
            | Fact::SchedulerStarted { .. }
            | Fact::SchedulerStopped
            | Fact::TrialsRaised { .. }
            | Fact::ConfirmationRaised { .. }
            | Fact::StopChanged { .. }
            | Fact::SearchHeld
            | Fact::SearchReleased
            | Fact::Enqueued { .. }
            | Fact::LimitReached { .. }
            | Fact::BaselineMeasured(_)
            | Fact::ModelTested(_)
            | Fact::BracketOpened { .. }
            | Fact::TrialCreated { .. }
            | Fact::ConfirmationCreated { .. }
            | Fact::StudyPaused(_)
            | Fact::StudyFinished { .. } => None,
        }
    }

    fn decided(&self, study: &Study, rung: u64, outcome: Outcome) -> Option<Decided> {
        let objective = &study.spec().objective;
        let standing = study.standing(self.id, rung, &self.by_hand)?;
        let value = |(trial, point): &(TrialId, Point)| (*trial, objective.signed(point.score().cost));
        let further = |(_, point): &(TrialId, Point)| {
            let costs = study.spec().further.iter().zip(&point.costs[1..]);
            costs.map(|(objective, cost)| objective.signed(*cost)).collect()
        };
        let ranked = standing.ranked.iter();
        let infeasible = ranked.clone().filter(|(_, point)| !point.score().is_feasible());
        Some(Decided {
            rung,
            outcome,
            place: standing.place(self.id),
            infeasible: infeasible.map(|(trial, _)| *trial).collect(),
            further: match study.spec().has_several() {
                true => ranked.clone().map(further).collect(),
                false => Vec::new(),
            },
            ranked: ranked.map(value).collect(),
            lost: standing.lost,
            rule: standing.rule.map(|rule| in_values(rule, objective)),
        })
    }
}

/// The same with values of an objective in the place of costs.
fn in_values(rule: Rule, objective: &Objective) -> Rule {
    match rule {
        Rule::Percentile {
            others,
            startup,
            percentile,
            limit,
        } => Rule::Percentile {
            others,
            startup,
            percentile,
            limit: limit.map(|cost| objective.signed(cost)),
        },
        Rule::Fixed { .. } | Rule::SoFar { .. } => rule,
    }
}

/// The objective's value in a report; none if the trial has diverged.
fn value_of(reported: &Reported, objective: &Objective) -> Option<f64> {
    reported.value(&objective.metric).filter(|_| !reported.diverged)
}

/// Why the next trial of a bracket has this configuration.
fn drawing(study: &Study, bracket: usize, parameters: &Values) -> Drawing {
    match study.drawing(bracket) {
        Some(drawn) if drawn.parameters == *parameters => {
            let feasible = study.feasible_for(bracket);
            let weights = study.weights_of_next();
            let reason = match feasible {
                None | Some(1..) if weights.is_empty() => drawn.reason.in_values(&study.spec().objective),
                None | Some(_) => drawn.reason,
            };
            let mut origin = None;
            if let Reason::First { place } = reason {
                origin = first(study, place, parameters);
            }
            Drawing::Drawn {
                reason,
                feasible,
                weights,
                first: origin,
            }
        }
        drawn => Drawing::Otherwise {
            would: drawn.map(|drawn| drawn.parameters),
        },
    }
}

fn first(study: &Study, place: u64, parameters: &Values) -> Option<First> {
    let adopted = study.earlier().map_or(0, |earlier| earlier.first.len());
    let of_file = study.spec().space.try_first.len().checked_sub(adopted)? as u64;
    if place < of_file {
        return Some(First::File { place: place + 1 });
    }
    let objective = &study.spec().objective;
    let best = |values: &[(u64, f64)]| {
        let values = values.iter().map(|(_, value)| *value);
        values.reduce(|best, next| if objective.is_better(next, best) { next } else { best })
    };
    let cost = |values: &[(u64, f64)]| best(values).map_or(f64::INFINITY, |value| objective.signed(value));
    let same = study
        .earlier_results()
        .iter()
        .filter(|result| result.parameters == *parameters);
    let result = same.min_by(|a, b| cost(&a.values).total_cmp(&cost(&b.values)))?;
    Some(First::Earlier {
        study: result.study.clone(),
        number: result.number,
        value: best(&result.values),
    })
}
