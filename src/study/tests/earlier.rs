//! Studies that begin with the results of earlier ones.

use hpo_protocol::Values;
use serde_json::json;

use super::*;
use crate::space::Constraint;

/// The loss of a configuration of these studies.
fn loss(trial: &Trial) -> f64 {
    trial.parameters["x"].as_f64().map_or(1.0, |x| (x - 0.3).abs())
}

/// A study that trains all of its trials to its maximum.
fn whole(trials: u64, sampler: SamplerSpec) -> StudySpec {
    StudySpec {
        sampler,
        ..with(PolicyKind::None, trials, 3, 3)
    }
}

fn habits() -> Habits {
    Habits {
        defaults: Values::new(),
        follows_maximum: |_| false,
        names: BTreeMap::new(),
    }
}

/// Trains one trial after the other until there is none left; the trial `diverges` diverges at once.
fn train(core: &mut Core, diverges: Option<u64>) {
    loop {
        let running = core.study.running().next().map(|trial| trial.id);
        let Some(trial) = running else { return };
        let resource = core.study.trial(trial).unwrap().resource() + 1;
        let loss = loss(core.study.trial(trial).unwrap()) + 1.0 / resource as f64;
        if diverges == Some(trial.0) {
            let reported = core.reported(trial, resource, None, None);
            core.send(Event::Reported(reported));
        } else {
            core.report(trial, resource, loss);
        }
        if core.study.running().next().is_none() {
            core.idle(0..1);
        }
    }
}

/// A study of 12 random trials, of which the second one has diverged.
fn random() -> Study {
    let mut core = Core::new(whole(12, SamplerSpec::Random), 1);
    train(&mut core, Some(1));
    core.study
}

fn x(values: &Values) -> f64 {
    values["x"].as_f64().unwrap()
}

#[test]
fn results_in_the_new_space_are_taken_and_the_others_counted() {
    let old = random();
    let mut wanted = whole(9, SamplerSpec::usual());
    wanted.space.parameters[0].distribution = Distribution::Uniform {
        low: 0.1,
        high: 0.8,
        step: None,
    };
    wanted.space.constraints = vec![Constraint::try_from("x < 0.7".to_owned()).unwrap()];
    let (earlier, results) = Earlier::of(&old, &wanted, &habits());
    let all: Vec<f64> = old.trials().iter().map(|trial| x(&trial.parameters)).collect();
    let count = |fits: &dyn Fn(f64) -> bool| all.iter().filter(|x| fits(**x)).count() as u64;
    let outside = count(&|x| !(0.1..=0.8).contains(&x));
    let against = count(&|x| (0.7..=0.8).contains(&x));
    assert!(outside > 0 && against > 0, "{all:?}");
    let left_out = |reason: &str| {
        let mut all = earlier.left_out.iter();
        all.find(|one| one.reason == reason).map_or(0, |one| one.trials)
    };
    assert_eq!(left_out("with `x` outside 0.1 to 0.8"), outside);
    assert_eq!(left_out("against the constraint `x < 0.7`"), against);
    assert_eq!((earlier.trials, earlier.taken()), (12, results.len() as u64));
    assert_eq!(results.len() as u64 + outside + against, 12);
    for result in &results {
        assert_eq!(result.parameters, old.trials()[result.number as usize].parameters);
        match result.diverged {
            true => assert_eq!((result.number, result.values.len()), (1, 0)),
            false => assert_eq!(
                result.values,
                [(3, loss(&old.trials()[result.number as usize]) + 1.0 / 3.0)]
            ),
        }
    }
    let mut best: Vec<f64> = results
        .iter()
        .filter(|one| !one.diverged)
        .map(|one| x(&one.parameters))
        .collect();
    best.sort_by_key(|x| ((x - 0.3).abs() * 1e9) as u64);
    let first: Vec<f64> = earlier.first.iter().map(x).collect();
    assert_eq!(first, best[..3]);
    // Those of the file come before, and none comes twice.
    wanted.space.try_first = vec![earlier.first[1].clone()];
    let (again, _) = Earlier::of(&old, &wanted, &habits());
    assert_eq!(
        again.first.iter().map(x).collect::<Vec<_>>(),
        [best[0], best[2], best[3]]
    );
    wanted.trials = 2;
    let (again, _) = Earlier::of(&old, &wanted, &habits());
    assert_eq!(again.first.len(), 1, "there is room for one more");
}

#[test]
fn what_depends_on_the_maximum_is_not_taken_for_another_one() {
    let old = random();
    let follows = Habits {
        follows_maximum: |values| x(values) > 0.5,
        ..habits()
    };
    let mut wanted = whole(9, SamplerSpec::usual());
    assert_eq!(Earlier::of(&old, &wanted, &follows).0.left_out, []);
    wanted.policy.max_resource = 9;
    wanted.policy.kind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
        bracket_size: None,
        small_brackets: false,
    });
    let (earlier, results) = Earlier::of(&old, &wanted, &follows);
    assert!(results.iter().all(|one| x(&one.parameters) <= 0.5));
    assert!(
        earlier.left_out[0]
            .reason
            .contains("follows `max_resource`, which was 3 there")
    );
    // At rungs that the earlier study did not have too, as far as it was trained.
    let rungs: Vec<u64> = results[0].values.iter().map(|(rung, _)| *rung).collect();
    assert_eq!(rungs, [1, 3]);
}

#[test]
fn base_models_are_known_by_what_they_are_whatever_they_are_called() {
    let named = |names: &[&str]| Parameter {
        name: "model".into(),
        distribution: Distribution::Choice {
            values: names.iter().map(|name| json!(name)).collect(),
        },
        when: Vec::new(),
        prior: None,
    };
    let space = |names: &[&str]| {
        let mut spec = whole(12, SamplerSpec::Random);
        spec.space.parameters.extend((!names.is_empty()).then(|| named(names)));
        spec
    };
    let study = |names: &[&str]| {
        let mut core = Core::new(space(names), 1);
        train(&mut core, None);
        core.study
    };
    let chosen = |values: &Values| values.get("model").and_then(|name| name.as_str().map(str::to_owned));
    // The names of the models there and here, and which are the same, with none for that of all trials.
    type Same<'a> = &'a [(Option<&'a str>, Option<&'a str>)];
    let cases: [(&[&str], &[&str], Same); 6] = [
        (&[], &["a", "b"], &[(None, Some("b"))]),
        (&["a", "b"], &[], &[(Some("b"), None)]),
        (
            &["a", "b"],
            &["b", "c"],
            &[(Some("a"), Some("b")), (Some("b"), Some("c"))],
        ),
        (
            &["a", "b"],
            &["a", "b"],
            &[(Some("a"), Some("b")), (Some("b"), Some("a"))],
        ),
        (&["a", "b"], &["a", "b"], &[(Some("b"), Some("b"))]),
        (&[], &[], &[(None, None)]),
    ];
    for (there, here, same) in cases {
        let old = study(there);
        let own = |name: &Option<&str>| name.map(str::to_owned);
        let same: BTreeMap<_, _> = same.iter().map(|(theirs, ours)| (own(theirs), own(ours))).collect();
        let knows = Habits {
            names: [("model".to_owned(), same.clone())].into(),
            ..habits()
        };
        let (earlier, results) = Earlier::of(&old, &space(here), &knows);
        let expected: Vec<(u64, Option<String>)> = old
            .trials()
            .iter()
            .filter_map(|trial| Some((trial.id.0, same.get(&chosen(&trial.parameters))?.clone())))
            .collect();
        assert!(!expected.is_empty(), "{there:?} {here:?}");
        let found: Vec<(u64, Option<String>)> = results
            .iter()
            .map(|result| (result.number, chosen(&result.parameters)))
            .collect();
        assert_eq!(found, expected, "{there:?} {here:?}");
        for result in &results {
            assert_eq!(
                x(&result.parameters),
                x(&old.trials()[result.number as usize].parameters)
            );
        }
        let others = 12 - expected.len() as u64;
        let reasons: Vec<(u64, &str)> = earlier
            .left_out
            .iter()
            .map(|one| (one.trials, one.reason.as_str()))
            .collect();
        let reason = (others, "whose `model` is none of those here");
        assert_eq!(reasons, [reason].into_iter().filter(|_| others > 0).collect::<Vec<_>>());
    }
}

/// A study that begins with the results of another one.
fn from(old: &Study, wanted: StudySpec) -> Core {
    let (earlier, results) = Earlier::of(old, &wanted, &habits());
    Core::after(wanted, Fact::of_earlier(earlier, results), 1)
}

#[test]
fn a_sampler_draws_near_the_optimum_at_once_and_the_best_points_come_first() {
    let old = random();
    let mut best: Vec<f64> = old
        .trials()
        .iter()
        .filter(|one| one.id.0 != 1)
        .map(|one| x(&one.parameters))
        .collect();
    best.sort_by_key(|x| ((x - 0.3).abs() * 1e9) as u64);
    let tpe = SamplerSpec::Tpe(Tpe {
        startup_trials: None,
        random_share: 0.0,
        ..Tpe::default()
    });
    // What is drawn with what is known, as a share of what is drawn without.
    let learns = |most: f64| move |share: f64| share < most;
    let samplers: [(SamplerSpec, &dyn Fn(f64) -> bool); 4] = [
        (SamplerSpec::usual(), &learns(0.75)),
        (tpe, &learns(0.75)),
        // It draws half of them at random.
        (SamplerSpec::PriorBand, &learns(0.85)),
        (SamplerSpec::Random, &|share| (share - 1.0).abs() < 0.2),
    ];
    for (sampler, expected) in samplers {
        let mean = |study: &Study, seed: u64| {
            let drawn = study.trials().iter().skip(3).map(loss);
            assert_eq!(study.trials().len(), 15, "{sampler:?}, seed {seed}");
            drawn.sum::<f64>() / 12.0
        };
        let (mut knowing, mut blind) = (0.0, 0.0);
        for seed in 0..8 {
            let wanted = StudySpec {
                seed: 100 + seed,
                ..whole(15, sampler.clone())
            };
            let study = from(&old, wanted.clone()).study;
            let first: Vec<f64> = study.trials().iter().take(3).map(|one| x(&one.parameters)).collect();
            assert_eq!(first, best[..3], "{sampler:?}");
            knowing += mean(&study, seed) / 8.0;
            blind += mean(&Core::new(wanted, 1).study, seed) / 8.0;
        }
        assert!(expected(knowing / blind), "{sampler:?}: {knowing}, without {blind}");
    }
}

#[test]
fn all_is_a_function_of_its_own_records_and_is_passed_on() {
    let old = random();
    let mut core = from(&old, whole(6, SamplerSpec::usual()));
    train(&mut core, None);
    assert!(core.study.is_finished());
    // `Core` compares the fold of the records with the live study after each event.
    let again = from(&old, whole(6, SamplerSpec::usual()));
    let drawn = |study: &Study| {
        study
            .trials()
            .iter()
            .map(|one| one.parameters.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(drawn(&core.study), drawn(&again.study));
    // A third study knows what both knew.
    let (earlier, results) = Earlier::of(&core.study, &whole(6, SamplerSpec::usual()), &habits());
    assert_eq!((earlier.trials, results.len()), (18, 18));
    let line = json!(Fact::EarlierResult(results[0].clone())).to_string();
    assert_eq!(
        serde_json::from_str::<Fact>(&line).unwrap(),
        Fact::EarlierResult(results[0].clone())
    );
    assert!(
        line.starts_with(r#"{"type":"earlier_result","study":"test","number":0,"#),
        "{line}"
    );
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let wanted = whole(6, SamplerSpec::usual());
    let (earlier, results) = Earlier::of(&random(), &wanted, &habits());
    let facts: Vec<Record> = Fact::of_earlier(earlier.clone(), results.clone())
        .into_iter()
        .map(at)
        .collect();
    let restored = |records: &[Record]| Study::restore(wanted.clone(), records).map(drop);
    assert_eq!(restored(&facts), Ok(()));
    let result = |spoil: &dyn Fn(&mut EarlierResult)| {
        let mut result = results[0].clone();
        spoil(&mut result);
        [at(Fact::EarlierStudy(earlier.clone())), at(Fact::EarlierResult(result))]
    };
    assert_eq!(restored(&result(&|_| {})), Ok(()));
    let misfits: [&dyn Fn(&mut EarlierResult); 5] = [
        &|one| drop(one.parameters.insert("x".into(), json!(1.5))),
        &|one| drop(one.parameters.insert("y".into(), json!(0.5))),
        &|one| one.values.push((4, 0.5)),
        &|one| one.values.push((1, 0.5)),
        &|one| one.values[0].1 = f64::NAN,
    ];
    for misfit in misfits {
        assert_eq!(restored(&result(misfit)), Err(Misfit::Study));
    }
    let mut twice = facts.clone();
    twice.push(facts[0].clone());
    assert_eq!(restored(&twice), Err(Misfit::Study), "another study");
    twice.pop();
    twice.push(facts[1].clone());
    assert_eq!(restored(&twice), Err(Misfit::Study), "more than were taken");
    assert_eq!(restored(&facts[1..]), Err(Misfit::Study), "of no study");
    let opened = at(Fact::BracketOpened {
        first: 0,
        trials: 6,
        rungs: vec![3],
    });
    assert_eq!(
        restored(&[&[opened], &facts[..]].concat()),
        Err(Misfit::Study),
        "too late"
    );
}
