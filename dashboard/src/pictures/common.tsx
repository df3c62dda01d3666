import type { ComponentChildren, JSX } from "preact";
import { LOOKS, dark, ground, type LookName } from "../look";
import { useMemo } from "preact/hooks";
import { short } from "../numbers";
import type { Study, Trial } from "../model";
import type { Placed } from "../scale";
import { looks } from "../told";
import { logObjective } from "../view";

/** The value of the untrained model, as a line across a picture. */
export function Untrained({ study, x, y }: { study: Study; x: Placed; y: Placed }): JSX.Element | null {
    const value = study.untrained;
    if (!Number.isFinite(value) || y.beyond(value)) return null;
    const at = y.at(value);
    const inside = at >= y.range[1] && at <= y.range[0];
    if (!inside) return null;
    return (
        <g class="untrained">
            <line x1={x.range[0]} x2={x.range[1]} y1={at} y2={at} />
            <text x={x.range[1] - 4} y={at < y.range[1] + 18 ? at + 13 : at - 5} text-anchor="end">untrained {short(value)}</text>
        </g>
    );
}

/** A mark as it is drawn on canvases, for legends. */
export function Symbol({ look }: { look: LookName }): JSX.Element {
    const { shape, colours, dash, width } = LOOKS[look];
    void dark.value;
    const colour = ground<string>(colours);
    const paths: Record<string, ComponentChildren> = {
        disc: <circle cx={14} cy={7} r={3.5} fill={colour} />,
        ring: <circle cx={14} cy={7} r={3.2} fill="none" stroke={colour} stroke-width={1.5} />,
        diamond: <path d="M14 2.5L18.500 7L14 11.500L9.500 7Z" fill={colour} />,
        triangle: <path d="M14 3L18 10.500L10 10.500Z" fill={colour} />,
        cross: <path d="M11 4L17 10M17 4L11 10" stroke={colour} stroke-width={1.7} />,
        square: <rect x={10.800} y={3.800} width={6.400} height={6.400} fill="none" stroke={colour} stroke-width={1.5} />,
        star: <path d="M14 .5L15.700 4.800L20.300 5L16.700 7.900L18 12.400L14 9.800L10 12.400L11.300 7.900L7.700 5L12.300 4.800Z" fill={colour} />,
    };
    return (
        <svg class="symbol" width={28} height={14} aria-hidden="true">
            <line x1={0} x2={28} y1={7} y2={7} stroke={colour} stroke-width={width} stroke-dasharray={dash.join(" ")} opacity={0.7} />
            {paths[shape]}
        </svg>
    );
}

export function Legend({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const entries = useMemo(() => looks(study, trials), [study, trials]);
    return (
        <ul class="legend" aria-label="Legend">
            {entries.map(([name, number]) => (
                <li key={name}>
                    <Symbol look={name} />
                    {name === "best" && !study.hasSeveral ? `best: trial ${study.best?.id}` : `${name === "best" ? "not dominated" : LOOKS[name].name} (${number.toLocaleString("en")})`}
                </li>
            ))}
        </ul>
    );
}

export function LogSwitch({ axis }: { axis: { kind: string } }): JSX.Element {
    return (
        <label class="switch">
            <input type="checkbox" checked={logObjective.value ?? axis.kind === "log"} onChange={(event) => (logObjective.value = event.currentTarget.checked)} />
            log values
        </label>
    );
}

export function Choice({ label, options, value, change }: { label: string; options: [string, string][]; value: string; change: (value: string) => void }): JSX.Element {
    return (
        <label class="choice">
            {label}
            <select value={value} onChange={(event) => change(event.currentTarget.value)}>
                {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
            </select>
        </label>
    );
}
