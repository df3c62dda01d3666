// The list of all studies of a directory, and a comparison of some of them.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, isReadable, studyPath, type Listed, type Snapshot, type Unreadable } from "./api";
import { valueAxis } from "./axes";
import { Line } from "./compare";
import { NumberField, Trouble } from "./fields";
import { dark, ground, styleOf } from "./look";
import { studies } from "./live";
import { Study } from "./model";
import { count, duration, moment, short } from "./numbers";
import { useWidth } from "./plot";
import { bestSoFar, reportsInOrder, staircase, type Step } from "./pictures/best";
import { place } from "./scale";
import { parameterText } from "./told";
import { COMPARABLE, comparedStudies, goTo } from "./view";

export const SEARCH_STUDIES = "search-studies";

export function Studies(): JSX.Element {
    const [text, setText] = useState("");
    const all = studies.value;
    if (!all) return <p class="wait">Loading…</p>;
    const { error } = all;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = all.studies.filter((study) => words.every((word) => `${study.name} ${study.state} ${study.model ?? ""} ${study.data ?? ""} ${study.objective?.metric ?? ""}`.toLowerCase().includes(word)));
    return (
        <>
            <header class="line">
                <h1>Studies</h1>
                <span class="faint">{count(all.studies.length, "study", "studies")} in {all.directory}</span>
                <label class="search">
                    <span class="hidden">Studies by name, state, model or data</span>
                    <input id={SEARCH_STUDIES} type="search" placeholder="name, state, model, data" value={text} onInput={(event) => setText(event.currentTarget.value)} />
                </label>
            </header>
            {error && <Trouble text={error.text} fix={error.fix} />}
            {all.studies.length === 0 ? (
                <p class="empty">There is no study here yet. <code>hpo search FILE</code> begins one, and it appears here.</p>
            ) : (
                <List entries={shown} />
            )}
            {comparedStudies.value.length > 0 && <Comparison names={comparedStudies.value} />}
        </>
    );
}

function List({ entries }: { entries: Listed[] }): JSX.Element {
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Studies">
            <table class="list">
                <thead>
                    <tr>
                        <th scope="col"><span class="hidden">compare</span></th>
                        <th scope="col">study</th>
                        <th scope="col">state</th>
                        <th scope="col">progress</th>
                        <th scope="col">best</th>
                        <th scope="col">untrained</th>
                        <th scope="col">model</th>
                        <th scope="col">data</th>
                        <th scope="col">trained</th>
                        <th scope="col">last change</th>
                    </tr>
                </thead>
                <tbody>
                    {entries.map((entry) => <Entry key={entry.name} entry={entry} />)}
                    {entries.length === 0 && <tr><td colSpan={10}>No study matches.</td></tr>}
                </tbody>
            </table>
        </div>
    );
}

function toggle(name: string): void {
    const names = comparedStudies.value;
    comparedStudies.value = names.includes(name) ? names.filter((other) => other !== name) : [...names, name].slice(-COMPARABLE);
}

function Entry({ entry }: { entry: Listed }): JSX.Element {
    const { name, state, error, objective } = entry;
    return (
        <tr>
            <td><input type="checkbox" checked={comparedStudies.value.includes(name)} disabled={!objective} aria-label={`Compare ${name}`} onChange={() => toggle(name)} /></td>
            <th scope="row">
                <a href={`#/${encodeURIComponent(name)}`} onClick={(event) => {
                    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                    event.preventDefault();
                    goTo(name);
                }}>{name}</a>
            </th>
            <td><State state={state} /></td>
            {error ? <td colSpan={7}><div class="bad"><div>{error.text}</div><div>{error.fix}</div></div></td> : <Known entry={entry} />}
        </tr>
    );
}

/** What is known of a study that can be read. */
function Known({ entry }: { entry: Listed }): JSX.Element {
    const { best, objective, further_objectives, decided, planned, unit } = entry;
    return (
        <>
            <td class="progress">{planned ? <Progress decided={decided ?? 0} planned={planned} /> : "–"}</td>
            <td data-label="best">{best && objective ? <Best entry={entry} value={best.value} trial={best.trial} metrics={[objective, ...(further_objectives ?? [])].map(({ metric }) => metric)} /> : "–"}</td>
            <td data-label="untrained">{short(entry.untrained ?? NaN)}</td>
            <td data-label="model"><span class="clamped" title={entry.model ?? ""}>{entry.model ?? "–"}</span></td>
            <td data-label="data"><span class="clamped" title={entry.data ?? ""}>{entry.data ?? "–"}</span></td>
            <td data-label="trained">{entry.resource_trained ? count(entry.resource_trained, unit ?? "") : "–"}{entry.slot_ms ? <div class="faint">{duration(entry.slot_ms)}</div> : ""}</td>
            <td data-label="last change">{moment(entry.updated)}</td>
        </>
    );
}

/** The best value; of several objectives, how many trials are not dominated; or that none is feasible. */
function Best({ entry, value, trial, metrics }: { entry: Listed; value: number; trial: number; metrics: string[] }): JSX.Element {
    const names = metrics.join(", ");
    if (entry.feasible === false) return <>{names} <strong>none feasible</strong> <span class="faint">of what is required</span></>;
    if (typeof entry.non_dominated === "number") return <>{names} <strong>{entry.non_dominated}</strong> <span class="faint">not dominated</span></>;
    return <>{names} <strong>{short(value)}</strong> <span class="faint">trial {trial}</span></>;
}

export function State({ state }: { state: string }): JSX.Element {
    return <span class={`state ${state.replaceAll(" ", "-")}`}>{state}</span>;
}

export function Progress({ decided, planned }: { decided: number; planned: number }): JSX.Element {
    return (
        <>
            <progress max={Math.max(planned, decided, 1)} value={decided} aria-label={`${decided} of ${planned} trials decided`} />
            <span>{decided.toLocaleString("en")} of {planned.toLocaleString("en")}</span>
        </>
    );
}

/** The snapshots of studies, by name. */
function useSnapshots(names: string[]): Map<string, Study | string> {
    const [known, setKnown] = useState(new Map<string, Study | string>());
    useEffect(() => {
        for (const name of names) {
            if (known.has(name)) continue;
            get<Snapshot | Unreadable>(studyPath(name)).then(
                (snapshot) => setKnown((before) => new Map(before).set(name, isReadable(snapshot) ? Study.from(snapshot) : snapshot.study.error.text)),
                (error: unknown) => setKnown((before) => new Map(before).set(name, error instanceof Error ? error.message : String(error))),
            );
        }
    }, [names.join("\n")]);
    return known;
}

function Comparison({ names }: { names: string[] }): JSX.Element {
    const known = useSnapshots(names);
    const loaded = names.map((name) => known.get(name)).filter((study): study is Study => study instanceof Study);
    const failed = names.filter((name) => typeof known.get(name) === "string");
    const waiting = names.length - loaded.length - failed.length;
    const parameters = [...new Set(loaded.flatMap((study) => study.wire.parameters.map(({ name }) => name)))];
    const rows: [string, string[]][] = [
        ["objective", loaded.map((study) => study.objectives.map(({ metric, direction }) => `${metric} (${direction})`).join(", "))],
        ["required", loaded.map((study) => study.wire.require.join(", ") || "–")],
        ["best", loaded.map(bestText)],
        ["untrained", loaded.map((study) => short(study.untrained))],
        ["state", loaded.map((study) => study.wire.state)],
        ["trials", loaded.map((study) => `${study.wire.decided} of ${study.wire.planned}`)],
        ["trained", loaded.map((study) => `${study.wire.resource_trained.toLocaleString("en")} ${study.wire.unit.many}`)],
        ["time of search", loaded.map((study) => duration(study.wire.active_ms))],
        ["policy", loaded.map((study) => study.wire.policy)],
        ["sampler", loaded.map((study) => study.wire.sampler)],
        ["model", loaded.map((study) => study.wire.model ?? "–")],
        ["data", loaded.map((study) => study.wire.data ?? "–")],
        ...parameters.map((parameter): [string, string[]] => [`best's ${parameter}`, loaded.map((study) => valueIn(study, parameter))]),
    ];
    return (
        <section aria-label="Comparison of studies">
            <header class="line">
                <h2>Comparison of studies</h2>
                <button type="button" onClick={() => (comparedStudies.value = [])}>Clear</button>
            </header>
            {failed.map((name) => <Trouble key={name} text={`${name}: ${String(known.get(name))}`} fix={null} />)}
            {waiting > 0 && <p class="faint">Loading {count(waiting, "study", "studies")}…</p>}
            {loaded.length > 0 && <Overlay loaded={loaded} />}
            {loaded.length > 0 && (
                <div class="scroll" tabIndex={0} role="region" aria-label="Values of the compared studies">
                    <table class="compared">
                        <caption>What differs is bold.</caption>
                        <thead>
                            <tr>
                                <td />
                                {loaded.map((study, at) => <th key={study.wire.name} scope="col"><Line place={at} /> {study.wire.name}</th>)}
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
            )}
        </section>
    );
}

function bestText(study: Study): string {
    const { best, wire } = study;
    if (!best) return wire.best === null ? "–" : "none feasible";
    const among = study.hasSeveral ? `, the best by ${study.objectiveName} of ${wire.non_dominated.length} not dominated` : "";
    return `${short(best.value)} (trial ${best.id}${among})`;
}

function valueIn(study: Study, parameter: string): string {
    const at = study.wire.parameters.findIndex(({ name }) => name === parameter);
    const fixed = study.wire.fixed[parameter];
    if (at < 0) return fixed === undefined ? "–" : `${typeof fixed === "string" ? fixed : JSON.stringify(fixed)} (fixed)`;
    return study.best ? parameterText(study, study.best, at) : "–";
}

/** The best so far of several studies, over what they trained. Only those with the objective of the first can be compared so. */
function Overlay({ loaded }: { loaded: Study[] }): JSX.Element {
    const [element, width] = useWidth();
    const [until, setUntil] = useState<number | null>(null);
    void dark.value;
    const { metric, direction } = loaded[0]!.wire.objective;
    const unit = loaded[0]!.wire.unit.many;
    const alike = loaded.filter(({ wire }) => wire.objective.metric === metric && wire.objective.direction === direction && wire.unit.many === unit);
    const curves = useMemo(
        () => alike.map((study): [Study, Step[], number] => {
            const steps = reportsInOrder(study, study.trials, "resource");
            return [study, bestSoFar(steps, study.sign), steps.at(-1)?.x ?? 0];
        }),
        [alike.map(({ wire }) => wire.name).join("\n")],
    );
    const height = 300;
    const end = until ?? Math.max(1, ...curves.map(([, , last]) => last));
    const values = curves.flatMap(([, steps]) => steps.map(({ value }) => value));
    const x = place({ label: "", kind: "linear", domain: [0, end] }, 64, Math.max(120, width - 14));
    const y = place(valueAxis(metric, values, false), height - 40, 8);
    const others = loaded.length - alike.length;
    const told = curves.map(([study, steps, last]) => `${study.wire.name} ${short(steps.at(-1)?.value ?? NaN)} after ${last.toLocaleString("en")}`).join(", ");
    return (
        <figure class="plot">
            <figcaption>
                <h3>Best so far, by what was trained</h3>
                <NumberField label={`${unit} up to`} value={until} placeholder={short(end)} fits={(value) => value > 0} change={setUntil} />
            </figcaption>
            <div class="surface" ref={element} role="img" aria-label="Best so far of the compared studies" aria-describedby="about-studies" style={{ height: `${height}px` }}>
                <svg width={width} height={height} aria-hidden="true" class="axes">
                    {y.ticks.map(({ at, label }) => <g key={label}><line x1={64} x2={width - 14} y1={at} y2={at} /><text x={58} y={at + 4} text-anchor="end">{label}</text></g>)}
                    {x.ticks.map(({ at, label }) => <g key={label}><line x1={at} x2={at} y1={8} y2={height - 40} /><text x={at} y={height - 26} text-anchor="middle">{label}</text></g>)}
                    <text class="name" x={(64 + width) / 2} y={height - 6} text-anchor="middle">{unit}, all trials together</text>
                    <text class="name" transform={`translate(12 ${(height - 32) / 2}) rotate(-90)`} text-anchor="middle">{metric}</text>
                    {curves.map(([study, steps, last]) => {
                        const { colours, dash } = styleOf(loaded.indexOf(study));
                        const d = staircase(steps.filter((step) => step.x <= end), (step) => x.at(step.x), (step) => y.at(step.value), x.at(Math.min(last, end)));
                        return <path key={study.wire.name} d={d} fill="none" stroke={ground(colours)} stroke-width={2} stroke-dasharray={dash.join(" ")} />;
                    })}
                </svg>
            </div>
            <p class="about" id="about-studies">
                Best {metric} so far: {told} {unit}.{others > 0 ? ` ${count(others, "study", "studies")} with another objective or unit ${others === 1 ? "is" : "are"} only in the table.` : ""}
            </p>
        </figure>
    );
}
