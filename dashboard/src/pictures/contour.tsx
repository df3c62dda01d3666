// The objective over two parameters, smoothed from the trials that are looked at.
import { contours } from "d3-contour";
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { parameterAxis } from "../axes";
import { dark, lookOf, shade } from "../look";
import { scatter } from "../marks";
import type { Column, Study, Trial } from "../model";
import { limits, short, spans } from "../numbers";
import { Plot } from "../plot";
import { place, type Axis, type Placed } from "../scale";
import { summary } from "../told";
import { logObjective } from "../view";
import { Choice, LogSwitch } from "./common";
import { byImportance } from "./slices";

/** Cells across and down; the width of the smoothing in cells. */
const [ACROSS, DOWN, SMOOTH] = [48, 36, 2.6];
const LEVELS = 8;

interface Field {
    levels: { share: number; value: number; rings: [number, number][][][] }[];
    low: number;
    high: number;
}

export function Contour({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const ordered = useMemo(() => byImportance(study), [study]);
    const [names, setNames] = useState<[string | null, string | null]>([null, null]);
    const find = (name: string | null, otherwise: number): Column | undefined => study.columns.find((column) => column.parameter.name === name) ?? ordered[otherwise];
    const [across, down] = [find(names[0], 0), find(names[1], 1)];
    const log = logObjective.value;
    const x = useMemo(() => across && parameterAxis(across), [across]);
    const y = useMemo(() => down && parameterAxis(down), [down]);
    const logarithmic = log ?? spans(trials.map((trial) => trial.value));
    const field = useMemo(() => (across && down ? smoothed(across, down, trials, logarithmic, study.sign) : null), [across, down, trials, logarithmic, study.sign]);
    const data = useMemo(() => {
        const number = (column: Column | undefined) => (trial: Trial): number => column?.numbers[trial.id] ?? NaN;
        return scatter(trials, (trial) => lookOf(study, trial), number(across), number(down));
    }, [study, trials, across, down]);
    if (!across || !down || !x || !y) return <p class="empty">A contour needs two parameters that are searched; this study has {study.columns.length}.</p>;
    const options = study.columns.map(({ parameter: { name } }): [string, string] => [name, name]);
    return (
        <>
            <Plot
                title="Contour"
                about={`${study.objectiveName} by ${across.parameter.name} and ${down.parameter.name}, smoothed; marks are trials, and no colour where there are none near. ${field ? `From ${short(field.low)} to ${short(field.high)}, ${study.direction}.` : "Too few of these trials have a value for a surface."} ${summary(study, trials)}`}
                x={x}
                y={y}
                height={460}
                mode="dots"
                data={data}
                controls={
                    <>
                        <Choice label="Across" value={across.parameter.name} options={options} change={(name) => setNames([name, down.parameter.name])} />
                        <Choice label="Up" value={down.parameter.name} options={options} change={(name) => setNames([across.parameter.name, name])} />
                        <LogSwitch axis={{ kind: logarithmic ? "log" : "linear" }} />
                    </>
                }
                under={(px, py) => field && <Surface field={field} x={px} y={py} />}
            />
            {field && <Key field={field} />}
        </>
    );
}

/** An axis over the cells of the grid, which has none for what is absent. */
function grid({ absent: _, ...axis }: Axis, cells: number): Placed {
    return place(axis, 0, cells);
}

/** Values at the cells of a grid over both axes, each by its distance to the trials there; null where there are none near. */
function smoothed(across: Column, down: Column, trials: Trial[], logarithmic: boolean, sign: number): Field | null {
    const [x, y] = [grid(parameterAxis(across), ACROSS), grid(parameterAxis(down), DOWN)];
    const scaled = (value: number): number => (logarithmic ? Math.log(value) : value);
    const bounds = limits(trials.map((trial) => trial.value), logarithmic);
    if (!bounds) return null;
    const [sums, weights] = [new Float64Array(ACROSS * DOWN), new Float64Array(ACROSS * DOWN)];
    let used = 0;
    for (const trial of trials) {
        const [px, py] = [x.at(across.numbers[trial.id] ?? NaN), y.at(down.numbers[trial.id] ?? NaN)];
        if (Number.isNaN(px + py + trial.value)) continue;
        const value = scaled(Math.min(bounds[1], Math.max(bounds[0], trial.value)));
        const cell = Math.min(DOWN - 1, Math.floor(py)) * ACROSS + Math.min(ACROSS - 1, Math.floor(px));
        sums[cell]! += value;
        weights[cell]! += 1;
        used += 1;
    }
    if (used < 5) return null;
    const [top, bottom] = [blurred(sums), blurred(weights)];
    const values = Array.from(top, (sum, cell) => (bottom[cell]! > 0.008 ? sum / bottom[cell]! : NaN));
    const known = values.filter((value) => !Number.isNaN(value));
    const [low, high] = [Math.min(...known), Math.max(...known)];
    if (!(high > low)) return null;
    const thresholds = Array.from({ length: LEVELS }, (_, level) => low + ((high - low) * level) / LEVELS);
    const drawn = contours().size([ACROSS, DOWN]).smooth(true).thresholds(thresholds)(values.map((value) => (Number.isNaN(value) ? -Infinity : value)));
    const back = (value: number): number => (logarithmic ? Math.exp(value) : value);
    return {
        low: back(low),
        high: back(high),
        levels: drawn.map(({ coordinates, value }, level) => {
            const share = level / (LEVELS - 1);
            return { share: sign === 1 ? share : 1 - share, value: back(value), rings: coordinates as [number, number][][][] };
        }),
    };
}

/** Gaussian smoothing along both axes. */
function blurred(cells: Float64Array): Float64Array {
    const reach = Math.ceil(3 * SMOOTH);
    const kernel = Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-((at - reach) ** 2) / (2 * SMOOTH * SMOOTH)) / (SMOOTH * Math.sqrt(2 * Math.PI)));
    const along = (from: Float64Array, stride: number, length: number, lines: number, lineStride: number): Float64Array => {
        const to = new Float64Array(from.length);
        for (let line = 0; line < lines; line += 1) {
            for (let at = 0; at < length; at += 1) {
                let sum = 0;
                for (let other = Math.max(0, at - reach); other <= Math.min(length - 1, at + reach); other += 1) {
                    sum += from[line * lineStride + other * stride]! * kernel[other - at + reach]!;
                }
                to[line * lineStride + at * stride] = sum;
            }
        }
        return to;
    };
    return along(along(cells, 1, ACROSS, DOWN, ACROSS), ACROSS, DOWN, ACROSS, 1);
}

function colour(share: number): string {
    return `rgb(${shade(share, dark.value).join(" ")})`;
}

function Surface({ field, x, y }: { field: Field; x: Placed; y: Placed }): JSX.Element {
    // The grid lies over the whole axes, whatever part of them is zoomed into.
    const [gx, gy] = [grid(x.axis, ACROSS), grid(y.axis, DOWN)];
    const toX = (cell: number): number => x.at(gx.value(cell));
    const toY = (cell: number): number => y.at(gy.value(cell));
    const [left, right] = x.range;
    const [bottom, top] = y.range;
    return (
        <g>
            <clipPath id="contour-clip"><rect x={left} y={top} width={right - left} height={bottom - top} /></clipPath>
            <g clip-path="url(#contour-clip)" class="surface-levels">
                {field.levels.map(({ share, value, rings }) => (
                    <path key={value} fill={colour(share)} d={rings.flat().map((ring) => `M${ring.map(([cx, cy]) => `${toX(cx).toFixed(1)} ${toY(cy).toFixed(1)}`).join("L")}Z`).join("")}>
                        <title>{short(value)}</title>
                    </path>
                ))}
            </g>
        </g>
    );
}

function Key({ field }: { field: Field }): JSX.Element {
    return (
        <ul class="legend" aria-label="Colours">
            {field.levels.map(({ share, value }) => (
                <li key={value}>
                    <svg class="symbol" width={18} height={12} aria-hidden="true"><rect class="surface-levels" width={18} height={12} fill={colour(share)} /></svg>
                    from {short(value)}
                </li>
            ))}
        </ul>
    );
}
