// Makes the screenshot of the docs: HPO=target/release/hpo node test/screenshot.mjs docs/images/dashboard.png
import { join } from "node:path";
import { browser, dashboard, ended, hpo, scratch, studyFile } from "./support.mjs";

const { directory, remove } = scratch();
hpo(directory, ["search", studyFile(directory, "example", { trials: 54, loss: "cosine" }), "--studies", join(directory, "studies")]);
const server = await dashboard(directory, "--port", "0");
const chromium = await browser();
try {
    const page = await (await chromium.newContext({ viewport: { width: 1100, height: 840 } })).newPage();
    await page.goto(server.address);
    await page.goto(`${server.origin}/#/example?best=60`);
    await page.waitForSelector("main canvas");
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    await page.screenshot({ path: process.argv[2] });
} finally {
    await chromium.close();
    await ended(server.child);
    remove();
}
