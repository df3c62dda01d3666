// The trials that pass the filter. Of thousands of rows only those that are seen exist.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { STATES } from "./api";
import { lookOf } from "./look";
import { among, metricOf, type Study, type Trial } from "./model";
import { duration, numbersOf, short } from "./numbers";
import { Symbol } from "./pictures/common";
import { parameterText } from "./told";
import { compared, hovered, openTrial, toggleCompared, trialOpen } from "./view";

const ROW = 28;
const MOST_ROWS = 15;
/** Rows that exist above and below those that are seen, so that scrolling shows no gaps. */
const BEYOND = 6;

interface Heading {
    key: string;
    label: string;
    width: number;
    number(trial: Trial): number;
    text(trial: Trial): string;
}

/** By which column the table is sorted; without one the best come first. */
const sorting = signal<{ key: string; down: boolean } | null>(null);

function headings(study: Study): Heading[] {
    const { unit, metrics } = study.wire;
    const fixed: Heading[] = [
        { key: "trial", label: "trial", width: 84, number: (trial) => trial.id, text: (trial) => String(trial.id) },
        { key: "state", label: "state", width: 142, number: (trial) => STATES.indexOf(trial.state), text: (trial) => trial.state },
        { key: "value", label: study.objectiveName, width: 116, number: (trial) => trial.value, text: (trial) => short(trial.value) },
        { key: "at", label: `at ${unit.one}`, width: 96, number: (trial) => trial.at, text: (trial) => short(trial.at) },
        { key: "reached", label: unit.many, width: 84, number: (trial) => trial.reached, text: (trial) => String(trial.reached) },
    ];
    const required: Heading = { key: "feasible", label: "feasible", width: 96, number: ({ feasible }) => (feasible === null ? NaN : Number(feasible)), text: ({ feasible }) => (feasible === null ? "–" : feasible ? "yes" : "no") };
    if (study.wire.require.length > 0) fixed.splice(2, 0, required);
    const parameters = study.columns.map((column, at): Heading => ({
        key: `p.${column.parameter.name}`,
        label: column.parameter.name,
        width: 128,
        number: (trial) => column.numbers[trial.id] ?? NaN,
        text: (trial) => parameterText(study, trial, at),
    }));
    const others = metrics.flatMap(({ name }, at): Heading[] => {
        const number = (trial: Trial): number => metricOf(study, trial, at);
        return at === study.objective ? [] : [{ key: `m.${name}`, label: name, width: 116, number, text: (trial) => short(number(trial)) }];
    });
    const isObjective = ({ label }: Heading): boolean => study.objectives.some(({ metric }) => metric === label);
    fixed.splice(fixed.findIndex(({ key }) => key === "at"), 0, ...others.filter(isObjective));
    const last: Heading = { key: "time", label: "time", width: 96, number: (trial) => trial.wire.ms, text: (trial) => duration(trial.wire.ms) };
    return [...fixed, ...parameters, ...others.filter((heading) => !isObjective(heading)), last];
}

/** Trials by a number, those without one last. */
export function sortedBy(trials: Trial[], number: (trial: Trial) => number, down: boolean): Trial[] {
    const keys = numbersOf(trials, number);
    const sign = down ? -1 : 1;
    const order = Array.from(trials.keys()).sort((a, b) => {
        const [x, y] = [keys[a]!, keys[b]!];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
        return x === y ? a - b : sign * (x < y ? -1 : 1);
    });
    return order.map((at) => trials[at]!);
}

export function Table({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const columns = useMemo(() => headings(study), [study]);
    const { key, down } = sorting.value ?? { key: "value", down: study.sign < 0 };
    const by = columns.find((column) => column.key === key) ?? columns[0]!;
    // All are sorted once, so that the filter only picks from them.
    const chosen = sorting.value !== null;
    const sorted = useMemo(() => (chosen ? sortedBy(study.trials, (trial) => by.number(trial), down) : study.ranked), [study, chosen, by, down]);
    const rows = useMemo(() => {
        const wanted = among(study, trials);
        return sorted.filter(({ id }) => wanted[id] === 1);
    }, [sorted, trials]);
    const box = useRef<HTMLDivElement>(null);
    const [scrolled, setScrolled] = useState(0);
    const [active, setActive] = useState<number | null>(null);
    const at = active === null ? -1 : rows.findIndex((trial) => trial.id === active);
    const seen = Math.min(MOST_ROWS, Math.max(3, rows.length));
    const first = Math.max(0, Math.floor(scrolled / ROW) - BEYOND);
    const last = Math.min(rows.length, Math.ceil(scrolled / ROW) + seen + BEYOND);
    const template = `36px ${columns.map(({ width }) => `minmax(${width}px, 1fr)`).join(" ")}`;
    const wide = 36 + columns.reduce((sum, { width }) => sum + width, 0);

    useLayoutEffect(() => {
        const { current } = box;
        if (current && current.scrollTop !== scrolled) setScrolled(current.scrollTop);
    }, [rows.length]);

    const show = (place: number): void => {
        const trial = rows[Math.min(rows.length - 1, Math.max(0, place))];
        const { current } = box;
        if (!trial || !current) return;
        setActive(trial.id);
        hovered.value = trial.id;
        const top = rows.indexOf(trial) * ROW;
        if (top < current.scrollTop) current.scrollTop = top;
        const inside = seen * ROW - ROW;
        if (top > current.scrollTop + inside) current.scrollTop = top - inside;
    };
    const pressed = (event: KeyboardEvent): void => {
        if (event.target !== event.currentTarget) return;
        const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + seen, PageUp: at - seen, Home: 0, End: rows.length - 1 };
        const to = moves[event.key];
        if (to !== undefined) show(to);
        else if (event.key === "Enter" && at >= 0) openTrial(rows[at]!.id);
        else if (event.key === " " && at >= 0) toggleCompared(rows[at]!.id);
        else return;
        event.preventDefault();
    };
    return (
        <section aria-label="Trials" class="trials">
            <header class="line">
                <h2>Trials</h2>
                <span class="faint">{rows.length.toLocaleString("en")} shown, sorted by {by.label}. Arrow keys choose a row, Enter opens it, space compares it.</span>
            </header>
            <div
                ref={box}
                class="rows"
                role="grid"
                tabIndex={0}
                aria-label="Trials that pass the filter"
                aria-rowcount={rows.length + 1}
                aria-colcount={columns.length + 1}
                aria-multiselectable="true"
                aria-activedescendant={at >= first && at < last ? `trial-${rows[at]?.id}` : undefined}
                style={{ height: `${(seen + 1) * ROW + 18}px` }}
                onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}
                onKeyDown={pressed}
                onFocus={(event) => {
                    if (event.target === event.currentTarget && at < 0) show(Math.floor(scrolled / ROW));
                }}
                onBlur={() => (hovered.value = null)}
            >
                <div role="rowgroup" class="head" style={{ width: `max(100%, ${wide}px)` }}>
                    <div role="row" aria-rowindex={1} class="row" style={{ gridTemplateColumns: template }}>
                        <span role="columnheader"><span class="hidden">compare</span></span>
                        {columns.map((column) => (
                            <span key={column.key} role="columnheader" aria-sort={column === by ? (down ? "descending" : "ascending") : "none"}>
                                <button type="button" title={column.label} onClick={() => (sorting.value = { key: column.key, down: column === by ? !down : false })}>
                                    {column.label}
                                    <span aria-hidden="true">{column === by ? (down ? " ▾" : " ▴") : ""}</span>
                                </button>
                            </span>
                        ))}
                    </div>
                </div>
                <div role="rowgroup" class="body" style={{ height: `${Math.max(1, rows.length) * ROW}px`, width: `max(100%, ${wide}px)` }}>
                    {rows.slice(first, last).map((trial, place) => (
                        <Row key={trial.id} study={study} trial={trial} place={first + place} columns={columns} template={template} active={trial.id === active} choose={show} />
                    ))}
                    {rows.length === 0 && (
                        <div role="row" class="row none">
                            <span role="gridcell">{study.trials.length === 0 ? "There are no trials yet." : "No trial passes the filter."}</span>
                        </div>
                    )}
                </div>
            </div>
        </section>
    );
}

interface RowProps {
    study: Study;
    trial: Trial;
    place: number;
    columns: Heading[];
    template: string;
    active: boolean;
    choose: (place: number) => void;
}

function Row({ study, trial, place, columns, template, active, choose }: RowProps): JSX.Element {
    const chosen = compared.value.includes(trial.id);
    const classes = ["row", active && "active", trial.id === trialOpen.value && "open", chosen && "chosen", trial.id === hovered.value && "over"];
    return (
        <div
            role="row"
            id={`trial-${trial.id}`}
            aria-rowindex={place + 2}
            aria-selected={chosen}
            class={classes.filter(Boolean).join(" ")}
            style={{ top: `${place * ROW}px`, gridTemplateColumns: template }}
            onClick={() => {
                choose(place);
                openTrial(trial.id);
            }}
            onPointerEnter={() => (hovered.value = trial.id)}
            onPointerLeave={() => (hovered.value = null)}
        >
            <span role="gridcell">
                <input type="checkbox" tabIndex={-1} checked={chosen} aria-label={`Compare trial ${trial.id}`} onClick={(event) => event.stopPropagation()} onChange={() => toggleCompared(trial.id)} />
            </span>
            {columns.map(({ key, text }) => {
                const shown = text(trial);
                return (
                    <span key={key} role="gridcell" title={shown} class={shown === "absent" || shown === "–" ? "faint" : ""}>
                        {key === "state" && <Symbol look={lookOf(study, trial)} />}
                        {shown}
                    </span>
                );
            })}
        </div>
    );
}
