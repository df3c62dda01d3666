// Axes: from numbers to pixels and back, with a strip of its own for what has no number.
import { scaleLinear } from "d3-scale";
import { duration, short } from "./numbers";

export interface Axis {
    label: string;
    kind: "linear" | "log" | "time" | "category";
    domain: [number, number];
    categories?: string[];
    /** What the strip for values that are not there is called; no strip without it. */
    absent?: string;
    /** Whether only whole numbers make sense. */
    whole?: boolean;
}

export interface Tick {
    at: number;
    label: string;
}

export interface Placed {
    axis: Axis;
    /** Pixels of a number. What lies beyond the axis' own limits is at its edge; what is not there, in the strip. */
    at(value: number): number;
    /** The number at a pixel. */
    value(pixel: number): number;
    ticks: Tick[];
    strip: number | null;
    /** Whether a number lies beyond the limits. */
    beyond(value: number): boolean;
    limits: [number, number];
    range: [number, number];
}

export const STRIP = 24;

/** Places an axis between two pixels, from its low to its high end; `zoom` shows a part of it. */
export function place(axis: Axis, from: number, to: number, zoom: [number, number] | null = null): Placed {
    const direction = Math.sign(to - from);
    const inner = axis.absent === undefined ? from : from + direction * STRIP;
    const strip = axis.absent === undefined ? null : from + (direction * STRIP) / 2;
    const room = axis.kind === "category" ? 0.5 : 0;
    const [low, high] = zoom ?? [axis.domain[0] - room, axis.domain[1] + room];
    const logarithmic = axis.kind === "log";
    const scaled = (value: number): number => (logarithmic ? Math.log(value) : value);
    const first = scaled(low);
    const last = scaled(low === high ? low + 1 : high);
    const pixels = (to - inner) / (last - first);
    const [least, most] = [axis.domain[0] - room, axis.domain[1] + room];
    const at = (value: number): number => inner + (scaled(value) - first) * pixels;
    return {
        axis,
        at(value) {
            if (Number.isNaN(value)) return strip ?? NaN;
            return at(value < least ? least : value > most ? most : value);
        },
        value(pixel) {
            const place = first + (pixel - inner) / pixels;
            return logarithmic ? Math.exp(place) : place;
        },
        ticks: ticks(axis, low, high, Math.abs(to - inner), at),
        strip,
        beyond: (value) => value < least || value > most,
        limits: [least, most],
        range: [inner, to],
    };
}

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
const STEPS = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
    ...[1, 2, 5, 10, 15, 30].map((step) => step * SECOND),
    ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
    ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
    ...[1, 2, 5, 10, 20].map((step) => step * DAY),
];

function ticks(axis: Axis, low: number, high: number, pixels: number, at: (value: number) => number): Tick[] {
    const some = Math.max(2, Math.round(pixels / 70));
    if (axis.kind === "category") {
        const names = axis.categories ?? [];
        const step = Math.max(1, Math.ceil(names.length / Math.max(2, pixels / 18)));
        return names.flatMap((label, value) => (value >= low && value <= high && value % step === 0 ? [{ at: at(value), label }] : []));
    }
    if (axis.kind === "log") return logTicks(low, high, some).map((value) => ({ at: at(value), label: short(value) }));
    if (axis.kind === "time") {
        const step = STEPS.find((step) => (high - low) / step <= pixels / 95) ?? Math.ceil(((high - low) / DAY) * (95 / pixels)) * DAY;
        const first = Math.ceil(low / step);
        const values = Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, at) => (first + at) * step);
        return values.map((value) => ({ at: at(value), label: value === 0 ? "0" : duration(value, step) }));
    }
    const values = scaleLinear().domain([low, high]).ticks(some);
    const whole = axis.whole ? values.filter(Number.isInteger) : values;
    return whole.map((value) => ({ at: at(value), label: short(value) }));
}

/** Powers of ten; between them 2 and 5, or evenly spaced values where there are too few. */
export function logTicks(low: number, high: number, some: number): number[] {
    const decades = Math.log10(high / low);
    if (decades < 0.7) return scaleLinear().domain([low, high]).ticks(some);
    const steps = decades <= some / 3 ? [1, 2, 5] : decades <= some / 1.5 ? [1, 3] : [1];
    const every = Math.max(1, Math.ceil(decades / some));
    const values: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
        if (power % every !== 0) continue;
        for (const step of steps) {
            const value = Number(`${step}e${power}`);
            if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) values.push(value);
        }
    }
    return values;
}
