// The objective against the value of each parameter.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { objectiveAxis, parameterAxis } from "../axes";
import { lookOf } from "../look";
import type { Column, Study, Trial } from "../model";
import { scatter } from "../marks";
import { Plot, WhileSeen } from "../plot";
import type { Axis } from "../scale";
import { logObjective } from "../view";
import { LogSwitch, Untrained } from "./common";

/** Columns in the order of their importance, if that is known. */
export function byImportance(study: Study): Column[] {
    const shares = new Map(study.wire.importance?.parameters.map(({ parameter, total }) => [parameter, total]));
    return [...study.columns].sort((a, b) => (shares.get(b.parameter.name) ?? 0) - (shares.get(a.parameter.name) ?? 0));
}

export function Slices({ study, trials }: { study: Study; trials: Trial[] }): JSX.Element {
    const log = logObjective.value;
    const y = useMemo(() => objectiveAxis(study, trials), [study, trials, log]);
    return (
        <section aria-label="Slices">
            <header class="line">
                <h2>Slices</h2>
                <LogSwitch axis={y} />
            </header>
            <div class="grid">
                {byImportance(study).map((column) => (
                    <WhileSeen key={column.parameter.name} height={290}>
                        <Slice study={study} trials={trials} column={column} y={y} />
                    </WhileSeen>
                ))}
            </div>
        </section>
    );
}

function Slice({ study, trials, column, y }: { study: Study; trials: Trial[]; column: Column; y: Axis }): JSX.Element {
    const x = useMemo(() => parameterAxis(column), [column]);
    const data = useMemo(() => {
        return scatter(trials, (trial) => lookOf(study, trial), (trial) => scattered(column, trial), (trial) => trial.value);
    }, [study, trials, column]);
    const absent = column.gaps ? trials.filter((trial) => Number.isNaN(column.numbers[trial.id] ?? NaN)).length : 0;
    const about = `Best ${study.objectiveName} of each trial by ${column.parameter.name}.${absent > 0 ? ` ${absent.toLocaleString("en")} do not have it.` : ""}`;
    return <Plot small title={column.parameter.name} about={about} x={x} y={y} height={210} mode="dots" data={data} under={(px, py) => <Untrained study={study} x={px} y={py} />} />;
}

/** Trials with the same choice lie beside each other: by a share of the golden section of their number, the same each time. */
function scattered(column: Column, trial: Trial): number {
    const number = column.numbers[trial.id] ?? NaN;
    return column.choices ? number + (((trial.id * 0.618034) % 1) - 0.5) * 0.5 : number;
}
