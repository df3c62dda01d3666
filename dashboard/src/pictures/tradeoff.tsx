// Two metrics against each other, with the trials that no other beats in both.
import type { JSX } from "preact";
import type { Direction } from "../api";
import { useMemo, useState } from "preact/hooks";
import { valueAxis } from "../axes";
import { lookOf } from "../look";
import type { Series } from "../marks";
import { metricOf, type Study, type Trial } from "../model";
import { numbersOf, short, upTo } from "../numbers";
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

/** The points that no other beats in both, in the order of x; times its sign, lower is better. What is not feasible is not among them. */
export function front(points: Point[], xSign: number, ySign: number): Point[] {
    const finite = points.filter(({ trial, x, y }) => trial.feasible !== false && Number.isFinite(x) && Number.isFinite(y));
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
    // The objectives are the first of the metrics.
    const other = metrics.findIndex(({ direction }, at) => at > 0 && direction !== null);
    const [first, second] = [find(names[0], 0), find(names[1], other < 0 ? metrics.length - 1 : other)];
    const log = logObjective.value;
    const { data, x, y, points } = useMemo(() => {
        const points = trials.map((trial): Point => ({ trial, x: metricOf(study, trial, first), y: metricOf(study, trial, second) }));
        const data: Series = { trials, looks: trials.map((trial) => lookOf(study, trial)), starts: upTo(points.length), x: numbersOf(points, ({ x }) => x), y: numbersOf(points, ({ y }) => y) };
        const axis = (at: number, values: ArrayLike<number>): Axis => valueAxis(metrics[at]?.name ?? "", values, Array.prototype.some.call(values, Number.isNaN));
        return { data, points, x: axis(first, data.x), y: axis(second, data.y) };
    }, [study, trials, first, second, log]);
    if (metrics.length < 2) return <p class="empty">A trade-off needs two metrics; the trials of this study report {metrics[0] ? `only ${metrics[0].name}` : "none yet"}.</p>;
    const directionOf = (at: number): Direction | null => metrics[at]?.direction ?? better[metrics[at]?.name ?? ""] ?? null;
    const [xDirection, yDirection] = [directionOf(first), directionOf(second)];
    const unknown = [...new Set([first, second])].flatMap((at) => (metrics[at]?.direction === null ? [metrics[at].name] : []));
    const comparable = xDirection !== null && yDirection !== null && first !== second;
    const both = study.objectives.length === 2 && first + second === 1;
    // The study compares those with each other that were trained for as long.
    const compared = both ? points.filter(({ trial }) => study.isBest(trial)) : points;
    const optimal = comparable ? front(compared, xDirection === "minimize" ? 1 : -1, yDirection === "minimize" ? 1 : -1) : [];
    const options = metrics.map(({ name }): [string, string] => [name, name]);
    const [xName, yName] = [metrics[first]?.name ?? "", metrics[second]?.name ?? ""];
    const among = both ? " of those that were trained for as long" : "";
    const told = comparable
        ? `${optimal.length} of these trials ${optimal.length === 1 ? "is" : "are"} beaten in both by no other${among}${study.wire.require.length > 0 ? " that fulfils what is required" : ""} (the line): ${optimal.slice(0, 12).map(({ trial }) => trial.id).join(", ")}${optimal.length > 12 ? " …" : ""}.`
        : "Say which values are better to see the trials that no other beats in both.";
    return (
        <Plot
            title="Trade-off"
            about={`${yName} by ${xName}, each as of the trial's best report, or else its last. ${told} ${summary(study, trials)}`}
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
