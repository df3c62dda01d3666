// The one filter that all pictures and the table obey. It is a value: it goes into the address and comes back from it.
import { STATES, type State } from "./api";
import type { Column, Study, Trial } from "./model";

export interface Range {
    low: number | null;
    high: number | null;
}

export interface ParameterFilter extends Range {
    /** The choices that pass; none: all. */
    choices: string[] | null;
    /** Whether trials pass that do not have the parameter, though there is another condition on it. */
    absent: boolean;
}

export interface Filter {
    /** The states that pass; none: all. */
    states: State[] | null;
    /** Only the best so many per cent of all trials that have a value. */
    best: number | null;
    /** Only those that fulfil what is required. */
    feasible: boolean;
    /** Only those that no other dominates. */
    front: boolean;
    objective: Range;
    parameters: Record<string, ParameterFilter>;
}

export const EVERYTHING: Filter = { states: null, best: null, feasible: false, front: false, objective: { low: null, high: null }, parameters: {} };
export const NO_CONDITION: ParameterFilter = { low: null, high: null, choices: null, absent: false };

export function isEmpty(filter: Filter): boolean {
    return conditions(filter) === 0;
}

/** How many conditions there are. */
export function conditions(filter: Filter): number {
    const { low, high } = filter.objective;
    const { states, best, feasible, front, parameters } = filter;
    return [states, best, low ?? high, feasible || null, front || null].filter((part) => part !== null).length + Object.keys(parameters).length;
}

/** The filter with a condition on a parameter, or without one if it says nothing. */
export function withParameter(filter: Filter, name: string, change: Partial<ParameterFilter>): Filter {
    const next = { ...(filter.parameters[name] ?? NO_CONDITION), ...change };
    const parameters = { ...filter.parameters };
    if (next.low === null && next.high === null && next.choices === null) delete parameters[name];
    else parameters[name] = next;
    return { ...filter, parameters };
}

function within(value: number, { low, high }: Range): boolean {
    return (low === null || value >= low) && (high === null || value <= high);
}

function passes(column: Column, condition: ParameterFilter): (trial: Trial) => boolean {
    const allowed = condition.choices && new Set(condition.choices.map((choice) => column.choices?.indexOf(choice) ?? -1));
    return (trial) => {
        const value = column.numbers[trial.id] ?? NaN;
        if (Number.isNaN(value)) return condition.absent;
        return allowed ? allowed.has(value) : within(value, condition);
    };
}

/** Whether a trial is as good as another one, which has a value. */
function isAsGood({ sign }: Study, trial: Trial, as: Trial): boolean {
    const [own, other] = [trial.feasible !== false, as.feasible !== false];
    return own === other ? sign * trial.value <= sign * as.value : own && Number.isFinite(trial.value);
}

/** The trials of a study that pass, in their order. */
export function selected(study: Study, filter: Filter): Trial[] {
    const tests: ((trial: Trial) => boolean)[] = [];
    if (filter.states) {
        const states = new Set(filter.states);
        tests.push((trial) => states.has(trial.state));
    }
    if (filter.best !== null) {
        const ranked = study.ranked.filter((trial) => Number.isFinite(trial.value));
        const bound = ranked[Math.ceil((ranked.length * filter.best) / 100) - 1];
        tests.push((trial) => bound !== undefined && isAsGood(study, trial, bound));
    }
    if (filter.feasible) tests.push((trial) => trial.feasible === true);
    if (filter.front) tests.push((trial) => study.isBest(trial));
    if (filter.objective.low !== null || filter.objective.high !== null) tests.push((trial) => within(trial.value, filter.objective));
    for (const column of study.columns) {
        const condition = filter.parameters[column.parameter.name];
        if (condition) tests.push(passes(column, condition));
    }
    return tests.length === 0 ? study.trials : study.trials.filter((trial) => tests.every((test) => test(trial)));
}

const PARAMETER = "p.";
const ABSENT = "absent";

function rangeText({ low, high }: Range): string {
    return `${low ?? ""}..${high ?? ""}`;
}

function rangeOf(text: string): Range | null {
    const between = text.indexOf("..");
    if (between < 0) return null;
    const bound = (part: string): number | null => (part === "" ? null : Number(part));
    const range = { low: bound(text.slice(0, between)), high: bound(text.slice(between + 2)) };
    return Number.isNaN(range.low) || Number.isNaN(range.high) ? null : range;
}

/** Writes the filter into the parameters of an address. */
export function write(filter: Filter, to: URLSearchParams): void {
    if (filter.states) to.set("state", filter.states.join(","));
    if (filter.best !== null) to.set("best", String(filter.best));
    for (const name of ["feasible", "front"] as const) if (filter[name]) to.set(name, "true");
    if (filter.objective.low !== null || filter.objective.high !== null) to.set("objective", rangeText(filter.objective));
    for (const [name, condition] of Object.entries(filter.parameters)) {
        to.append(PARAMETER + name, condition.choices ? JSON.stringify(condition.choices) : rangeText(condition));
        if (condition.absent) to.append(PARAMETER + name, ABSENT);
    }
}

/** Reads what `write` has written. What can't be read is no condition. */
export function read(from: URLSearchParams): Filter {
    const filter: Filter = { ...EVERYTHING, parameters: {} };
    const states = from.get("state");
    if (states !== null) filter.states = STATES.filter((state) => states.split(",").includes(state));
    const best = Number(from.get("best") ?? NaN);
    if (best > 0 && best <= 100) filter.best = best;
    for (const name of ["feasible", "front"] as const) filter[name] = from.get(name) === "true";
    filter.objective = rangeOf(from.get("objective") ?? "") ?? EVERYTHING.objective;
    for (const key of new Set(from.keys())) {
        if (!key.startsWith(PARAMETER)) continue;
        const condition = { ...NO_CONDITION };
        for (const text of from.getAll(key)) {
            if (text === ABSENT) condition.absent = true;
            else if (text.startsWith("[")) condition.choices = choicesOf(text);
            else Object.assign(condition, rangeOf(text));
        }
        const { parameters } = withParameter(filter, key.slice(PARAMETER.length), condition);
        filter.parameters = parameters;
    }
    return filter;
}

function choicesOf(text: string): string[] | null {
    try {
        const read: unknown = JSON.parse(text);
        return Array.isArray(read) ? read.filter((choice) => typeof choice === "string") : null;
    } catch {
        return null;
    }
}
