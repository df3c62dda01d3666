//! Which trials there are: brackets and their configurations.

use std::cmp::Ordering;

use hpo_protocol::Values;

use super::bracket::Bracket;
use super::decide::Decider;
use super::event::Fact;
use super::penalty::{Seen, penalized};
use super::sampler::{Drawn, History, Learned, Observation, Purpose, Reason, Request, generator, training_seed};
use super::scalarization::{even, weights};
use super::trial::{Trial, TrialState};
use super::{OpenBracket, Study};
use crate::ids::TrialId;
use crate::space::TRIES;

impl Decider<'_> {
    /// Opens the next bracket, or draws what is missing of the last one; whether there was anything to do.
    ///
    /// A bracket's configurations are all drawn when it opens, so that no result of its own can influence them. They may
    /// depend on the brackets before it, but not on the last `parallel_brackets - 1` of these, of which only the first rung of the first
    /// is known: it opens as soon as that is, whatever else is under way, so that slots need not wait for the end of a bracket.
    pub(super) fn open_bracket(&mut self) -> bool {
        let study = &self.study;
        let bracket = study.brackets.len();
        if let Some(last) = study.brackets.last() {
            let missing = (last.first + last.trials).saturating_sub(study.drawn);
            if missing > 0 {
                return self.draw(bracket - 1, missing, None);
            }
        }
        let first = study.brackets.last().map_or(0, |open| open.first + open.trials);
        let left = study.spec.trials.saturating_sub(first);
        if left == 0 || !study.is_known_enough() {
            return false;
        }
        let learned = match study.spec.policy.is_synchronous() {
            true => study.learn(bracket),
            false => Learned::default(),
        };
        let (number, chosen) = (bracket as u64, learned.first_rung());
        let spec = &study.spec;
        let Some(plan) = spec.policy.bracket(number, chosen, left, || spec.space.size()) else {
            return false;
        };
        self.record(Fact::BracketOpened {
            first,
            trials: plan.trials.unwrap_or(0),
            rungs: plan.rungs,
        });
        plan.trials
            .is_none_or(|trials| self.draw(bracket, trials, Some(&learned)))
    }

    /// Adds a trial to an asynchronous bracket; whether one could be added.
    pub(super) fn add_trial(&mut self) -> bool {
        let study = &self.study;
        if study.spec.policy.is_synchronous() || study.drawn >= study.spec.trials {
            return false;
        }
        match study.bracket_behind() {
            Some(bracket) => self.draw(bracket, 1, None),
            None => false,
        }
    }

    /// Draws configurations for a bracket, by what has been learned for it if that is at hand; whether there were any.
    fn draw(&mut self, bracket: usize, count: u64, learned: Option<&Learned>) -> bool {
        let study = &self.study;
        let (drawn, next) = (study.drawn, study.trials.len() as u64);
        let (first, configurations) = study.draws(bracket, count, learned);
        let asked_for = |number| study.asked_for(number);
        let numbered = (first..).zip(configurations);
        let numbered = numbered.map(|(number, one)| (number, asked_for(number).unwrap_or(one.parameters)));
        let missing: Vec<_> = numbered.filter(|&(number, _)| number >= drawn).collect();
        let any = !missing.is_empty();
        for (trial, (number, parameters)) in (next..).zip(missing) {
            let spec = &self.study.spec;
            let seed = spec.trainer.seed;
            let seed = seed.unwrap_or_else(|| training_seed(spec.seed, number, spec.trainer.seeds()));
            self.record(Fact::TrialCreated {
                trial: TrialId(trial),
                bracket: bracket as u32,
                parameters,
                seed,
            });
        }
        any
    }
}

impl Study {
    /// The configurations that are drawn for a bracket where `count` are asked for, and the number of the first one, by what has been
    /// learned for it if that is at hand. What confirms the search is not counted: with it or without, the same configurations are
    /// drawn.
    fn draws(&self, bracket: usize, count: u64, learned: Option<&Learned>) -> (u64, Vec<Drawn>) {
        let spec = &self.spec;
        let open = self.brackets.get(bracket);
        // Configurations may depend on those drawn with them: a bracket of which a part was recorded is drawn anew as a whole.
        let whole = open.filter(|open| open.trials > 0);
        let (first, count) = whole.map_or((self.drawn, count), |open| (open.first, open.trials));
        let rungs = spec.policy.rungs();
        let own = open.and_then(|open| open.bracket.rungs().first().copied());
        let start = rungs.iter().position(|rung| Some(*rung) == own).unwrap_or(0);
        let ask = |observations: &[Observation<'_>], first, count, learned: Option<&Learned>| {
            let request = Request {
                history: History {
                    space: &spec.space,
                    rungs: &rungs,
                    observations,
                },
                seed: spec.seed,
                start,
                first,
                count,
            };
            match learned {
                Some(learned) => spec.sampler.explain_by(&request, learned),
                None => spec.sampler.explain(&request),
            }
        };
        if !self.weighs_each() {
            return (first, ask(&self.observations(bracket), first, count, learned));
        }
        let mut drawn: Vec<Drawn> = Vec::new();
        for number in first..first + count {
            let weights = weights(spec.seed, number, spec.objectives().count());
            let mut observations = penalized(self.all_seen(bracket), &weights);
            observations.extend(drawn.iter().map(|one| Observation {
                parameters: &one.parameters,
                costs: Vec::new(),
                failed: false,
            }));
            let next = ask(&observations, number, 1, None);
            drop(observations);
            drawn.extend(next);
        }
        (first, drawn)
    }

    /// The configuration that this version draws next for a bracket, and why; none if it draws none.
    pub fn drawing(&self, bracket: usize) -> Option<Drawn> {
        if let Some(parameters) = self.asked_for(self.drawn) {
            let reason = Reason::Enqueued;
            return Some(Drawn { parameters, reason });
        }
        let (first, drawn) = self.draws(bracket, 1, None);
        let skipped = self.drawn.checked_sub(first)?;
        drawn.into_iter().nth(usize::try_from(skipped).ok()?)
    }

    /// How many of the trials that a sampler may know when it draws for a bracket fulfil all that is required; none if nothing is.
    pub fn feasible_for(&self, bracket: usize) -> Option<u64> {
        let seen = (!self.spec.require.is_empty()).then(|| self.all_seen(bracket))?;
        let feasible = |one: &&Seen<'_>| one.points.iter().any(|(_, point)| point.score().is_feasible());
        Some(seen.iter().filter(feasible).count() as u64)
    }

    /// What the sampler says of where a bracket is to begin, by what it may know for it: how many rungs can be skipped, and how well
    /// neighbouring rungs agree, 0 to 1; none while it knows too little, or if brackets are not opened one after the other.
    pub fn advice(&self, bracket: usize) -> Option<(usize, f64)> {
        if !self.spec.policy.is_synchronous() {
            return None;
        }
        let learned = self.learn(bracket);
        learned.first_rung().zip(learned.agreement())
    }

    /// What the sampler learns from the trials that it may know when it draws for a bracket.
    fn learn(&self, bracket: usize) -> Learned {
        let spec = &self.spec;
        spec.sampler.learn(&History {
            space: &spec.space,
            rungs: &spec.policy.rungs(),
            observations: &self.observations(bracket),
        })
    }

    /// The configuration that the user wants for the trial of the search of this number, with what was left open drawn.
    fn asked_for(&self, number: u64) -> Option<Values> {
        let given = self.enqueued.get(&number)?;
        let mut random = generator(self.spec.seed, number, Purpose::Configuration);
        self.spec.space.complete(given, TRIES, &mut random)
    }

    /// Whether the next bracket can be drawn: the brackets that it learns from are over, and the next one, if it may be under way
    /// still, is past its first rung.
    fn is_known_enough(&self) -> bool {
        if !self.spec.policy.is_synchronous() || !self.spec.sampler.is_adaptive() {
            return true;
        }
        let Some(over) = self.over_before(self.brackets.len()) else {
            return true;
        };
        let past_first_rung = |open: &OpenBracket| match &open.bracket {
            Bracket::Halving(halving) => halving.is_past_first_rung(),
            Bracket::Asha(_) | Bracket::Median(_) => true,
        };
        let (known, rest) = self.brackets.split_at(over);
        known.iter().all(|open| open.unfinished == 0) && rest.first().is_none_or(past_first_rung)
    }

    /// How many brackets of a synchronous policy must be over for a bracket to be drawn; none if it waits for nothing.
    fn over_before(&self, bracket: usize) -> Option<usize> {
        let parallel = usize::try_from(self.spec.policy.parallel_brackets).unwrap_or(usize::MAX);
        (bracket + 1).checked_sub(parallel.max(1))
    }

    /// What a sampler may know of earlier trials when it draws for a bracket.
    fn observations(&self, bracket: usize) -> Vec<Observation<'_>> {
        penalized(self.all_seen(bracket), &self.even_weights())
    }

    fn even_weights(&self) -> Vec<f64> {
        even(self.spec.objectives().count())
    }

    /// With several objectives, how much each weighs for the configuration that is drawn next; nothing if there is one, or if the sampler
    /// does not learn.
    pub fn weights_of_next(&self) -> Vec<f64> {
        match self.weighs_each() {
            true => weights(self.spec.seed, self.drawn, self.spec.objectives().count()),
            false => Vec::new(),
        }
    }

    /// Whether objectives are weighed anew for each configuration.
    fn weighs_each(&self) -> bool {
        self.spec.has_several() && self.spec.sampler.is_adaptive()
    }

    fn all_seen(&self, bracket: usize) -> Vec<Seen<'_>> {
        if !self.spec.sampler.is_adaptive() {
            return Vec::new();
        }
        let synchronous = self.spec.policy.is_synchronous();
        let trials = self.trials.iter().filter_map(|trial| Some((trial.bracket()?, trial)));
        let trials = trials.filter(|(own, _)| !synchronous || *own < bracket);
        let over = self.over_before(bracket);
        let seen = |(own, trial): (usize, _)| {
            let known = match over.map(|over| own.cmp(&over)) {
                _ if !synchronous => Known::All,
                Some(Ordering::Less) => Known::All,
                Some(Ordering::Equal) => Known::FirstRung,
                Some(Ordering::Greater) | None => Known::Nothing,
            };
            self.seen(trial, known)
        };
        self.seen_earlier().chain(trials.map(seen)).collect()
    }

    /// What is known of a trial.
    fn seen<'a>(&self, trial: &'a Trial, known: Known) -> Seen<'a> {
        let whole = known == Known::All;
        if known == Known::Nothing {
            return Seen {
                parameters: &trial.parameters,
                points: Vec::new(),
                failed: false,
            };
        }
        let rungs = trial
            .bracket()
            .and_then(|bracket| self.brackets.get(bracket))
            .map_or(Vec::new(), |open| open.bracket.rungs());
        let first = rungs.first().copied().unwrap_or(0);
        let came = match trial.exhausted {
            // It stands at all further rungs with its best.
            true => self.spec.policy.max_resource,
            false => trial.resource(),
        };
        let failed = match trial.state {
            TrialState::Diverged { resource } => whole || resource <= first,
            TrialState::Failed { .. } => whole || came < first,
            TrialState::Waiting { .. }
            | TrialState::Running { .. }
            | TrialState::Paused { .. }
            | TrialState::Ahead { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed => false,
        };
        let known = rungs.iter().take(if whole { usize::MAX } else { 1 });
        let points = known
            .take_while(|&&rung| rung <= came)
            .filter_map(|&rung| Some((rung, self.spec.point(trial, rung)?)));
        Seen {
            parameters: &trial.parameters,
            points: points.collect(),
            failed,
        }
    }

    /// The asynchronous bracket that is the farthest behind its share of the trials, which is that of Hyperband.
    fn bracket_behind(&self) -> Option<usize> {
        let count = self.brackets.len() as u64;
        let size = |number: usize| self.spec.policy.hyperband_size(count - 1 - number as u64) as f64;
        let behind = |&number: &usize| (self.brackets[number].drawn as f64 + 1.0) / size(number);
        (0..self.brackets.len()).min_by(|a, b| behind(a).total_cmp(&behind(b)).then(a.cmp(b)))
    }
}

/// How much of a trial a sampler may know, so that it depends on no timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    All,
    /// Its bracket was not over: what it did up to the first rung.
    FirstRung,
    /// Only that it is on its way.
    Nothing,
}
