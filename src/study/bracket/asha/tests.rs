use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ids::Timestamp;
use crate::study::score::Score;
use crate::study::trial::Report;

fn enter(asha: &mut Asha, resource: u64, trial: TrialId, best: Option<f64>) -> Vec<(TrialId, Decision)> {
    let curve = BTreeMap::new();
    let entry = Entry {
        trial,
        best: best.map(Score::from),
        point: None,
        curve: &curve,
    };
    asha.enter(resource, entry)
}

fn promotion(trial: TrialId, rung: u64, to: u64) -> Promotion {
    Promotion { trial, rung, to }
}

/// Li et al. (2020), algorithm 2: `get_job`.
fn by_definition(rungs: &[Vec<(f64, TrialId)>], promoted: &[Vec<TrialId>], eta: usize) -> Option<(usize, TrialId)> {
    (0..rungs.len() - 1).rev().find_map(|k| {
        let mut ranked = rungs[k].clone();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let top = ranked
            .iter()
            .take(ranked.len() / eta)
            .filter(|(cost, _)| cost.is_finite());
        let mut ready = top
            .map(|&(_, trial)| trial)
            .filter(|trial| !promoted[k].contains(trial));
        ready.next().map(|trial| (k, trial))
    })
}

/// Has a trial promoted that must be by definition, if any: from which rung, and which.
fn promoted_one(
    asha: &mut Asha,
    resources: &[u64],
    rungs: &[Vec<(f64, TrialId)>],
    promoted: &mut [Vec<TrialId>],
    eta: usize,
) -> Result<Option<(usize, TrialId)>, TestCaseError> {
    let expected = by_definition(rungs, promoted, eta);
    let found = asha.promotion();
    prop_assert_eq!(
        found,
        expected.map(|(k, trial)| promotion(trial, resources[k], resources[k + 1]))
    );
    if let Some((k, trial)) = expected {
        asha.withdraw(trial, resources[k]);
        promoted[k].push(trial);
    }
    Ok(expected)
}

proptest! {
    #[test]
    fn promotions_are_those_of_the_paper(
        eta in 2usize..5,
        costs in prop::collection::vec(prop::option::weighted(0.9, 0u8..20), 1..60),
        promote in prop::collection::vec(any::<bool>(), 120),
    ) {
        let resources = [1, 3, 9];
        let mut asha = Asha::new(&resources, eta as u64, AshaVariant::Promotion);
        let mut rungs = vec![Vec::new(); 3];
        let mut promoted = vec![Vec::new(); 3];
        let mut arrivals: Vec<(usize, TrialId)> = (0..costs.len() as u64).rev().map(|trial| (0, TrialId(trial))).collect();
        let mut promote = promote.into_iter().cycle();
        while let Some((k, trial)) = arrivals.pop() {
            let cost = costs[trial.0 as usize].map(|cost| f64::from(cost) / (k + 1) as f64);
            rungs[k].push((cost.unwrap_or(f64::INFINITY), trial));
            let decided = enter(&mut asha, resources[k], trial, cost);
            let expected = if k == 2 && cost.is_some() { vec![(trial, Decision::Complete)] } else { vec![] };
            prop_assert_eq!(decided, expected);
            // A free slot promotes, or does something else.
            while promote.next() == Some(true) {
                let Some((k, trial)) = promoted_one(&mut asha, &resources, &rungs, &mut promoted, eta)? else { break };
                arrivals.push((k + 1, trial));
            }
        }
    }

    #[test]
    fn the_stopping_variant_stops_who_is_not_at_the_top_so_far(
        eta in 2usize..5, costs in prop::collection::vec(0u8..20, 1..60),
    ) {
        let mut asha = Asha::new(&[1, 9], eta as u64, AshaVariant::Stopping);
        for (trial, cost) in costs.iter().enumerate() {
            // Ties go to the lower number, which came before.
            let better = costs[..trial].iter().filter(|other| *other <= cost).count();
            let count = trial + 1;
            let stops = count >= eta && better >= count / eta;
            let expected = if stops { vec![(TrialId(trial as u64), Decision::Prune)] } else { vec![] };
            prop_assert_eq!(enter(&mut asha, 1, TrialId(trial as u64), Some(f64::from(*cost))), expected);
        }
    }
}

/// Bohdal et al. (2023), algorithm 1, by what has come to the rungs: the number of the last rung, given the one before. At each
/// rung are the costs up to there of who has come with one, the latest last.
fn ceiling_by_definition(rungs: &[Vec<(TrialId, Vec<f64>)>], ceiling: usize) -> usize {
    let best = |costs: &[f64]| costs.iter().copied().fold(f64::INFINITY, f64::min);
    let there = &rungs[ceiling];
    let came = |trial: TrialId| there.iter().any(|(other, _)| *other == trial);
    let order = |rung: &[(TrialId, Vec<f64>)]| {
        let mut ranked: Vec<(f64, TrialId)> = rung.iter().map(|(trial, costs)| (best(costs), *trial)).collect();
        ranked.retain(|(_, trial)| came(*trial));
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ranked
    };
    let mut noise = Vec::new();
    for (one, a) in there {
        for (other, b) in there.iter().filter(|(other, _)| other > one) {
            assert_ne!(one, other);
            let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            let who_leads: Vec<bool> = apart.iter().filter(|x| **x != 0.0).map(|x| *x > 0.0).collect();
            if who_leads.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 2 {
                noise.push(apart[apart.len() - 1].abs());
            }
        }
    }
    noise.sort_by(f64::total_cmp);
    // The smallest number that 90 % of them do not exceed.
    let passes = |tolerance: &f64| 10 * noise.iter().filter(|x| *x <= tolerance).count() >= 9 * noise.len();
    let tolerance = noise.iter().copied().find(passes).unwrap_or(0.0);
    let (above, below) = (order(there), order(&rungs[ceiling - 1]));
    let stable = (0..above.len()).all(|place| {
        let could_stand_here = below
            .iter()
            .filter(|(cost, _)| (cost - below[place].0).abs() <= tolerance);
        could_stand_here
            .map(|(_, trial)| trial)
            .any(|trial| *trial == above[place].1)
    });
    if stable {
        ceiling
    } else {
        (ceiling + 1).min(rungs.len() - 1)
    }
}

proptest! {
    #[test]
    fn progress_is_that_of_the_paper(
        eta in 2usize..4,
        curves in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.99, 0u8..12), 8), 1..80),
        promote in prop::collection::vec(any::<bool>(), 80),
    ) {
        let resources = [2u64, 4, 6, 8];
        let mut pasha = Asha::progressive(&resources, eta as u64);
        let (mut ceiling, mut ceilings) = (1, vec![1]);
        let (mut came, mut known, mut promoted) = (vec![Vec::new(); 4], vec![Vec::new(); 4], vec![Vec::new(); 4]);
        let mut arrivals: Vec<(usize, TrialId)> = (0..curves.len() as u64).rev().map(|trial| (0, TrialId(trial))).collect();
        let mut promote = promote.into_iter().cycle();
        while let Some((k, trial)) = arrivals.pop() {
            let costs: Option<Vec<f64>> = curves[trial.0 as usize][..resources[k] as usize]
                .iter()
                .map(|cost| cost.map(f64::from))
                .collect();
            let best = costs.iter().flatten().copied().reduce(f64::min);
            let report = |cost| Report { at: Timestamp(0), cost: Some(cost), violation: 0.0, loss: None, metrics: Default::default(), checkpoint: None };
            let curve = (1..).zip(costs.iter().flatten().copied().map(report)).collect();
            let decided = pasha.enter(resources[k], Entry { trial, best: best.map(Score::from), point: None, curve: &curve });
            prop_assert_eq!(decided.is_empty(), k < 3 || best.is_none());
            came[k].push((best.unwrap_or(f64::INFINITY), trial));
            if let Some(costs) = costs {
                known[k].push((trial, costs));
                if k == ceiling { ceiling = ceiling_by_definition(&known, ceiling); }
            }
            ceilings.push(ceiling);
            while promote.next() == Some(true) {
                // That of the rungs up to the last one, which promotes nobody.
                let came = &came[..=ceiling];
                let Some((k, trial)) = promoted_one(&mut pasha, &resources, came, &mut promoted, eta)? else { break };
                arrivals.push((k + 1, trial));
            }
        }
        prop_assert!(ceilings.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
        prop_assert!(came.iter().skip(ceiling + 1).all(Vec::is_empty), "nobody was trained further");
    }
}

#[test]
fn who_has_failed_counts_but_is_never_promoted() {
    let mut asha = Asha::new(&[1, 3], 3, AshaVariant::Promotion);
    for (trial, cost) in [(0, None), (1, Some(0.5)), (2, None)] {
        assert_eq!(asha.promotion(), None);
        enter(&mut asha, 1, TrialId(trial), cost);
    }
    assert_eq!(asha.promotion(), Some(promotion(TrialId(1), 1, 3)));
}

#[test]
fn at_the_end_the_best_is_trained_on_if_nobody_has_come_to_the_last_rung() {
    let mut asha = Asha::new(&[1, 3, 9], 3, AshaVariant::Promotion);
    enter(&mut asha, 1, TrialId(0), Some(0.5));
    enter(&mut asha, 1, TrialId(1), Some(0.4));
    assert_eq!(asha.promotion(), None);
    assert_eq!(
        (asha.close(TrialId(0), 1), asha.close(TrialId(1), 1)),
        (Decision::Prune, Decision::Promote { to: 3 })
    );
    asha.withdraw(TrialId(1), 1);
    enter(&mut asha, 3, TrialId(1), Some(0.3));
    assert_eq!(asha.close(TrialId(1), 3), Decision::Promote { to: 9 });
    enter(&mut asha, 9, TrialId(1), Some(0.2));
    assert_eq!(asha.close(TrialId(0), 1), Decision::Prune);
}

#[test]
fn progress_ends_where_the_ranking_stays_the_same() {
    let mut pasha = Asha::progressive(&[1, 3, 9, 27], 2);
    for trial in 0..4 {
        enter(&mut pasha, 1, TrialId(trial), Some(trial as f64));
    }
    for trial in 0..2 {
        assert_eq!(pasha.promotion(), Some(promotion(TrialId(trial), 1, 3)));
        pasha.withdraw(TrialId(trial), 1);
        enter(&mut pasha, 3, TrialId(trial), Some(trial as f64 / 2.0));
    }
    assert_eq!(pasha.promotion(), None, "the same order as below");
    assert_eq!(
        (
            pasha.close(TrialId(0), 3),
            pasha.close(TrialId(1), 3),
            pasha.close(TrialId(2), 1)
        ),
        (Decision::Complete, Decision::Complete, Decision::Prune)
    );
    enter(&mut pasha, 1, TrialId(4), Some(0.5));
    enter(&mut pasha, 1, TrialId(5), Some(9.0));
    assert_eq!(pasha.promotion(), Some(promotion(TrialId(4), 1, 3)));
    pasha.withdraw(TrialId(4), 1);
    enter(&mut pasha, 3, TrialId(4), Some(-1.0));
    assert_eq!(
        pasha.promotion(),
        Some(promotion(TrialId(4), 3, 9)),
        "another order: one rung more"
    );
}

proptest! {
    #[test]
    fn by_several_objectives_the_first_of_their_order_are_at_the_top(
        eta in 2..4u64, costs in prop::collection::vec(prop::option::weighted(0.9, prop::array::uniform2(0u8..5)), 1..30),
    ) {
        let (mut promoting, mut stopping) = (Asha::new(&[1, 2], eta, AshaVariant::Promotion), Asha::new(&[1, 2], eta, AshaVariant::Stopping));
        let (mut came, mut gone, curve) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        for (trial, costs) in (0..).map(TrialId).zip(&costs) {
            let point = costs.map(|costs| Point { violation: 0.0, costs: costs.map(f64::from).to_vec() });
            let entry = Entry { trial, best: point.as_ref().map(Point::score), point: point.as_ref(), curve: &curve };
            prop_assert_eq!(promoting.enter(1, entry), vec![]);
            let stopped = !stopping.enter(1, entry).is_empty();
            came.extend(point.map(|point| (trial, point)));
            let count = trial.0 as usize + 1;
            let order = ranked(came.iter().map(|(trial, point)| (*trial, point)));
            let top = &order[..order.len().min(count / eta as usize)];
            prop_assert_eq!(stopped, came.contains_key(&trial) && count as u64 >= eta && !top.contains(&trial));
            let next = top.iter().find(|trial| !gone.contains(*trial)).copied();
            prop_assert_eq!(promoting.promotion().map(|promotion| promotion.trial), next);
            if let Some(next) = next.filter(|next| next.0 % 2 == 0) {
                promoting.withdraw(next, 1);
                gone.push(next);
            }
        }
    }
}
