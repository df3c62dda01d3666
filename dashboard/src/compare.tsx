// Chosen trials beside each other.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { resourceAxis, valueAxis } from "./axes";
import { curves, pointText } from "./curve";
import { dark, ground, rgb, styleOf } from "./look";
import type { Series } from "./marks";
import { metricOf, type Study, type Trial } from "./model";
import { duration, short } from "./numbers";
import { Plot } from "./plot";
import { decisionTexts, feasibilityText, parameterText, valueOf } from "./told";
import { COMPARABLE, compared, logObjective, openTrial, toggleCompared } from "./view";
import { LogSwitch, Untrained } from "./pictures/common";

export function Compare({ study }: { study: Study }): JSX.Element {
    const trials = compared.value.map((id) => study.trial(id)).filter((trial) => trial !== null);
    const ids = trials.map((trial) => trial.id).join();
    const onDark = dark.value;
    const log = logObjective.value;
    const { data, x, y } = useMemo(() => {
        const lines = curves(study, trials).data;
        const of = lines.trials.map((trial) => trials.indexOf(trial));
        const data: Series = {
            ...lines,
            ends: lines.trials.map(() => null),
            dashes: of.map((at, line) => lines.dashes[line] ?? styleOf(at).dash),
            shaded: { shades: trials.map((_, at) => rgb(ground(styleOf(at).colours))), of },
        };
        return { data, x: resourceAxis(study, trials), y: valueAxis(study.objectiveName, data.y, false, study.untrained) };
    }, [study, ids, onDark, log]);
    if (trials.length === 0) return <p class="empty">Choose up to {COMPARABLE} trials in the table below, by their boxes or with the space bar; they are compared here.</p>;
    return (
        <section aria-label="Comparison of trials">
            <Plot
                title="Compared trials"
                about={`The learning curves of ${trials.map((trial) => `trial ${trial.id} (${valueOf(study, trial)})`).join(", ")}.`}
                x={x}
                y={y}
                height={320}
                mode="lines"
                unpinned
                data={data}
                controls={<LogSwitch axis={y} />}
                under={(px, py) => <Untrained study={study} x={px} y={py} />}
                tell={(trial, at, value) => [pointText(study, trial, at, study.objectiveName, value)]}
            />
            <Table study={study} trials={trials} />
        </section>
    );
}

function Table({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const { parameters, metrics } = study.wire;
    const rows: [string, string[]][] = [
        ["state", trials.map((trial) => trial.state)],
        [study.objectiveName, trials.map((trial) => short(trial.value))],
        [`at ${study.wire.unit.one}`, trials.map((trial) => short(trial.at))],
        ...metrics.flatMap(({ name }, at): [string, string[]][] => (at === study.objective ? [] : [[name, trials.map((trial) => short(metricOf(study, trial, at)))]])),
        ...(study.wire.require.length > 0 ? [["what is required", trials.map(feasibilityText)] as [string, string[]]] : []),
        ...parameters.map(({ name }, at): [string, string[]] => [name, trials.map((trial) => parameterText(study, trial, at))]),
        [`${study.wire.unit.many} trained`, trials.map((trial) => String(trial.reached))],
        ["time trained", trials.map((trial) => duration(trial.wire.ms))],
        ["decisions", trials.map((trial) => decisionTexts(study, trial).join("; ") || "–")],
    ];
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Values of the compared trials">
            <table class="compared">
                <caption>What differs is bold.</caption>
                <thead>
                    <tr>
                        <td />
                        {trials.map((trial, at) => (
                            <th key={trial.id} scope="col">
                                <Line place={at} />
                                <button type="button" class="link" onClick={() => openTrial(trial.id)}>trial {trial.id}</button>{" "}
                                <button type="button" class="quiet" aria-label={`Leave out trial ${trial.id}`} onClick={() => toggleCompared(trial.id)}>×</button>
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {rows.map(([name, texts]) => (
                        <tr key={name} class={texts.some((text) => text !== texts[0]) ? "differs" : ""}>
                            <th scope="row">{name}</th>
                            {texts.map((text, at) => <td key={at}>{text}</td>)}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

/** How the line of a member of a comparison is drawn. */
export function Line({ place }: { place: number }): JSX.Element {
    const { colours, dash } = styleOf(place);
    void dark.value;
    return (
        <svg class="symbol" width={28} height={10} aria-hidden="true">
            <line x1={0} x2={28} y1={5} y2={5} stroke={ground(colours)} stroke-width={2} stroke-dasharray={dash.join(" ")} />
        </svg>
    );
}
