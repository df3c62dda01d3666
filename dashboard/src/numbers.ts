// Numbers, times and durations as texts.

/** Four significant digits, and an exponent where that is shorter. */
export function short(value: number): string {
    if (Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return "not finite";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    if (size < 1e-3 || size >= 1e6) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(Number(value.toPrecision(4)));
}

export function count(amount: number, one: string, many = `${one}s`): string {
    return `${amount.toLocaleString("en")} ${amount === 1 ? one : many}`;
}

const UNITS: [number, string][] = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

/** A duration in its two largest units, or as exactly as is needed to tell it from another that is `step` milliseconds away. */
export function duration(milliseconds: number, step = Infinity): string {
    if (!Number.isFinite(milliseconds)) return "–";
    if (milliseconds > 0 && milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
    const digits = step < 10 ? 3 : step < 100 ? 2 : step < 1000 || milliseconds < 9_950 ? 1 : 0;
    let rest = Number((Math.max(0, milliseconds) / 1000).toFixed(digits));
    const first = UNITS.findIndex(([size]) => rest >= size);
    if (first < 0) return "0 s";
    const finest = UNITS.findIndex(([size]) => size * 1000 <= step);
    const last = Math.max(first + 1, finest < 0 ? UNITS.length - 1 : finest);
    const parts: string[] = [];
    for (const [size, name] of UNITS.slice(first, last + 1)) {
        const amount = size === 1 ? Number(rest.toFixed(digits)) : Math.floor(rest / size);
        rest -= amount * size;
        if (amount > 0) parts.push(`${amount} ${name}`);
    }
    return parts.join(" ");
}

export function moment(milliseconds: number | null | undefined): string {
    if (milliseconds === null || milliseconds === undefined) return "–";
    const date = new Date(milliseconds);
    const two = (part: number): string => String(part).padStart(2, "0");
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The value below which a share of sorted numbers lies. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
    if (sorted.length === 0) return NaN;
    const place = (sorted.length - 1) * share;
    const low = sorted[Math.floor(place)] ?? NaN;
    const high = sorted[Math.ceil(place)] ?? NaN;
    return low + (high - low) * (place - Math.floor(place));
}

/** Quartiles are taken of so many values. */
const SAMPLE = 2000;

/**
 * The limits of an axis: those of the values, without those that lie beyond the quartiles by more than three times their distance if
 * these would take more than three quarters of the axis.
 */
export function limits(values: ArrayLike<number>, logarithmic: boolean): [number, number] | null {
    const scaled = logarithmic ? Math.log : (value: number): number => value;
    const every = Math.max(1, Math.floor(values.length / SAMPLE));
    const sample: number[] = [];
    let [first, last] = [Infinity, -Infinity];
    const [smallest, largest] = [logarithmic ? Number.MIN_VALUE : -Number.MAX_VALUE, Number.MAX_VALUE];
    for (let at = 0; at < values.length; at += 1) {
        const value = values[at]!;
        if (!(value >= smallest && value <= largest)) continue;
        if (value < first) first = value;
        if (value > last) last = value;
        if (at % every === 0) sample.push(scaled(value));
    }
    if (first > last) return null;
    const sorted = Float64Array.from(sample.length > 0 ? sample : [scaled(first)]).sort();
    [first, last] = [scaled(first), scaled(last)];
    const [lower, upper] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
    // What is there and back again by a logarithm is not quite the same.
    const room = 3 * (upper - lower) + (logarithmic ? 1e-9 : 0);
    const back = logarithmic ? Math.exp : (value: number): number => value;
    const [least, most] = [Math.max(smallest, back(lower - room)), Math.min(largest, back(upper + room))];
    let [low, high] = [Infinity, -Infinity];
    for (let at = 0; at < values.length; at += 1) {
        const value = values[at]!;
        if (value >= least && value < low) low = value;
        if (value <= most && value > high) high = value;
    }
    [low, high] = [scaled(low), scaled(high)];
    if (!(low <= high) || (high > low && high - low > (last - first) / 4)) [low, high] = [first, last];
    const margin = high > low ? 0.04 * (high - low) : logarithmic ? 0.1 : Math.abs(high) * 0.1 || 1;
    return [back(low - margin), back(high + margin)];
}

/** A number of each member of a list; `from` of typed arrays takes many times as long. */
export function numbersOf<T>(list: T[], of: (member: T) => number): Float64Array {
    const numbers = new Float64Array(list.length);
    for (let at = 0; at < list.length; at += 1) numbers[at] = of(list[at]!);
    return numbers;
}

/** The numbers from 0 to one. */
export function upTo(last: number): Uint32Array {
    const numbers = new Uint32Array(last + 1);
    for (let at = 0; at <= last; at += 1) numbers[at] = at;
    return numbers;
}

/** Whether values span so much that they are better seen by their logarithm. */
export function spans(values: ArrayLike<number>): boolean {
    let [low, high] = [Infinity, -Infinity];
    for (let at = 0; at < values.length; at += 1) {
        const value = values[at]!;
        if (value < low && value !== -Infinity) low = value;
        if (value > high && value !== Infinity) high = value;
    }
    return low > 0 && high / low >= 100;
}
