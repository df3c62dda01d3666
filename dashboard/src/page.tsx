// The page of one study.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Actions } from "./actions";
import { Compare } from "./compare";
import { Trouble } from "./fields";
import { Details } from "./details";
import { FilterBar } from "./filterbar";
import type { Study, Trial } from "./model";
import { count, duration, moment, short } from "./numbers";
import { WhileSeen } from "./plot";
import { Best } from "./pictures/best";
import { Legend } from "./pictures/common";
import { Contour } from "./pictures/contour";
import { Curves } from "./pictures/curves";
import { Importance } from "./pictures/importance";
import { Parallel } from "./pictures/parallel";
import { Slices } from "./pictures/slices";
import { Timeline } from "./pictures/timeline";
import { TradeOff } from "./pictures/tradeoff";
import { Progress, State } from "./studies";
import { Table } from "./table";
import { breaksText } from "./told";
import { TABS, compared, openTrial, selection, study as shown, tab, trialOpen, type Tab } from "./view";

const LABELS: Record<Tab, string> = {
    overview: "Overview",
    parameters: "Parameters",
    contour: "Contour",
    "trade-off": "Trade-off",
    slots: "Slots",
    compare: "Compare",
};

export function StudyPage(): JSX.Element | null {
    const study = shown.value;
    if (!study) return <p class="wait">Loading…</p>;
    const trials = selection.value;
    const open = study.trial(trialOpen.value);
    return (
        <div class={open ? "with-details" : ""}>
            <div class="study">
                <Summary study={study} />
                <FilterBar study={study} trials={trials} />
                <Tabs />
                <div role="tabpanel" id="panel" aria-labelledby={`tab-${tab.value}`}>
                    <Legend study={study} trials={trials} />
                    <Pictures study={study} trials={trials} />
                </div>
                <Table study={study} trials={trials} />
            </div>
            {open && <Details study={study} trial={open} />}
        </div>
    );
}

function Summary({ study }: { study: Study }): JSX.Element {
    const { wire } = study;
    const { unit } = wire;
    const saved = study.saved;
    return (
        <header class="summary">
            <div class="line">
                <h1>{wire.name}</h1>
                <State state={wire.state} />
                <span class="progress"><Progress decided={wire.decided} planned={wire.planned} /></span>
                <Actions study={study} />
            </div>
            {wire.error && <Trouble text={wire.error.text} fix={wire.error.fix} />}
            <dl class="facts">
                <Result study={study} />
                {wire.require.length > 0 && <div><dt>required</dt><dd>{wire.require.join(" and ")} <span class="faint">{fulfilled(study)}</span></dd></div>}
                <div><dt>untrained</dt><dd>{short(study.untrained)}</dd></div>
                <div><dt>trained</dt><dd>{count(wire.resource_trained, unit.one, unit.many)}{saved > 0.005 ? <span class="faint"> pruning saved {Math.round(100 * saved)} %</span> : ""}</dd></div>
                <div><dt>search</dt><dd><Elapsed study={study} /> <span class="faint">since {moment(wire.started)}</span></dd></div>
                <div><dt>policy, sampler</dt><dd>{wire.policy}, {wire.sampler}</dd></div>
                {wire.model && <div><dt>model</dt><dd class="clamped" title={wire.model}>{wire.model}</dd></div>}
                {wire.data && <div><dt>data</dt><dd class="clamped" title={wire.data}>{wire.data}</dd></div>}
            </dl>
            {wire.halted && <p class="faint">The study has met its limit of {wire.halted === "no_better" ? "trials without a better one" : wire.halted}.</p>}
            {!wire.running && wire.resume && wire.state !== "finished" && <p class="faint">No search has this study; <code>{wire.resume}</code> goes on.</p>}
        </header>
    );
}

/** So many of the trials that are not dominated are named. */
const NAMED = 12;

/** The best trial, or those that no other dominates, or that none is feasible. */
function Result({ study }: { study: Study }): JSX.Element {
    const { wire, best } = study;
    const link = (id: number): JSX.Element => <button key={id} type="button" class="link" onClick={() => openTrial(id)}>trial {id}</button>;
    const nearest = study.trial(wire.best);
    if (nearest && !best) {
        return (
            <div>
                <dt>best {study.objectives.map(({ metric }) => metric).join(" and ")}</dt>
                <dd><strong>no trial is feasible</strong> {link(nearest.id)} <span class="faint">comes nearest: it {breaksText(nearest)}</span></dd>
            </div>
        );
    }
    if (!study.hasSeveral) {
        return (
            <div>
                <dt>best {study.objectiveName} ({study.direction})</dt>
                <dd>{best ? <><strong>{short(best.value)}</strong> {link(best.id)}</> : "none yet"}</dd>
            </div>
        );
    }
    const front = wire.non_dominated;
    return (
        <div>
            <dt>not dominated by {study.objectives.map(({ metric, direction }) => `${metric} (${direction})`).join(" and ")}</dt>
            <dd><strong>{count(front.length, "trial")}</strong> {front.slice(0, NAMED).map(link)}{front.length > NAMED ? ` and ${front.length - NAMED} more` : ""}</dd>
        </div>
    );
}

function fulfilled({ trials }: Study): string {
    const known = trials.filter(({ feasible }) => feasible !== null);
    return `${known.filter(({ feasible }) => feasible).length.toLocaleString("en")} of ${count(known.length, "trial")} with a result fulfil it`;
}

/** How long a search has been at work; it counts on between records. */
function Elapsed({ study }: { study: Study }): JSX.Element {
    const { state, active_ms } = study.wire;
    const running = state === "running";
    const [now, setNow] = useState(Date.now);
    useEffect(() => {
        if (!running) return;
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, [running]);
    return <>{duration(running ? Math.max(active_ms, study.active(now)) : active_ms)}</>;
}

function Tabs(): JSX.Element {
    const move = (event: KeyboardEvent): void => {
        const now = TABS.indexOf(tab.value);
        const to = { ArrowRight: (now + 1) % TABS.length, ArrowLeft: (now + TABS.length - 1) % TABS.length, Home: 0, End: TABS.length - 1 }[event.key];
        const next = to === undefined ? undefined : TABS[to];
        if (!next) return;
        event.preventDefault();
        tab.value = next;
        document.getElementById(`tab-${next}`)?.focus();
    };
    return (
        <div role="tablist" aria-label="Pictures" class="tabs" onKeyDown={move}>
            {TABS.map((name) => (
                <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={name === tab.value} aria-controls="panel" tabIndex={name === tab.value ? 0 : -1} onClick={() => (tab.value = name)}>
                    {LABELS[name]}
                    {name === "compare" && compared.value.length > 0 ? ` (${compared.value.length})` : ""}
                </button>
            ))}
        </div>
    );
}

function Pictures({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    switch (tab.value) {
        case "overview":
            return (
                <>
                    <Curves study={study} trials={trials} />
                    <WhileSeen height={400}><Best study={study} trials={trials} /></WhileSeen>
                    <Findings study={study} />
                </>
            );
        case "parameters":
            return (
                <>
                    <Parallel study={study} trials={trials} />
                    <WhileSeen height={200}><Importance study={study} trials={trials} /></WhileSeen>
                    <Slices study={study} trials={trials} />
                </>
            );
        case "contour":
            return <Contour study={study} trials={trials} />;
        case "trade-off":
            return <TradeOff study={study} trials={trials} />;
        case "slots":
            return <Timeline study={study} trials={trials} />;
        case "compare":
            return <Compare study={study} />;
    }
}

function Findings({ study }: { study: Study }): JSX.Element | null {
    const { findings, messages } = study.wire;
    if (findings.length === 0 && messages.length === 0) return null;
    return (
        <section aria-label="Findings">
            <h2>What the study shows</h2>
            <ul class="findings">
                {findings.map(({ text, advice, trials }) => (
                    <li key={text}>
                        {text}
                        {advice && <div class="faint">{advice}</div>}
                        {trials.length > 0 && <div>{trials.slice(0, 12).map((id) => <button key={id} type="button" class="link" onClick={() => openTrial(id)}>trial {id}</button>)}{trials.length > 12 ? ` and ${trials.length - 12} more` : ""}</div>}
                    </li>
                ))}
                {messages.map((text) => <li key={text}>{text}</li>)}
            </ul>
        </section>
    );
}
