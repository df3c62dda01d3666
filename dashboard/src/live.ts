// Loads what is looked at, and keeps it up to date.
import { effect, signal, untracked } from "@preact/signals";
import { Refusal, get, isReadable, studyPath, type AllStudies, type Delta, type Listed, type Snapshot, type Unreadable } from "./api";
import { Events, type Connection, type Message } from "./events";
import { Study } from "./model";
import { latest, studyName } from "./view";

export const studies = signal<AllStudies | null>(null);
export const connection = signal<Connection>({ kind: "connecting" });
/** Why what was asked for is not there. */
export const failure = signal<Refusal | null>(null);

let events: Events | null = null;
/** Counts what is asked for, so that a late answer to an earlier question is not taken for one to the last. */
let asked = 0;

function listed(all: AllStudies, entry: Listed): AllStudies {
    const known = all.studies.some(({ name }) => name === entry.name);
    return { ...all, studies: known ? all.studies.map((other) => (other.name === entry.name ? entry : other)) : [entry, ...all.studies] };
}

function heardOfAll({ event, data }: Message): void {
    const all = studies.value;
    if (event === "studies") studies.value = JSON.parse(data) as AllStudies;
    else if (event === "study" && all) studies.value = listed(all, JSON.parse(data) as Listed);
    else if (event === "gone" && all) {
        const { name } = JSON.parse(data) as { name: string };
        studies.value = { ...all, studies: all.studies.filter((other) => other.name !== name) };
    }
}

function show(snapshot: Snapshot | Unreadable): void {
    if (isReadable(snapshot)) {
        failure.value = null;
        latest.value = Study.from(snapshot);
    } else {
        failed(new Refusal(0, snapshot.study.error.text, snapshot.study.error.fix, null));
    }
}

function heardOfOne({ event, data }: Message): void {
    if (event === "snapshot") show(JSON.parse(data) as Snapshot | Unreadable);
    else if (event === "delta") latest.value = latest.value?.with(JSON.parse(data) as Delta) ?? null;
    else if (event === "gone") {
        events?.close();
        connection.value = { kind: "none" };
        failed(new Refusal(404, "This study was deleted.", null, null));
    }
}

function follow(name: string | null): void {
    const path = (): string => (name === null ? "/api/events" : `${studyPath(name, "events")}?after=${latest.value?.revision ?? ""}`);
    events = new Events(path, name === null ? heardOfAll : heardOfOne, (state) => (connection.value = state));
}

function failed(error: unknown): void {
    failure.value = error instanceof Refusal ? error : new Refusal(0, String(error), null, null);
}

/** Asks for what is looked at now, from the start. */
export function load(): void {
    const name = studyName.value;
    const mine = (asked += 1);
    events?.close();
    events = null;
    failure.value = null;
    latest.value = null;
    connection.value = { kind: "connecting" };
    const all = get<AllStudies>("/api/studies").then((answer) => (studies.value = answer));
    const one = name === null ? all : get<Snapshot | Unreadable>(studyPath(name));
    one.then(
        (answer) => {
            if (mine !== asked) return;
            if (name !== null) show(answer as Snapshot | Unreadable);
            follow(name);
        },
        (error: unknown) => {
            if (mine !== asked) return;
            connection.value = { kind: "none" };
            failed(error);
        },
    );
    all.catch(() => undefined);
}

export function retryNow(): void {
    events?.retry();
}

export function start(): void {
    effect(() => {
        void studyName.value;
        untracked(load);
    });
}
