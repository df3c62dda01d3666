// The filter's controls.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { STATES, type State } from "./api";
import { NumberField } from "./fields";
import { EVERYTHING, NO_CONDITION, conditions, withParameter } from "./filter";
import type { Column, Study, Trial } from "./model";
import { short } from "./numbers";
import { Choice } from "./pictures/common";
import { filter, objective } from "./view";

/** What `/` puts the focus on. */
export const FIRST_CONTROL = "filter-best";

export function FilterBar({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const now = filter.value;
    const counts = useMemo(() => {
        const counts = new Map<State, number>();
        for (const { state } of study.trials) counts.set(state, (counts.get(state) ?? 0) + 1);
        return counts;
    }, [study]);
    const states = STATES.filter((state) => counts.has(state) || now.states?.includes(state));
    const toggle = (state: State): void => {
        const passing = now.states ?? states;
        const next = passing.includes(state) ? passing.filter((other) => other !== state) : [...passing, state];
        filter.value = { ...now, states: states.every((other) => next.includes(other)) ? null : STATES.filter((other) => next.includes(other)) };
    };
    const number = conditions(now);
    const onParameters = Object.keys(now.parameters).length;
    const [open, setOpen] = useState(onParameters > 0);
    return (
        <form class="filter" role="search" aria-label="Filter of trials" onSubmit={(event) => event.preventDefault()}>
            {study.hasSeveral && (
                <Choice
                    label="Objective"
                    value={study.objectiveName}
                    options={study.objectives.map(({ metric }) => [metric, metric])}
                    change={(name) => {
                        objective.value = name;
                        filter.value = { ...now, objective: EVERYTHING.objective };
                    }}
                />
            )}
            <NumberField id={FIRST_CONTROL} label="Best %" value={now.best} placeholder="100" fits={(value) => value > 0 && value <= 100} change={(best) => (filter.value = { ...now, best })} />
            <fieldset class="between">
                <legend>{study.objectiveName}</legend>
                <NumberField label={`${study.objectiveName} from`} hideLabel value={now.objective.low} placeholder="from" change={(low) => (filter.value = { ...now, objective: { ...now.objective, low } })} />
                <NumberField label={`${study.objectiveName} to`} hideLabel value={now.objective.high} placeholder="to" change={(high) => (filter.value = { ...now, objective: { ...now.objective, high } })} />
            </fieldset>
            <fieldset class="states" hidden={states.length === 0}>
                <legend>state</legend>
                {states.map((state) => (
                    <label key={state} class="chip">
                        <input type="checkbox" checked={now.states === null || now.states.includes(state)} onChange={() => toggle(state)} />
                        {state} <span class="faint">{(counts.get(state) ?? 0).toLocaleString("en")}</span>
                    </label>
                ))}
            </fieldset>
            {(study.hasSeveral || study.wire.require.length > 0) && (
                <fieldset class="states">
                    <legend>only</legend>
                    {study.hasSeveral && <Only name="front" label="not dominated" number={study.trials.filter((trial) => study.isBest(trial)).length} />}
                    {study.wire.require.length > 0 && <Only name="feasible" label="feasible" number={study.trials.filter(({ feasible }) => feasible === true).length} />}
                </fieldset>
            )}
            <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
                <summary>Parameters{onParameters > 0 ? ` (${onParameters})` : ""}</summary>
                <div class="parameters">
                    {study.columns.map((column) => <Condition key={column.parameter.name} column={column} />)}
                </div>
            </details>
            <p class="count" role="status">
                {trials.length.toLocaleString("en")} of {study.trials.length.toLocaleString("en")} trials
            </p>
            <button type="button" disabled={number === 0} onClick={() => (filter.value = EVERYTHING)}>Clear filter</button>
        </form>
    );
}

function Only({ name, label, number }: { name: "front" | "feasible"; label: string; number: number }): JSX.Element {
    return (
        <label class="chip">
            <input type="checkbox" checked={filter.value[name]} onChange={(event) => (filter.value = { ...filter.value, [name]: event.currentTarget.checked })} />
            {label} <span class="faint">{number.toLocaleString("en")}</span>
        </label>
    );
}

function Condition({ column }: { column: Column }): JSX.Element {
    const { name } = column.parameter;
    const now = filter.value.parameters[name] ?? NO_CONDITION;
    const change = (next: Partial<typeof now>): void => {
        filter.value = withParameter(filter.value, name, next);
    };
    const { choices, domain, gaps } = column;
    const toggle = (choice: string): void => {
        const passing = now.choices ?? choices ?? [];
        const next = passing.includes(choice) ? passing.filter((other) => other !== choice) : [...passing, choice];
        const all = (choices ?? []).every((other) => next.includes(other)) && (!gaps || now.absent || now.choices === null);
        change({ choices: all ? null : next, absent: now.choices === null ? gaps : now.absent });
    };
    return (
        <fieldset class={choices ? "states" : "between"}>
            <legend>{name}</legend>
            {choices?.map((choice) => (
                <label key={choice} class="chip">
                    <input type="checkbox" checked={now.choices === null || now.choices.includes(choice)} onChange={() => toggle(choice)} />
                    {choice}
                </label>
            ))}
            {!choices && (
                <>
                    <NumberField label={`${name} from`} hideLabel value={now.low} placeholder={short(domain[0])} change={(low) => change({ low })} />
                    <NumberField label={`${name} to`} hideLabel value={now.high} placeholder={short(domain[1])} change={(high) => change({ high })} />
                </>
            )}
            {gaps && (
                <label class="chip">
                    <input
                        type="checkbox"
                        checked={filter.value.parameters[name] === undefined || now.absent}
                        disabled={filter.value.parameters[name] === undefined}
                        onChange={() => change({ absent: !now.absent })}
                    />
                    absent
                </label>
            )}
        </fieldset>
    );
}
