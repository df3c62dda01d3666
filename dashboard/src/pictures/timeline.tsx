// What ran on which slot, and when. The time in which no search was at work is left out.
import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Segment } from "../api";
import { LOOKS, dark, ground, lookOf } from "../look";
import type { Study, Trial } from "../model";
import { count, duration } from "../numbers";
import { prepared, shortened, useWidth } from "../plot";
import { place, type Axis } from "../scale";
import { summary } from "../told";
import { hovered, openTrial, tooltip } from "../view";

const [TOP, BOTTOM, LEFT, RIGHT] = [8, 40, 96, 14];

interface Bar {
    segment: Segment;
    from: number;
    to: number;
    row: number;
}

export function Timeline({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const [element, width] = useWidth();
    const canvas = useRef<HTMLCanvasElement>(null);
    const [zoom, setZoom] = useState<[number, number] | null>(null);
    const onDark = dark.value;
    const over = hovered.value;
    const { bars, slots, end, busy } = useMemo(() => {
        const now = Date.now();
        const bars = study.segments.filter(Boolean).map((segment): Bar => {
            const [, slot, , from, to] = segment;
            return { segment, from: study.active(from), to: study.active(to ?? now), row: slot };
        });
        let [slots, end, busy] = [study.wire.slots.length, 1, 0];
        for (const { row, from, to } of bars) {
            slots = Math.max(slots, row + 1);
            end = Math.max(end, to);
            busy += to - from;
        }
        return { bars, slots, end, busy };
    }, [study]);
    const rowHeight = Math.max(6, Math.min(26, 480 / Math.max(1, slots)));
    const height = TOP + BOTTOM + Math.max(1, slots) * rowHeight;
    const axis: Axis = { label: "time in which a search was at work", kind: "time", domain: [0, end] };
    const x = place(axis, LEFT, Math.max(LEFT + 40, width - RIGHT), zoom);
    const shown = useMemo(() => new Set(trials.map((trial) => trial.id)), [trials]);

    useLayoutEffect(() => {
        const start = canvas.current && width > 0 ? prepared(canvas.current, width, height) : null;
        if (!start) return;
        const [context] = start;
        context.beginPath();
        context.rect(LEFT, 0, width - LEFT - RIGHT, height);
        context.clip();
        for (const { segment, from, to, row } of bars) {
            const [, , id, , , , , outcome, ahead] = segment;
            const trial = study.trial(id);
            const [left, top] = [x.at(from), TOP + row * rowHeight + 1];
            const wide = Math.max(1, x.at(to) - left - (rowHeight > 12 ? 1 : 0));
            const look = LOOKS[outcome === "failed" ? "failed" : trial ? lookOf(study, trial) : "pruned"];
            context.globalAlpha = shown.has(id) ? (id === over ? 1 : 0.8) : 0.12;
            context.fillStyle = ground(look.colours);
            context.fillRect(left, top, wide, rowHeight - 2);
            context.globalAlpha = 1;
            if (wide > 5 && rowHeight > 8) pattern(context, outcome, ahead, left, top, wide, rowHeight - 2, onDark);
            if (wide > 26 && rowHeight > 14 && shown.has(id)) {
                context.fillStyle = onDark ? "#101214" : "#ffffff";
                context.font = "11px system-ui, sans-serif";
                context.fillText(String(id), left + 4, top + rowHeight / 2 + 3, wide - 6);
            }
        }
    });

    const found = (event: PointerEvent): Bar | null => {
        const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
        const [px, row] = [event.clientX - left, Math.floor((event.clientY - top - TOP) / rowHeight)];
        return bars.findLast((bar) => bar.row === row && x.at(bar.from) - 1 <= px && px <= x.at(bar.to) + 1) ?? null;
    };
    const moved = (event: PointerEvent): void => {
        const bar = found(event);
        const trial = bar && study.trial(bar.segment[2]);
        hovered.value = trial?.id ?? null;
        tooltip.value = trial ? { x: event.clientX, y: event.clientY, trial, more: [told(study, bar)] } : null;
    };
    const zoomBy = (factor: number): void => {
        const [low, high] = zoom ?? [0, end];
        const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
        const next: [number, number] = [Math.max(0, middle - half), Math.min(end, middle + half)];
        setZoom(next[1] - next[0] >= end ? null : next);
    };
    const pan = (share: number): void => {
        if (!zoom) return;
        const wide = zoom[1] - zoom[0];
        const low = Math.min(Math.max(0, zoom[0] + share * wide), end - wide);
        setZoom([low, low + wide]);
    };
    const names = Array.from({ length: slots }, (_, slot) => `${slot}: ${study.wire.slots[slot] ?? "slot"}`);
    const every = Math.ceil(13 / rowHeight);
    return (
        <figure class="plot">
            <figcaption>
                <h2>Slots over time</h2>
                <span class="zoom">
                    <button type="button" class="quiet" aria-label="Earlier" disabled={!zoom} onClick={() => pan(-0.5)}>←</button>
                    <button type="button" class="quiet" aria-label="Later" disabled={!zoom} onClick={() => pan(0.5)}>→</button>
                    <button type="button" class="quiet" aria-label="Zoom in: Slots over time" onClick={() => zoomBy(0.5)}>+</button>
                    <button type="button" class="quiet" aria-label="Zoom out: Slots over time" disabled={!zoom} onClick={() => zoomBy(2)}>−</button>
                </span>
            </figcaption>
            <div class="surface" ref={element} role="img" aria-label="Slots over time" aria-describedby="about-slots" style={{ height: `${height}px` }}>
                <svg width={width} height={height} aria-hidden="true" class="axes">
                    {x.ticks.map(({ at, label }) => (
                        <g key={label}>
                            <line x1={at} x2={at} y1={TOP} y2={height - BOTTOM} />
                            <text x={at} y={height - BOTTOM + 14} text-anchor="middle">{label}</text>
                        </g>
                    ))}
                    {names.map((name, slot) => slot % every === 0 && <text key={slot} x={LEFT - 6} y={TOP + slot * rowHeight + rowHeight / 2 + 4} text-anchor="end">{shortened(name, 14)}</text>)}
                    <text class="name" x={(LEFT + width) / 2} y={height - 6} text-anchor="middle">{axis.label}</text>
                </svg>
                <canvas ref={canvas} />
                <svg
                    width={width}
                    height={height}
                    aria-hidden="true"
                    class="top"
                    onPointerMove={moved}
                    onPointerUp={(event) => {
                        const bar = found(event);
                        if (bar) openTrial(bar.segment[2]);
                    }}
                    onPointerLeave={() => {
                        hovered.value = null;
                        tooltip.value = null;
                    }}
                >
                    <rect width={width} height={height} fill="transparent" />
                </svg>
            </div>
            <p class="about" id="about-slots">
                {count(bars.length, "segment")} on {count(slots, "slot")}, which {bars.length > 0 ? `were busy for ${Math.round((100 * busy) / (end * Math.max(1, slots)))} % of ${duration(end)}` : "have not run yet"}.
                Bars are the stretches in which a trial was trained; hatched ones failed, dotted ones ran ahead of a decision, striped ones were stopped. Bars of trials that do not pass the filter are faint. {summary(study, trials)}
            </p>
        </figure>
    );
}

function told(study: Study, { segment, from, to }: Bar): string {
    const [, , , , , at, until, outcome, ahead] = segment;
    return `${study.wire.unit.many} ${at} to ${until}${ahead ? ", ahead of a decision" : ""}: ${outcome}, ${duration(to - from)}`;
}

/** Marks of what became of a segment, beside its colour. */
function pattern(context: CanvasRenderingContext2D, outcome: string, ahead: boolean, left: number, top: number, width: number, height: number, onDark: boolean): void {
    if (outcome !== "failed" && outcome !== "stopped" && !ahead) return;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.beginPath();
    for (let at = left - height; at < left + width; at += 6) {
        if (ahead) context.rect(at, top + height / 2 - 1, 2, 2);
        if (outcome === "failed") {
            context.moveTo(at, top + height);
            context.lineTo(at + height, top);
        }
        if (outcome === "stopped") {
            context.moveTo(at, top);
            context.lineTo(at, top + height);
        }
    }
    context.strokeStyle = onDark ? "#101214" : "#ffffff";
    context.stroke();
    context.restore();
}
