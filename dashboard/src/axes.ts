// The axes of a study's quantities, for the trials that are looked at.
import { limits, spans } from "./numbers";
import type { Column, Study, Trial } from "./model";
import type { Axis } from "./scale";
import { logObjective } from "./view";

/** The strip of trials that do not have a parameter, and of those that do not have a value. */
const [ABSENT, NO_VALUE] = ["absent", "no value"];

/** An axis for values of a metric: its limits leave out what would flatten the rest. */
export function valueAxis(label: string, values: ArrayLike<number>, absent: boolean, also = NaN): Axis {
    const wanted = logObjective.value ?? spans(values);
    const logarithmic = wanted && positive(values);
    let [low, high] = limits(values, logarithmic) ?? (Number.isFinite(also) ? [also - 0.5, also + 0.5] : [0, 1]);
    const room = high - low;
    if (also < low && also > low - room && (!logarithmic || also > 0)) low = also - (logarithmic ? 0 : 0.03 * room);
    if (also > high && also < high + room) high = also + 0.03 * room;
    return { label, kind: logarithmic ? "log" : "linear", domain: [low, high], ...(absent && { absent: NO_VALUE }) };
}

function positive(values: ArrayLike<number>): boolean {
    let some = false;
    for (let at = 0; at < values.length; at += 1) {
        const value = values[at]!;
        if (value <= 0) return false;
        some ||= Number.isFinite(value);
    }
    return some;
}

export function objectiveAxis(study: Study, trials: Trial[]): Axis {
    const values = trials.map((trial) => trial.value);
    return valueAxis(study.objectiveName, values, values.some(Number.isNaN), study.untrained);
}

export function parameterAxis(column: Column): Axis {
    const { parameter, choices, domain, gaps } = column;
    const kind = choices ? "category" : parameter.log && domain[0] > 0 ? "log" : "linear";
    const when = parameter.when ? ` (${parameter.when})` : "";
    return {
        label: parameter.name + when,
        kind,
        domain,
        whole: parameter.kind === "integer",
        ...(choices && { categories: choices }),
        ...(gaps && { absent: ABSENT }),
    };
}

/** From the first rung to the last by this factor or more, resources are shown by their logarithm. */
const LARGE = 16;

export function resourceAxis(study: Study, trials: Trial[]): Axis {
    const { unit, rungs, max_resource: most } = study.wire;
    let [first, last] = [Infinity, 0];
    for (const trial of trials) {
        first = Math.min(first, trial.reports[0]?.resource ?? Infinity);
        last = Math.max(last, trial.reports.at(-1)?.resource ?? 0);
    }
    const high = Math.max(last, most);
    const low = Math.min(first, rungs[0]?.resource ?? 1, high);
    const logarithmic = low > 0 && high / low >= LARGE;
    const room = logarithmic ? 1.03 : (high - low) * 0.02;
    const domain: [number, number] = logarithmic ? [low / room, high * room] : [Math.min(low, high - 1) - room, high + room];
    return { label: unit.one, kind: logarithmic ? "log" : "linear", domain, whole: true };
}
