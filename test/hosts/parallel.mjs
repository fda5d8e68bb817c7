// What runs on several workers of a page, and a page that sharpens while it downloads: in `npm run hosts -- parallel`.
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The headers without which a page has no shared memory; its workers send messages then. */
export const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const SETTINGS = [
  { numThreads: 2 },
  ...["channels", "depth", "terms"].flatMap((by) => [1, 2, 3, 4, 8, 16].map((count) => ({ shards: { count, by } }))),
];

const page = (report) => `<!doctype html><meta charset="utf-8"><title>bitbasis</title>
<script type="importmap">{ "imports": { "bitbasis": "./bitbasis.js" } }</script>
<script type="module">
  const send = (text) => fetch("/report/${report}", { method: "POST", body: text });
  try {
    const { main } = await import("./app.mjs");
    const bytes = new Uint8Array(await (await fetch("/model.onnx")).arrayBuffer());
    const answers = {};
    for (const settings of ${JSON.stringify(SETTINGS)}) answers[JSON.stringify(settings)] = await main(bytes, settings);
    await send(JSON.stringify({ isolated: crossOriginIsolated, answers }));
  } catch (error) {
    await send("failed: " + error + " " + error?.stack);
  }
</script>`;

/** A folder to serve with the downloaded files as they are, the application and the page; `report` is its name. */
export function writeParallel(folder, { root, app, model, report }) {
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, "dist/web"), folder, { recursive: true });
  copyFileSync(app, join(folder, "app.mjs"));
  copyFileSync(model, join(folder, "model.onnx"));
  writeFileSync(join(folder, "index.html"), page(report));
}

/** Throws where an answer of the page is not `expected`, or the page had shared memory and should not have had it. */
export function judgeParallel(text, expected, isolated) {
  if (!text.startsWith("{")) throw new Error(text);
  const said = JSON.parse(text);
  if (said.isolated !== isolated) throw new Error(`crossOriginIsolated is ${said.isolated}`);
  const other = Object.entries(said.answers).filter(([, answer]) => answer !== expected);
  if (other.length > 0) throw new Error(`other bits with ${other.map(([settings]) => settings).join(", ")}`);
  if (Object.keys(said.answers).length !== SETTINGS.length) throw new Error("not all settings were answered");
  return `ok: ${SETTINGS.length} settings, up to 16 workers`;
}

/** The table of examples/progressive/page.html once the page says that it is complete; a picture of it goes to `picture`. */
export async function watchPage(program, url, picture) {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: { width: 800, height: 760 } });
    await page.goto(url);
    await page.waitForFunction(
      () => document.title === "complete" || document.querySelector("#error").textContent !== "",
    );
    await page.screenshot({ path: picture });
    return await page.evaluate(() => [
      document.querySelector("#error").textContent,
      ...Array.from(document.querySelectorAll("#stages tr"), (row) =>
        Array.from(row.cells, (cell) => cell.innerText.trim()),
      ),
    ]);
  } finally {
    await browser.close();
  }
}
