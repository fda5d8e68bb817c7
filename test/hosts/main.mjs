// "One package that works everywhere": packs it, installs the tarball into empty folders as a user would, and builds and runs one application with
// every bundler in every browser that is there; workers and shards in pages with and without shared memory. What could not be had is named.
//
//   npm run build && npm run hosts                     everything
//   npm run hosts -- package esbuild vite next         some of it
import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { NPM } from "../../scripts/npm.mjs";
import { installedBrowsers, serve, visit } from "./browsers.mjs";
import {
  BUNDLERS,
  buildExtension,
  buildFile,
  buildNext,
  buildNitro,
  buildOrt,
  buildPlace,
  buildScript,
  buildTransformers,
  PLACES,
  writeOverrides,
} from "./bundlers.mjs";
import { ISOLATED, judgeParallel, watchPage, writeParallel } from "./parallel.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HERE = fileURLToPath(new URL("./", import.meta.url));
const MODEL = join(ROOT, "test/fixtures/models/fmnist_mobilenet.onnx");
const asked = process.argv.slice(2);
const wants = (name) => asked.length === 0 || asked.includes(name);

const home = mkdtempSync(join(tmpdir(), "bitbasis-hosts-"));
const failures = [];
function tell(name, said) {
  if (!/^(ok|skipped)/.test(said)) failures.push(name);
  console.log(`${name.padEnd(34)} ${said}`);
}

/** Runs a check; what it returns, or "ok", is told. */
async function check(name, task) {
  try {
    tell(name, (await task()) ?? "ok");
  } catch (error) {
    tell(name, `FAILED: ${String(error.message ?? error).slice(0, 1500)}`);
  }
}

function run(program, args, options) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", ...options });
  if (status !== 0) throw new Error(error?.message ?? `${stdout}${stderr}`.trim());
  return stdout;
}

const npm = (folder, ...args) => {
  const [program, ...before] = NPM;
  return run(program, [...before, "--silent", "--no-audit", "--no-fund", ...args], { cwd: folder });
};

const tarball = join(home, npm(ROOT, "pack", "--ignore-scripts", "--pack-destination", home).trim().split("\n").at(-1));

/** An empty folder with the tarball and some packages; undefined when npm cannot get them. */
function installed(name, packages, { scripts = false } = {}) {
  const folder = join(home, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  npm(folder, "install", ...(scripts ? [] : ["--ignore-scripts"]), tarball, ...packages);
  copyFileSync(join(HERE, "app.mjs"), join(folder, "app.mjs"));
  return folder;
}

const plain = installed("plain", []);
const { main } = await import(pathToFileURL(join(plain, "app.mjs")).href);
const expected = await main(MODEL);
const same = (text, wanted = expected) => {
  if (text !== wanted) throw new Error(`expected ${wanted}, got ${text}`);
};

if (wants("package")) {
  const { exports } = JSON.parse(readFileSync(join(plain, "node_modules/bitbasis/package.json"), "utf8"));
  await check("users install", () => {
    const folders = Object.keys(
      JSON.parse(readFileSync(join(plain, "node_modules/.package-lock.json"), "utf8")).packages,
    );
    const names = folders.map((path) => path.replace("node_modules/", ""));
    return `ok: ${names.length} packages: ${names.join(", ")}`;
  });
  await check("every subpath in Node", () => {
    npm(plain, "install", "--ignore-scripts", "onnxruntime-common");
    const code = Object.keys(exports).filter((path) => !/\.(wasm|json)$|workerd/.test(path));
    for (const path of code) {
      const script = `const m = await import("bitbasis${path.slice(1)}"); if (m === undefined) process.exit(1);`;
      run(process.execPath, ["--input-type=module", "-e", script], { cwd: plain });
    }
    return `ok: ${code.join(" ")}`;
  });
  await check("the same by require", () => {
    const paths = Object.keys(exports).filter((path) => exports[path].require !== undefined);
    const script = `for (const path of ${JSON.stringify(paths)}) require("bitbasis" + path.slice(1));
      const { InferenceSession, Tensor } = require("bitbasis");
      if (new Tensor("float32", [1], [1]).size !== 1 || typeof InferenceSession.create !== "function") process.exit(1);`;
    run(process.execPath, ["--input-type=commonjs", "-e", script], { cwd: plain });
    return `ok: ${paths.join(" ")}`;
  });
  await check("npx bitbasis", () => {
    npm(plain, "exec", "--no", "--", "bitbasis", "inspect", MODEL);
  });
  const tools = installed("tools", ["publint", "@arethetypeswrong/cli", "typescript@5.9.3", "onnxruntime-common"]);
  const bin = join(tools, "node_modules/.bin");
  await check("publint", () => {
    run(join(bin, "publint"), ["--strict", tarball], { cwd: tools });
  });
  await check("are the types wrong", () => {
    const modules = Object.keys(exports).filter(
      (path) => typeof exports[path] === "object" && exports[path].require === undefined,
    );
    run(join(bin, "attw"), [tarball, "--profile", "esm-only", "--include-entrypoints", ...modules], { cwd: tools });
    run(join(bin, "attw"), [tarball, "--profile", "node16", "--exclude-entrypoints", ...modules], { cwd: tools });
  });
  await check("TypeScript, strict, libraries too", () => {
    cpSync(join(HERE, "typescript"), tools, { recursive: true });
    for (const config of ["browser.json", "node16.json", "node10.json"])
      run(join(bin, "tsc"), ["-p", config], { cwd: tools });
  });
}

const site = join(home, "site");
mkdirSync(site);
copyFileSync(MODEL, join(site, "model.onnx"));
const server = await serve(site);
const browsers = Object.entries(installedBrowsers());
for (const name of ["chromium", "firefox", "webkit"]) {
  if (!browsers.some(([found]) => found === name)) console.log(`${name}: not on this machine, skipped`);
}

async function inBrowsers(name, url, report, heard = server) {
  for (const browser of browsers) {
    await check(`${name} in ${browser[0]}`, async () => same(await visit(browser, url, heard.report(report))));
  }
}

/** No bundler may have anything to say about the package. */
function silent(said) {
  if (said.trim() !== "") throw new Error(said.trim());
}

for (const [name, { packages, policy, build }] of Object.entries(BUNDLERS)) {
  if (!wants(name)) continue;
  await check(`${name} builds`, () => {
    const folder = installed(name, packages, { scripts: name === "esbuild" });
    const said = build(folder);
    symlinkSync(join(folder, "dist"), join(site, name));
    silent(said);
  });
  const served = policy === undefined ? server : await serve(site, policy);
  await inBrowsers(name, `${served.origin}/${name}/`, name, served);
  if (served !== server) served.close();
}

if (wants("vite")) {
  await check("vite serves its sources", async () => {
    const folder = join(home, "vite");
    mkdirSync(join(folder, "public"), { recursive: true });
    copyFileSync(MODEL, join(folder, "public/model.onnx"));
    const text = readFileSync(join(folder, "main.mjs"), "utf8");
    writeFileSync(
      join(folder, "main.mjs"),
      text.replace(/fetch\("\/report\/".*?,/, `fetch("${server.origin}/report/dev",`),
    );
    const port = "5199";
    const child = spawn(join(folder, "node_modules/.bin/vite"), ["--port", port, "--strictPort"], {
      cwd: folder,
      detached: true,
    });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => child.stdout.on("data", (chunk) => /Local/.test(String(chunk)) && resolve()));
    await inBrowsers("vite's server", `http://localhost:${port}/`, "dev");
    process.kill(-child.pid);
    silent(said);
  });
}

if (wants("ort")) {
  const options = JSON.stringify({ extra: { bitbasis: { preset: "fast" } } });
  const answer = (folder, file) =>
    run(
      process.execPath,
      [
        ...["--input-type=module", "-e"],
        `import { main } from "./${file}"; console.log(await main(${JSON.stringify(MODEL)}, ${options}));`,
      ],
      { cwd: folder },
    ).trim();
  await check("onnxruntime-web by an alias", () => {
    const folder = installed("alias", ["esbuild", "onnxruntime-common"], { scripts: true });
    copyFileSync(join(HERE, "ort.mjs"), join(folder, "ort.mjs"));
    silent(buildOrt(folder));
    same(answer(folder, "dist/ort.mjs"));
  });
  await check("onnxruntime-web by npm's overrides", () => {
    const folder = join(home, "overrides");
    mkdirSync(folder);
    writeOverrides(folder, tarball, readFileSync(join(HERE, "ort.mjs"), "utf8"));
    npm(folder, "install", "--ignore-scripts");
    same(answer(folder, "node_modules/application/ort.mjs"));
  });
}

if (wants("engines")) {
  const engines = ["edge-runtime", "jsdom", "happy-dom"];
  const folder = installed("engines", [...engines, "esbuild"], { scripts: true });
  await check("a script builds", () => silent(buildScript(folder)));
  await check("Jest", () => {
    const folder = installed("jest", ["jest"]);
    writeFileSync(
      join(folder, "package.json"),
      readFileSync(join(folder, "package.json"), "utf8").replace('"type":"module",', ""),
    );
    const test = readFileSync(join(HERE, "jest.cjs"), "utf8");
    writeFileSync(join(folder, "app.test.js"), test);
    const env = { ...process.env, MODEL, EXPECTED: expected };
    for (const environment of ["node", "jsdom"]) {
      if (environment === "jsdom") npm(folder, "install", "--ignore-scripts", "jest-environment-jsdom");
      run(join(folder, "node_modules/.bin/jest"), ["--env", environment], { cwd: folder, env });
    }
    return "ok: node, jsdom";
  });
  for (const engine of engines) {
    await check(engine, () => same(run(process.execPath, [join(HERE, "engines.mjs"), engine, MODEL], { cwd: folder })));
  }
}

if (wants("receipts")) {
  const folder = installed("receipts", ["esbuild"], { scripts: true });
  copyFileSync(join(HERE, "receipts.mjs"), join(folder, "app.mjs"));
  const { main } = await import(pathToFileURL(join(folder, "app.mjs")).href);
  let digests;
  await check("receipts in Node", async () => {
    digests = await main(readFileSync(MODEL));
    silent(BUNDLERS.esbuild.build(folder));
    symlinkSync(join(folder, "dist"), join(site, "receipts"));
  });
  for (const browser of browsers) {
    const url = `${server.origin}/receipts/`;
    await check(`receipts in ${browser[0]}`, async () =>
      same(await visit(browser, url, server.report("receipts")), digests),
    );
  }
}

if (wants("policy")) {
  const folder = installed("policy", ["esbuild"], { scripts: true });
  const strict = await serve(join(folder, "dist"), "default-src 'self'; script-src 'self'");
  await check("a page that may not compile builds", () => {
    silent(BUNDLERS.esbuild.build(folder));
    copyFileSync(MODEL, join(folder, "dist/model.onnx"));
  });
  for (const browser of browsers) {
    await check(`its error in ${browser[0]}`, async () => {
      const said = await visit(browser, `${strict.origin}/`, strict.report(""));
      // WebKit's own words, which the error has in it, are two lines.
      if (!/forbids to compile WebAssembly .*must allow script-src 'wasm-unsafe-eval'/s.test(said))
        throw new Error(said);
    });
  }
  strict.close();
}

if (wants("places")) {
  for (const [name, files] of Object.entries(PLACES)) {
    await check(`${name} builds`, () => {
      const folder = installed(name, ["esbuild"], { scripts: true });
      silent(buildPlace(folder, files));
      symlinkSync(join(folder, "dist"), join(site, name));
    });
    await inBrowsers(name, `${server.origin}/${name}/`, name);
  }
  const folder = installed("file", ["esbuild"], { scripts: true });
  await check("a script for file:// builds", () =>
    silent(buildFile(folder, readFileSync(MODEL), `${server.origin}/report/file`)),
  );
  await inBrowsers("file://", pathToFileURL(join(folder, "dist/index.html")).href, "file");
  const extension = installed("extension", ["esbuild"], { scripts: true });
  await check("an MV3 extension builds", () => silent(buildExtension(extension, server.origin)));
  for (const browser of browsers.filter(([name]) => name === "chromium")) {
    const options = { extension: join(extension, "dist") };
    const heard = server.report("extension");
    await check("an MV3 service worker in chromium", async () =>
      same(await visit(browser, "about:blank", heard, options)),
    );
  }
}

if (wants("parallel")) {
  const folder = join(home, "parallel");
  writeParallel(folder, { root: ROOT, app: join(HERE, "app.mjs"), model: MODEL, report: "parallel" });
  for (const [name, headers] of [
    ["messages", {}],
    ["shared memory", ISOLATED],
  ]) {
    const served = await serve(folder, "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'", headers);
    for (const browser of browsers) {
      await check(`workers, ${name}, in ${browser[0]}`, async () =>
        judgeParallel(
          await visit(browser, `${served.origin}/`, served.report("parallel")),
          expected,
          headers === ISOLATED,
        ),
      );
    }
    served.close();
  }
  for (const [, program] of browsers.filter(([name]) => name === "chromium")) {
    await check("a page that sharpens in chromium", async () => {
      const child = spawn(process.execPath, [join(ROOT, "build/tools/examples/progressive/main.js"), "--page"]);
      try {
        const url = await new Promise((resolve, reject) => {
          child.stdout.once("data", (chunk) => resolve(String(chunk).trim()));
          child.once("exit", (code) => reject(new Error(`the example ended with ${code}: npm run build:tools`)));
        });
        const picture = join(tmpdir(), "bitbasis-progressive.png");
        const [error, head, ...rows] = await watchPage(program, url, picture);
        if (error !== "" || head.length !== 4 || rows.length !== 10) throw new Error(`${error} ${head}`);
        return `ok: ${head.slice(1).join("; ")}; ${picture}`;
      } finally {
        child.kill();
      }
    });
  }
}

if (wants("next")) {
  const folder = installed("next", ["next", "react", "react-dom"]);
  mkdirSync(join(folder, "public"));
  copyFileSync(MODEL, join(folder, "public/model.onnx"));
  for (const bundler of ["webpack", "turbopack"]) {
    await check(`Next (${bundler}) builds`, () => {
      const said = buildNext(folder, bundler, `${server.origin}/report/next`);
      if (/bitbasis.*warn|warn.*bitbasis|Module not found/i.test(said)) throw new Error(said);
    });
    const port = bundler === "webpack" ? "5197" : "5198";
    const child = spawn(join(folder, "node_modules/.bin/next"), ["start", "-p", port], { cwd: folder, detached: true });
    await new Promise((resolve) => child.stdout.on("data", (chunk) => /Ready/.test(String(chunk)) && resolve()));
    await inBrowsers(`Next (${bundler})`, `http://localhost:${port}/`, "next");
    await check(`Next (${bundler}) on the server`, async () =>
      same(await (await fetch(`http://localhost:${port}/answer`)).text()),
    );
    process.kill(-child.pid);
  }
}

// A tool that copies the files that it finds a server to import: another file than Node opens is missed only when the server is elsewhere.
if (wants("nitro")) {
  const folder = installed("nitro", ["nitropack"]);
  await check("Nitro builds", () => {
    buildNitro(folder);
    cpSync(join(folder, ".output"), join(home, "nitro-server"), { recursive: true });
  });
  await check("Nitro's server", async () => {
    const env = { ...process.env, MODEL, PORT: "5196", HOST: "127.0.0.1" };
    const child = spawn(process.execPath, [join(home, "nitro-server/server/index.mjs")], { env });
    try {
      await new Promise((resolve, reject) => {
        child.stdout.on("data", (chunk) => /Listening/.test(String(chunk)) && resolve());
        child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
      });
      same(await (await fetch("http://127.0.0.1:5196/")).text());
    } finally {
      child.kill();
    }
  });
}

/** In q8 inputs are rounded to 256 levels while it runs: the last bit of a number before that is worth a level after. */
const STEP_OF_Q8 = 1 / 255;

/** The largest difference of the numbers in two answers; infinite where words or shapes differ. */
function apart(a, b) {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b);
  if (typeof a !== "object" || typeof b !== "object") return a === b ? 0 : Number.POSITIVE_INFINITY;
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Math.max(0, ...keys.map((key) => apart(a[key], b[key])));
}

if (wants("transformers")) {
  const folder = installed("transformers", ["@huggingface/transformers", "onnxruntime-common", "esbuild"]);
  const { writeModels } = await import("./transformers/models.mjs");
  writeModels(join(site, "models"));
  copyFileSync(join(HERE, "transformers/tasks.mjs"), join(folder, "tasks.mjs"));
  const tasks = (...runtime) =>
    JSON.parse(run(process.execPath, ["tasks.mjs", join(site, "models/"), ...runtime], { cwd: folder }));
  await check("transformers.js in Node", () => {
    const [expected, got] = [tasks(), tasks("bitbasis")];
    for (const [task, answer] of Object.entries(expected)) {
      if (apart(answer, got[task]) <= (task.endsWith("q8") ? STEP_OF_Q8 : 0.001)) continue;
      throw new Error(
        `${task}: onnxruntime-node gives ${JSON.stringify(answer)}, bitbasis ${JSON.stringify(got[task])}`,
      );
    }
    return `ok: ${Object.keys(expected).join(", ")} as onnxruntime-node`;
  });
  await check("transformers.js builds with an alias", () => {
    run(process.execPath, [join(folder, "node_modules/esbuild/install.js")]);
    buildTransformers(folder);
    symlinkSync(join(folder, "dist"), join(site, "transformers"));
  });
  const story = JSON.stringify(tasks("bitbasis")["story fp32"]);
  for (const browser of browsers) {
    await check(`transformers.js in ${browser[0]}`, async () => {
      const heard = server.report("transformers");
      const text = await visit(browser, `${server.origin}/transformers/`, heard);
      if (text !== story) throw new Error(`expected ${story}, got ${text}`);
    });
  }
}

server.close();
rmSync(home, { recursive: true, force: true, maxRetries: 3 });
console.log(
  failures.length === 0 ? "every host that is here runs it, with the same bits" : `FAILED: ${failures.join(", ")}`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
