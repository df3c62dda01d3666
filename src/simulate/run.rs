//! Running a study on virtual time.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::edge::{Best, Memory, VirtualClock, VirtualSlots};
use super::foreseen::{Costs, Foreseen, Winners};
use super::objective::{NoCurve, Objective};
use super::world::{Conditions, Moment, World};
use crate::scheduler::{self, Cancellation, Ended, Job, Observer};
use crate::study::{Study, StudySpec};

/// The outcome of a simulated study.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// The study.
    pub study: Study,
    /// The best trial, whenever it changed.
    pub moments: Vec<Moment>,
    /// The resource that all trials together were trained to, discarded work included.
    pub resource: u64,
    /// Virtual time from beginning to end, in milliseconds.
    pub ms: u64,
    /// The share of it that slots were busy, 0 to 1.
    pub utilisation: f64,
    /// The same until the last trial of the search started: after that there is not enough work for all slots.
    pub until_last_trial: f64,
}

impl Simulated {
    /// The best trial when all trials together had been trained to this resource.
    pub fn at(&self, resource: u64) -> Option<&Moment> {
        self.moments.iter().rev().find(|moment| moment.resource <= resource)
    }
}

/// Runs a study to its end, or until its budget is spent.
///
/// # Errors
/// If a configuration has no curve: the objective needs a parameter that the space does not have, or a program gives none.
pub fn simulate(spec: StudySpec, conditions: Conditions) -> Result<Simulated, NoCurve> {
    let slots = conditions.slots;
    let (world, ended) = run(spec, conditions, Best);
    let Some(Ended { study, .. }) = ended else {
        unreachable!("virtual slots have news, or have asked the loop to stop");
    };
    let mut world = world.borrow_mut();
    if let Some(error) = world.no_curve.take() {
        return Err(error);
    }
    world.confirmed(&study);
    let under_way = world
        .running
        .values()
        .map(|(_, segment)| (world.now - segment.began) as f64);
    let busy = world.busy + under_way.sum::<f64>();
    let share = |busy: f64, ms: u64| match ms {
        0 => 1.0,
        _ => busy / (ms as f64 * f64::from(slots)),
    };
    Ok(Simulated {
        study,
        moments: std::mem::take(&mut world.moments),
        resource: world.resource,
        ms: world.now,
        utilisation: share(busy, world.now),
        until_last_trial: share(world.last_trial.1, world.last_trial.0),
    })
}

/// What a study takes if configurations cost what was measured: how long, and what else.
pub fn foresee(mut spec: StudySpec, costs: &Arc<Costs>, winners: Winners) -> Foreseen {
    let conditions = Conditions {
        objective: Objective::Costs(Arc::clone(costs), winners),
        slots: costs.of_slot.len() as u32,
        seed: 0,
        failures: 0.0,
        outages: 0.0,
        spread: 0.0,
        budget: None,
    };
    // Nothing is compared but made-up values.
    spec.further.clear();
    let (world, ended) = run(spec, conditions, Best);
    let Some(Ended { study, storage, .. }) = ended else {
        unreachable!("virtual slots have news as long as there is work");
    };
    let world = world.borrow();
    Foreseen {
        seconds: world.now as f64 / 1000.0,
        trials: study.search_trials().count() as u64,
        resource: world.resource,
        checkpoints: storage.most,
    }
}

/// Runs a study in a world, watched by what `observer` makes for it; nothing has ended if the loop was left waiting.
fn run<O: Observer>(
    spec: StudySpec,
    conditions: Conditions,
    observer: impl FnOnce(Rc<RefCell<World>>) -> O,
) -> (Rc<RefCell<World>>, Option<Ended<Memory>>) {
    let limits = spec.limits();
    let cancellation = Cancellation::new();
    let world = Rc::new(RefCell::new(World::new(&spec, conditions, cancellation.clone())));
    let job = Job {
        study: Study::new(spec),
        slots: VirtualSlots(world.clone()),
        storage: Memory::default(),
        clock: VirtualClock(world.clone()),
    };
    let mut observer = observer(world.clone());
    let ended = drive(scheduler::run(job, limits, &mut observer, cancellation));
    (world, ended)
}

/// Runs what never has to wait for long: all that it waits for is there, is brought about by its own doing, or will never come.
fn drive<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return Some(done),
            Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => return None,
        }
    }
}

/// Whether the task has been woken since.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::remaining_ms;
    use crate::ids::Timestamp;
    use crate::simulate::{Formula, Table};
    use crate::study::Record;
    use crate::study_file::parse;

    /// Notes what is said to be left, whenever something has happened.
    struct Watch {
        best: Best,
        left: Rc<RefCell<Vec<(u64, u64)>>>,
    }

    impl Observer for Watch {
        fn recorded(&mut self, study: &Study, records: &[Record]) {
            self.best.recorded(study, records);
            let world = self.best.0.borrow();
            let left = remaining_ms(study, Timestamp(world.now), world.conditions.slots as usize, &|_| None);
            self.left.borrow_mut().extend(left.map(|left| (world.now, left)));
        }
    }

    /// How far what is said to be left is from what is left.
    #[derive(Debug)]
    struct Error {
        /// On average over the time of the study, as a share of all of it.
        mean: f64,
        /// From a third of the way on: the largest, as a share of what is left (or of a tenth of the study, where less is left).
        largest: f64,
        /// From a third of the way on: the share of the time in which it is off by at most a quarter of that.
        near: f64,
    }

    fn error(file: &str, slots: u32, spread: f64, objective: Objective) -> Error {
        let x = "{ type = \"uniform\", low = 0.0, high = 1.0 }";
        let text = format!("{file}\n[trial]\ncommand = [\"x\"]\n[space]\nx1 = {x}\nx2 = {x}\nx3 = {x}\n");
        let settings = parse(&text, "s.toml".as_ref()).unwrap().study;
        let spec = settings.spec(1, settings.brackets_for(slots as usize));
        let conditions = Conditions {
            objective,
            slots,
            seed: 1,
            failures: 0.0,
            outages: 0.0,
            spread,
            budget: None,
        };
        let left = Rc::default();
        let (world, ended) = run(spec, conditions, |world| Watch {
            best: Best(world),
            left: Rc::clone(&left),
        });
        assert!(ended.is_some());
        let (end, left) = (world.borrow().now as f64, left.borrow());
        let mut error = Error {
            mean: 0.0,
            largest: 0.0,
            near: 0.0,
        };
        let third = end / 3.0;
        for pair in left.windows(2) {
            let (at, until) = (pair[0].0 as f64, pair[1].0 as f64);
            let off = (pair[0].1 as f64 - (end - at)).abs();
            error.mean += off * (until - at) / (end * end);
            if until > at && at >= third {
                let share = off / (end - at).max(end / 10.0);
                error.largest = error.largest.max(share);
                error.near += if share <= 0.25 {
                    (until - at) / (end - third)
                } else {
                    0.0
                };
            }
        }
        error
    }

    /// A study's file: as many trials, the policy, the sampler.
    fn study(trials: u32, policy: &str, sampler: &str) -> String {
        let resource = if policy == "none" { "" } else { "min_resource = 1\n" };
        let policy = format!("type = {policy:?}\n{resource}max_resource = 27");
        format!("[study]\nseed = 3\ntrials = {trials}\n[policy]\n{policy}\n[sampler]\ntype = {sampler:?}")
    }

    #[test]
    fn what_is_said_to_be_left_is_about_what_is_left() {
        let confirmed = study(27, "hyperband", "random") + "\n[confirmation]\nconfigurations = 2\nseeds = 3";
        for (file, slots, most) in [
            (study(40, "successive_halving", "gaussian_process"), 2, 0.01),
            (study(40, "successive_halving", "gaussian_process"), 4, 0.01),
            (study(40, "hyperband", "tpe"), 2, 0.02),
            (study(40, "hyperband", "random"), 4, 0.02),
            (study(60, "successive_halving", "random"), 4, 0.1),
            (confirmed, 4, 0.03),
        ] {
            let error = error(&file, slots, 0.0, Objective::Formula(Formula::Hartmann3));
            assert!(error.mean < most, "{error:?}: {file}\n{slots} slots");
        }
    }

    /// Measured configurations whose epochs take 15 to 135 seconds, by the first parameter.
    fn uneven() -> Objective {
        let space =
            "[study]\ntrials = 1\n[policy]\nmax_resource = 27\n[trial]\ncommand = [\"x\"]\n[space]\n".to_owned();
        let x = "{ type = \"uniform\", low = 0.0, high = 1.0 }";
        let text = format!("{space}x1 = {x}\nx2 = {x}\nx3 = {x}\n");
        let study = parse(&text, "s.toml".as_ref()).unwrap().study;
        let rows = (0..500u64).map(|row| {
            let [x1, x2, x3] =
                [0.754_877_666, 0.569_840_291, 0.430_159_709].map(|step: f64| (row as f64 * step).fract());
            let far = (x1 - 0.4).powi(2) + (x2 - 0.6).powi(2) + (x3 - 0.2).powi(2);
            let losses: Vec<f64> = (1..=27).map(|epoch| far + 1.0 / f64::from(epoch)).collect();
            let seconds = 15.0 * 9f64.powf(x1);
            serde_json::json!({ "parameters": { "x1": x1, "x2": x2, "x3": x3 }, "losses": losses, "seconds": seconds })
        });
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for row in rows {
            std::io::Write::write_all(&mut file, format!("{row}\n").as_bytes()).unwrap();
        }
        let table = Table::read(file.path(), &study.space, 27, &study.objective).unwrap();
        Objective::Table(Arc::new(table))
    }

    /// The numbers that it prints are in docs/terminal.md.
    #[test]
    fn from_a_third_on_what_is_said_to_be_left_is_near_where_epochs_take_more_or_less() {
        for (policy, sampler, least) in [
            ("hyperband", "random", [0.95, 0.95]),
            ("hyperband", "tpe", [0.95, 0.3]),
            ("successive_halving", "random", [0.8, 0.9]),
            ("successive_halving", "gaussian_process", [0.95, 0.85]),
            ("none", "random", [0.95, 0.9]),
        ] {
            let unknown = (0.3, Objective::Formula(Formula::Hartmann3), least[0]);
            for (spread, objective, least) in [unknown, (0.0, uneven(), least[1])] {
                for slots in [1, 2, 4] {
                    let error = error(&study(60, policy, sampler), slots, spread, objective.clone());
                    let [mean, largest, near] = [error.mean, error.largest, error.near].map(|share| 100.0 * share);
                    let what = format!(
                        "| {policy}, {sampler} | {spread} | {slots} | {mean:.0} % | {near:.0} % | {largest:.0} % |"
                    );
                    println!("{what}");
                    assert!(error.near >= least, "{what}");
                }
            }
        }
    }
}
