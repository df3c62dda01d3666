// How much the objective depends on each parameter: in the whole study, by its model, and among the trials that are looked at.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { among, type Column, type Study, type Trial } from "../model";

const BINS = 8;

/**
 * The share of the variance of the ranks of values that groups of a parameter's values explain: epsilon squared of Kelley (1935), which
 * unlike eta squared is not raised by chance. None if there are too few trials.
 */
export function explainedBy(column: Column, ranks: Map<Trial, number>): number | null {
    if (ranks.size < 3 * BINS) return null;
    const groups = groupsOf(column);
    const sums = new Map<number, [number, number]>();
    let [all, squares] = [0, 0];
    for (const [{ id }, rank] of ranks) {
        const key = groups[id]!;
        const [sum, number] = sums.get(key) ?? [0, 0];
        sums.set(key, [sum + rank, number + 1]);
        all += rank;
        squares += rank * rank;
    }
    const total = squares - (all * all) / ranks.size;
    let between = -(all * all) / ranks.size;
    for (const [sum, number] of sums.values()) between += (sum * sum) / number;
    const within = (total - between) / Math.max(1, ranks.size - sums.size);
    return total > 0 ? Math.min(1, Math.max(0, (between - (sums.size - 1) * within) / total)) : null;
}

const grouped = new WeakMap<Column, Float64Array>();

/** The group of each trial by number: of choices one each, of numbers some of equal size; what is absent is a group of its own. */
function groupsOf(column: Column): Float64Array {
    const known = grouped.get(column);
    if (known) return known;
    const sorted = column.numbers.filter((number) => !Number.isNaN(number)).sort();
    const bounds = Array.from({ length: BINS - 1 }, (_, at) => sorted[Math.floor(((at + 1) * sorted.length) / BINS)] ?? Infinity);
    const groups = column.numbers.map((number) => {
        if (Number.isNaN(number)) return -1;
        return column.choices ? number : bounds.filter((bound) => number >= bound).length;
    });
    grouped.set(column, groups);
    return groups;
}

/** The ranks of those of the trials that have a value. */
function ranksOf(study: Study, trials: Trial[]): Map<Trial, number> {
    const wanted = among(study, trials);
    const known = study.ranked.filter(({ id, value }) => wanted[id] === 1 && !Number.isNaN(value));
    return new Map(known.map((trial, at) => [trial, at]));
}

export function Importance({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const { importance } = study;
    const rows = useMemo(() => {
        const ranks = ranksOf(study, trials);
        const shares = study.columns.map((column) => {
            const name = column.parameter.name;
            const model = importance?.parameters.find(({ parameter }) => parameter === name);
            return { name, model: model ?? null, here: explainedBy(column, ranks) };
        });
        return shares.sort((a, b) => (b.model?.total ?? b.here ?? 0) - (a.model?.total ?? a.here ?? 0));
    }, [study, trials]);
    const explained = importance && `A model of all trials explains ${percent(importance.explained)} of the variance of ${study.objectiveName}; the full bars are the shares in it that a parameter has, with its interactions.`;
    return (
        <figure class="plot">
            <figcaption><h2>Importance of parameters</h2></figcaption>
            <div class="scroll" tabIndex={0} role="region" aria-label="Importance of parameters">
                <table class="importance">
                    <thead>
                        <tr>
                            <th scope="col">parameter</th>
                            <th scope="col">all trials</th>
                            <th scope="col">alone</th>
                            <th scope="col">selected trials</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows.map(({ name, model, here }) => (
                            <tr key={name}>
                                <th scope="row">{name}</th>
                                <td><Bar share={model?.total ?? null} kind="full" /></td>
                                <td>{model ? percent(model.alone) : "–"}</td>
                                <td><Bar share={here} kind="here" /></td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            <p class="about">
                {explained ?? "The study has too few trials for a model of all, or the values can't be predicted from the parameters."} For the trials that pass the filter: the share of the
                variance of their ranks that the parameter explains by itself{rows.every(({ here }) => here === null) ? `, from ${3 * BINS} trials with a value on` : ""}.
            </p>
        </figure>
    );
}

function percent(share: number): string {
    return `${Math.round(100 * share)} %`;
}

function Bar({ share, kind }: { share: number | null; kind: string }): JSX.Element {
    if (share === null) return <span>–</span>;
    return (
        <span class="bar">
            <svg width="100" height="12" aria-hidden="true">
                <rect class="track" width="100" height="12" />
                <rect class={kind} width={Math.min(100, Math.max(0.5, 100 * share))} height="12" />
            </svg>
            {percent(share)}
        </span>
    );
}
