//! Running a study on virtual time.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::edge::{Best, Memory, VirtualClock, VirtualSlots};
use super::formula::Missing;
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
/// If the objective needs a parameter that the space does not have.
pub fn simulate(spec: StudySpec, conditions: Conditions) -> Result<Simulated, Missing> {
    let slots = conditions.slots;
    let (world, ended) = run(spec, conditions, Best);
    let Some(Ended { study, .. }) = ended else {
        unreachable!("virtual slots have news, or have asked the loop to stop");
    };
    let mut world = world.borrow_mut();
    if let Some(missing) = world.missing.take() {
        return Err(missing);
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
        storage: Memory,
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
    use crate::analysis::remaining;
    use crate::simulate::{Formula, Objective};
    use crate::study::Record;
    use crate::study_file::parse;

    /// Notes what is said to be left, whenever something has happened.
    struct Watch {
        best: Best,
        left: Rc<RefCell<Vec<(u64, f64)>>>,
    }

    impl Observer for Watch {
        fn recorded(&mut self, study: &Study, records: &[Record]) {
            self.best.recorded(study, records);
            let world = self.best.0.borrow();
            let left = remaining(study, world.conditions.slots as usize, &|_| None).unwrap();
            self.left.borrow_mut().push((world.now, left));
        }
    }

    /// How far what is said to be left is from what is left, on average over the time of a study, as a share of all of it.
    fn error(file: &str, slots: u32) -> f64 {
        let x = "{ type = \"uniform\", low = 0.0, high = 1.0 }";
        let text = format!("{file}\n[trial]\ncommand = [\"x\"]\n[space]\nx1 = {x}\nx2 = {x}\nx3 = {x}\n");
        let settings = parse(&text, "s.toml".as_ref()).unwrap().study;
        let spec = settings.spec(1, settings.brackets_for(slots as usize));
        let conditions = Conditions {
            objective: Objective::Formula(Formula::Hartmann3),
            slots,
            seed: 1,
            failures: 0.0,
            outages: 0.0,
            spread: 0.0,
            budget: None,
        };
        let left = Rc::default();
        let (world, ended) = run(spec, conditions, |world| Watch {
            best: Best(world),
            left: Rc::clone(&left),
        });
        assert!(ended.is_some());
        let (end, left) = (world.borrow().now as f64, left.borrow());
        // All trials are equally fast: an epoch takes a minute.
        let each = 60_000.0;
        let errors = left.windows(2).map(|pair| {
            let (at, until) = (pair[0].0 as f64, pair[1].0 as f64);
            (pair[0].1 * each - (end - at)).abs() * (until - at)
        });
        errors.sum::<f64>() / (end * end)
    }

    #[test]
    fn what_is_said_to_be_left_is_about_what_is_left() {
        let study = |trials: u32, policy: &str, sampler: &str| {
            let policy = format!("type = {policy:?}\nmin_resource = 1\nmax_resource = 27");
            format!("[study]\nseed = 3\ntrials = {trials}\n[policy]\n{policy}\n[sampler]\ntype = {sampler:?}")
        };
        let confirmed = study(27, "hyperband", "random") + "\n[confirmation]\nconfigurations = 2\nseeds = 3";
        for (file, slots, most) in [
            (study(40, "successive_halving", "gaussian_process"), 2, 0.005),
            (study(40, "successive_halving", "gaussian_process"), 4, 0.005),
            (study(40, "hyperband", "tpe"), 2, 0.02),
            (study(40, "hyperband", "random"), 4, 0.02),
            (study(60, "successive_halving", "random"), 4, 0.1),
            (confirmed, 4, 0.03),
        ] {
            let error = error(&file, slots);
            assert!(error < most, "{error}: {file}\n{slots} slots");
        }
    }
}
