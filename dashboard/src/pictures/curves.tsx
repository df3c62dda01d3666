// The learning curves of all trials, with the rungs at which they were pruned or promoted.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { resourceAxis, valueAxis } from "../axes";
import { curves, pointText } from "../curve";
import type { Study, Trial } from "../model";
import { Plot } from "../plot";
import { decisionTexts, summary } from "../told";
import { logObjective } from "../view";
import { Choice, LogSwitch, Untrained } from "./common";

function notDrawn(trials: number): string {
    if (trials === 0) return "";
    return trials === 1 ? " One of them has no report of it and is not drawn." : ` ${trials.toLocaleString("en")} of them have no report of it and are not drawn.`;
}

export function Curves({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const [chosen, choose] = useState<string | null>(null);
    const wanted = study.wire.metrics.findIndex((metric) => metric.name === chosen);
    const metric = wanted < 0 ? study.objective : wanted;
    const name = study.wire.metrics[metric]?.name ?? study.objectiveName;
    const log = logObjective.value;
    const { data, counted, x, y } = useMemo(() => {
        const { data, counted } = curves(study, trials, metric);
        const untrained = metric === study.objective ? study.untrained : NaN;
        return { data, counted, x: resourceAxis(study, trials), y: valueAxis(name, data.y, false, untrained) };
    }, [study, trials, metric, log]);
    const { rungs, unit, metrics } = study.wire;
    const without = trials.length - counted;
    const ahead = data.trials.length > counted ? " A dotted end of a curve was trained ahead of the decision at its rung." : "";
    const about = `Learning curves: ${name} by ${unit.one}. Dotted lines are rungs: a curve that ends at one was pruned there, one that goes on was promoted.${ahead} ${summary(study, trials)}${notDrawn(without)}`;
    return (
        <Plot
            title="Learning curves"
            about={about}
            x={x}
            y={y}
            height={380}
            mode="lines"
            data={data}
            controls={
                <>
                    {metrics.length > 1 && <Choice label="Metric" value={name} options={metrics.map(({ name }) => [name, name])} change={choose} />}
                    <LogSwitch axis={y} />
                </>
            }
            under={(px, py) => (
                <g>
                    {rungs.filter(({ resource }) => !px.beyond(resource)).map(({ resource }) => (
                        <line key={resource} class="rung" x1={px.at(resource)} x2={px.at(resource)} y1={py.range[0]} y2={py.range[1]} />
                    ))}
                    {metric === study.objective && <Untrained study={study} x={px} y={py} />}
                </g>
            )}
            tell={(trial, at, value) => [pointText(study, trial, at, name, value), ...decisionTexts(study, trial)]}
        />
    );
}
