// How trials look: by their state, in the colours of Okabe and Ito ("Color Universal Design", 2008) and in a shape and a dash of its own.
import { signal } from "@preact/signals";
import type { State } from "./api";
import type { Study, Trial } from "./model";

export type Shape = "disc" | "ring" | "diamond" | "cross" | "triangle" | "star" | "square";

export interface Look {
    name: string;
    /** On a light and on a dark ground. */
    colours: [string, string];
    shape: Shape;
    dash: number[];
    width: number;
    opacity: number;
}

/** In the order in which they are drawn. */
export const LOOKS = {
    infeasible: { name: "infeasible", colours: ["#7a6a5a", "#a8998a"], shape: "square", dash: [3, 4], width: 1, opacity: 0.6 },
    pruned: { name: "pruned", colours: ["#8a8a8a", "#8d9096"], shape: "ring", dash: [], width: 1, opacity: 0.55 },
    open: { name: "not decided yet", colours: ["#b37700", "#e69f00"], shape: "diamond", dash: [6, 3], width: 1.25, opacity: 0.8 },
    completed: { name: "completed", colours: ["#0072b2", "#56b4e9"], shape: "disc", dash: [], width: 1.25, opacity: 0.8 },
    failed: { name: "failed", colours: ["#aa4f86", "#d98cb8"], shape: "triangle", dash: [2, 3], width: 1.25, opacity: 0.8 },
    diverged: { name: "diverged", colours: ["#c44a00", "#ff7f2a"], shape: "cross", dash: [1, 2], width: 1.25, opacity: 0.8 },
    best: { name: "best", colours: ["#007a58", "#1fc796"], shape: "star", dash: [], width: 2.5, opacity: 1 },
} satisfies Record<string, Look>;
export type LookName = keyof typeof LOOKS;
export const LAYERS = Object.keys(LOOKS) as LookName[];

const BY_STATE: Record<State, LookName> = {
    waiting: "open",
    running: "open",
    paused: "open",
    pruned: "pruned",
    completed: "completed",
    diverged: "diverged",
    failed: "failed",
};

export function lookOf(study: Study, trial: Trial): LookName {
    return study.isBest(trial) ? "best" : ordinaryLookOf(trial);
}

/** How a trial looks that is not set apart as one of the best. What is required goes before the state. */
export function ordinaryLookOf({ state, feasible }: Trial): LookName {
    return feasible === false ? "infeasible" : BY_STATE[state];
}

const COMPARED: { colours: [string, string]; dash: number[] }[] = [
    { colours: ["#0072b2", "#56b4e9"], dash: [] },
    { colours: ["#b34700", "#ff8c42"], dash: [7, 3] },
    { colours: ["#007a58", "#1fc796"], dash: [2, 3] },
    { colours: ["#aa4f86", "#d98cb8"], dash: [9, 3, 2, 3] },
    { colours: ["#8f6b00", "#f0e442"], dash: [4, 2] },
    { colours: ["#444444", "#cfcfcf"], dash: [1, 2] },
];

/** The colours and the dash of a member of a comparison, by its place. */
export function styleOf(place: number): { colours: [string, string]; dash: number[] } {
    return COMPARED[place % COMPARED.length]!;
}

/** From good to bad: Cividis (Nuñez, Anderton, Renslow, 2018), which looks the same with and without a colour vision deficiency. */
const CIVIDIS: [number, number, number][] = [
    [0, 32, 77], [0, 52, 110], [57, 72, 107], [87, 92, 109], [112, 113, 115], [138, 134, 120], [166, 156, 117], [196, 180, 108], [228, 207, 91], [255, 234, 70],
];

/** The colour at a share from 0 (good, stands out from the ground) to 1 (bad). */
export function shade(share: number, onDark: boolean): [number, number, number] {
    const place = Math.min(1, Math.max(0, onDark ? 1 - share : share)) * (CIVIDIS.length - 1);
    const low = CIVIDIS[Math.floor(place)] ?? [0, 0, 0];
    const high = CIVIDIS[Math.ceil(place)] ?? low;
    const part = place - Math.floor(place);
    return [0, 1, 2].map((channel) => Math.round((low[channel] ?? 0) * (1 - part) + (high[channel] ?? 0) * part)) as [number, number, number];
}

export function rgb(hex: string): [number, number, number] {
    const number = Number.parseInt(hex.slice(1), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
}

const scheme = matchMedia("(prefers-color-scheme: dark)");
/** Whether the ground is dark, which follows the system. */
export const dark = signal(scheme.matches);
scheme.addEventListener("change", () => {
    dark.value = scheme.matches;
});

export function ground<T>(colours: [T, T]): T {
    return dark.value ? colours[1] : colours[0];
}
