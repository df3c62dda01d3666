// The objective's curves of trials, one line each.
import { lookOf, type LookName } from "./look";
import type { Series } from "./marks";
import type { Study, Trial } from "./model";

/** Each of the trials has a place in the series, whether or not it has reported. */
export function curves(study: Study, trials: Trial[]): Series {
    const [starts, x, y]: [number[], number[], number[]] = [[0], [], []];
    for (const { reports } of trials) {
        for (const { resource, values } of reports) {
            const value = values[study.objective] ?? NaN;
            if (Number.isNaN(value)) continue;
            x.push(resource);
            y.push(value);
        }
        starts.push(x.length);
    }
    return { trials, looks: trials.map((trial): LookName => lookOf(trial, study.best)), starts, x, y };
}
