// What is said about a trial and about many, in words.
import { count, short } from "./numbers";
import { LAYERS, LOOKS, ordinaryLookOf, type LookName } from "./look";
import { metricOf, valueText, type Study, type Trial } from "./model";

export function valueOf(study: Study, trial: Trial): string {
    if (Number.isNaN(trial.value)) return ["waiting", "running", "paused"].includes(trial.state) ? "no value yet" : "no value";
    const where = Number.isFinite(trial.at) ? ` at ${study.wire.unit.one} ${trial.at}` : "";
    return Number.isFinite(trial.value) ? `${valuesOf(study, trial)}${where}` : `${study.objectiveName} not finite`;
}

/** The values of a trial by all objectives. */
function valuesOf(study: Study, trial: Trial): string {
    const of = (name: string): number => metricOf(study, trial, study.wire.metrics.findIndex((metric) => metric.name === name));
    return study.objectives.map(({ metric }) => `${metric} ${short(of(metric))}`).join(", ");
}

/** What a trial does not fulfil of what is required; empty if it fulfils all. */
export function breaksText({ wire }: Trial): string {
    const each = (wire.breaks ?? []).map(({ require, value }) => (value === null ? `has not reported what \`${require}\` requires` : `breaks \`${require}\` with ${short(value)}`));
    return each.join(" and ");
}

export function feasibilityText(trial: Trial): string {
    if (trial.feasible === null) return "–";
    return trial.feasible ? "fulfilled" : breaksText(trial);
}

export function parameterText(study: Study, trial: Trial, place: number): string {
    const value = trial.values[place];
    return typeof value === "number" && !study.columns[place]?.choices ? short(value) : valueText(value);
}

/** What was decided about a trial at its rungs. */
export function decisionTexts(study: Study, trial: Trial): string[] {
    return (study.decided.get(trial.id) ?? []).map(([, , rung, outcome, to]) => {
        const { one } = study.wire.unit;
        return `${outcome} at ${one} ${rung}${to === null ? "" : `, to ${one} ${to}`}`;
    });
}

export function trialTexts(study: Study, trial: Trial): string[] {
    const decisions = decisionTexts(study, trial);
    const texts = [`trial ${trial.id}, ${trial.state}: ${valueOf(study, trial)}`];
    study.wire.parameters.slice(0, 12).forEach(({ name }, place) => texts.push(`${name}: ${parameterText(study, trial, place)}`));
    texts.push(...decisions);
    if (trial.feasible === false) texts.splice(1, 0, `infeasible: ${breaksText(trial)}`);
    if (trial.reason && !decisions.includes(trial.reason)) texts.push(trial.reason);
    return texts;
}

/** How many trials there are in each look, for legends and descriptions. */
export function looks(study: Study, trials: Trial[]): [LookName, number][] {
    const counts = new Map<LookName, number>();
    for (const trial of trials) {
        const name = ordinaryLookOf(trial);
        counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const best = trials.filter((trial) => study.isBest(trial)).length;
    if (best > 0) counts.set("best", best);
    return LAYERS.flatMap((name) => (counts.has(name) ? [[name, counts.get(name) ?? 0] as [LookName, number]] : []));
}

/** "312 of 400 trials (90 completed, 222 pruned)", and where the figures are. */
export function summary(study: Study, trials: Trial[]): string {
    const all = study.trials.length;
    if (all === 0) return "There are no trials yet.";
    const states = looks(study, trials).filter(([name]) => name !== "best").map(([name, number]) => `${number.toLocaleString("en")} ${LOOKS[name].name}`);
    const of = trials.length === all ? count(all, "trial") : `${trials.length.toLocaleString("en")} of ${count(all, "trial")}`;
    return `${of}${states.length > 0 ? ` (${states.join(", ")})` : ""}. The values are in the table below.`;
}
