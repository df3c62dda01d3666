// Each trial as a line across the axes of all parameters to its value. A range that is drawn on an axis goes into the filter.
import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { objectiveAxis, parameterAxis } from "../axes";
import { NO_CONDITION, withParameter } from "../filter";
import { LOOKS, dark, ground, lookOf, rgb, shade, type LookName } from "../look";
import { MANY_LINES, MOST_LINES, MOST_SHADES, drawLines, type Series } from "../marks";
import { among, type Column, type Study, type Trial } from "../model";
import { short } from "../numbers";
import { Highlights, prepared, shortened, useWidth } from "../plot";
import { place, type Placed } from "../scale";
import { summary } from "../told";
import { filter, hovered, logObjective, openTrial, tooltip } from "../view";
import { LogSwitch } from "./common";

const HEIGHT = 400;
const [TOP, BOTTOM, SIDE] = [44, 20, 56];
/** An axis needs so much room for its numbers. */
const APART = 92;
/** The dash of lines of pruned trials. */
const PRUNED = [5, 3];
/** So far from an axis a drag is one along it. */
const REACH = 22;

/** An axis of the picture: of a parameter, or of the objective without one. */
interface Upright {
    column: Column | null;
    placed: Placed;
    x: number;
    number(trial: Trial): number;
}

export function Parallel({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const [element, available] = useWidth();
    const canvas = useRef<HTMLCanvasElement>(null);
    const log = logObjective.value;
    const onDark = dark.value;
    const width = Math.max(available, study.columns.length * APART + 2 * SIDE);
    const objective = useMemo(() => objectiveAxis(study, study.trials), [study, log]);
    const uprights = useMemo(() => {
        const step = (width - 2 * SIDE) / Math.max(1, study.columns.length);
        const [from, to] = [HEIGHT - BOTTOM, TOP];
        const parameters = study.columns.map(
            (column, at): Upright => ({
                column,
                placed: place(parameterAxis(column), from, to),
                x: SIDE + at * step,
                number: (trial) => column.numbers[trial.id] ?? NaN,
            }),
        );
        const last: Upright = { column: null, placed: place(objective, from, to), x: width - SIDE, number: (trial) => trial.value };
        return [...parameters, last];
    }, [study.columns, objective, width]);
    const marks = useMemo(() => lines(study, trials, uprights, onDark), [study, trials, uprights, onDark]);

    useLayoutEffect(() => {
        const start = canvas.current && available > 0 ? prepared(canvas.current, width, HEIGHT) : null;
        if (start) drawLines(start[0], marks, width, HEIGHT, start[1]);
    }, [marks, width, available]);

    const drag = useRef<{ upright: Upright; from: number } | null>(null);
    const at = (event: PointerEvent): [number, number] => {
        const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
        return [event.clientX - left, event.clientY - top];
    };
    const moved = (event: PointerEvent): void => {
        const [x, y] = at(event);
        if (drag.current) {
            if (Math.abs(y - drag.current.from) > 4) brush(drag.current.upright, drag.current.from, y);
            return;
        }
        const trial = under(marks, uprights, x, y);
        hovered.value = trial?.id ?? null;
        tooltip.value = trial ? { x: event.clientX, y: event.clientY, trial, more: [] } : null;
    };
    const pressed = (event: PointerEvent): void => {
        const [x, y] = at(event);
        const upright = uprights.find((upright) => Math.abs(upright.x - x) < REACH);
        if (event.button !== 0 || !upright) return;
        (event.currentTarget as Element).setPointerCapture(event.pointerId);
        drag.current = { upright, from: y };
    };
    const released = (event: PointerEvent): void => {
        const [x, y] = at(event);
        const dragged = drag.current && Math.abs(y - drag.current.from) > 4;
        drag.current = null;
        const trial = dragged ? null : under(marks, uprights, x, y);
        if (trial) openTrial(trial.id);
    };
    const cleared = (event: MouseEvent): void => {
        const x = event.clientX - (event.currentTarget as Element).getBoundingClientRect().left;
        const upright = uprights.find((upright) => Math.abs(upright.x - x) < REACH);
        if (!upright) return;
        if (upright.column) filter.value = withParameter(filter.value, upright.column.parameter.name, NO_CONDITION);
        else filter.value = { ...filter.value, objective: { low: null, high: null } };
    };
    return (
        <figure class="plot">
            <figcaption>
                <h2>Parallel coordinates</h2>
                <LogSwitch axis={objective} />
            </figcaption>
            <div class="surface scroll" ref={element} role="img" tabIndex={0} aria-label="Parallel coordinates" aria-describedby="about-parallel" style={{ height: `${HEIGHT + 14}px` }}>
                <canvas ref={canvas} style={{ width: `${width}px`, height: `${HEIGHT}px` }} />
                <svg
                    width={width}
                    height={HEIGHT}
                    class="top"
                    aria-hidden="true"
                    onPointerMove={moved}
                    onPointerDown={pressed}
                    onPointerUp={released}
                    onPointerLeave={() => {
                        hovered.value = null;
                        tooltip.value = null;
                    }}
                    onDblClick={cleared}
                >
                    <rect width={width} height={HEIGHT} fill="transparent" />
                    <Highlights marks={marks} />
                    {available > 0 && uprights.map((upright) => <UprightAxis key={upright.column?.parameter.name ?? ""} upright={upright} />)}
                </svg>
            </div>
            <p class="about" id="about-parallel">
                Each line is a trial: its parameters, and on the right its {study.objectiveName} ({study.direction}); {onDark ? "bright" : "dark"} lines are the better ones{trials.length > MANY_LINES ? "" : ", dashed ones are not completed"}{study.wire.require.length > 0 ? "; those of infeasible trials lie behind all others" : ""}. Drag along an axis to filter by it, double-click to undo that; the filter above does the same by keyboard.{" "}
                {trials.length > MOST_LINES && `${MOST_LINES.toLocaleString("en")} lines are drawn, evenly from the best to the worst. `}
                {summary(study, trials)}
            </p>
        </figure>
    );
}

/** The lines of the trials, from the worst to the best; each has a point on every axis. */
function lines(study: Study, trials: Trial[], uprights: Upright[], onDark: boolean): Series {
    const wanted = among(study, trials);
    const chosen = study.ranked.filter(({ id }) => wanted[id] === 1);
    const every = chosen.length / Math.min(chosen.length, MOST_LINES);
    const drawn = Array.from({ length: Math.min(chosen.length, MOST_LINES) }, (_, at) => chosen[Math.floor(at * every)]!).reverse();
    const shades = Array.from({ length: MOST_SHADES }, (_, at) => shade((at / (MOST_SHADES - 1)) * 0.85, onDark));
    shades.push(rgb(ground(LOOKS.infeasible.colours)), rgb(ground(LOOKS.best.colours)));
    const looks = drawn.map((trial): LookName => {
        const look = lookOf(study, trial);
        return look === "best" || look === "infeasible" ? look : "completed";
    });
    const axes = uprights.length;
    const [x, y] = [new Float32Array(axes * drawn.length), new Float32Array(axes * drawn.length)];
    uprights.forEach((upright, axis) => {
        for (let at = 0; at < drawn.length; at += 1) {
            x[at * axes + axis] = upright.x;
            y[at * axes + axis] = upright.placed.at(upright.number(drawn[at]!));
        }
    });
    return {
        trials: drawn,
        x,
        y,
        starts: Uint32Array.from({ length: drawn.length + 1 }, (_, at) => at * axes),
        looks,
        dashes: drawn.map((trial, at) => (looks[at] === "completed" && trial.state === "pruned" ? PRUNED : LOOKS[lookOf(study, trial)].dash)),
        shaded: { shades, of: looks.map((look, at) => (look === "best" ? MOST_SHADES + 1 : look === "infeasible" ? MOST_SHADES : Math.floor(((drawn.length - 1 - at) / drawn.length) * MOST_SHADES))) },
    };
}

/** The trial whose line is under a pixel. */
function under({ trials, y: points }: Series, uprights: Upright[], x: number, y: number): Trial | null {
    const right = uprights.findIndex((upright) => upright.x >= x);
    if (right < 1) return null;
    const [from, to] = [uprights[right - 1]!, uprights[right]!];
    const part = (x - from.x) / (to.x - from.x);
    let [found, distance] = [-1, 10];
    for (let at = 0; at < trials.length; at += 1) {
        const place = at * uprights.length + right;
        const [a, b] = [points[place - 1]!, points[place]!];
        const away = Math.abs(a + (b - a) * part - y);
        if (away <= distance) [found, distance] = [at, away];
    }
    return trials[found] ?? null;
}

/** Filters by what lies between two pixels on an axis. */
function brush({ column, placed }: Upright, from: number, to: number): void {
    const [low, high] = [placed.value(Math.max(from, to)), placed.value(Math.min(from, to))].map((value) => Number(short(value))) as [number, number];
    const absent = placed.strip !== null && Math.abs(placed.strip - Math.max(from, to)) < 12;
    if (!column) {
        filter.value = { ...filter.value, objective: { low, high } };
        return;
    }
    const { name } = column.parameter;
    if (column.choices) {
        const choices = column.choices.filter((_, at) => at >= low && at <= high);
        filter.value = withParameter(filter.value, name, { choices, absent });
    } else {
        filter.value = withParameter(filter.value, name, { low, high, absent });
    }
}

function UprightAxis({ upright }: { upright: Upright }): JSX.Element {
    const { column, placed, x } = upright;
    const name = placed.axis.label;
    const condition = column ? filter.value.parameters[column.parameter.name] : filter.value.objective;
    const choices = column?.choices ?? [];
    const chosen = column && filter.value.parameters[column.parameter.name]?.choices;
    const { low, high } = condition ?? { low: null, high: null };
    const [bottom, top] = placed.range;
    const bounds = condition && !chosen && (low ?? high) !== null;
    const [from, to] = [low === null ? bottom : placed.at(low), high === null ? top : placed.at(high)];
    return (
        <g class="upright">
            <text class="name" x={x} y={14} text-anchor="middle"><title>{name}</title>{shortened(name, 15)}</text>
            <line x1={x} x2={x} y1={bottom} y2={top} />
            {placed.ticks.map(({ at, label }) => (
                <g key={label}>
                    <line x1={x - 3} x2={x + 3} y1={at} y2={at} />
                    <text class="halo" x={x + 6} y={at + 4}>{shortened(label, 10)}</text>
                </g>
            ))}
            {placed.strip !== null && <text class="halo" x={x + 6} y={placed.strip + 4}>{placed.axis.absent}</text>}
            {bounds && <rect class="brush" x={x - 7} y={Math.min(from, to)} width={14} height={Math.max(3, Math.abs(to - from))} />}
            {chosen?.map((choice) => <rect key={choice} class="brush" x={x - 7} y={placed.at(choices.indexOf(choice)) - 6} width={14} height={12} />)}
        </g>
    );
}
