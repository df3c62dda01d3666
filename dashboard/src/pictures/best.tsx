// The best value so far, over time or over what was trained.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { valueAxis } from "../axes";
import { ordinaryLookOf, type LookName } from "../look";
import { among, type Study, type Trial } from "../model";
import { duration, numbersOf, short, upTo } from "../numbers";
import type { Series } from "../marks";
import { Plot, path } from "../plot";
import type { Axis } from "../scale";
import { summary, valueOf } from "../told";
import { logObjective } from "../view";
import { Choice, LogSwitch, Untrained } from "./common";

export interface Step {
    x: number;
    value: number;
    trial: Trial;
    /** Whether all that is required was fulfilled. */
    feasible: boolean;
}

/** All reports of a study in the order in which they came; `more` is the resource that was trained for it. */
const ordered = new WeakMap<Study, (Step & { more: number })[]>();

function allInOrder(study: Study): (Step & { more: number })[] {
    const known = ordered.get(study);
    if (known) return known;
    const steps: (Step & { more: number })[] = [];
    for (const trial of study.trials) {
        let before = 0;
        for (const { resource, time, values, feasible } of trial.reports) {
            if (!Number.isNaN(time)) steps.push({ x: time, value: values[study.objective] ?? NaN, trial, feasible, more: Math.max(0, resource - before) });
            before = Math.max(before, resource);
        }
    }
    steps.sort((a, b) => a.x - b.x || a.trial.id - b.trial.id);
    for (const step of steps) step.x = study.active(step.x);
    ordered.set(study, steps);
    return steps;
}

/** The reports of some trials in the order in which they came; `x` is the time, or the resource that these trials had been trained to. */
export function reportsInOrder(study: Study, trials: Trial[], over: "time" | "resource"): Step[] {
    const all = allInOrder(study);
    const wanted = among(study, trials);
    const some = all.filter(({ trial }) => wanted[trial.id] === 1);
    if (over === "time") return some.filter(({ value }) => !Number.isNaN(value));
    let trained = 0;
    return some.map(({ more, ...step }) => ({ ...step, x: (trained += more) })).filter(({ value }) => !Number.isNaN(value));
}

/** The steps to better values; one that does not fulfil what is required is none. */
export function bestSoFar(steps: Step[], sign: number): Step[] {
    const best: Step[] = [];
    for (const step of steps) {
        const last = best.at(-1);
        if (step.feasible && Number.isFinite(step.value) && (!last || sign * step.value < sign * last.value)) best.push(step);
    }
    return best;
}

export function Best({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const [over, setOver] = useState<"time" | "resource">("time");
    const log = logObjective.value;
    const { unit } = study.wire;
    const { data, x, y, best } = useMemo(() => {
        const steps = reportsInOrder(study, trials, over);
        const last = steps.at(-1)?.x || (over === "time" ? 60_000 : 1);
        const data: Series = {
            trials: steps.map(({ trial }) => trial),
            looks: steps.map(({ trial, feasible }): LookName => (feasible ? ordinaryLookOf(trial) : "infeasible")),
            starts: upTo(steps.length),
            x: numbersOf(steps, (step) => step.x),
            y: numbersOf(steps, ({ value }) => value),
        };
        const x: Axis = { label: over === "time" ? "time in which a search was at work" : `${unit.many}, all trials together`, kind: over === "time" ? "time" : "linear", domain: [0, last * 1.02] };
        return { data, x, y: valueAxis(study.objectiveName, data.y, false, study.untrained), best: bestSoFar(steps, study.sign) };
    }, [study, trials, over, log]);
    const last = best.at(-1);
    const none = data.x.length > 0 && study.wire.require.length > 0 ? "No report fulfils what is required, so there is none." : "There is none yet.";
    const others = study.hasSeveral ? " It is one end of the trade-off between the objectives." : "";
    return (
        <Plot
            title="Best so far"
            about={`The best ${study.objectiveName} so far (${study.direction})${study.wire.require.length > 0 ? " that fulfils what is required" : ""}, and every report.${others} ${last ? `It is ${short(last.value)}, by trial ${last.trial.id}, since ${over === "time" ? duration(last.x) : `${last.x} ${unit.many}`}; the best improved ${best.length === 1 ? "once" : `${best.length} times`}.` : none} ${summary(study, trials)}`}
            x={x}
            y={y}
            height={300}
            mode="dots"
            data={data}
            controls={
                <>
                    <Choice label="Over" value={over} options={[["time", "time"], ["resource", unit.many]]} change={(value) => setOver(value === "time" ? "time" : "resource")} />
                    <LogSwitch axis={y} />
                </>
            }
            under={(px, py) => <Untrained study={study} x={px} y={py} />}
            over={(px, py) => <path class="best-line" d={staircase(best, (step) => px.at(step.x), (step) => py.at(step.value), px.at(x.domain[1]))} />}
            tell={(trial, at, value) => [`${over === "time" ? duration(at) : `${at} ${unit.many}`}: ${short(value)}`, valueOf(study, trial)]}
        />
    );
}

/** A line that keeps its height until the next step. */
export function staircase<T>(steps: T[], x: (step: T) => number, y: (step: T) => number, end: number): string {
    const points: number[] = [];
    for (const step of steps) {
        if (points.length > 0) points.push(x(step), points.at(-1)!);
        points.push(x(step), y(step));
    }
    if (points.length > 0) points.push(end, points.at(-1)!);
    return path(points);
}
