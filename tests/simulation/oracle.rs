//! Says by the definitions of the policies who may go on, from the records alone and without the code that decides.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use hpo::ids::TrialId;
use hpo::study::{
    Asha, AshaVariant, AsyncHyperband, Fact, MedianStopping, PolicyKind, PolicySpec, Record, Reported, Study, Trial,
    TrialState,
};

/// By how much what is required is broken, and the loss.
type Place = (f64, f64);

/// The place of a trial at a rung, and the mean of all losses up to there; none if the trial was lost on the way.
type Stand = Option<(Place, f64)>;

#[derive(Debug, Default)]
pub struct Oracle {
    brackets: Vec<Bracket>,
    /// Where the segments of trials end.
    targets: BTreeMap<TrialId, u64>,
    /// Who has to be stopped in passing, and at which resource.
    due: BTreeMap<TrialId, u64>,
}

#[derive(Debug)]
struct Bracket {
    trials: u64,
    rungs: Vec<u64>,
    /// By the rung's resource.
    stands: BTreeMap<u64, BTreeMap<TrialId, Stand>>,
}

impl Oracle {
    /// Whether a trial of `before` may be promoted as the next record says.
    pub fn permit(&self, before: &Study, record: &Record) {
        if let Fact::TrialPromoted { trial, rung, .. } = record.fact
            && !before.spec().policy.is_synchronous()
        {
            self.check_promotion(before, trial, rung);
        }
    }

    /// Takes in a record; `after` is the study with it.
    pub fn see(&mut self, record: &Record, after: &Study) {
        let policy = after.spec().policy;
        match &record.fact {
            Fact::BracketOpened { trials, rungs, .. } => self.brackets.push(Bracket {
                trials: *trials,
                rungs: rungs.clone(),
                stands: BTreeMap::new(),
            }),
            Fact::TrialCreated { .. } if matches!(policy.kind, PolicyKind::AsyncHyperband(..)) => {
                self.check_shares(after);
            }
            &Fact::SegmentStarted { trial, to, .. } => {
                self.nothing_due(trial);
                self.targets.insert(trial, to);
            }
            &Fact::Reported(Reported {
                trial,
                resource,
                loss,
                diverged,
                last,
                ..
            }) => {
                self.nothing_due(trial);
                self.reported(&policy, after, trial, resource, diverged || loss.is_none(), last);
            }
            &Fact::SegmentFailed {
                trial, retry: false, ..
            } => {
                let came = after.trial(trial).map_or(0, Trial::resource);
                self.stand(after, trial, |rung| rung > came, true);
            }
            &Fact::TrialPromoted { trial, to, .. }
                if !policy.is_synchronous() && after.trial(trial).is_some_and(|trial| trial.exhausted) =>
            {
                self.stand(after, trial, |rung| rung == to, false);
            }
            &Fact::TrialPruned { trial, rung } if passing(&policy) => {
                assert_eq!(
                    self.due.remove(&trial),
                    Some(rung),
                    "trial {trial} must not be pruned at {rung}"
                );
            }
            _ => {}
        }
    }

    fn nothing_due(&self, trial: TrialId) {
        let due = self.due.get(&trial);
        assert_eq!(due, None, "trial {trial} goes on, but was to be pruned");
    }

    fn reported(&mut self, policy: &PolicySpec, study: &Study, trial: TrialId, resource: u64, lost: bool, last: bool) {
        let to = self.targets.get(&trial).copied().unwrap_or(0);
        if policy.is_synchronous() {
            return;
        }
        if !passing(policy) {
            if lost || last || resource == to {
                self.stand(study, trial, |rung| rung == to, lost);
            }
            return;
        }
        if lost {
            return self.stand(study, trial, |rung| rung >= resource, true);
        }
        if last || resource == policy.max_resource {
            let above = self.rungs(study, trial).into_iter().filter(|&rung| rung >= resource);
            for place in above.collect::<Vec<_>>() {
                self.stand(study, trial, |rung| rung == place, false);
            }
            return;
        }
        let Some(bracket) = study.trial(trial).and_then(Trial::bracket) else {
            return;
        };
        let is_rung = self.brackets[bracket].rungs.contains(&resource);
        let new = is_rung
            && !self.brackets[bracket]
                .stands
                .get(&resource)
                .is_some_and(|stands| stands.contains_key(&trial));
        if !new {
            return;
        }
        let others: Vec<Stand> = self.stands(bracket, resource).values().copied().collect();
        self.stand(study, trial, |rung| rung == resource, false);
        let stops = match policy.kind {
            PolicyKind::MedianStopping(MedianStopping {
                percentile,
                startup_trials,
            }) => {
                let broken = |violation: f64| violation > 0.0 && violation.is_finite();
                let counted = |violation: f64, loss: f64| if broken(violation) { f64::INFINITY } else { loss };
                let others = others.iter().flatten();
                let means: Vec<f64> = others
                    .map(|((violation, _), mean)| counted(*violation, *mean))
                    .collect();
                let (violation, best) = self.stands(bracket, resource)[&trial].unwrap().0;
                let best = counted(violation, best);
                means.len() as u64 >= startup_trials.max(1) && best > at_percent(means, percentile as f64)
            }
            _ => {
                let count = others.len() + 1;
                count as u64 >= policy.eta()
                    && !self
                        .best(bracket, resource, count / policy.eta() as usize)
                        .contains(&trial)
            }
        };
        if stops {
            self.due.insert(trial, resource);
        }
    }

    /// The first rung of which `which` is true has the trial from now on.
    fn stand(&mut self, study: &Study, trial: TrialId, which: impl Fn(u64) -> bool, lost: bool) {
        let state = study.trial(trial).unwrap();
        let Some(bracket) = state.bracket().map(|bracket| &mut self.brackets[bracket]) else {
            return;
        };
        let Some(&rung) = bracket.rungs.iter().find(|&&rung| which(rung)) else {
            return;
        };
        let reports = state
            .reports
            .range(..=rung)
            .filter_map(|(at, report)| Some((*at, report.loss?)));
        let violation = |at: u64| study.spec().violation(|name| state.value_up_to(at, name));
        let places: Vec<Place> = reports.map(|(at, loss)| (violation(at), loss)).collect();
        let best = places.iter().copied().min_by(order);
        let mean = places.iter().map(|(_, loss)| loss).sum::<f64>() / places.len() as f64;
        let stand = best.filter(|_| !lost).map(|best| (best, mean));
        bracket.stands.entry(rung).or_default().entry(trial).or_insert(stand);
    }

    fn rungs(&self, study: &Study, trial: TrialId) -> Vec<u64> {
        let bracket = study.trial(trial).and_then(Trial::bracket);
        bracket.map_or(Vec::new(), |bracket| self.brackets[bracket].rungs.clone())
    }

    fn stands(&self, bracket: usize, rung: u64) -> &BTreeMap<TrialId, Stand> {
        static NONE: BTreeMap<TrialId, Stand> = BTreeMap::new();
        self.brackets[bracket].stands.get(&rung).unwrap_or(&NONE)
    }

    /// The best `count` at a rung.
    fn best(&self, bracket: usize, rung: u64, count: usize) -> BTreeSet<TrialId> {
        let stands = self.stands(bracket, rung).iter();
        let ranked = stands
            .filter_map(|(&trial, stand)| Some((stand.as_ref()?.0, trial)))
            .collect();
        best_of(ranked, count)
    }

    /// Li et al. (2020), algorithm 2; and, when nobody is under way any more, the best of the highest rung.
    fn check_promotion(&self, study: &Study, trial: TrialId, rung: u64) {
        let bracket = study.trial(trial).and_then(Trial::bracket).unwrap();
        let count = self.stands(bracket, rung).len() / study.spec().policy.eta() as usize;
        let over = study.search_trials().count() as u64 == study.spec().trials
            && study
                .trials()
                .iter()
                .all(|trial| trial.state.is_final() || trial.state.word() == "paused");
        let count = if over { count.max(1) } else { count };
        assert!(
            self.best(bracket, rung, count).contains(&trial),
            "trial {trial} must not go on from {rung}"
        );
    }

    /// Asynchronous Hyperband: the brackets have as many trials as seats by their sizes in Hyperband (Li et al., 2018, algorithm 1) and
    /// the method of Jefferson, in which seats go to the greatest quotients of size and seat.
    fn check_shares(&self, study: &Study) {
        let count = self.brackets.len();
        let eta = study.spec().policy.eta() as f64;
        let size = |s: usize| (count as f64 / (s as f64 + 1.0) * eta.powi(s as i32)).ceil() as u64;
        let sizes: Vec<u64> = (0..count).rev().map(size).collect();
        let mut seats = vec![0; count];
        study
            .search_trials()
            .filter_map(Trial::bracket)
            .for_each(|bracket| seats[bracket] += 1);
        let all: u64 = seats.iter().sum();
        let mut quotients: Vec<(u64, u64, usize)> = (0..count)
            .flat_map(|bracket| (1..=all).map(move |seat| (bracket, seat)))
            .map(|(bracket, seat)| (sizes[bracket], seat, bracket))
            .collect();
        quotients.sort_by(|a, b| (b.0 * a.1).cmp(&(a.0 * b.1)).then(a.2.cmp(&b.2)));
        let mut expected = vec![0; count];
        quotients
            .iter()
            .take(all as usize)
            .for_each(|(.., bracket)| expected[*bracket] += 1);
        assert_eq!(seats, expected, "brackets of {sizes:?} trials in Hyperband");
    }

    /// Synchronous successive halving at its end: at each rung as many went on as had a place above, and these were the best.
    pub fn check_end(&self, study: &Study) {
        assert!(self.due.is_empty(), "{:?} were to be pruned", self.due);
        let policy = study.spec().policy;
        for (number, bracket) in self.brackets.iter().enumerate().filter(|_| policy.is_synchronous()) {
            let trials = || study.search_trials().filter(|trial| trial.bracket() == Some(number));
            assert_eq!(trials().count() as u64, bracket.trials, "bracket {number} is not full");
            let mut places = bracket.trials;
            for (rung, _) in bracket.rungs.iter().zip(&bracket.rungs[1..]) {
                places = (places / policy.eta()).max(1);
                let came = trials().filter(|trial| furthest(trial) >= *rung);
                let ranked = came
                    .map(|trial| {
                        let score = trial.scored_up_to(*rung).unwrap().1;
                        ((score.violation, score.cost), trial.id)
                    })
                    .collect();
                let went_on = trials().filter(|trial| {
                    furthest(trial) >= *rung && !matches!(trial.state, TrialState::Pruned { rung: at } if at == *rung)
                });
                let went_on: BTreeSet<TrialId> = went_on.map(|trial| trial.id).collect();
                assert_eq!(
                    went_on,
                    best_of(ranked, places as usize),
                    "at rung {rung} of bracket {number}"
                );
            }
        }
    }
}

/// The highest resource at which a trial has stood with a loss.
fn furthest(trial: &Trial) -> u64 {
    match trial.state {
        TrialState::Completed => u64::MAX,
        TrialState::Pruned { rung } => rung,
        TrialState::Diverged { resource } => resource - 1,
        _ => trial.resource(),
    }
}

/// What is required comes first, and then the loss.
fn order(one: &Place, other: &Place) -> Ordering {
    one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
}

fn best_of(mut ranked: Vec<(Place, TrialId)>, count: usize) -> BTreeSet<TrialId> {
    ranked.sort_by(|a, b| order(&a.0, &b.0).then(a.1.cmp(&b.1)));
    ranked.iter().take(count).map(|(_, trial)| *trial).collect()
}

fn passing(policy: &PolicySpec) -> bool {
    let stopping = AshaVariant::Stopping;
    match policy.kind {
        PolicyKind::Asha(Asha { variant }) | PolicyKind::AsyncHyperband(AsyncHyperband { variant }) => {
            variant == stopping
        }
        PolicyKind::MedianStopping(..) => true,
        _ => false,
    }
}

/// The percentile of some numbers, linear between neighbours.
fn at_percent(mut numbers: Vec<f64>, percent: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let place = percent / 100.0 * (numbers.len() - 1) as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(numbers.len() - 1);
    match numbers[above].is_infinite() && share > 0.0 {
        true => f64::INFINITY,
        false if share > 0.0 => numbers[below] * (1.0 - share) + numbers[above] * share,
        false => numbers[below],
    }
}
