// The page in a real browser, with the real server and real studies.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HPO, browser, chromium, dashboard, ended, hpo, scratch, started, studyFile } from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TABS = ["overview", "parameters", "contour", "trade-off", "slots", "compare"];
const skip = chromium() === null ? "there is no chromium here: install it (chromium)" : !existsSync(HPO) ? `there is no ${HPO}: build hpo first` : false;

/** What goes on in the tests. */
const all = {};

before(async () => {
    if (skip) return;
    Object.assign(all, scratch());
    const { directory } = all;
    const studies = ["--studies", join(directory, "studies")];
    hpo(directory, ["search", studyFile(directory, "mixed", { trials: 18 }), ...studies]);
    hpo(directory, ["search", studyFile(directory, "one", { trials: 1, faults: false }), ...studies]);
    hpo(directory, ["search", studyFile(directory, "several", { trials: 27, lines: 'objective = ["loss", "ms"]\ndirection = ["minimize", "minimize"]\nrequire = ["recall >= 0.5"]' }), ...studies]);
    // Without pruning, those with the lowest losses come to their end though they are infeasible.
    const bounded = studyFile(directory, "bounded", { trials: 18, lines: 'require = ["ms <= 5"]' });
    writeFileSync(bounded, readFileSync(bounded, "utf8").replace("max_resource = 9", 'type = "none"\nmax_resource = 9'));
    hpo(directory, ["search", bounded, ...studies]);
    hpo(directory, ["search", studyFile(directory, "unfulfilled", { trials: 3, faults: false, lines: 'require = ["ms <= 0"]' }), ...studies]);
    const failing = studyFile(directory, "failing", { trials: 1 });
    writeFileSync(failing, readFileSync(failing, "utf8").replace(/fault = .*/, 'fault = { type = "uniform", low = 0.95, high = 1.0 }'));
    hpo(directory, ["search", failing, ...studies], [0, 1, 2, 3]);
    const damaged = join(directory, "studies", "damaged");
    cpSync(join(directory, "studies", "one"), damaged, { recursive: true });
    rmSync(join(damaged, "db"), { recursive: true, force: true });
    const journal = join(damaged, "journal.jsonl");
    const lines = readFileSync(journal, "utf8").split("\n");
    lines[1] = "this is no record";
    writeFileSync(journal, lines.join("\n"));
    all.server = await dashboard(directory, "--port", "0");
    all.browser = await browser();
});

after(async () => {
    await all.browser?.close();
    if (all.server) await ended(all.server.child);
    all.remove?.();
});

/** Opens a part of the page; whatever the browser complains of is an error of the test. */
async function opened(context, place, options = {}) {
    const { token = false, server = all.server, ...more } = options;
    const window = await all.browser.newContext({ viewport: { width: 1400, height: 900 }, ...more });
    const page = await window.newPage();
    page.setDefaultTimeout(20_000);
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("dialog", (dialog) => {
        complaints.push(`a dialog opened: ${dialog.message()}`);
        void dialog.dismiss();
    });
    context.after(async () => {
        await window.close();
        if (!options.complaints) assert.deepEqual(complaints, []);
    });
    if (token) await page.goto(server.address);
    await page.goto(`${server.origin}/#/${place}`);
    await page.waitForSelector("main h1");
    return page;
}

async function accessible(page) {
    const violations = await page.evaluate(`${AXE}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }).then(({ violations }) =>
        violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html, failureSummary }) => html.slice(0, 200) + " " + failureSummary).join("; ")))`);
    assert.deepEqual(violations, []);
}

/** How many canvases have something drawn on them, of how many. */
function drawn(page) {
    return page.evaluate(() => {
        const canvases = [...document.querySelectorAll("canvas")];
        const some = canvases.filter((canvas) => canvas.width > 0 && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0));
        return [some.length, canvases.length];
    });
}

const shown = (page) => page.locator(".filter .count").innerText();
const rows = (page) => page.locator(".rows .body [role=row]");

test("the list has every study with its state, progress and best value, and what is wrong with one", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "");
    await page.waitForSelector("table.list");
    const text = await page.locator("table.list").innerText();
    for (const name of ["mixed", "one", "failing", "damaged"]) assert.match(text, new RegExp(`^\\s*${name}`, "m"));
    const mixed = await page.locator("table.list tbody tr", { has: page.locator("text=/^mixed$/") }).innerText();
    assert.match(mixed, /finished/);
    assert.match(mixed, /18 of 18/);
    assert.match(mixed, /0\.\d+.*trial \d+/s);
    assert.match(await page.locator("table.list tbody tr", { hasText: "damaged" }).first().innerText(), /damaged.*jsonl:2: the record/s);
    await accessible(page);
    await page.getByRole("searchbox").fill("mix fin");
    await page.waitForFunction(() => document.querySelectorAll("table.list tbody tr").length === 1);
    await page.getByRole("link", { name: "mixed" }).click();
    await page.waitForSelector(".filter");
    assert.match(page.url(), /#\/mixed/);
    await page.goBack();
    await page.waitForSelector("table.list");
});

/** What a command of hpo says of a study as JSON. */
const said = (command, study, ...more) => JSON.parse(hpo(all.directory, [command, study, "--json", ...more, "--studies", join(all.directory, "studies")]));
/** The trials in the table, those that pass the filter. */
const listed = async (page) => (await rows(page).evaluateAll((rows) => rows.map(({ id }) => Number(id.replace("trial-", ""))))).sort((a, b) => a - b);
const ids = (trials) => trials.map(({ trial }) => trial).sort((a, b) => a - b);
const about = (page, title) => page.locator("figure", { has: page.getByRole("heading", { name: title, exact: true }) }).locator(".about").innerText();

test("of several objectives the trials that no other dominates are shown, filtered by and joined, and each is looked at by itself", { skip, timeout: 120_000 }, async (context) => {
    const front = ids(said("status", "several").non_dominated);
    assert.ok(front.length > 1);
    const page = await opened(context, "");
    const entry = await page.locator("table.list tbody tr", { has: page.locator("text=/^several$/") }).innerText();
    assert.match(entry, new RegExp(`loss, ms ${front.length} not dominated`));
    await page.getByRole("link", { name: "several" }).click();
    await page.waitForSelector(".filter");
    assert.match(await page.locator(".facts").innerText(), new RegExp(`not dominated by loss \\(minimize\\) and ms \\(minimize\\)\\s+${front.length} trials`));
    await page.getByLabel("not dominated").check();
    await page.waitForFunction((number) => document.querySelector(".filter .count").textContent.startsWith(`${number} of`), front.length);
    assert.deepEqual(await listed(page), front);
    await page.locator("#tab-trade-off").click();
    const line = page.locator("path.best-line");
    assert.equal((await line.getAttribute("d")).split("L").length - 1, 2 * (front.length - 1), "each is joined with the next by a step");
    assert.match(await about(page, "Trade-off"), new RegExp(`^ms by loss, .* ${front.length} of these trials are beaten in both by no other`));
    await page.reload();
    await page.waitForSelector(".filter");
    assert.deepEqual(await listed(page), front);

    const lowest = Math.min(...said("trials", "several").filter(({ feasible }) => feasible).map(({ objectives }) => objectives.ms));
    await page.getByLabel("Objective").selectOption("ms");
    await page.locator("#tab-overview").click();
    assert.match(await about(page, "Best so far"), new RegExp(`^The best ms so far \\(lower is better\\) that fulfils what is required, .* It is ${Number(lowest.toPrecision(4))}, by trial`));
    assert.match(await about(page, "Learning curves"), /^Learning curves: ms by epoch/);
    await page.locator("#tab-parameters").click();
    await page.getByRole("heading", { name: "Slices" }).scrollIntoViewIfNeeded();
    assert.match(await about(page, "learning_rate"), /^Best ms of each trial/);
    await page.waitForFunction(() => location.hash.includes("by=ms"));
    for (const tab of TABS) {
        await page.locator(`#tab-${tab}`).click();
        await accessible(page);
    }
    await page.goto(`${all.server.origin}/#/several?trial=${front[0]}`);
    assert.match(await page.locator("aside > p").first().innerText(), /loss 0\.\d+, ms \d.* not dominated by any other/);
});

test("a trial that breaks what is required is told from the others, is never the best, and says what it breaks", { skip, timeout: 120_000 }, async (context) => {
    const status = said("status", "bounded");
    const trials = said("trials", "bounded");
    const broken = trials.filter(({ feasible }) => feasible === false);
    const [lowest] = trials.filter(({ objective }) => objective !== null).sort((a, b) => a.objective - b.objective);
    assert.equal(lowest.feasible, false, "the best by its loss alone is infeasible");
    const page = await opened(context, "bounded");
    assert.match(await page.locator(".facts").innerText(), new RegExp(`ms <= 5 \\d+ of \\d+ trials with a result fulfil it`));
    assert.equal(await rows(page).first().getAttribute("id"), `trial-${status.best.trial}`, "the table begins with the best");
    assert.match(await page.getByLabel("Legend").innerText(), new RegExp(`infeasible \\(${broken.length}\\)[^]*best: trial ${status.best.trial}`));
    assert.match(await about(page, "Best so far"), new RegExp(`It is ${Number(status.best.objective.toPrecision(4))}, by trial ${status.best.trial},`));
    await page.getByLabel("feasible", { exact: false }).check();
    await page.waitForFunction(() => location.hash.includes("feasible=true"));
    assert.deepEqual(await listed(page), ids(trials.filter(({ feasible }) => feasible)));
    for (const tab of TABS) {
        await page.locator(`#tab-${tab}`).click();
        await accessible(page);
    }
    await page.goto(`${all.server.origin}/#/bounded?trial=${lowest.trial}`);
    await page.waitForSelector(`aside h2 >> text=Trial ${lowest.trial}`);
    const value = Number(lowest.breaks[0].value.toPrecision(4));
    assert.match(await page.locator("aside > p").first().innerText(), new RegExp(`It is infeasible: it breaks \`ms <= 5\` with ${value}`));
    await accessible(page);
});

test("a study of which no trial is feasible says so, and has no best", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "");
    assert.match(await page.locator("table.list tbody tr", { has: page.locator("text=/^unfulfilled$/") }).innerText(), /loss none feasible/);
    await page.getByRole("link", { name: "unfulfilled" }).click();
    await page.waitForSelector(".filter");
    const { best } = said("status", "unfulfilled");
    assert.match(await page.locator(".facts").innerText(), new RegExp(`no trial is feasible\\s+trial ${best.trial} comes nearest: it breaks \`ms <= 0\` with`));
    assert.doesNotMatch(await page.getByLabel("Legend").innerText(), /best/);
    assert.match(await about(page, "Best so far"), /No report fulfils what is required/);
    assert.equal(await page.locator("path.best-line").getAttribute("d"), "");
    await accessible(page);
});

test("studies are compared", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "");
    for (const name of ["mixed", "one"]) await page.getByLabel(`Compare ${name}`).check();
    await page.waitForFunction(() => document.querySelectorAll("table.compared thead th").length === 2);
    assert.match(await page.locator("table.compared").innerText(), /best's learning_rate/);
    assert.equal(await page.locator("figure path[stroke]").count(), 2);
    await accessible(page);
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("table.compared thead th").length === 2);
});

for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }], ["narrow", { viewport: { width: 400, height: 800 } }]]) {
    test(`every tab draws its pictures and is accessible: ${name}`, { skip, timeout: 120_000 }, async (context) => {
        const page = await opened(context, "mixed", options);
        for (const tab of TABS) {
            await page.locator(`#tab-${tab}`).click();
            await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
            if (tab === "compare") await page.getByLabel(/^Compare trial/).first().check();
            await page.waitForFunction(() => [...document.querySelectorAll("canvas")].some((canvas) => canvas.width > 300));
            for (const figure of await page.locator("#panel figure").all()) await figure.scrollIntoViewIfNeeded();
            const [some, of] = await drawn(page);
            assert.ok(some > 0, `${tab}: nothing is drawn`);
            assert.ok(some === of || tab === "parameters", `${tab}: ${some} of ${of} are drawn`);
            if (name !== "narrow" || tab === "compare") await accessible(page);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(wide <= 0, `${tab}: the page is ${wide} pixels wider than the window`);
        }
    });
}

test("the one filter selects in the table and in pictures, stands in the address and comes back from it", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    assert.equal(await shown(page), "18 of 18 trials");
    await page.getByLabel("Best %").fill("25");
    await page.waitForFunction(() => !document.querySelector(".filter .count").textContent.startsWith("18 of"));
    const some = await shown(page);
    assert.equal(await rows(page).count(), Number(some.split(" ")[0]));
    assert.match(await page.locator("figure .about").first().innerText(), new RegExp(`${some.split(" ")[0]} of 18 trials`));
    await page.waitForFunction(() => location.hash.includes("best=25"));
    await page.getByText("Parameters", { exact: true }).first().click();
    await page.getByLabel("learning_rate from").fill("1e-4");
    await page.waitForFunction(() => decodeURIComponent(location.hash).includes("p.learning_rate=0.0001.."));
    const both = await shown(page);
    await page.reload();
    await page.waitForSelector(".filter");
    assert.equal(await shown(page), both);
    assert.equal(await page.getByLabel("learning_rate from").inputValue(), "0.0001");
    await page.getByLabel("learning_rate from").fill("1e-");
    assert.equal(await page.getByLabel("learning_rate from").getAttribute("aria-invalid"), "true");
    assert.equal(await shown(page), both, "what is no number changes nothing");
    await page.getByRole("button", { name: "Clear filter" }).click();
    await page.getByRole("checkbox", { name: /^pruned/ }).uncheck();
    await page.waitForFunction(() => /state=/.test(location.hash));
    for (const state of await page.locator(".rows .body [role=row] > span:nth-child(3)").allInnerTexts()) assert.notEqual(state.trim(), "pruned");
});

test("a parameter that some trials do not have can be filtered by", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed?p.margin=0..1");
    const having = Number((await shown(page)).split(" ")[0]);
    assert.ok(having > 0 && having < 18, `${having} have it`);
    await page.getByRole("group", { name: "margin" }).getByLabel("absent").check();
    await page.waitForFunction(() => document.querySelector(".filter .count").textContent.startsWith("18 of"));
});

test("a range that is drawn on an axis of the parallel coordinates goes into the filter", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed?tab=parameters");
    const surface = page.locator("figure", { hasText: "Parallel coordinates" }).locator("svg.top");
    const { x, y } = await surface.boundingBox();
    await page.mouse.move(x + 56, y + 60);
    await page.mouse.down();
    await page.mouse.move(x + 56, y + 200, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => location.hash.includes("p.learning_rate="));
    assert.notEqual(await shown(page), "18 of 18 trials");
    await page.mouse.dblclick(x + 56, y + 100);
    await page.waitForFunction(() => !location.hash.includes("p.learning_rate="));
});

test("a picture is zoomed by a box and by buttons, and what is under the pointer is said", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    const figure = page.locator("figure", { hasText: "Learning curves" }).first();
    const { x, y, width, height } = await figure.locator("svg.top").boundingBox();
    await page.mouse.move(x + width * 0.2, y + height * 0.1);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.8, y + height * 0.8, { steps: 4 });
    await page.mouse.up();
    await figure.getByRole("button", { name: /^Whole/ }).click();
    await figure.getByRole("button", { name: /^Zoom in/ }).click();
    await figure.getByRole("button", { name: /^Zoom out/ }).click();
    await figure.getByRole("button", { name: /^Whole/ }).click();
    const found = await figure.locator("svg.top").evaluate(async (svg) => {
        const { left, top, width, height } = svg.getBoundingClientRect();
        for (let right = 64; right < width; right += 12) {
            for (let down = 10; down < height - 40; down += 12) {
                svg.dispatchEvent(new PointerEvent("pointermove", { clientX: left + right, clientY: top + down, bubbles: true }));
                await new Promise((done) => requestAnimationFrame(done));
                const text = document.querySelector(".tooltip")?.innerText;
                if (text) return text;
            }
        }
        return "";
    });
    assert.match(found, /^trial \d+, \w+: .*epoch 1/s);
});

test("what a study says is text, whatever it looks like", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "failing?trial=0");
    await page.waitForSelector("aside pre.log");
    const text = await page.locator("aside").innerText();
    assert.match(text, /out of luck: <script>alert\(1\)<\/script>/);
    assert.match(await page.locator("aside pre.log").innerText(), /<img src=x onerror=alert\(1\)>/);
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
    await accessible(page);
    await page.goto(`${all.server.origin}/#/mixed?tab=parameters`);
    await page.waitForSelector(".rows >> text=<b>cosine</b>");
    assert.equal(await page.locator("main b").count(), 0);
    const failed = await rows(page).filter({ hasText: "failed" }).first().getAttribute("id");
    await page.goto(`${all.server.origin}/#/mixed?trial=${failed.replace("trial-", "")}`);
    await page.waitForSelector("aside .reason");
    assert.match(await page.locator("aside .reason").innerText(), /\n\s*out of luck: <script>/);
});

test("why a trial was drawn, stopped and promoted is said as hpo explain says it", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    for (const state of ["completed", "pruned"]) {
        const id = (await rows(page).filter({ hasText: state }).first().getAttribute("id")).replace("trial-", "");
        await page.goto(`${all.server.origin}/#/mixed?trial=${id}`);
        await page.waitForSelector(`aside h2 >> text=Trial ${id}`);
        await page.waitForSelector("aside .why h4 >> text=what happened");
        const said = await page.locator("aside .why").textContent();
        const [, ...lines] = hpo(all.directory, ["explain", id, "mixed", "--studies", join(all.directory, "studies")]).trim().split("\n");
        assert.ok(lines.length > 5);
        for (const line of lines) assert.ok(said.includes(line.trim()), `${line}\nis not in\n${said}`);
    }
    await accessible(page);
});

test("all of it works by keyboard", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "filter-best");
    await page.keyboard.press("?");
    assert.equal(await page.locator("dialog[open]").count(), 0, "a question mark that is typed is none for help");
    await page.getByLabel("Best %").fill("");
    await page.locator("#tab-overview").focus();
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await accessible(page);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.id), "tab-overview");
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("#tab-parameters[aria-selected=true]");
    await page.getByRole("grid").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    const active = await page.getByRole("grid").getAttribute("aria-activedescendant");
    assert.equal(active, await rows(page).nth(2).getAttribute("id"));
    await page.keyboard.press(" ");
    assert.equal(await page.locator(`#${active}`).getAttribute("aria-selected"), "true");
    await page.keyboard.press("Enter");
    await page.waitForSelector("aside");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Trial \d+/);
    await page.keyboard.press("Escape");
    await page.waitForSelector("aside", { state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
    await page.keyboard.press("End");
    assert.equal(await page.getByRole("grid").getAttribute("aria-activedescendant"), await rows(page).last().getAttribute("id"));
});

test("the table is sorted by any column", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    const column = (place) => page.locator(`.rows .body [role=row] > span:nth-child(${place})`).allInnerTexts();
    const best = (await column(4)).map(Number).filter(Number.isFinite);
    assert.deepEqual(best, [...best].sort((a, b) => a - b));
    await page.getByRole("columnheader", { name: "trial" }).getByRole("button").click();
    await page.waitForFunction(() => document.querySelector(".rows .body [role=row]").id === "trial-0");
    await page.getByRole("columnheader", { name: "trial" }).getByRole("button").click();
    await page.waitForSelector('[role=columnheader][aria-sort="descending"]');
    assert.equal(await rows(page).first().getAttribute("id"), "trial-17");
});

test("one trial, failed trials and a study that can't be read have pictures or words", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "one", { complaints: true });
    for (const study of ["one", "failing"]) {
        for (const tab of TABS) {
            await page.goto(`${all.server.origin}/#/${study}?tab=${tab}`);
            await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
            assert.ok((await page.locator("#panel").innerText()).length > 20);
            if (study === "failing" && tab === "overview") await page.locator("#panel figure .nothing").first().waitFor();
        }
    }
    await accessible(page);
    await page.goto(`${all.server.origin}/#/damaged`);
    await page.waitForSelector("main [role=alert]");
    assert.match(await page.locator("main").innerText(), /jsonl:2: the record/);
    await page.goto(`${all.server.origin}/#/no-such-study`);
    await page.waitForSelector("main [role=alert]");
    await page.waitForSelector(".connection", { state: "detached" });
});

test("nothing moves for those who want no motion", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed", { reducedMotion: "reduce" });
    const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((element) => parseFloat(getComputedStyle(element).transitionDuration) > 0 || getComputedStyle(element).animationName !== "none").length);
    assert.equal(moving, 0);
});

test("without the token the page only looks, and says how to change something", { skip, timeout: 120_000 }, async (context) => {
    const page = await opened(context, "mixed");
    await page.waitForSelector("text=/open the address that hpo dashboard has printed/");
    for (const button of await page.locator(".actions button").all()) assert.ok(await button.isDisabled());
});

/** Starts a search whose trials wait before each epoch until `next` is called, and a dashboard of it. */
async function running(context, trials) {
    const { directory, remove } = scratch();
    context.after(remove);
    const gate = join(directory, "gate");
    assert.equal(spawnSync("mkfifo", [gate]).status, 0);
    const file = studyFile(directory, "live", { trials, gate, faults: false });
    const search = started(directory, ["search", file, "--studies", join(directory, "studies")]);
    context.after(() => ended(search, "SIGKILL"));
    const server = await dashboard(directory, "--port", "0");
    const run = { directory, search, server, next: () => writeFile(gate, "\n") };
    context.after(() => ended(run.server.child));
    // A trial has begun: the search has made its study.
    await run.next();
    return run;
}

test("a running search is followed; filter and zoom are kept, and a lost connection comes back", { skip, timeout: 120_000 }, async (context) => {
    const run = await running(context, 4);
    const page = await opened(context, "live", { server: run.server, complaints: true });
    await page.getByLabel("Best %").fill("100");
    const figure = page.locator("figure", { hasText: "Learning curves" }).first();
    await figure.getByRole("button", { name: /^Zoom in/ }).click();
    const reported = (number) => page.waitForFunction((number) => [...document.querySelectorAll(".rows .body [role=row] > span:nth-child(4)")].filter(({ textContent }) => Number(textContent) > 0).length === number, number);
    await reported(1);
    await run.next();
    await reported(2);
    const kept = async () => {
        assert.equal(await page.getByLabel("Best %").inputValue(), "100");
        assert.equal(await figure.getByRole("button", { name: /^Whole/ }).count(), 1);
    };
    await kept();

    await ended(run.server.child);
    await page.waitForSelector("text=/Trying again in/");
    await run.next();
    run.server = await dashboard(run.directory, "--port", new URL(run.server.origin).port);
    await page.waitForSelector(".connection.open");
    await reported(3);
    await kept();
});

test("a search is steered from the page", { skip, timeout: 120_000 }, async (context) => {
    const run = await running(context, 3);
    const page = await opened(context, "live", { token: true, server: run.server, complaints: true });
    const dialog = page.locator("dialog");
    const state = (word) => page.waitForFunction((word) => document.querySelector(".summary .state").textContent === word, word);
    await state("running");

    await page.getByRole("button", { name: "Enqueue a trial…" }).click();
    await dialog.getByLabel("learning_rate").fill("7");
    await dialog.getByRole("button", { name: "Enqueue" }).click();
    await page.waitForSelector("dialog [role=alert]");
    assert.equal(await dialog.getByLabel("learning_rate").getAttribute("aria-invalid"), "true");
    await accessible(page);
    await dialog.getByLabel("learning_rate").fill("0.0125");
    await dialog.getByRole("button", { name: "Enqueue" }).click();
    await page.waitForSelector("dialog .good");
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Raise limits…" }).click();
    await dialog.getByLabel("Trials", { exact: true }).fill("9");
    await dialog.getByRole("button", { name: "Raise" }).click();
    await page.waitForSelector("dialog .good");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => /of (9|10)/.test(document.querySelector(".summary .progress").textContent));

    await page.getByRole("button", { name: "Pause" }).click();
    await dialog.getByRole("button", { name: "Pause" }).click();
    await page.waitForSelector("dialog .good");
    await page.keyboard.press("Escape");
    await state("paused");
    await page.getByRole("button", { name: "Resume" }).click();
    await dialog.getByRole("button", { name: "Resume" }).click();
    await page.waitForSelector("dialog .good");
    await page.keyboard.press("Escape");
    await state("running");

    const end = new Promise((done) => run.search.once("exit", done));
    await page.getByRole("button", { name: "Stop…" }).click();
    await accessible(page);
    await dialog.getByRole("button", { name: "Stop" }).click();
    await end;
    await state("stopped");
});
