// Bundles the page into a directory, with the licences of all that is in the bundle: node build.mjs DIRECTORY
import { build } from "esbuild";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const directory = process.argv[2];
if (!directory) {
    console.error("name the directory to write to: node build.mjs DIRECTORY");
    process.exit(1);
}
mkdirSync(directory, { recursive: true });
const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx" },
    outdir: join(process.cwd(), directory),
    bundle: true,
    minify: true,
    metafile: true,
    format: "iife",
    target: ["es2022"],
    legalComments: "none",
    logLevel: "warning",
});
const stylesheet = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/app.css" },
    outdir: join(process.cwd(), directory),
    minify: true,
    logLevel: "warning",
});
if (stylesheet.errors.length > 0) process.exit(1);
copyFileSync(join(here, "src/index.html"), join(directory, "index.html"));

const bundled = new Set();
for (const path of Object.keys(metafile.inputs)) {
    const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
    if (name) bundled.add(name);
}
const licences = [...bundled].sort().map((name) => {
    const root = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const file = readdirSync(root).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file || !existsSync(join(root, file))) throw new Error(`${name} comes without its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(root, file), "utf8").trim()}\n`;
});
writeFileSync(join(directory, "licences.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
