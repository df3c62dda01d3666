// Parts of forms.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface NumberProps {
    label: string;
    /** Whether the label is for screen readers only. */
    hideLabel?: boolean;
    value: number | null;
    placeholder?: string;
    change: (value: number | null) => void;
    /** Whether a number is acceptable. */
    fits?: (value: number) => boolean;
    id?: string;
}

/** A number as a text, so that `1e-5` can be written. Nothing is no number; what is none is marked and changes nothing. */
export function NumberField({ label, hideLabel, value, placeholder, change, fits, id }: NumberProps): JSX.Element {
    const [text, setText] = useState(value === null ? "" : String(value));
    const [invalid, setInvalid] = useState(false);
    const read = (text: string): number | null => (text.trim() === "" ? null : Number(text));
    useEffect(() => {
        if (read(text) !== value && !invalid) setText(value === null ? "" : String(value));
    }, [value]);
    return (
        <label class="number">
            <span class={hideLabel ? "hidden" : ""}>{label}</span>
            <input
                type="text"
                inputMode="decimal"
                autocomplete="off"
                id={id}
                value={text}
                placeholder={placeholder}
                aria-invalid={invalid}
                onInput={(event) => {
                    const typed = event.currentTarget.value;
                    const number = read(typed);
                    const wrong = number !== null && (!Number.isFinite(number) || (fits !== undefined && !fits(number)));
                    setText(typed);
                    setInvalid(wrong);
                    if (!wrong) change(number);
                }}
            />
        </label>
    );
}

/** A dialog over the page. Escape and its button close it, and the focus goes back to where it was. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }): JSX.Element {
    const element = useRef<HTMLDialogElement>(null);
    const id = useId();
    useEffect(() => {
        const before = document.activeElement;
        element.current?.showModal();
        return () => {
            if (before instanceof HTMLElement) before.focus();
        };
    }, []);
    return (
        <dialog ref={element} aria-labelledby={id} onClose={close}>
            <header class="line">
                <h2 id={id}>{title}</h2>
                <button type="button" class="quiet" aria-label="Close" onClick={close}>×</button>
            </header>
            {children}
        </dialog>
    );
}

export function Copy({ text, label }: { text: string; label: string }): JSX.Element {
    const [done, setDone] = useState(false);
    return (
        <button
            type="button"
            class="quiet"
            onClick={() => {
                void navigator.clipboard.writeText(text).then(() => setDone(true));
            }}
        >
            {done ? "Copied" : label}
        </button>
    );
}

/** What is wrong, and what to do about it. */
export function Trouble({ text, fix }: { text: string; fix: string | null }): JSX.Element {
    return (
        <div class="bad" role="alert">
            <div>{text}</div>
            {fix && <div>{fix}</div>}
        </div>
    );
}
