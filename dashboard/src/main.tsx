import { render, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Dialog, Trouble } from "./fields";
import { FIRST_CONTROL } from "./filterbar";
import { connection, failure, load, retryNow, start } from "./live";
import { StudyPage } from "./page";
import { SEARCH_STUDIES, Studies } from "./studies";
import { trialTexts } from "./told";
import { followAddress, goTo, openTrial, study, studyName, tooltip, trialOpen } from "./view";

const KEYS: [string, string][] = [
    ["/", "to the filter"],
    ["?", "these keys"],
    ["Tab, Shift+Tab", "to the next control, and back"],
    ["← →", "among the tabs: the next one"],
    ["↑ ↓ PageUp PageDown Home End", "in the table: choose a row"],
    ["Enter", "in the table: open the trial"],
    ["Space", "in the table: compare the trial"],
    ["Escape", "close the trial or the dialog"],
];

function App(): JSX.Element {
    const [help, setHelp] = useState(false);
    useEffect(() => {
        const pressed = (event: KeyboardEvent): void => {
            const { target } = event;
            const typing = target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && (target as HTMLInputElement).type !== "checkbox";
            if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
            if (event.key === "Escape" && trialOpen.value !== null) openTrial(null);
            if (typing) return;
            if (event.key === "?") setHelp(true);
            else if (event.key === "/") document.getElementById(studyName.value === null ? SEARCH_STUDIES : FIRST_CONTROL)?.focus();
            else return;
            event.preventDefault();
        };
        addEventListener("keydown", pressed);
        return () => removeEventListener("keydown", pressed);
    }, []);
    const name = studyName.value;
    useEffect(() => {
        document.title = name === null ? "hpo: studies" : `hpo: ${name}`;
    }, [name]);
    const failed = failure.value;
    return (
        <>
            <header class="top-bar">
                <nav aria-label="Studies">
                    <a href="#/" aria-current={name === null ? "page" : undefined} onClick={(event) => {
                        event.preventDefault();
                        goTo(null);
                    }}>hpo</a>
                    {name !== null && <span class="faint"> / {name}</span>}
                </nav>
                <Connection />
                <button type="button" class="quiet" aria-label="Keys" title="Keys (?)" onClick={() => setHelp(true)}>?</button>
            </header>
            <main>
                {failed && (
                    <>
                        <Trouble text={failed.message} fix={failed.fix} />
                        <button type="button" onClick={load}>Try again</button>
                    </>
                )}
                {failed && !study.value ? null : name === null ? <Studies /> : <StudyPage />}
            </main>
            <Tooltip />
            {help && (
                <Dialog title="Keys" close={() => setHelp(false)}>
                    <dl class="values">
                        {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
                    </dl>
                    <p>In a picture: point at a mark to see its trial, click to open it, drag a box to zoom in, double-click to see the whole again.</p>
                    <p><a href="/licences.txt">Licences of what this page is made with</a></p>
                </Dialog>
            )}
        </>
    );
}

/** Whether what is shown is up to date. */
function Connection(): JSX.Element | null {
    const now = connection.value;
    const [, tick] = useState(0);
    const next = now.kind === "lost" ? now.next : null;
    useEffect(() => {
        if (next === null) return;
        const timer = setInterval(() => tick((count) => count + 1), 1000);
        return () => clearInterval(timer);
    }, [next]);
    if (now.kind === "none") return null;
    if (now.kind !== "lost") return <span class={`connection ${now.kind}`} role="status">{now.kind === "open" ? "live" : "connecting…"}</span>;
    const seconds = next === null ? null : Math.max(0, Math.ceil((next - Date.now()) / 1000));
    return (
        <span class="connection lost">
            <span role="status">{now.why}</span>
            <span> {seconds === null ? "" : `Trying again in ${seconds} s. `}</span>
            <button type="button" onClick={retryNow}>Try now</button>
        </span>
    );
}

function Tooltip(): JSX.Element | null {
    const now = tooltip.value;
    const shown = study.value;
    if (!now || !shown) return null;
    const right = now.x > innerWidth / 2;
    const low = now.y > innerHeight / 2;
    const style = {
        ...(right ? { right: `${innerWidth - now.x + 14}px` } : { left: `${now.x + 14}px` }),
        ...(low ? { bottom: `${innerHeight - now.y + 10}px` } : { top: `${now.y + 10}px` }),
    };
    const [first, ...rest] = trialTexts(shown, now.trial);
    const all = [...new Set([...now.more, ...rest])];
    return (
        <div class="tooltip" aria-hidden="true" style={style}>
            <strong>{first}</strong>
            {all.map((text) => <div key={text}>{text}</div>)}
        </div>
    );
}

followAddress();
start();
const page = document.getElementById("page")!;
page.replaceChildren();
render(<App />, page);
