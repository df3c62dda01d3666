// What the tests share: the page's modules, real studies, the real server and a real browser.
import { build } from "esbuild";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const HPO = resolve(here, "../..", process.env.HPO ?? "target/debug/hpo");

/** Bundles a module of the page and imports it. */
export async function imported(module) {
    const { directory, remove } = scratch();
    const outfile = join(directory, "module.mjs");
    await build({ absWorkingDir: join(here, ".."), entryPoints: [`src/${module}`], bundle: true, format: "esm", outfile, logLevel: "warning" });
    try {
        return await import(outfile);
    } finally {
        remove();
    }
}

/** The browser's program; none if there is none here. */
export function chromium() {
    const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : ["chromium", "chromium-browser", "google-chrome"];
    const directories = (process.env.PATH ?? "").split(":");
    return names.flatMap((name) => (name.includes("/") ? [name] : directories.map((directory) => join(directory, name)))).find(existsSync) ?? null;
}

export async function browser() {
    const { chromium: playwright } = await import("playwright-core");
    return playwright.launch({ executablePath: chromium(), args: ["--no-sandbox"] });
}

/** A directory of its own, and a function that removes it. */
export function scratch() {
    const directory = mkdtempSync(join(tmpdir(), "hpo-dashboard-"));
    return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

// Its loss depends on the learning rate and falls with each epoch; high rates diverge, and one parameter makes it fail. The time `ms` is the
// shorter the higher the rate, whose lowest loss is in the middle. With `gate` it
// waits before each epoch until it has read a line from that pipe.
const TRAINER = `
import argparse, math, sys
options = argparse.ArgumentParser()
for name in ("--lr", "--margin", "--fault"):
    options.add_argument(name, type=float, default=0.0)
options.add_argument("--loss", default="")
options.add_argument("--from", dest="start", type=int, default=0)
options.add_argument("--epochs", type=int)
options.add_argument("--gate")
options = options.parse_args()
print("<img src=x onerror=alert(1)>", options.loss, flush=True)
if options.fault > 0.9:
    sys.exit("out of luck: <script>alert(1)</script>")
for epoch in range(options.start + 1, options.epochs + 1):
    line = not options.gate
    while not line:
        with open(options.gate) as gate:
            line = gate.readline()
    loss = 0.2 + 0.05 * (math.log10(options.lr) + 3) ** 2 + 0.5 / epoch + 0.1 * options.margin
    print(f"epoch {epoch}: val_loss={'nan' if options.lr > 0.5 else loss:} recall={1 - loss / 3:.4f} ms={1 - 2 * math.log10(options.lr):.4f}", flush=True)
`;

/** Writes the file of a study of the trainer above, and returns its path; with further lines under `[study]`, `ms` is one of its metrics. */
export function studyFile(directory, name, { trials, gate = null, faults = true, loss = "<b>cosine</b>", lines = null }) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "train.py"), TRAINER);
    const file = join(directory, `${name}.toml`);
    const more = gate ? `, "--gate", ${JSON.stringify(gate)}` : "";
    writeFileSync(
        file,
        `[study]
trials = ${trials}
retries = 0
${lines ?? ""}

[policy]
max_resource = 9

[sampler]
type = "random"

[trial]
command = ["python3", "train.py", "--lr", "{learning_rate}", "--loss={loss}", "--margin={margin}", "--fault={fault}", "--from", "{from}", "--epochs", "{resource}"${more}]
metrics = { loss = 'val_loss=(\\S+)', recall = 'recall=([0-9.]+)',${lines ? " ms = 'ms=(\\S+)'," : ""} resource = 'epoch (\\d+)' }

[space]
learning_rate = { type = "log_uniform", low = 1e-5, high = 1.0 }
loss = { type = "choice", values = ["triplet", "${loss}"] }
margin = { type = "uniform", low = 0.0, high = 1.0, when = { loss = "triplet" } }
fault = { type = "uniform", low = 0.0, high = ${faults ? 1.0 : 0.5} }
`,
    );
    return file;
}

/** Runs hpo to its end; an exit code that is not expected is an error with what was printed. */
export function hpo(directory, args, codes = [0]) {
    const done = spawnSync(HPO, args, { cwd: directory, encoding: "utf8", timeout: 120_000, env: { ...process.env, NO_COLOR: "1" } });
    if (!codes.includes(done.status)) throw new Error(`hpo ${args.join(" ")} ended with ${done.status}:\n${done.stdout}\n${done.stderr}`);
    return done.stdout;
}

/** Starts hpo, and returns the process. */
export function started(directory, args) {
    return spawn(HPO, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
}

export async function ended(child, signal = "SIGINT") {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const end = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await end;
}

/** Starts the dashboard of a directory of studies, and returns it with the address that it prints. */
export async function dashboard(directory, ...args) {
    const child = started(directory, ["dashboard", "--studies", join(directory, "studies"), ...args]);
    let said = "";
    child.stderr.on("data", (text) => (said += text));
    for await (const line of createInterface({ input: child.stdout })) {
        said += `${line}\n`;
        const [address] = /http:\/\/\S+/.exec(line) ?? [];
        if (!address) continue;
        child.stdout.resume();
        return { child, address, origin: new URL(address).origin };
    }
    throw new Error(`hpo dashboard printed no address:\n${said}`);
}
