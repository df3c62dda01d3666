// Measures the page in a real browser on a study of 10,000 trials: HPO=target/release/hpo node test/measure.mjs [TRIALS]
// `hpo` and the example `big_journal` must be built: make bench-dashboard does that too.
import { join } from "node:path";
import { HPO, browser, dashboard, ended, scratch } from "./support.mjs";
import { spawnSync } from "node:child_process";

const trials = Number(process.argv[2] ?? 10_000);
const GENERATE = HPO.replace(/hpo$/, "examples/big_journal");
const TABS = ["overview", "parameters", "contour", "trade-off", "slots"];
const { directory, remove } = scratch();
const study = join(directory, "studies", "big");
const made = spawnSync(GENERATE, [study, String(trials), "9"], { encoding: "utf8" });
if (made.status !== 0) throw new Error(`${GENERATE} ended with ${made.status}: ${made.error ?? made.stderr}`);
const server = await dashboard(directory, "--port", "0");
const chromium = await browser();
try {
    const page = await (await chromium.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    const processor = async () => (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value * 1000;
    // The server reads a study when it is first asked for.
    await (await fetch(`${server.origin}/api/studies/big`)).arrayBuffer();
    console.log(`${trials} trials; milliseconds (processor time of the page's thread in brackets)`);
    console.log("tab          first paint  whole picture  filtering: best 50 %, best 10 %, all, 75 %, all");
    for (const tab of TABS) {
        await page.goto("about:blank");
        await page.goto(`${server.origin}/#/big?tab=${tab}`);
        await page.waitForSelector("main canvas");
        const [first, whole] = await page.evaluate(async () => {
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            return [performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.now()];
        });
        const times = [];
        for (const best of ["50", "10", "", "75", ""]) {
            const before = await processor();
            const wall = await page.evaluate(async (best) => {
                const field = document.getElementById("filter-best");
                const start = performance.now();
                field.value = best;
                field.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                return performance.now() - start;
            }, best);
            times.push(`${wall.toFixed(0)} (${((await processor()) - before).toFixed(0)})`);
        }
        console.log(`${tab.padEnd(12)} ${first.toFixed(0).padStart(11)}  ${whole.toFixed(0).padStart(13)}  ${times.join(", ")}`);
    }
} finally {
    await chromium.close();
    await ended(server.child);
    remove();
}
