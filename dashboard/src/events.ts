// Server-sent events, read with fetch, since EventSource doesn't say why a connection failed. A lost one is tried again, and there is none
// while nobody sees the page: browsers open few to a server, for all of its pages together.
import { refusal } from "./api";

export type Connection =
    | { kind: "open" }
    | { kind: "connecting" }
    /** There is nothing to follow. */
    | { kind: "none" }
    /** Milliseconds since the epoch of the next try; none if it is of no use, with the reason. */
    | { kind: "lost"; next: number | null; why: string };

export interface Message {
    event: string;
    data: string;
}

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;
/** The server says something at least every 15 seconds. */
const SILENCE = 40_000;

/** Splits what has come so far into whole messages and a rest. */
export function messages(text: string): { whole: Message[]; rest: string } {
    const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
    const rest = blocks.pop() ?? "";
    const whole: Message[] = [];
    for (const block of blocks) {
        let event = "message";
        const data: string[] = [];
        for (const line of block.split("\n")) {
            if (line.startsWith("event:")) event = line.slice(6).trim();
            if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
        }
        if (data.length > 0) whole.push({ event, data: data.join("\n") });
    }
    return { whole, rest };
}

/** Follows a stream of events until it is closed. `path` is asked anew for each connection, so that it can say what is known. */
export class Events {
    private abort: AbortController | null = null;
    private timer: ReturnType<typeof setTimeout> | undefined;
    private wait = FIRST_WAIT;
    private closed = false;

    constructor(
        private readonly path: () => string,
        private readonly heard: (message: Message) => void,
        private readonly state: (connection: Connection) => void,
    ) {
        document.addEventListener("visibilitychange", this.seen);
        if (!document.hidden) void this.connect();
    }

    close(): void {
        this.closed = true;
        document.removeEventListener("visibilitychange", this.seen);
        clearTimeout(this.timer);
        this.abort?.abort();
    }

    /** Tries again at once. */
    retry(): void {
        clearTimeout(this.timer);
        this.abort?.abort();
        void this.connect();
    }

    private readonly seen = (): void => {
        if (!document.hidden) {
            if (!this.abort) this.retry();
            return;
        }
        const { abort } = this;
        this.abort = null;
        clearTimeout(this.timer);
        abort?.abort();
    };

    private async connect(): Promise<void> {
        const abort = new AbortController();
        this.abort = abort;
        this.state({ kind: "connecting" });
        let silence: ReturnType<typeof setTimeout> | undefined;
        try {
            const response = await fetch(this.path(), { cache: "no-store", signal: abort.signal });
            if (!response.ok || !response.body) {
                const refused = await refusal(response);
                const final = refused.status >= 400 && refused.status < 500;
                this.lost(abort, refused.message, final);
                return;
            }
            this.state({ kind: "open" });
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            for (let rest = ""; ; ) {
                silence = setTimeout(() => abort.abort(), SILENCE);
                const { done, value } = await reader.read();
                clearTimeout(silence);
                if (done) break;
                this.wait = FIRST_WAIT;
                const read = messages(rest + value);
                rest = read.rest;
                read.whole.forEach(this.heard);
            }
            this.lost(abort, "The server has closed the connection.", false);
        } catch {
            clearTimeout(silence);
            this.lost(abort, "The connection to the server is lost.", false);
        }
    }

    private lost(abort: AbortController, why: string, final: boolean): void {
        if (this.closed || this.abort !== abort) return;
        this.abort = null;
        if (final) {
            this.state({ kind: "lost", next: null, why });
            return;
        }
        this.state({ kind: "lost", next: Date.now() + this.wait, why });
        this.timer = setTimeout(() => void this.connect(), this.wait);
        this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    }
}
