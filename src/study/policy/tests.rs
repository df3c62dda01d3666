use super::super::bracket::rung_sizes;
use super::*;
use crate::study::AshaVariant;

fn unknown() -> Option<u64> {
    None
}

fn policy(kind: PolicyKind, min_resource: u64, max_resource: u64, reduction_factor: u64) -> PolicySpec {
    PolicySpec {
        kind,
        unit: Unit::Epochs,
        report_every: 1,
        min_resource,
        max_resource,
        reduction_factor,
        speculation: true,
        parallel_brackets: 1,
    }
}

const HYPERBAND: PolicyKind = PolicyKind::Hyperband(Hyperband { small_brackets: false });
const SUCCESSIVE_HALVING: PolicyKind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
    bracket_size: None,
    small_brackets: false,
});
/// What a sampler that learns has by default.
const IN_BRACKETS: PolicyKind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
    bracket_size: None,
    small_brackets: true,
});

#[test]
fn rungs_are_powers_up_to_the_maximum() {
    let rungs = |min, max, eta| policy(SUCCESSIVE_HALVING, min, max, eta).rungs();
    assert_eq!(rungs(1, 81, 3), [1, 3, 9, 27, 81]);
    assert_eq!(
        rungs(1, 10, 3),
        [1, 3, 9, 10],
        "the maximum is the last rung, power or not"
    );
    assert_eq!(rungs(2, 2, 3), [2]);
    assert_eq!(rungs(1, u64::MAX, 2).len(), 65);
    assert_eq!(policy(PolicyKind::None, 1, 9, 3).rungs(), [9]);
    let median = PolicyKind::MedianStopping(MedianStopping {
        percentile: 50,
        startup_trials: 5,
    });
    assert_eq!(policy(median, 3, 6, 3).rungs(), [3, 4, 5, 6]);
    let sparse = PolicySpec {
        report_every: 100,
        ..policy(median, 200, 450, 3)
    };
    assert_eq!(sparse.rungs(), [200, 300, 400, 450]);
}

/// Li et al. (2018), table 1: R = 81, eta = 3.
#[test]
fn the_brackets_of_hyperband() {
    let hyperband = policy(HYPERBAND, 1, 81, 3);
    assert_eq!(hyperband.whole(), Some(143));
    let table: Vec<(Vec<u64>, Vec<u64>)> = (0..5)
        .map(|number| {
            let plan = hyperband.bracket(number, None, 1000, unknown).unwrap();
            let sizes = rung_sizes(plan.rungs.len(), 3, plan.trials.unwrap());
            (plan.rungs, sizes)
        })
        .collect();
    let expected = [
        (vec![1, 3, 9, 27, 81], vec![81, 27, 9, 3, 1]),
        (vec![3, 9, 27, 81], vec![34, 11, 3, 1]),
        (vec![9, 27, 81], vec![15, 5, 1]),
        (vec![27, 81], vec![8, 2]),
        (vec![81], vec![5]),
    ];
    assert_eq!(table, expected);
    assert_eq!(
        hyperband.bracket(5, None, 1000, unknown),
        hyperband.bracket(0, None, 1000, unknown),
        "then from the beginning"
    );
    assert_eq!(
        hyperband.bracket(1, None, 7, unknown).unwrap().trials,
        Some(7),
        "no more than are left"
    );
    assert_eq!(hyperband.bracket(5, None, 0, unknown), None);
}

#[test]
fn small_brackets_have_a_third_of_the_trials_after_the_first() {
    let hyperband = policy(PolicyKind::Hyperband(Hyperband { small_brackets: true }), 1, 27, 3);
    let sizes: Vec<u64> = (0..6)
        .map(|number| hyperband.bracket(number, None, 1000, unknown).unwrap().trials.unwrap())
        .collect();
    assert_eq!(sizes, [27, 4, 3, 2, 9, 4]);
    assert_eq!(hyperband.whole(), Some(27 + 12 + 6 + 4));
    let chosen = hyperband.bracket(5, Some(2), 1000, unknown).unwrap();
    assert_eq!(
        chosen,
        hyperband.bracket(5, None, 1000, unknown).unwrap(),
        "they take turns"
    );
}

#[test]
fn brackets_of_successive_halving_begin_where_the_sampler_says() {
    let halving = policy(SUCCESSIVE_HALVING, 1, 27, 3).in_brackets();
    assert_eq!((halving.kind, halving.whole()), (IN_BRACKETS, Some(49)));
    let bracket = |number, chosen| {
        let plan = halving.bracket(number, chosen, 1000, unknown).unwrap();
        (plan.rungs[0], plan.trials.unwrap())
    };
    assert_eq!([0, 1, 2].map(|number| bracket(number, None)), [(1, 27), (1, 9), (1, 9)]);
    assert_eq!(bracket(0, Some(2)), (1, 27), "the first of all gives the whole view");
    let chosen = [0, 1, 2, 3, 9].map(|rungs| bracket(5, Some(rungs)));
    assert_eq!(chosen, [(1, 9), (3, 4), (9, 3), (27, 2), (27, 2)]);
}

#[test]
fn the_first_of_small_brackets_does_not_repeat_configurations_of_a_small_space() {
    let first = |kind, configurations, left| {
        let policy = policy(kind, 1, 27, 3);
        policy.bracket(0, None, left, || configurations).unwrap().trials
    };
    for small in [IN_BRACKETS, PolicyKind::Hyperband(Hyperband { small_brackets: true })] {
        assert_eq!(first(small, Some(20), 100), Some(20));
        assert_eq!(first(small, Some(28), 100), Some(27));
        assert_eq!(first(small, Some(20), 11), Some(11));
        assert_eq!(
            first(small, Some(2), 100),
            Some(9),
            "as many as the next that begins there"
        );
    }
    assert_eq!(
        first(HYPERBAND, Some(20), 100),
        Some(27),
        "these are those of the paper"
    );
}

#[test]
fn the_number_of_brackets_is_exact_where_logarithms_are_not() {
    assert_eq!(policy(HYPERBAND, 1, 243, 3).rungs().len(), 6);
    assert_eq!(policy(HYPERBAND, 1, 1000, 10).rungs().len(), 4);
}

#[test]
fn a_study_is_split_into_brackets_of_a_size() {
    let of_four = PolicyKind::SuccessiveHalving(SuccessiveHalving {
        bracket_size: Some(4),
        small_brackets: false,
    });
    let halving = policy(of_four, 1, 9, 3);
    assert_eq!(halving.in_brackets(), halving);
    let sizes = |left| halving.bracket(7, None, left, unknown).map(|plan| plan.trials);
    assert_eq!((sizes(10), sizes(3), sizes(0)), (Some(Some(4)), Some(Some(3)), None));
}

#[test]
fn a_policy_is_one_flat_table() {
    let asha = PolicyKind::Asha(Asha {
        variant: AshaVariant::Stopping,
    });
    let json = serde_json::to_value(policy(asha, 1, 9, 3)).unwrap();
    assert_eq!((&json["type"], &json["variant"]), (&"asha".into(), &"stopping".into()));
    assert_eq!(
        serde_json::from_value::<PolicySpec>(json).unwrap(),
        policy(asha, 1, 9, 3)
    );
}

#[test]
fn a_policy_of_epochs_is_written_as_by_versions_that_knew_no_other_resource() {
    let epochs = policy(SUCCESSIVE_HALVING, 1, 9, 3);
    let old = r#"{"type":"successive_halving","bracket_size":null,"min_resource":1,"max_resource":9,"reduction_factor":3,"speculation":true}"#;
    assert_eq!(serde_json::to_string(&epochs).unwrap(), old);
    assert_eq!(serde_json::from_str::<PolicySpec>(old).unwrap(), epochs);
    let steps = PolicySpec {
        unit: Unit::Steps,
        report_every: 50,
        ..policy(SUCCESSIVE_HALVING, 100, 900, 3)
    };
    let json = serde_json::to_value(steps).unwrap();
    assert_eq!(
        (&json["resource"], &json["report_every"]),
        (&"steps".into(), &50.into())
    );
    assert_eq!(serde_json::from_value::<PolicySpec>(json).unwrap(), steps);
}
