// What the server sends, as it is on the wire, and how it is asked. What is not finite or was not measured is null there.

/** The value of a parameter; `null` if the trial does not have it. */
export type Value = number | string | boolean | null | object;
export type Direction = "minimize" | "maximize";

export interface Objective {
    metric: string;
    direction: Direction;
}

export const STATES = ["waiting", "running", "paused", "pruned", "completed", "diverged", "failed"] as const;
export type State = (typeof STATES)[number];

export interface Problem {
    text: string;
    fix: string | null;
}

/** An entry of the list of studies. */
export interface Listed extends Partial<Known> {
    name: string;
    state: string;
    running: boolean;
    error: Problem | null;
}

/** What is not known of a damaged study. */
interface Known {
    objective: Objective;
    further_objectives: Objective[];
    best: { trial: number; value: number } | null;
    /** Whether the best fulfils what is required; null if nothing is. */
    feasible: boolean | null;
    /** How many trials no other dominates; null with one objective. */
    non_dominated: number | null;
    untrained: number | null;
    trials: number;
    decided: number;
    planned: number;
    model: string | null;
    data: string | null;
    updated: number;
    unit: string;
    resource_trained: number;
    slot_ms: number;
}

export interface AllStudies {
    directory: string;
    can_change: boolean;
    version: string;
    error: Problem | null;
    studies: Listed[];
}

export interface Parameter {
    name: string;
    kind: "float" | "integer" | "choice" | "bool";
    log: boolean;
    /** None: unbounded. */
    low: number | null;
    high: number | null;
    choices: Value[] | null;
    /** On what it depends whether a trial has it, in words. */
    when: string | null;
}

export interface Advice {
    text: string;
    advice: string | null;
}

export interface Limits {
    trials: number;
    time_ms: number | null;
    resource: number | null;
    no_better: number | null;
}

export interface Importances {
    explained: number;
    parameters: { parameter: string; alone: number; total: number }[];
}

export interface WireStudy {
    name: string;
    state: string;
    running: boolean;
    error: Problem | null;
    objective: Objective;
    further_objectives: Objective[];
    /** Bounds on metrics, such as `embed_ms <= 5`. */
    require: string[];
    unit: { one: string; many: string };
    max_resource: number;
    rungs: { resource: number; reached: number }[];
    policy: string;
    sampler: string;
    metrics: { name: string; direction: Direction | null }[];
    parameters: Parameter[];
    fixed: Record<string, Value>;
    untrained: Record<string, number | null> | null;
    best: number | null;
    /** With several objectives, the trials that no other dominates. */
    non_dominated: number[];
    limits: Limits;
    halted: string | null;
    started: number | null;
    /** When a search was at work: from and to, null while it still is. */
    runs: [number, number | null][];
    active_ms: number;
    slots: string[];
    searched: number;
    decided: number;
    planned: number;
    resource_trained: number;
    slot_ms: number;
    importance: Importances | null;
    /** The same for the further objectives, as far as it is known. */
    further_importance: Record<string, Importances> | null;
    findings: (Advice & { trials: number[] })[];
    messages: string[];
    model: string | null;
    data: string | null;
    resume: string | null;
}

export interface WireTrial {
    id: number;
    state: State;
    reason: string | null;
    params: Value[];
    /** Resource, when, and the values in the order of the study's metrics. */
    reports: (number | null)[][];
    /** Likewise, those that count only if it is promoted. */
    ahead: (number | null)[][];
    best: { resource: number; value: number | null } | null;
    /** Whether its model of there fulfils what is required; absent if nothing is, or without a value. */
    feasible?: boolean;
    /** What that does not fulfil, with the value, if it is known. */
    breaks?: { require: string; value: number | null }[];
    /** The resources of the reports up to which something required is not fulfilled. */
    infeasible?: number[];
    resource: number;
    bracket: number | null;
    confirms: number | null;
    origin: string;
    slot: number | null;
    to: number | null;
    failures: number;
    ms: number;
    seed: number | string;
}

export type Outcome = "running" | "done" | "stopped" | "failed";
/** Its place in the list, slot, trial, from and to in time (null: it still runs), from and to in resource, outcome, ahead of a decision. */
export type Segment = [number, number, number, number, number | null, number, number, Outcome, boolean];
/** When, trial, rung, what was decided, and to which rung it goes on. */
export type Decision = [number, number, number, string, number | null];

export interface Snapshot {
    revision: number;
    study: WireStudy;
    trials: WireTrial[];
    segments: Segment[];
    decisions: Decision[];
}

/** What is sent of a study that can't be read. */
export interface Unreadable {
    study: { name: string; error: Problem };
}

/** What is new or has changed since revision `after`, each whole. */
export interface Delta extends Snapshot {
    after: number;
    /** The place of the first of its decisions among all. */
    decisions_from: number;
}

export interface Details {
    trial: WireTrial;
    diagnosis: Advice[];
    log: string | null;
    log_cut: boolean;
    config: string;
    command: string;
}

/** Why a trial was tried, and stopped or promoted: texts under headings. */
export interface Explanation {
    sections: [string, string][];
}

/** An answer that is not what was asked for, in words for whoever looks at the page. */
export class Refusal extends Error {
    constructor(
        readonly status: number,
        message: string,
        readonly fix: string | null,
        /** The parameter at fault, if one is. */
        readonly parameter: string | null,
    ) {
        super(message);
    }
}

export async function refusal(response: Response): Promise<Refusal> {
    const body: unknown = await response.json().catch(() => null);
    const text = (key: string): string | null => {
        const value = body && typeof body === "object" ? (body as Record<string, unknown>)[key] : null;
        return typeof value === "string" ? value : null;
    };
    const message = text("error") ?? `The server answered ${response.status} ${response.statusText}.`;
    return new Refusal(response.status, message, text("fix"), text("parameter"));
}

async function answer<T>(request: Promise<Response>): Promise<T> {
    let response: Response;
    try {
        response = await request;
    } catch {
        throw new Refusal(0, "The server does not answer.", "Is hpo dashboard still running?", null);
    }
    if (!response.ok) throw await refusal(response);
    return (await response.json()) as T;
}

export function get<T>(path: string): Promise<T> {
    return answer(fetch(path, { cache: "no-cache" }));
}

export function post(path: string, body: unknown): Promise<{ message: string }> {
    return answer(fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

export function isReadable(snapshot: Snapshot | Unreadable): snapshot is Snapshot {
    return "objective" in snapshot.study;
}

/** The path of a study, or of something in it. */
export function studyPath(name: string, ...parts: (string | number)[]): string {
    return ["/api/studies", encodeURIComponent(name), ...parts].join("/");
}
