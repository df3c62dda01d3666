// The curves of trials, one line each; what was trained ahead of a decision is a further, dotted one.
import { LOOKS, lookOf, type LookName, type Shape } from "./look";
import type { Series } from "./marks";
import type { Report, Study, Trial } from "./model";
import { short } from "./numbers";

const AHEAD = [1.5, 4];

/** The lines of trials, and how many of them count; those that were trained ahead of a decision come after these. */
export interface Curves {
    data: Series & { dashes: (number[] | undefined)[] };
    counted: number;
}

/** The values of a metric of trials by the resource. A trial without any has no line. */
export function curves(study: Study, trials: Trial[], metric = study.objective): Curves {
    const data = { trials: [] as Trial[], looks: [] as LookName[], starts: [0], x: [] as number[], y: [] as number[], ends: [] as (Shape | null)[], dashes: [] as (number[] | undefined)[] };
    const add = (trial: Trial, reports: Report[], ahead: boolean): void => {
        for (const { resource, values } of reports) {
            const value = values[metric] ?? NaN;
            if (Number.isNaN(value)) continue;
            data.x.push(resource);
            data.y.push(value);
        }
        if (data.x.length === data.starts.at(-1)) return;
        const look = lookOf(study, trial);
        data.trials.push(trial);
        data.looks.push(look);
        data.starts.push(data.x.length);
        data.ends.push(!ahead && (trial.state !== "completed" || look === "best") ? LOOKS[look].shape : null);
        data.dashes.push(ahead ? AHEAD : undefined);
    };
    for (const trial of trials) add(trial, trial.reports, false);
    const counted = data.trials.length;
    for (const trial of trials) if (trial.ahead.length > 0) add(trial, [...trial.reports.slice(-1), ...trial.ahead], true);
    // Of one kind for all pictures, they are read faster.
    return { data: { ...data, starts: Uint32Array.from(data.starts), x: Float64Array.from(data.x), y: Float64Array.from(data.y) }, counted };
}

/** A value of a curve in words. */
export function pointText(study: Study, trial: Trial, at: number, name: string, value: number): string {
    const ahead = trial.ahead.some(({ resource }) => resource === at) ? ", ahead of the decision at its rung: it counts if the trial is promoted" : "";
    return `${study.wire.unit.one} ${at}: ${name} ${short(value)}${ahead}`;
}
