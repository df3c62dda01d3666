// Everything about one trial, beside the pictures.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Confirm, Enqueue } from "./actions";
import { Refusal, get, studyPath, type Details as Wire, type Explanation } from "./api";
import { resourceAxis, valueAxis } from "./axes";
import { Copy, Trouble } from "./fields";
import { lookOf } from "./look";
import { studies } from "./live";
import type { Study, Trial } from "./model";
import { duration, moment, short } from "./numbers";
import { Plot } from "./plot";
import { curves, pointText } from "./curve";
import { Symbol, Untrained } from "./pictures/common";
import { breaksText, parameterText, valueOf } from "./told";
import { compared, logObjective, openTrial, toggleCompared } from "./view";

/** The server's answer to a question about a trial, asked for again when the trial has changed. */
function useAnswer<T>(study: Study, trial: Trial, ...question: string[]): T | Refusal | null {
    const [details, setDetails] = useState<{ id: number; answer: T | Refusal } | null>(null);
    useEffect(() => {
        let gone = false;
        get<T>(studyPath(study.wire.name, "trials", trial.id, ...question)).then(
            (answer) => !gone && setDetails({ id: trial.id, answer }),
            (error: unknown) => !gone && error instanceof Refusal && setDetails({ id: trial.id, answer: error }),
        );
        return () => {
            gone = true;
        };
    }, [study.wire.name, trial]);
    return details?.id === trial.id ? details.answer : null;
}

export function Details({ study, trial }: { study: Study; trial: Trial }): JSX.Element {
    const heading = useRef<HTMLHeadingElement>(null);
    const before = useRef<Element | null>(null);
    useEffect(() => {
        before.current = document.activeElement;
        return () => {
            if (before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
        };
    }, []);
    useEffect(() => heading.current?.focus({ preventScroll: true }), [trial.id]);
    const details = useAnswer<Wire>(study, trial);
    const [asking, ask] = useState<"enqueue" | "end" | null>(null);
    const allowed = studies.value?.can_change ?? false;
    const chosen = compared.value.includes(trial.id);
    const { unit, name } = study.wire;
    const close = (): void => ask(null);
    return (
        <aside class="details" aria-labelledby="details-title" onKeyDown={(event) => event.key === "Escape" && !asking && openTrial(null)}>
            <header class="line">
                <h2 id="details-title" tabIndex={-1} ref={heading}>
                    <Symbol look={lookOf(study, trial)} /> Trial {trial.id}
                </h2>
                <button type="button" class="quiet" aria-label="Previous trial" disabled={!study.trial(trial.id - 1)} onClick={() => openTrial(trial.id - 1)}>←</button>
                <button type="button" class="quiet" aria-label="Next trial" disabled={!study.trial(trial.id + 1)} onClick={() => openTrial(trial.id + 1)}>→</button>
                <button type="button" class="quiet" aria-label="Close details" onClick={() => openTrial(null)}>×</button>
            </header>
            <p>
                <strong>{trial.state}</strong>, {valueOf(study, trial)}
                {study.isBest(trial) ? (study.hasSeveral ? ", not dominated by any other" : ", the best of the study") : ""}.
                {trial.feasible === false && <span class="bad"> It is infeasible: it {breaksText(trial)}.</span>}
                {trial.reason && <span class="reason"> {trial.reason}</span>}
            </p>
            <p class="buttons">
                <button type="button" aria-pressed={chosen} onClick={() => toggleCompared(trial.id)}>{chosen ? "Compared" : "Compare"}</button>
                <button type="button" disabled={!allowed} onClick={() => ask("enqueue")}>Enqueue one like it…</button>
                <button type="button" disabled={!allowed || !["waiting", "running", "paused"].includes(trial.state)} onClick={() => ask("end")}>End it…</button>
            </p>
            <Curve study={study} trial={trial} />
            <h3>Parameters</h3>
            <dl class="values">
                {study.wire.parameters.map((parameter, at) => (
                    <div key={parameter.name}><dt>{parameter.name}</dt><dd>{parameterText(study, trial, at)}</dd></div>
                ))}
            </dl>
            <Why study={study} trial={trial} />
            <Words trial={trial} details={details} />
            <h3>Reports</h3>
            <Reports study={study} trial={trial} />
            <h3>Record</h3>
            <dl class="values">
                <div><dt>trained</dt><dd>{trial.reached} {trial.reached === 1 ? unit.one : unit.many}, {duration(trial.wire.ms)}</dd></div>
                <div><dt>origin</dt><dd>{trial.wire.origin}{trial.wire.confirms === null ? "" : ` of trial ${trial.wire.confirms}`}</dd></div>
                {trial.wire.bracket !== null && <div><dt>bracket</dt><dd>{trial.wire.bracket}</dd></div>}
                {trial.wire.slot !== null && <div><dt>slot</dt><dd>{study.wire.slots[trial.wire.slot] ?? trial.wire.slot}</dd></div>}
                <div><dt>failures</dt><dd>{trial.wire.failures}</dd></div>
                <div><dt>seed</dt><dd>{trial.wire.seed}</dd></div>
            </dl>
            {asking === "enqueue" && <Enqueue study={study} from={trial} close={close} />}
            {asking === "end" && (
                <Confirm title={`End trial ${trial.id}`} verb="End it" path={studyPath(name, "trials", trial.id, "end")} close={close}>
                    Trial {trial.id} is not trained any further, as if others had been better; what it has reported stays.
                </Confirm>
            )}
        </aside>
    );
}

function Curve({ study, trial }: { study: Study; trial: Trial }): JSX.Element | null {
    const log = logObjective.value;
    const { data, x, y } = useMemo(() => {
        const { data } = curves(study, [trial]);
        return { data, x: resourceAxis(study, [trial]), y: valueAxis(study.objectiveName, data.y, false, study.untrained) };
    }, [study, trial, log]);
    if (data.x.length === 0) return null;
    return (
        <Plot
            small
            title={`Curve of trial ${trial.id}`}
            about={`${study.objectiveName} by ${study.wire.unit.one}; the values are under Reports.`}
            x={x}
            y={y}
            height={190}
            mode="lines"
            unpinned
            data={data}
            under={(px, py) => <Untrained study={study} x={px} y={py} />}
            tell={(_, at, value) => [pointText(study, trial, at, study.objectiveName, value)]}
        />
    );
}

/** What `hpo explain` says of a trial. */
function Why({ study, trial }: { study: Study; trial: Trial }): JSX.Element {
    const why = useAnswer<Explanation>(study, trial, "explanation");
    return (
        <section class="why" aria-label="Why">
            <h3>Why</h3>
            {why === null && <p class="faint">Reading the records…</p>}
            {why instanceof Refusal && <Trouble text={why.message} fix={why.fix} />}
            {why !== null && !(why instanceof Refusal) && why.sections.map(([heading, text]) => (
                <div key={heading}>
                    <h4>{heading}</h4>
                    <p>{text}</p>
                </div>
            ))}
        </section>
    );
}

function Words({ trial, details }: { trial: Trial; details: Wire | Refusal | null }): JSX.Element {
    if (details === null) return <p class="faint">Loading the details…</p>;
    if (details instanceof Refusal) return <Trouble text={details.message} fix={details.fix} />;
    return (
        <>
            {details.diagnosis.length > 0 && (
                <>
                    <h3>What its curve shows</h3>
                    <ul>
                        {details.diagnosis.map(({ text, advice }) => <li key={text}>{text}{advice && <div class="faint">{advice}</div>}</li>)}
                    </ul>
                </>
            )}
            <details>
                <summary>Configuration</summary>
                <Copy text={details.config} label="Copy" />
                <pre tabIndex={0} aria-label="Configuration">{details.config}</pre>
            </details>
            <details>
                <summary>Train it again</summary>
                <Copy text={details.command} label="Copy" />
                <pre tabIndex={0} aria-label="Command">{details.command}</pre>
            </details>
            <details open={trial.wire.failures > 0 && trial.state !== "completed"}>
                <summary>Log{details.log_cut ? " (its end)" : ""}</summary>
                {details.log ? <pre class="log" tabIndex={0} aria-label="Log">{details.log}</pre> : <p class="faint">It has printed nothing.</p>}
            </details>
        </>
    );
}

function Reports({ study, trial }: { study: Study; trial: Trial }): JSX.Element {
    const rows = [...trial.reports, ...trial.ahead];
    if (rows.length === 0) return <p class="faint">None yet.</p>;
    const { metrics, unit } = study.wire;
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label={`Reports of trial ${trial.id}`}>
            <table>
                <thead>
                    <tr>
                        <th scope="col">{unit.one}</th>
                        {metrics.map(({ name }) => <th key={name} scope="col">{name}</th>)}
                        <th scope="col">reported</th>
                    </tr>
                </thead>
                <tbody>
                    {rows.map(({ resource, values, time }, place) => (
                        <tr key={resource} class={resource === trial.at ? "differs" : ""}>
                            <th scope="row">{resource}{place < trial.reports.length ? "" : " (ahead)"}</th>
                            {metrics.map(({ name }, at) => <td key={name}>{short(values[at] ?? NaN)}</td>)}
                            <td>{moment(time)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
