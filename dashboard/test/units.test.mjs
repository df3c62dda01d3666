// The page's arithmetic, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { imported } from "./support.mjs";

const { EVERYTHING, NO_CONDITION, read, selected, withParameter, write } = await imported("filter.ts");
const { Study, metricOf } = await imported("model.ts");
const { duration, limits, short, spans } = await imported("numbers.ts");
const { logTicks, place } = await imported("scale.ts");
const { messages } = await imported("events.ts");
globalThis.matchMedia ??= () => ({ matches: false, addEventListener() {} });
const { curves, pointText } = await imported("curve.ts");
const { bestSoFar, reportsInOrder } = await imported("pictures/best.tsx");

const trial = (id, state, params, reports, best) => ({ id, state, params, reports, best, ahead: [], reason: null, resource: 1, origin: "drawn", confirms: null, ms: 0 });
const PARAMETERS = [
    { name: "rate", kind: "float", log: true, low: 1e-5, high: 1, choices: null, when: null },
    { name: "loss", kind: "choice", log: false, low: null, high: null, choices: ["a", "b"], when: null },
    { name: "margin", kind: "float", log: false, low: 0, high: 1, choices: null, when: "loss = a" },
];

function study(direction = "minimize") {
    return Study.from({
        revision: 1,
        study: {
            objective: { metric: "loss", direction },
            further_objectives: [],
            require: [],
            non_dominated: [],
            unit: { one: "epoch", many: "epochs" },
            metrics: [{ name: "loss", direction }, { name: "recall", direction: "maximize" }],
            parameters: PARAMETERS,
            untrained: null,
            best: 0,
            runs: [[1000, 2000], [5000, null]],
        },
        trials: [
            trial(0, "completed", [1e-3, "a", 0.5], [[1, 1500, 0.4, 0.5], [3, 5500, 0.2, null]], { resource: 3, value: 0.2 }),
            trial(1, "pruned", [1e-4, "b", null], [[1, 1600, 0.6, 0.4]], { resource: 1, value: 0.6 }),
            trial(2, "diverged", [0.9, "a", 0.1], [[1, 1700, null, null]], null),
            trial(3, "failed", [1e-2, "b", null], [], null),
        ],
        segments: [],
        decisions: [],
    });
}

const ids = (trials) => trials.map(({ id }) => id);

test("a filter selects by state, rank, value and parameters, and by what is absent", () => {
    const all = study();
    assert.deepEqual(ids(selected(all, EVERYTHING)), [0, 1, 2, 3]);
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, states: ["pruned", "failed"] })), [1, 3]);
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, best: 50 })), [0], "half of the trials that have a value");
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, objective: { low: 0.5, high: null } })), [1, 2], "a diverged trial is worse than any");
    assert.deepEqual(ids(selected(all, withParameter(EVERYTHING, "margin", { low: 0.3 }))), [0]);
    assert.deepEqual(ids(selected(all, withParameter(EVERYTHING, "margin", { low: 0.3, absent: true }))), [0, 1, 3]);
    assert.deepEqual(ids(selected(all, withParameter(EVERYTHING, "loss", { choices: ["b"] }))), [1, 3]);
    assert.deepEqual(ids(selected(all, withParameter(EVERYTHING, "loss", { choices: [] }))), []);
});

test("the best of a study that maximizes are the highest", () => {
    assert.deepEqual(ids(selected(study("maximize"), { ...EVERYTHING, best: 50 })), [1]);
});

/** A study of which the two trials with the lowest losses are infeasible. */
function bounded(more = {}) {
    const of = (id, loss, recall, feasible) => ({ ...trial(id, "completed", [1e-3, "a", 0.5], [[1, 1500 + id, loss, recall]], { resource: 1, value: loss }), feasible, infeasible: feasible ? [] : [1] });
    const { wire } = study();
    const trials = [of(0, 0.4, 0.5, true), of(1, 0.1, 0.9, false), of(2, 0.3, 0.2, true), of(3, 0.2, 0.8, false), trial(4, "failed", [1e-2, "b", null], [], null)];
    return Study.from({ revision: 1, study: { ...wire, require: ["recall <= 0.5"], best: 2, ...more }, trials, segments: [], decisions: [] });
}

test("what breaks a requirement comes behind all that does not, and is never the best", () => {
    const all = bounded();
    assert.deepEqual(ids(all.ranked), [2, 0, 1, 3, 4]);
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, best: 50 })), [0, 2]);
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, best: 75 })), [0, 1, 2]);
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, feasible: true })), [0, 2]);
    assert.deepEqual(bestSoFar(reportsInOrder(all, all.trials, "time"), all.sign).map(({ value }) => value), [0.4, 0.3]);
    assert.equal(all.best.id, 2);
    assert.equal(bounded({ best: 1 }).best, null);
});

test("of several objectives any is looked at, and those that no other dominates are the best", () => {
    const all = bounded({ further_objectives: [{ metric: "recall", direction: "maximize" }], non_dominated: [0, 2] });
    assert.deepEqual(ids(selected(all, { ...EVERYTHING, front: true })), [0, 2]);
    const other = all.by("recall");
    assert.deepEqual([other.objectiveName, other.sign, other.objective], ["recall", -1, 1]);
    assert.deepEqual(other.trials.map(({ value }) => value), [0.5, 0.9, 0.2, 0.8, NaN]);
    assert.deepEqual(ids(other.ranked), [0, 2, 1, 3, 4]);
    assert.equal(metricOf(other, other.trials[1], 0), 0.1);
    assert.equal(all.by("nothing"), all);
    const changed = { ...all.trials[2].wire, reports: [[1, 1502, 0.3, 0.7]] };
    const after = all.with({ revision: 2, study: all.wire, trials: [changed], segments: [], decisions: [], decisions_from: 0 });
    assert.deepEqual(ids(after.by("recall").ranked), [2, 0, 1, 3, 4]);
});

test("a filter comes back from the address as it went in", () => {
    let filter = { states: ["pruned", "failed"], best: 12.5, feasible: true, front: true, objective: { low: null, high: 1e-7 }, parameters: {} };
    filter = withParameter(filter, "rate", { low: 1e-5, high: 0.25, absent: true });
    filter = withParameter(filter, "a b&c=d", { low: -1.5, high: null });
    filter = withParameter(filter, "loss", { choices: ["a,b", "..", "<x>"] });
    const parameters = new URLSearchParams();
    write(filter, parameters);
    assert.deepEqual(read(new URLSearchParams(parameters.toString())), filter);
    const empty = new URLSearchParams();
    write(EVERYTHING, empty);
    assert.equal(empty.toString(), "");
});

test("what can't be read in an address is no condition", () => {
    const filter = read(new URLSearchParams("best=-3&objective=x..y&p.rate=[&p.loss=[1&state="));
    assert.deepEqual(filter, { ...EVERYTHING, states: [] });
    assert.deepEqual(withParameter(EVERYTHING, "rate", NO_CONDITION), EVERYTHING);
});

test("a trial has its worst value if it has diverged, and a metric's last value if the best report lacks it", () => {
    const { trials } = study();
    assert.equal(trials[2].value, Infinity);
    assert.equal(study("maximize").trials[2].value, -Infinity);
    assert.ok(Number.isNaN(trials[3].value));
    assert.equal(metricOf(study(), trials[0], 1), 0.5);
    assert.equal(trials[2].reports[0].values[0], Infinity);
});

test("columns are numbers with gaps, and time counts only while a search was at work", () => {
    const all = study();
    assert.deepEqual([...all.columns[1].numbers], [0, 1, 0, 1]);
    assert.deepEqual(all.columns.map(({ gaps }) => gaps), [false, false, true]);
    assert.equal(all.active(3000), 1000);
    assert.equal(all.active(5500), 1500);
});

test("what has changed replaces what was there, and the rest is kept", () => {
    const before = study();
    const changed = trial(3, "completed", [1e-2, "b", null], [[1, 5600, 0.1, 0.9]], { resource: 1, value: 0.1 });
    const added = trial(4, "running", [1e-2, "b", null], [], null);
    const after = before.with({ after: 1, revision: 2, study: { ...before.wire, best: 3 }, trials: [changed, added], segments: [[0, 0, 3, 1, null, 0, 1, "running", false]], decisions: [[1, 3, 1, "promoted", 3]], decisions_from: 0 });
    assert.equal(after.best.id, 3);
    assert.equal(after.trials[0], before.trials[0]);
    assert.deepEqual(ids(after.trials), [0, 1, 2, 3, 4]);
    assert.equal(after.columns[0].numbers[4], 1e-2);
    assert.deepEqual(ids(after.ranked), [3, 0, 1, 2, 4]);
    assert.equal(after.decided.get(3).length, 1);
    const again = after.with({ after: 2, revision: 3, study: after.wire, trials: [], segments: [[0, 0, 3, 1, 2, 0, 1, "done", false]], decisions: [[1, 3, 1, "promoted", 3]], decisions_from: 0 });
    assert.equal(again.segments.length, 1);
    assert.equal(again.decisions.length, 1);
});

test("a value that has gone astray does not set the limits of an axis", () => {
    const values = Array.from({ length: 40 }, (_, at) => 0.3 + at / 100);
    const [low, high] = limits([...values, 1e9, Infinity, NaN], false);
    assert.ok(low > 0.2 && high < 0.8, `${low} to ${high}`);
    const [, wide] = limits([...values, 0.9], false);
    assert.ok(wide >= 0.9, "a value that is a little apart does");
    assert.equal(limits([NaN, Infinity], false), null);
    const [one, other] = limits([0.5], true);
    assert.ok(one < 0.5 && other > 0.5);
    assert.ok(spans([1e-3, 0.2]) && !spans([0.1, 0.9]) && !spans([-1, 100]));
});

test("logarithmic axes have ticks, however narrow they are", () => {
    for (const [low, high] of [[1e-6, 1e-2], [0.2, 0.6], [1, 27], [0.31, 0.33], [1e-12, 1e12]]) {
        const ticks = logTicks(low, high, 6);
        assert.ok(ticks.length >= 2 && ticks.length <= 14, `${low} to ${high}: ${ticks}`);
        assert.ok(ticks.every((tick) => tick >= low * 0.999 && tick <= high * 1.001));
    }
});

test("no two ticks of an axis of times have the same name", () => {
    for (const [low, high] of [[0, 3], [0, 2_500], [61_000, 61_500], [3_600_000, 3_900_000], [0, 8_640_000_000], [86_400_000, 86_460_000]]) {
        const { ticks } = place({ label: "", kind: "time", domain: [low, high] }, 0, 900);
        const labels = ticks.map(({ label }) => label);
        assert.ok(ticks.length >= 2 && new Set(labels).size === labels.length, labels.join(", "));
    }
});

test("what was trained ahead of a decision is a line of its own that begins where the other ends", () => {
    const ahead = { ...trial(0, "paused", [1e-3, "a", 0.5], [[1, 1500, 0.4, 0.5]], { resource: 1, value: 0.4 }), ahead: [[2, 1600, 0.3, 0.6], [3, 1700, 0.2, null]] };
    const whole = study();
    const other = whole.with({ revision: 2, study: whole.wire, trials: [ahead], segments: [], decisions: [], decisions_from: 0 });
    const { data, counted } = curves(other, other.trials);
    assert.equal(counted, 3, "a trial without a value has no line");
    assert.deepEqual(ids(data.trials), [0, 1, 2, 0]);
    assert.deepEqual([...data.x.slice(data.starts[3])], [1, 2, 3]);
    assert.deepEqual(data.dashes.map((dash) => dash !== undefined), [false, false, false, true]);
    assert.equal(other.trials[0].value, 0.4, "it does not count");
    assert.match(pointText(other, other.trials[0], 3, "loss", 0.2), /^epoch 3: loss 0\.2, ahead of the decision/);
    assert.deepEqual([...curves(other, other.trials, 1).data.x.slice(-2)], [1, 2], "a metric that was not measured ahead has no point there");
});

test("an axis keeps what is beyond it at its edge, and what is absent in its strip", () => {
    const axis = place({ label: "", kind: "log", domain: [1e-4, 1], absent: "absent" }, 0, 424);
    assert.equal(axis.at(1e-4), 24);
    assert.equal(axis.at(50), 424);
    assert.equal(axis.at(Infinity), 424);
    assert.equal(axis.at(NaN), 12);
    assert.ok(Math.abs(axis.value(axis.at(0.01)) - 0.01) < 1e-9);
    assert.ok(axis.beyond(2) && !axis.beyond(0.5) && !axis.beyond(NaN));
});

test("events are whole or wait for their rest", () => {
    const { whole, rest } = messages(': alive\n\nevent: delta\ndata: {"a":\ndata: 1}\n\nevent: del');
    assert.deepEqual(whole, [{ event: "delta", data: '{"a":\n1}' }]);
    assert.equal(rest, "event: del");
});

test("numbers are short", () => {
    assert.deepEqual([0.123456, 1e-5, 2.5e-7, 12345678, 0.1, 3, NaN, Infinity].map(short), ["0.1235", "1e-5", "2.5e-7", "1.235e7", "0.1", "3", "–", "not finite"]);
    const durations = [0, 400, 1_500, 59_000, 3_600_000, 90_061_000].map((milliseconds) => duration(milliseconds));
    assert.deepEqual(durations, ["0 s", "400 ms", "1.5 s", "59 s", "1 h", "1 d 1 h"]);
});
