// What is being looked at. All of it that is worth sharing stands in the address.
import { batch, computed, effect, signal } from "@preact/signals";
import { EVERYTHING, read, selected, write, type Filter } from "./filter";
import type { Study, Trial } from "./model";

export const TABS = ["overview", "parameters", "contour", "trade-off", "slots", "compare"] as const;
export type Tab = (typeof TABS)[number];

/** The name of the study; none: the list of all. */
export const studyName = signal<string | null>(null);
export const tab = signal<Tab>("overview");
export const filter = signal<Filter>(EVERYTHING);
/** The trial whose details are open. */
export const trialOpen = signal<number | null>(null);
/** The trials that are compared. */
export const compared = signal<number[]>([]);
/** The studies that are compared. */
export const comparedStudies = signal<string[]>([]);
/** Whether the objective has a logarithmic axis; none: as the values need it. */
export const logObjective = signal<boolean | null>(null);

/** The study as it was sent last. */
export const latest = signal<Study | null>(null);
/** The objective that pictures show, if the study has several; none: the first. */
export const objective = signal<string | null>(null);
/** The study as it is shown. */
export const study = computed(() => latest.value?.by(objective.value) ?? null);
/** The trials that pass the filter. */
export const selection = computed<Trial[]>(() => (study.value ? selected(study.value, filter.value) : []));
/** The trial under the pointer, in any picture or in the table. */
export const hovered = signal<number | null>(null);
export const tooltip = signal<{ x: number; y: number; trial: Trial; more: string[] } | null>(null);

/** More trials than this can't be told apart by colour and dash. */
export const COMPARABLE = 6;

export function openTrial(id: number | null): void {
    trialOpen.value = id;
    tooltip.value = null;
}

export function toggleCompared(id: number): void {
    const ids = compared.value;
    compared.value = ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id].slice(-COMPARABLE);
}

export function goTo(name: string | null): void {
    batch(() => {
        trialOpen.value = null;
        compared.value = [];
        filter.value = EVERYTHING;
        logObjective.value = null;
        objective.value = null;
        tab.value = "overview";
        studyName.value = name;
    });
}

/** The fragment of the address: `#/`, or `#/NAME`, and what is looked at as parameters after a question mark. */
function address(): string {
    const parameters = new URLSearchParams();
    if (studyName.value === null) {
        comparedStudies.value.forEach((name) => parameters.append("compare", name));
    } else {
        if (tab.value !== "overview") parameters.set("tab", tab.value);
        write(filter.value, parameters);
        if (objective.value !== null) parameters.set("by", objective.value);
        if (logObjective.value !== null) parameters.set("log", String(logObjective.value));
        if (trialOpen.value !== null) parameters.set("trial", String(trialOpen.value));
        if (compared.value.length > 0) parameters.set("compare", compared.value.join(","));
    }
    const query = parameters.toString();
    return `#/${encodeURIComponent(studyName.value ?? "")}${query && `?${query}`}`;
}

function readAddress(): void {
    const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
    const parameters = new URLSearchParams(query);
    studyName.value = decoded(path) || null;
    tab.value = TABS.find((name) => name === parameters.get("tab")) ?? "overview";
    filter.value = read(parameters);
    objective.value = parameters.get("by");
    const log = parameters.get("log");
    logObjective.value = log === null ? null : log === "true";
    trialOpen.value = whole(parameters.get("trial"));
    const listed = studyName.value === null ? [] : (parameters.get("compare") ?? "").split(",");
    compared.value = listed.map(whole).filter((id) => id !== null);
    comparedStudies.value = studyName.value === null ? parameters.getAll("compare") : [];
}

function decoded(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

function whole(text: string | null | undefined): number | null {
    return text && /^\d+$/.test(text) ? Number(text) : null;
}

/** Keeps the address and the view the same. Another study, tab or trial can be gone back from. */
export function followAddress(): void {
    readAddress();
    let place = `${studyName.value} ${tab.value} ${trialOpen.value}`;
    let moving = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    addEventListener("popstate", () => {
        clearTimeout(timer);
        moving = true;
        batch(readAddress);
        moving = false;
        place = `${studyName.value} ${tab.value} ${trialOpen.value}`;
    });
    effect(() => {
        const next = address();
        const now = `${studyName.value} ${tab.value} ${trialOpen.value}`;
        if (moving || next === location.hash) return;
        clearTimeout(timer);
        if (now === place) timer = setTimeout(() => history.replaceState(null, "", address()), 150);
        else history.pushState(null, "", next);
        place = now;
    });
}
