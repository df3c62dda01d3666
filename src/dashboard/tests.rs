//! What pages get, without any I/O: a study is driven, and what is published of it is looked at.

use std::sync::Arc;

use serde_json::{Value, json};

use super::live::Live;
use super::published::{News, Published};
use super::whole::Circumstances;
use crate::analysis::Overview;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::store::StudyDirectory;
use crate::study::tests::{checkpoint, spec};
use crate::study::{Command, Direction, Event, Measures, Objective, Reported, Study, StudySpec};

/// A study that is decided upon, and another one that follows its records, as a dashboard does.
struct World {
    decides: Study,
    follows: Study,
    live: Live,
    now: u64,
    directory: StudyDirectory,
    running: Vec<(SlotId, TrialId, u32, u64, u64)>,
}

impl World {
    fn new(spec: StudySpec) -> Self {
        let mut world = Self {
            decides: Study::new(spec.clone()),
            follows: Study::new(spec.clone()),
            live: Live::new(1000),
            now: 10,
            directory: StudyDirectory::new("/studies/test"),
            running: Vec::new(),
        };
        let limits = spec.limits();
        let slots = vec!["one".to_owned(), "two".to_owned()];
        world.send(Event::Opened {
            process: 1,
            slots,
            limits,
        });
        world
    }

    fn send(&mut self, event: Event) {
        self.now += 1;
        let step = self.decides.handle(Timestamp(self.now), event);
        for record in &step.records {
            self.follows.follow(record).unwrap();
            self.live.observe(&self.follows, record);
        }
        for command in step.commands {
            if let Command::Run {
                slot,
                segment,
                from,
                to,
                ..
            } = command
            {
                self.running.push((slot, segment.trial, segment.attempt, from, to));
            }
        }
    }

    /// Trains whatever runs by one epoch, and gives free slots work.
    fn step(&mut self) {
        for (slot, trial, attempt, from, to) in std::mem::take(&mut self.running) {
            let resource = from + 1;
            let loss = 1.0 / (trial.0 + resource) as f64;
            let name = format!("{attempt}-{resource}");
            self.send(Event::Reported(Reported {
                trial,
                attempt,
                resource,
                loss: Some(loss),
                metrics: Measures::from(&[("ndcg".to_owned(), loss / 2.0)].into()),
                diverged: false,
                checkpoint: Some(checkpoint(trial, &name)),
                last: false,
            }));
            if resource < to {
                self.running.push((slot, trial, attempt, resource, to));
            }
        }
        let free = [SlotId(0), SlotId(1)];
        let busy: Vec<SlotId> = self.running.iter().map(|run| run.0).collect();
        let slots = free.into_iter().filter(|slot| !busy.contains(slot)).collect();
        self.send(Event::Idle { slots });
    }

    fn publish(&mut self, overview: Option<&Overview>) -> Arc<Published> {
        let of = Circumstances {
            directory: &self.directory,
            running: true,
            version: "1",
        };
        self.live.publish(&self.follows, of, overview)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a page does with a delta.
fn apply(page: &mut Value, delta: &Value) {
    assert!(delta["after"].as_u64() <= page["revision"].as_u64());
    page["revision"] = delta["revision"].clone();
    page["study"] = delta["study"].clone();
    for (list, place) in [("trials", "id"), ("segments", "0")] {
        for new in delta[list].as_array().unwrap() {
            let place = if place == "0" { &new[0] } else { &new[place] };
            let place = place.as_u64().unwrap() as usize;
            let all = page[list].as_array_mut().unwrap();
            match place < all.len() {
                true => all[place] = new.clone(),
                false => all.push(new.clone()),
            }
        }
    }
    let decisions = page["decisions"].as_array_mut().unwrap();
    decisions.truncate(delta["decisions_from"].as_u64().unwrap() as usize);
    decisions.extend(delta["decisions"].as_array().unwrap().iter().cloned());
}

#[test]
fn whoever_applies_what_has_changed_has_what_there_is() {
    let mut world = World::new(spec(9, 9, 3));
    let first = world.publish(None);
    let mut pages = vec![(first.revision, parsed(&first.snapshot()))];
    for step in 0u64.. {
        world.step();
        let published = world.publish(None);
        let whole = parsed(&published.snapshot());
        for (seen, page) in &mut pages {
            // Some look at each change, and some miss many.
            if !step.is_multiple_of(1 + page["missed"].as_u64().unwrap_or(0)) && !world.follows.is_finished() {
                continue;
            }
            let News::Delta(delta) = published.since(Some(*seen)) else {
                panic!("a page that has seen {seen} of {} needs a delta", published.revision);
            };
            let missed = page.as_object_mut().unwrap().remove("missed");
            apply(page, &parsed(&delta));
            assert_eq!(*page, whole);
            page["missed"] = missed.unwrap_or_default();
            *seen = published.revision;
        }
        let mut new = whole.clone();
        new["missed"] = json!(step % 4);
        pages.push((published.revision, new));
        if world.follows.is_finished() {
            assert_eq!(published.since(Some(published.revision)), News::Nothing);
            break;
        }
    }
    assert!(pages.len() > 9, "{}", pages.len());
}

#[test]
fn a_report_sends_its_trial_and_nothing_else_of_the_others() {
    let mut world = World::new(spec(9, 9, 3));
    // One that does not come to a rung decides nothing about others.
    let on_its_way = |world: &World| world.running.iter().copied().find(|run| run.3 + 1 < run.4);
    while on_its_way(&world).is_none() {
        world.step();
    }
    let before = world.publish(None);
    let (_, trial, attempt, from, _) = on_its_way(&world).unwrap();
    world.send(Event::Reported(Reported {
        trial,
        attempt,
        resource: from + 1,
        loss: Some(0.25),
        metrics: Measures::default(),
        diverged: false,
        checkpoint: Some(checkpoint(trial, "x")),
        last: false,
    }));
    let after = world.publish(None);
    let News::Delta(delta) = after.since(Some(before.revision)) else {
        panic!("it can be compared");
    };
    let delta = parsed(&delta);
    let ids: Vec<&Value> = delta["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| &trial["id"])
        .collect();
    assert_eq!(ids, [&json!(trial)], "{delta:#}");
    assert_eq!(after.first, before.first);
    assert_eq!(world.publish(None).revision, after.revision, "nothing has changed");
}

#[test]
fn revisions_that_are_too_old_or_of_another_start_get_all_of_it() {
    let mut world = World::new(spec(3, 9, 3));
    let published = world.publish(None);
    for seen in [None, Some(0), Some(published.first - 2), Some(published.revision + 5)] {
        assert_eq!(published.since(seen), News::Snapshot(published.snapshot()), "{seen:?}");
    }
}

#[test]
fn a_study_is_published_with_all_that_pages_show() {
    let mut world = World::new(spec(3, 9, 3));
    while !world.follows.is_finished() {
        world.step();
    }
    let overview = Overview::of(&world.follows);
    let all = parsed(&world.publish(Some(&overview)).snapshot());
    let study = &all["study"];
    assert_eq!(study["metrics"][0], json!({ "name": "loss", "direction": "minimize" }));
    assert_eq!(study["metrics"][1], json!({ "name": "ndcg", "direction": null }));
    assert_eq!(study["parameters"][0]["name"], "x");
    assert_eq!(study["parameters"][0]["kind"], "float");
    assert_eq!(study["slots"], json!(["one", "two"]));
    assert_eq!(study["resume"], "hpo resume /studies/test");
    let trials = all["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3);
    let best = &trials[study["best"].as_u64().unwrap() as usize];
    assert_eq!(best["state"], "completed");
    assert_eq!(best["reports"].as_array().unwrap().len(), 9, "{best:#}");
    let report = best["reports"][8].as_array().unwrap();
    assert_eq!((report.len(), &report[0]), (4, &json!(9)));
    assert_eq!(best["best"]["value"], report[2]);
    let decided = all["decisions"].as_array().unwrap();
    let promoted = decided.iter().filter(|one| one[3] == "promoted").count();
    assert_eq!(promoted, 2, "{decided:?}");
    assert!(decided.iter().any(|one| one[3] == "completed"));
    let segments = all["segments"].as_array().unwrap();
    assert!(segments.iter().enumerate().all(|(place, segment)| segment[0] == place));
    assert!(segments.iter().all(|segment| segment[7] != "running"));
}

#[test]
fn several_objectives_and_what_is_required_are_published() {
    let mut spec = spec(3, 9, 3);
    spec.further = vec![Objective {
        metric: "ndcg".to_owned(),
        direction: Direction::Maximize,
    }];
    spec.require = vec!["ndcg <= 0.2".to_owned().try_into().unwrap()];
    let mut world = World::new(spec);
    world.step();
    world.step();
    let first = parsed(&world.publish(None).snapshot());
    let broken = &first["trials"][0];
    assert_eq!(
        (&broken["feasible"], &broken["infeasible"]),
        (&json!(false), &json!([1]))
    );
    assert_eq!(broken["breaks"], json!([{ "require": "ndcg <= 0.2", "value": 0.5 }]));
    while !world.follows.is_finished() {
        world.step();
    }
    let all = parsed(&world.publish(None).snapshot());
    let study = &all["study"];
    assert_eq!(study["metrics"][1], json!({ "name": "ndcg", "direction": "maximize" }));
    assert_eq!(study["further_objectives"][0]["metric"], "ndcg");
    assert_eq!(study["require"], json!(["ndcg <= 0.2"]));
    let front: Vec<u64> = world.follows.front().iter().map(|trial| trial.id.0).collect();
    assert!(!front.is_empty());
    assert_eq!(study["non_dominated"], json!(front));
    for id in front {
        let trial = &all["trials"][id as usize];
        assert_eq!(trial["feasible"], true, "{trial:#}");
        assert_eq!(trial.get("breaks"), None, "{trial:#}");
    }
}
