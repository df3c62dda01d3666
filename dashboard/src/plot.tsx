// The frame that pictures share: axes, marks on a canvas, zoom, and what is under the pointer.
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { LOOKS, dark, ground } from "./look";
import { drawDots, drawLines, type Series } from "./marks";
import type { Trial } from "./model";
import { place, type Axis, type Placed } from "./scale";
import { compared, hovered, openTrial, tooltip } from "./view";

export interface PlotProps {
    title: string;
    /** What the picture shows, for those who don't see it and for those who do. */
    about: string;
    x: Axis;
    y: Axis;
    height: number;
    mode: "dots" | "lines";
    /** In the axes' numbers. */
    data: Series;
    under?: (x: Placed, y: Placed) => ComponentChildren;
    over?: (x: Placed, y: Placed) => ComponentChildren;
    controls?: ComponentChildren;
    /** Further lines for a point under the pointer. */
    tell?: (trial: Trial, x: number, y: number) => string[];
    small?: boolean;
    /** Compared trials are not marked: there is nothing else in the picture. */
    unpinned?: boolean;
}

type Zoom = { x: [number, number]; y: [number, number] } | null;

export function useWidth(): [{ current: HTMLDivElement | null }, number] {
    const element = useRef<HTMLDivElement>(null);
    const [width, setWidth] = useState(0);
    useLayoutEffect(() => {
        const { current } = element;
        if (!current) return;
        setWidth(current.clientWidth);
        const observer = new ResizeObserver(() => setWidth(current.clientWidth));
        observer.observe(current);
        return () => observer.disconnect();
    }, []);
    return [element, width];
}

/** Draws what is in it anew only while it can be seen, and not before it is. */
export function WhileSeen({ height, children }: { height: number; children: ComponentChildren }): JSX.Element {
    const element = useRef<HTMLDivElement>(null);
    const [seen, setSeen] = useState(false);
    const last = useRef<ComponentChildren>(null);
    if (seen) last.current = children;
    useLayoutEffect(() => {
        const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? false), { rootMargin: "200px" });
        if (element.current) observer.observe(element.current);
        return () => observer.disconnect();
    }, []);
    return <div ref={element} style={{ minHeight: `${height}px` }}>{last.current}</div>;
}

/** A canvas of a size in CSS pixels, drawn sharply. */
export function prepared(canvas: HTMLCanvasElement, width: number, height: number): [CanvasRenderingContext2D, number] | null {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide) canvas.width = wide;
    if (canvas.height !== high) canvas.height = high;
    const context = canvas.getContext("2d");
    if (!context) return null;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return [context, ratio];
}

const REACH = 14;

/** The square of the distance of a pixel from a stretch of a line. */
function awayFrom(px: number, py: number, x0: number, y0: number, x1: number, y1: number): number {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const part = Math.min(1, Math.max(0, ((px - x0) * dx + (py - y0) * dy) / (dx * dx + dy * dy || 1)));
    const [ax, ay] = [x0 + part * dx - px, y0 + part * dy - py];
    return ax * ax + ay * ay;
}

/** The point that is next to a pixel, or whose line is, and the place of its trial; none if none is near. */
function nearest({ x, y, starts }: Series, mode: "dots" | "lines", px: number, py: number): { trial: number; point: number } | null {
    let [found, distance]: [{ trial: number; point: number } | null, number] = [null, REACH * REACH];
    for (let trial = 0; trial + 1 < starts.length; trial += 1) {
        const end = starts[trial + 1]!;
        for (let at = starts[trial]!; at < end; at += 1) {
            const line = mode === "lines" && at + 1 < end;
            const away = line ? awayFrom(px, py, x[at]!, y[at]!, x[at + 1]!, y[at + 1]!) : awayFrom(px, py, x[at]!, y[at]!, x[at]!, y[at]!);
            if (!(away <= distance)) continue;
            distance = away;
            found = { trial, point: line && px - x[at]! > x[at + 1]! - px ? at + 1 : at };
        }
    }
    return found;
}

export function path(points: number[]): string {
    let text = "";
    for (let at = 0; at < points.length; at += 2) text += `${at === 0 ? "M" : "L"}${points[at]!.toFixed(1)} ${points[at + 1]!.toFixed(1)}`;
    return text;
}

/** The marks of the trial under the pointer, here or elsewhere, and of those that are compared. */
export function Highlights({ marks, unpinned }: { marks: Series; unpinned?: boolean | undefined }): JSX.Element {
    const over = hovered.value;
    const pinned = unpinned ? [] : compared.value;
    const ids = new Set(over === null ? pinned : [...pinned, over]);
    const places = ids.size === 0 ? [] : marks.trials.flatMap((trial, place) => (ids.has(trial.id) ? [place] : []));
    return (
        <g class="highlights">
            {places.map((place) => {
                const [first, end] = [marks.starts[place]!, marks.starts[place + 1]!];
                const points: number[] = [];
                for (let at = first; at < end; at += 1) if (!Number.isNaN(marks.y[at]!)) points.push(marks.x[at]!, marks.y[at]!);
                const { id } = marks.trials[place]!;
                return points.length === 0 ? null : (
                    <g key={place} class={id === over ? "over" : "pinned"}>
                        {points.length > 2 && <path d={path(points)} />}
                        <circle cx={points.at(-2)!} cy={points.at(-1)!} r={6} />
                    </g>
                );
            })}
        </g>
    );
}

export function Plot(props: PlotProps): JSX.Element {
    const { title, about, height, mode, data, small } = props;
    const [element, width] = useWidth();
    const canvas = useRef<HTMLCanvasElement>(null);
    const [zoom, setZoom] = useState<Zoom>(null);
    const [box, setBox] = useState<[number, number, number, number] | null>(null);
    const names = props.y.kind === "category" ? Math.min(56, width / 6) : 0;
    const [left, right, top, bottom] = small ? [50 + names, 18, 6, 34] : [64 + names, 14, 8, 40];
    const edges = { left, top, right: Math.max(left + 40, width - right), bottom: height - bottom };
    const x = useMemo(() => place(props.x, edges.left, edges.right, zoom?.x), [props.x, width, zoom, left]);
    const y = useMemo(() => place(props.y, edges.bottom, edges.top, zoom?.y), [props.y, height, zoom]);
    const marks = useMemo(() => inPixels(data, x, y), [data, x, y]);
    const onDark = dark.value;

    useLayoutEffect(() => {
        if (!canvas.current || width === 0) return;
        const start = prepared(canvas.current, width, height);
        if (!start) return;
        const [context, ratio] = start;
        context.save();
        context.beginPath();
        context.rect(edges.left - 5, edges.top - 5, edges.right - edges.left + 10, edges.bottom - edges.top + 10);
        context.clip();
        (mode === "dots" ? drawDots : drawLines)(context, marks, width, height, ratio);
        drawBeyond(context, data, marks, x, y);
        context.restore();
    }, [marks, onDark, width, height]);

    const at = (event: PointerEvent): [number, number] => {
        const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
        return [event.clientX - left, event.clientY - top];
    };
    const start = useRef<[number, number] | null>(null);
    const moved = (event: PointerEvent): void => {
        const [px, py] = at(event);
        if (start.current) {
            const [sx, sy] = start.current;
            if (box || Math.hypot(px - sx, py - sy) > 6) setBox([Math.min(sx, px), Math.min(sy, py), Math.max(sx, px), Math.max(sy, py)]);
            return;
        }
        const found = nearest(marks, mode, px, py);
        const trial = found && data.trials[found.trial];
        hovered.value = trial?.id ?? null;
        tooltip.value = trial ? { x: event.clientX, y: event.clientY, trial, more: props.tell?.(trial, data.x[found.point]!, data.y[found.point]!) ?? [] } : null;
    };
    const released = (event: PointerEvent): void => {
        start.current = null;
        if (box) {
            const [x0, y0, x1, y1] = box;
            setZoom({ x: [x.value(Math.max(x0, edges.left)), x.value(Math.min(x1, edges.right))], y: [y.value(y1), y.value(y0)] });
            setBox(null);
            return;
        }
        const found = nearest(marks, mode, ...at(event));
        if (found) openTrial(data.trials[found.trial]!.id);
    };
    const leave = (): void => {
        start.current = null;
        setBox(null);
        hovered.value = null;
        tooltip.value = null;
    };
    const zoomBy = (factor: number): void => {
        const around = (placed: Placed): [number, number] => {
            const [from, to] = placed.range;
            const [middle, half] = [(from + to) / 2, ((to - from) / 2) * factor];
            return [placed.value(middle - half), placed.value(middle + half)];
        };
        setZoom({ x: around(x), y: around(y) });
    };
    const id = `about-${title.replace(/\W+/g, "-")}`;
    return (
        <figure class={small ? "plot small" : "plot"}>
            <figcaption>
                {small ? <h3>{title}</h3> : <h2>{title}</h2>}
                {props.controls}
                {!small && (
                    <span class="zoom">
                        <button type="button" class="quiet" title="Zoom in (or drag a box over the picture)" aria-label={`Zoom in: ${title}`} onClick={() => zoomBy(0.6)}>+</button>
                        <button type="button" class="quiet" title="Zoom out" aria-label={`Zoom out: ${title}`} disabled={!zoom} onClick={() => zoomBy(1 / 0.6)}>−</button>
                    </span>
                )}
                {zoom && <button type="button" class="quiet" aria-label={`Whole picture: ${title}`} onClick={() => setZoom(null)}>Whole</button>}
            </figcaption>
            <div class="surface" ref={element} role="img" aria-label={title} aria-describedby={id} style={{ height: `${height}px` }}>
                <svg width={width} height={height} aria-hidden="true">
                    <Axes x={x} y={y} edges={edges} height={height} />
                    {width > 0 && props.under?.(x, y)}
                    {width > 0 && data.x.length === 0 && <text class="nothing" x={(edges.left + edges.right) / 2} y={(edges.top + edges.bottom) / 2} text-anchor="middle">nothing to draw yet</text>}
                </svg>
                <canvas ref={canvas} />
                <svg
                    width={width}
                    height={height}
                    aria-hidden="true"
                    class="top"
                    onPointerMove={moved}
                    onPointerDown={(event) => {
                        if (event.button === 0 && event.pointerType !== "touch") start.current = at(event);
                    }}
                    onPointerUp={released}
                    onPointerLeave={leave}
                    onDblClick={() => setZoom(null)}
                >
                    <rect width={width} height={height} fill="transparent" />
                    {width > 0 && props.over?.(x, y)}
                    <Highlights marks={marks} unpinned={props.unpinned} />
                    {box && <rect class="box" x={box[0]} y={box[1]} width={box[2] - box[0]} height={box[3] - box[1]} />}
                </svg>
            </div>
            <p class="about" id={id}>{about}</p>
        </figure>
    );
}

function inPixels(data: Series, x: Placed, y: Placed): Series {
    const [px, py] = [new Float32Array(data.x.length), new Float32Array(data.y.length)];
    for (let at = 0; at < px.length; at += 1) {
        px[at] = x.at(data.x[at]!);
        py[at] = y.at(data.y[at]!);
    }
    return { ...data, x: px, y: py };
}

/** An arrow at the edge where values lie beyond it. */
function drawBeyond(context: CanvasRenderingContext2D, data: Series, marks: Series, x: Placed, y: Placed): void {
    const taken = new Set<string>();
    const { limits: [left, right] } = x;
    const { limits: [low, high] } = y;
    for (let place = 0; place < data.trials.length; place += 1) {
        const look = data.looks[place]!;
        for (let at = data.starts[place]!; at < data.starts[place + 1]!; at += 1) {
            const [dx, dy] = [data.x[at]!, data.y[at]!];
            if (!(dx < left || dx > right || dy < low || dy > high)) continue;
            const [across, down] = [dx > right ? 1 : dx < left ? -1 : 0, dy > high ? -1 : dy < low ? 1 : 0];
            const [px, py] = [marks.x[at]!, marks.y[at]!];
            const key = `${look} ${Math.round(px / 3)} ${Math.round(py / 3)}`;
            if (taken.has(key)) continue;
            taken.add(key);
            context.fillStyle = ground(LOOKS[look].colours);
            context.beginPath();
            context.moveTo(px + 5 * across, py + 5 * down);
            context.lineTo(px - 3 * across + 4 * down, py - 3 * down + 4 * across);
            context.lineTo(px - 3 * across - 4 * down, py - 3 * down - 4 * across);
            context.fill();
        }
    }
}

interface Edges {
    left: number;
    right: number;
    top: number;
    bottom: number;
}

function Axes({ x, y, edges, height }: { x: Placed; y: Placed; edges: Edges; height: number }): JSX.Element {
    const within = (tick: { at: number }, low: number, high: number): boolean => tick.at >= low - 1 && tick.at <= high + 1;
    const { left, right, top, bottom } = edges;
    return (
        <g class="axes">
            {y.ticks.filter((tick) => within(tick, top, bottom)).map(({ at, label }) => (
                <g key={`y${label}${at}`}>
                    <line x1={left} x2={right} y1={at} y2={at} />
                    <text x={left - 6} y={at + 4} text-anchor="end">{shortened(label, 9)}</text>
                </g>
            ))}
            {x.ticks.filter((tick) => within(tick, left, right)).map(({ at, label }) => (
                <g key={`x${label}${at}`}>
                    <line x1={at} x2={at} y1={top} y2={bottom} />
                    <text x={at} y={bottom + 14} text-anchor="middle">{shortened(label, 12)}</text>
                </g>
            ))}
            {x.strip !== null && <Strip x={left} y={top} width={x.range[0] - left - 4} height={bottom - top} label={x.axis.absent} at={[x.strip, bottom + 14]} />}
            {y.strip !== null && <Strip x={left} y={y.range[0] + 4} width={right - left} height={bottom - y.range[0] - 4} label={y.axis.absent} at={[left - 6, y.strip + 4]} />}
            <text class="name" x={(left + right) / 2} y={height - 6} text-anchor="middle">{x.axis.label}</text>
            <text class="name" transform={`translate(12 ${(top + bottom) / 2}) rotate(-90)`} text-anchor="middle">{y.axis.label}</text>
        </g>
    );
}

function Strip({ x, y, width, height, label, at }: { x: number; y: number; width: number; height: number; label: string | undefined; at: [number, number] }): JSX.Element {
    return (
        <g>
            <rect class="strip" x={x} y={y} width={Math.max(0, width)} height={Math.max(0, height)} />
            <text x={at[0]} y={at[1]} text-anchor={at[0] < x ? "end" : "middle"}>{label}</text>
        </g>
    );
}

export function shortened(text: string, length: number): string {
    return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
