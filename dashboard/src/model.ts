// A study as the page works with it: every trial with the numbers by which it is filtered, sorted and drawn.
import type { Decision, Delta, Importances, Objective, Parameter, Segment, Snapshot, State, Value, WireStudy, WireTrial } from "./api";
import { numbersOf } from "./numbers";

/** A report: resource, when it came, and the value of each metric, NaN if it was not measured. */
export interface Report {
    resource: number;
    time: number;
    values: number[];
    /** Whether all that is required is fulfilled up to here. */
    feasible: boolean;
}

export interface Trial {
    id: number;
    state: State;
    reason: string;
    values: Value[];
    reports: Report[];
    /** Those that count only if it is promoted. */
    ahead: Report[];
    /** The value by the objective that is shown, infinite in the bad direction if it is not finite, NaN if there is none. */
    value: number;
    /** Where its best report was, by the first objective. */
    at: number;
    /** Whether its best report fulfils what is required; null if nothing is, or without a value. */
    feasible: boolean | null;
    reached: number;
    wire: WireTrial;
}

/** A parameter and its values in all trials, by their numbers, as numbers: choices by their place, NaN where a trial does not have it. */
export interface Column {
    parameter: Parameter;
    /** The texts of the choices, in their order; none for numbers. */
    choices: string[] | null;
    numbers: Float64Array;
    /** The lowest and the highest number of the space, and of all trials. */
    domain: [number, number];
    /** Whether some trial does not have it. */
    gaps: boolean;
}

export class Study {
    readonly columns: Column[];
    /** What was decided about each trial. */
    readonly decided: Map<number, Decision[]>;
    /** 1 if lower is better, otherwise -1: times this, lower is better. */
    readonly sign: 1 | -1;
    /** The objective's place among the metrics. */
    readonly objective: number;
    readonly untrained: number;
    private order: Trial[] | null = null;
    /** The trials that are marked as the best: with several objectives those that no other dominates. */
    private readonly leading: Set<number>;

    /** `trials` are in the order of their numbers, from 0. */
    private constructor(
        readonly revision: number,
        readonly wire: WireStudy,
        readonly trials: Trial[],
        readonly segments: Segment[],
        readonly decisions: Decision[],
        /** That of its objectives which is shown. */
        readonly shown: Objective,
        previous: Study | null,
    ) {
        this.sign = signOf(shown);
        this.objective = metricNamed(wire, shown.metric);
        this.untrained = wire.untrained?.[shown.metric] ?? NaN;
        const best = wire.best === null ? [] : [wire.best];
        const leading = wire.non_dominated.length > 0 ? wire.non_dominated : best;
        this.leading = new Set(leading.filter((id) => trials[id]?.feasible !== false));
        this.columns = previous?.trials.length === trials.length ? previous.columns : wire.parameters.map((parameter, place) => column(parameter, place, trials));
        this.decided = previous?.decisions === decisions ? previous.decided : byTrial(decisions);
    }

    static from({ revision, study, trials, segments, decisions }: Snapshot): Study {
        return new Study(revision, study, trials.map((trial) => trialOf(trial, study, study.objective)), segments, decisions, study.objective, null);
    }

    /** The study as it is seen by another of its objectives; as it is, if it has none of that name. */
    by(metric: string | null): Study {
        const { revision, wire, segments, decisions } = this;
        const shown = this.objectives.find((objective) => objective.metric === metric) ?? this.shown;
        if (shown.metric === this.shown.metric) return this;
        return new Study(revision, wire, this.trials.map((trial) => trialOf(trial.wire, wire, shown)), segments, decisions, shown, this);
    }

    /** The study with what has changed. */
    with(delta: Delta): Study {
        const { study: wire, decisions_from: from } = delta;
        const trials = replaced(this.trials, delta.trials.map((trial) => trialOf(trial, wire, this.shown)), (trial) => trial.id);
        const segments = replaced(this.segments, delta.segments, ([number]) => number);
        const known = from === this.decisions.length && delta.decisions.length === 0;
        const decisions = known ? this.decisions : [...this.decisions.slice(0, from), ...delta.decisions];
        return new Study(delta.revision, wire, trials, segments, decisions, this.shown, this);
    }

    /** All trials from the best to the worst: those that are not feasible come behind those that are, and those without a value last. */
    get ranked(): Trial[] {
        if (this.order) return this.order;
        const keys = numbersOf(this.trials, ({ value }) => (Number.isNaN(value) ? Infinity : this.sign * value));
        const behind = numbersOf(this.trials, ({ value, feasible }) => (Number.isFinite(value) ? Number(feasible === false) : 2));
        const order = Array.from(this.trials.keys()).sort((a, b) => behind[a]! - behind[b]! || (keys[a] === keys[b] ? a - b : keys[a]! - keys[b]!));
        this.order = order.map((at) => this.trials[at]!);
        return this.order;
    }

    trial(id: number | null): Trial | null {
        return id === null ? null : (this.trials[id] ?? null);
    }

    /** The best trial: the study's own answer, which confirmation may have changed; none if no trial is feasible. */
    get best(): Trial | null {
        const best = this.trial(this.wire.best);
        return best?.feasible === false ? null : best;
    }

    /** Whether a trial is the best, or, with several objectives, one that no other dominates. */
    isBest({ id }: Trial): boolean {
        return this.leading.has(id);
    }

    get objectives(): Objective[] {
        return [this.wire.objective, ...this.wire.further_objectives];
    }

    get hasSeveral(): boolean {
        return this.wire.further_objectives.length > 0;
    }

    /** How much parameters matter for the objective that is shown, if that is known. */
    get importance(): Importances | null {
        const { objective, importance, further_importance } = this.wire;
        return this.shown.metric === objective.metric ? importance : (further_importance?.[this.shown.metric] ?? null);
    }

    /** The share that pruning has saved of what the trials of the search would have taken that have ended. */
    get saved(): number {
        const ended = this.trials.filter(({ state, wire }) => wire.confirms === null && !["waiting", "running", "paused"].includes(state));
        const most = this.wire.max_resource;
        const saved = ended.reduce((sum, { state, reached }) => sum + (state === "pruned" ? Math.max(0, most - reached) : 0), 0);
        return ended.length === 0 ? 0 : saved / (ended.length * most);
    }

    get objectiveName(): string {
        return this.shown.metric;
    }

    /** How long a search had been at work at a moment. */
    active(moment: number): number {
        let all = 0;
        for (const [from, to] of this.wire.runs) {
            if (moment < from) break;
            all += Math.min(moment, to ?? moment) - from;
        }
        return all;
    }

    get direction(): string {
        return this.sign === 1 ? "lower is better" : "higher is better";
    }
}

/** A text for a value that stands for no number. */
export function valueText(value: Value | undefined): string {
    if (value === null || value === undefined) return "absent";
    return typeof value === "string" ? value : JSON.stringify(value);
}

function signOf({ direction }: Objective): 1 | -1 {
    return direction === "maximize" ? -1 : 1;
}

function byTrial(decisions: Decision[]): Map<number, Decision[]> {
    const groups = new Map<number, Decision[]>();
    for (const decision of decisions) {
        const group = groups.get(decision[1]);
        if (group) group.push(decision);
        else groups.set(decision[1], [decision]);
    }
    return groups;
}

function metricNamed(wire: WireStudy, name: string): number {
    return Math.max(0, wire.metrics.findIndex((metric) => metric.name === name));
}

/** For each trial of a study, by its number, whether it is among some. */
export function among(study: Study, trials: Trial[]): Uint8Array {
    const wanted = new Uint8Array(study.trials.length);
    for (const { id } of trials) wanted[id] = 1;
    return wanted;
}

/** A list with some of its members replaced, and others added. */
function replaced<T>(list: T[], changed: T[], placeOf: (member: T) => number): T[] {
    if (changed.length === 0) return list;
    const next = list.slice();
    for (const member of changed) next[placeOf(member)] = member;
    return next;
}

function trialOf(wire: WireTrial, study: WireStudy, shown: Objective): Trial {
    const worst = signOf(shown) * Infinity;
    const objective = metricNamed(study, shown.metric);
    const diverged = wire.state === "diverged";
    const report = ([resource, time, ...values]: (number | null)[]): Report => ({
        resource: resource ?? NaN,
        time: time ?? NaN,
        values: study.metrics.map((_, metric) => values[metric] ?? NaN),
        feasible: !(wire.infeasible ?? []).includes(resource ?? NaN),
    });
    const reports = wire.reports.map(report);
    const first = shown.metric === study.objective.metric;
    const value = first ? wire.best?.value : valueUpTo(reports, wire.best?.resource ?? NaN, objective);
    const last = reports.at(-1);
    if (diverged && last && Number.isNaN(last.values[objective])) last.values[objective] = worst;
    return {
        id: wire.id,
        state: wire.state,
        reason: wire.reason ?? "",
        values: wire.params,
        reports,
        ahead: wire.ahead.map(report),
        value: value ?? (diverged ? worst : NaN),
        at: wire.best?.resource ?? NaN,
        feasible: wire.feasible ?? null,
        reached: wire.resource,
        wire,
    };
}

/** The last value of a metric up to a resource, if there is one. */
function valueUpTo(reports: Report[], resource: number, metric: number): number | undefined {
    const value = (report: Report): number => report.values[metric] ?? NaN;
    return reports.findLast((report) => report.resource <= resource && !Number.isNaN(value(report)))?.values[metric];
}

/** The value of a metric that stands for a trial: the last up to its best report, or else the last of all. */
export function metricOf(study: Study, trial: Trial, metric: number): number {
    if (metric === study.objective) return trial.value;
    return valueUpTo(trial.reports, trial.at, metric) ?? valueUpTo(trial.reports, Infinity, metric) ?? NaN;
}

function column(parameter: Parameter, place: number, trials: Trial[]): Column {
    const listed = parameter.kind === "bool" && !parameter.choices ? [false, true] : parameter.choices;
    const choices = listed ? listed.map(valueText) : null;
    const numbers = new Float64Array(trials.length);
    let [low, high] = [parameter.low ?? Infinity, parameter.high ?? -Infinity];
    let gaps = false;
    for (const trial of trials) {
        const value = trial.values[place];
        let number = NaN;
        if (value !== null && value !== undefined) {
            if (!choices) number = typeof value === "number" ? value : NaN;
            else {
                const text = valueText(value);
                number = choices.indexOf(text);
                if (number < 0) number = choices.push(text) - 1;
            }
        }
        numbers[trial.id] = number;
        gaps ||= Number.isNaN(number);
        if (number < low) low = number;
        if (number > high) high = number;
    }
    if (choices) [low, high] = [0, Math.max(0, choices.length - 1)];
    if (!(low <= high)) [low, high] = [0, 1];
    return { parameter, choices, numbers, domain: [low, high], gaps };
}
