"""Other tools over the learning curves of `hpo simulate`, for benches/quality.py: prints a JSON line for each study.

    python quality_peers.py '{"tool": …, "policy": …, "sampler": …, "objective": …, "table": …, "space": …, "end": …}' SEEDS BUDGETS

SEEDS are FIRST:END. One trial runs at a time; rungs are at 1, 3, 9 … epochs.
"""
import heapq
import json
import logging
import sys
import warnings

from objectives import Formula, Table
from peers import Task, tuner_of


def quietly():
    """Silences what the tools say."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def run(tuner, objective, seed, limit, slots=1):
    """The best trial whenever it changes, until all trials together have been trained for `limit` epochs: epochs, virtual seconds, regret.

    It is the one with the lowest loss after the last epoch; before there is one, with the lowest loss of all.
    """
    epochs, trials, best, moments = 0, 0, None, []
    due, stopped = [], {}

    def start(now, slot):
        nonlocal trials
        if (asked := tuner.ask()) is None:
            return
        trial, values = asked
        if trial in stopped:
            t, curve = stopped.pop(trial)
        else:
            t, curve = 0, objective.curve(values, seed, trials)
            trials += 1
        heapq.heappush(due, (now + curve[2], slot, t + 1, trial, curve))

    for slot in range(slots):
        start(0.0, slot)
    while epochs < limit and due:
        now, slot, t, trial, curve = heapq.heappop(due)
        loss, regret, seconds = curve
        value = loss(t)
        epochs += 1
        standing = (t < objective.end, value)
        if best is None or standing < best:
            best = standing
            moments.append((epochs, now, regret))
        if tuner.report(trial, t, value):
            heapq.heappush(due, (now + seconds, slot, t + 1, trial, curve))
        else:
            stopped[trial] = (t, curve)
            start(now, slot)
    return moments


def at(moments, budget, place=0):
    """The regret of the best trial when all together had taken so many epochs; or seconds, at place 1."""
    return next(moment[2] for moment in reversed(moments) if moment[place] <= budget)


def main():
    asked, seeds, budgets = sys.argv[1:]
    asked = json.loads(asked)
    quietly()
    budgets = [int(budget) for budget in budgets.split(",")]
    if asked["table"]:
        objective = Table(asked["table"], asked["space"], asked["end"])
    else:
        objective = Formula(asked["objective"])
    for seed in range(*map(int, seeds.split(":"))):
        task = Task(objective.space, {}, objective.end, asked["policy"], asked["sampler"], seed, max(budgets))
        moments = run(tuner_of(asked["tool"], task), objective, seed, max(budgets))
        print(json.dumps([at(moments, budget) for budget in budgets]), flush=True)


if __name__ == "__main__":
    main()
