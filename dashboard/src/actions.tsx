// What can be done to a study from the page, each after a word on what it will do.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Refusal, post, studyPath, type Limits, type Parameter, type Value } from "./api";
import { Dialog, NumberField, Trouble } from "./fields";
import { studies } from "./live";
import { valueText, type Study, type Trial } from "./model";
import { count } from "./numbers";

type Action = "stop" | "pause" | "resume" | "limits" | "enqueue";

interface Verb {
    action: Action;
    label: string;
    /** Why it can't be done now; nothing if it can. */
    unable: (study: Study) => string | null;
}

const running = (study: Study): string | null => (study.wire.running ? null : "no search has this study");
const VERBS: Verb[] = [
    { action: "pause", label: "Pause", unable: (study) => running(study) ?? (study.wire.state === "paused" ? "it is paused" : null) },
    { action: "resume", label: "Resume", unable: (study) => running(study) ?? (study.wire.state === "paused" ? null : "it runs") },
    { action: "stop", label: "Stop…", unable: running },
    { action: "limits", label: "Raise limits…", unable: () => null },
    { action: "enqueue", label: "Enqueue a trial…", unable: () => null },
];

export function Actions({ study }: { study: Study }): JSX.Element {
    const [open, setOpen] = useState<Action | null>(null);
    const allowed = studies.value?.can_change ?? false;
    const close = (): void => setOpen(null);
    return (
        <div class="actions" role="group" aria-label="Actions">
            {VERBS.map(({ action, label, unable }) => {
                const why = allowed ? unable(study) : "this page may only look";
                return <button key={action} type="button" disabled={why !== null} title={why ?? ""} onClick={() => setOpen(action)}>{label}</button>;
            })}
            {!allowed && studies.value && <span class="faint">To change something, open the address that <code>hpo dashboard</code> has printed.</span>}
            {open === "stop" && (
                <Confirm title="Stop the search" verb="Stop" path={studyPath(study.wire.name, "stop")} close={close}>
                    The search of {study.wire.name} ends in good order: what is being trained is saved, and <code>hpo resume</code> goes on from there.
                </Confirm>
            )}
            {open === "pause" && (
                <Confirm title="Pause the search" verb="Pause" path={studyPath(study.wire.name, "pause")} close={close}>
                    What is being trained is saved, and nothing is begun until you resume. The search keeps its process and its slots.
                </Confirm>
            )}
            {open === "resume" && (
                <Confirm title="Resume the search" verb="Resume" path={studyPath(study.wire.name, "resume")} close={close}>
                    The search of {study.wire.name} goes on.
                </Confirm>
            )}
            {open === "limits" && <RaiseLimits study={study} close={close} />}
            {open === "enqueue" && <Enqueue study={study} from={null} close={close} />}
        </div>
    );
}

type Sent = { kind: "idle" } | { kind: "under way" } | { kind: "done"; message: string } | { kind: "refused"; why: Refusal };

/** Sends something to the server, and what became of it. */
function useSending(path: string): [Sent, (body: unknown) => void] {
    const [sent, setSent] = useState<Sent>({ kind: "idle" });
    const send = (body: unknown): void => {
        setSent({ kind: "under way" });
        post(path, body).then(
            ({ message }) => setSent({ kind: "done", message }),
            (error: unknown) => setSent({ kind: "refused", why: error instanceof Refusal ? error : new Refusal(0, String(error), null, null) }),
        );
    };
    return [sent, send];
}

function Outcome({ sent }: { sent: Sent }): JSX.Element {
    return (
        <div aria-live="polite">
            {sent.kind === "under way" && <p>Under way; the search takes it between two of its steps.</p>}
            {sent.kind === "done" && <p class="good">{sent.message}</p>}
            {sent.kind === "refused" && <Trouble text={sent.why.message} fix={sent.why.fix} />}
        </div>
    );
}

function Buttons({ sent, verb, close }: { sent: Sent; verb: string; close: () => void }): JSX.Element {
    return (
        <p class="buttons">
            {sent.kind !== "done" && <button type="submit" class="main" disabled={sent.kind === "under way"}>{verb}</button>}
            <button type="button" onClick={close}>{sent.kind === "done" ? "Close" : "Cancel"}</button>
        </p>
    );
}

/** Asks once more, then does it. */
export function Confirm({ title, verb, path, close, children }: { title: string; verb: string; path: string; close: () => void; children: ComponentChildren }): JSX.Element {
    const [sent, send] = useSending(path);
    return (
        <Dialog title={title} close={close}>
            <form
                onSubmit={(event) => {
                    event.preventDefault();
                    send({});
                }}
            >
                <p>{children}</p>
                <Outcome sent={sent} />
                <Buttons sent={sent} verb={verb} close={close} />
            </form>
        </Dialog>
    );
}

const HOUR = 3_600_000;

function RaiseLimits({ study, close }: { study: Study; close: () => void }): JSX.Element {
    const { limits, unit, name } = study.wire;
    const [next, setNext] = useState<Limits>(limits);
    const [sent, send] = useSending(studyPath(name, "limits"));
    const changed = Object.fromEntries(Object.entries(next).filter(([key, value]) => key in limits && value !== limits[key as keyof Limits]));
    const nothing = Object.keys(changed).length === 0;
    return (
        <Dialog title="Raise limits" close={close}>
            <form
                class="fields"
                onSubmit={(event) => {
                    event.preventDefault();
                    if (!nothing) send(changed);
                }}
            >
                <p>The study goes on until it meets the first of these. An empty field is no limit.</p>
                <NumberField label="Trials" value={next.trials} fits={(value) => Number.isInteger(value) && value >= limits.trials} change={(value) => setNext({ ...next, trials: value ?? limits.trials })} />
                <NumberField label="Hours of search" value={next.time_ms === null ? null : next.time_ms / HOUR} placeholder="no limit" fits={(value) => value > 0} change={(value) => setNext({ ...next, time_ms: value === null ? null : Math.round(value * HOUR) })} />
                <NumberField label={`${capital(unit.many)}, all trials together`} value={next.resource} placeholder="no limit" fits={(value) => Number.isInteger(value) && value > 0} change={(resource) => setNext({ ...next, resource })} />
                <NumberField label="Trials without a better one" value={next.no_better} placeholder="no limit" fits={(value) => Number.isInteger(value) && value > 0} change={(no_better) => setNext({ ...next, no_better })} />
                <Outcome sent={sent} />
                {nothing && sent.kind === "idle" && <p class="faint">Nothing is changed yet. {count(limits.trials, "trial")} is the least: limits only grow.</p>}
                <Buttons sent={sent} verb="Raise" close={close} />
            </form>
        </Dialog>
    );
}

function capital(text: string): string {
    return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A configuration to be trained, as texts; what is empty is drawn. */
export function Enqueue({ study, from, close }: { study: Study; from: Trial | null; close: () => void }): JSX.Element {
    const { parameters, name } = study.wire;
    const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(parameters.map((parameter, at) => [parameter.name, start(parameter, from?.values[at] ?? null)])));
    const [sent, send] = useSending(studyPath(name, "enqueue"));
    const [wrong, setWrong] = useState<string | null>(null);
    const submit = (event: Event): void => {
        event.preventDefault();
        const values: Record<string, Value> = {};
        for (const parameter of parameters) {
            const text = texts[parameter.name]?.trim() ?? "";
            if (text === "") continue;
            const value = valueFrom(parameter, text);
            if (value === undefined) {
                setWrong(parameter.name);
                return;
            }
            values[parameter.name] = value;
        }
        setWrong(null);
        send({ parameters: values });
    };
    const refused = sent.kind === "refused" ? sent.why.parameter : null;
    return (
        <Dialog title={from ? `Enqueue a trial like trial ${from.id}` : "Enqueue a trial"} close={close}>
            <form class="fields" onSubmit={submit}>
                <p>The next trial has these values; what you leave empty is drawn.</p>
                {parameters.map((parameter) => (
                    <ParameterField
                        key={parameter.name}
                        parameter={parameter}
                        text={texts[parameter.name] ?? ""}
                        invalid={wrong === parameter.name || refused === parameter.name}
                        change={(text) => setTexts({ ...texts, [parameter.name]: text })}
                    />
                ))}
                {wrong && <Trouble text={`${wrong} needs a number.`} fix={null} />}
                <Outcome sent={sent} />
                <Buttons sent={sent} verb="Enqueue" close={close} />
            </form>
        </Dialog>
    );
}

function ParameterField({ parameter, text, invalid, change }: { parameter: Parameter; text: string; invalid: boolean; change: (text: string) => void }): JSX.Element {
    const { name, low, high, log, kind, when } = parameter;
    const bounds = low === null && high === null ? kind : `${kind === "integer" ? "integer, " : ""}${low ?? "…"} to ${high ?? "…"}${log ? ", logarithmic" : ""}`;
    const listed = choicesOf(parameter);
    return (
        <label class="number">
            <span>{name} <span class="faint">{when ?? ""}</span></span>
            {listed ? (
                <select value={text} aria-invalid={invalid} onChange={(event) => change(event.currentTarget.value)}>
                    <option value="">drawn</option>
                    {listed.map((choice) => <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>{valueText(choice)}</option>)}
                </select>
            ) : (
                <input type="text" inputMode="decimal" autocomplete="off" value={text} placeholder={bounds} aria-invalid={invalid} onInput={(event) => change(event.currentTarget.value)} />
            )}
        </label>
    );
}

function choicesOf({ choices, kind }: Parameter): Value[] | null {
    return choices ?? (kind === "bool" ? [false, true] : null);
}

function start(parameter: Parameter, value: Value): string {
    return value === null ? "" : choicesOf(parameter) ? JSON.stringify(value) : String(value);
}

/** The value that a text in a field stands for; `undefined` if it is none. */
function valueFrom(parameter: Parameter, text: string): Value | undefined {
    if (choicesOf(parameter)) return JSON.parse(text) as Value;
    const number = Number(text);
    return Number.isFinite(number) ? number : undefined;
}
