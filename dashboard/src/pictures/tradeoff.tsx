// Two metrics against each other, with the trials that no other beats in both.
import type { JSX } from "preact";
import type { Direction } from "../api";
import { useMemo, useState } from "preact/hooks";
import { valueAxis } from "../axes";
import { lookOf, type LookName } from "../look";
import type { Series } from "../marks";
import { metricOf, type Study, type Trial } from "../model";
import { short } from "../numbers";
import { Plot, path } from "../plot";
import type { Axis } from "../scale";
import { summary } from "../told";
import { logObjective } from "../view";
import { Choice, LogSwitch } from "./common";

interface Point {
    trial: Trial;
    x: number;
    y: number;
}

/** The points that no other beats in both, in the order of x; times its sign, lower is better. */
export function front(points: Point[], xSign: number, ySign: number): Point[] {
    const finite = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
    finite.sort((a, b) => xSign * (a.x - b.x) || ySign * (a.y - b.y));
    const best: Point[] = [];
    for (const point of finite) {
        const last = best.at(-1);
        if (!last || ySign * point.y < ySign * last.y) best.push(point);
    }
    return best;
}

export function TradeOff({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const { metrics } = study.wire;
    const [better, setBetter] = useState<Record<string, Direction>>({});
    const [names, setNames] = useState<[string | null, string | null]>([null, null]);
    const find = (name: string | null, otherwise: number): number => {
        const at = metrics.findIndex((metric) => metric.name === name);
        return at < 0 ? otherwise : at;
    };
    const other = metrics.findIndex(({ direction }, at) => at !== study.objective && direction !== null);
    const [first, second] = [find(names[0], study.objective), find(names[1], other < 0 ? metrics.length - 1 : other)];
    const log = logObjective.value;
    const { data, x, y, points } = useMemo(() => {
        const { best } = study;
        const points = trials.map((trial): Point => ({ trial, x: metricOf(trial, first, study.objective), y: metricOf(trial, second, study.objective) }));
        const look = (trial: Trial): LookName => lookOf(trial, best);
        const data: Series = { trials, looks: trials.map(look), starts: Uint32Array.from({ length: points.length + 1 }, (_, at) => at), x: points.map(({ x }) => x), y: points.map(({ y }) => y) };
        const axis = (at: number, values: ArrayLike<number>): Axis => valueAxis(metrics[at]?.name ?? "", values, Array.prototype.some.call(values, Number.isNaN));
        return { data, points, x: axis(first, data.x), y: axis(second, data.y) };
    }, [study, trials, first, second, log]);
    if (metrics.length < 2) return <p class="empty">A trade-off needs two metrics; the trials of this study report {metrics[0] ? `only ${metrics[0].name}` : "none yet"}.</p>;
    const directionOf = (at: number): Direction | null => metrics[at]?.direction ?? better[metrics[at]?.name ?? ""] ?? null;
    const [xDirection, yDirection] = [directionOf(first), directionOf(second)];
    const unknown = [...new Set([first, second])].flatMap((at) => (metrics[at]?.direction === null ? [metrics[at].name] : []));
    const comparable = xDirection !== null && yDirection !== null && first !== second;
    const optimal = comparable ? front(points, xDirection === "minimize" ? 1 : -1, yDirection === "minimize" ? 1 : -1) : [];
    const options = metrics.map(({ name }): [string, string] => [name, name]);
    const [xName, yName] = [metrics[first]?.name ?? "", metrics[second]?.name ?? ""];
    const told = comparable
        ? `${optimal.length} of these trials ${optimal.length === 1 ? "is" : "are"} beaten by no other in both (the line): ${optimal.slice(0, 12).map(({ trial }) => trial.id).join(", ")}${optimal.length > 12 ? " …" : ""}.`
        : "Say which values are better to see the trials that no other beats in both.";
    return (
        <Plot
            title="Trade-off"
            about={`${yName} by ${xName}, each with the trial's best report, or else its last. ${told} ${summary(study, trials)}`}
            x={x}
            y={y}
            height={440}
            mode="dots"
            data={data}
            controls={
                <>
                    <Choice label="Across" value={xName} options={options} change={(name) => setNames([name, yName])} />
                    <Choice label="Up" value={yName} options={options} change={(name) => setNames([xName, name])} />
                    {unknown.map((name) => (
                        <Choice
                            key={name}
                            label={`Better ${name}`}
                            value={better[name] ?? ""}
                            options={[["", "unknown"], ["minimize", "lower"], ["maximize", "higher"]]}
                            change={(value) => setBetter({ ...better, [name]: value as Direction })}
                        />
                    ))}
                    <LogSwitch axis={y} />
                </>
            }
            over={(px, py) => <path class="best-line" d={path(optimal.flatMap(({ x, y }, at) => corner(optimal[at - 1], px.at(x), py.at(y), (point) => py.at(point.y))))} />}
            tell={(_, x, y) => [`${xName} ${short(x)}, ${yName} ${short(y)}`]}
        />
    );
}

function corner(before: Point | undefined, x: number, y: number, high: (point: Point) => number): number[] {
    return before ? [x, high(before), x, y] : [x, y];
}
