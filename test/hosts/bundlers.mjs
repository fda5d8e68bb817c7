// How each bundler makes a page of app.mjs. `build(folder)` leaves in `folder`/dist what a server serves; it returns what the bundler said.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { POLICY } from "./browsers.mjs";

/** The page's own script: report the answer, or what went wrong. */
export const script = (report) => `
import { main } from "./app.mjs";
const send = (text) => fetch(${report}, { method: "POST", mode: "no-cors", body: text });
const bytes = await (await fetch("/model.onnx")).arrayBuffer();
// Firefox's stacks begin without the message.
main(bytes).then(send, (error) => send("failed: " + error + " " + error?.stack));
`;

const page = (src, type = "module") =>
  `<!doctype html><meta charset="utf-8"><title>bitbasis</title><body><script type="${type}" src="${src}"></script></body>`;

function call(folder, program, ...args) {
  const path = join(folder, "node_modules/.bin", program);
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1", CI: "1" };
  delete env.NODE_ENV;
  const { status, stdout, stderr, error } = spawnSync(path, args, { cwd: folder, encoding: "utf8", env });
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
  return `${stdout}${stderr}`;
}

function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const PAGE = { "main.mjs": script('"/report/" + location.pathname.split("/")[1]') };

export const BUNDLERS = {
  esbuild: {
    packages: ["esbuild"],
    build: (folder) => {
      write(folder, { ...PAGE, "dist/index.html": page("main.js") });
      return call(
        folder,
        "esbuild",
        "main.mjs",
        "--bundle",
        "--format=esm",
        "--outfile=dist/main.js",
        "--log-level=warning",
      );
    },
  },
  webpack: {
    packages: ["webpack", "webpack-cli"],
    build: (folder) => {
      write(folder, { ...PAGE, "dist/index.html": page("main.js") });
      write(folder, {
        "webpack.config.mjs": `export default { mode: "production", entry: "./main.mjs", devtool: false, stats: "errors-warnings",
          output: { filename: "main.js" }, performance: { hints: false } };`,
      });
      return call(folder, "webpack").replace(/^webpack.* compiled successfully.*$/m, "");
    },
  },
  rspack: {
    packages: ["@rspack/core", "@rspack/cli"],
    build: (folder) => {
      write(folder, { ...PAGE, "dist/index.html": page("main.js") });
      write(folder, {
        "rspack.config.cjs": `module.exports = { mode: "production", entry: "./main.mjs", devtool: false, stats: "errors-warnings",
          output: { filename: "main.js" }, performance: { hints: false } };`,
      });
      return call(folder, "rspack", "build").replace(/^Rspack compiled successfully.*$/m, "");
    },
  },
  // As it is without settings it reads "main" and neither "exports" nor "imports".
  parcel: {
    packages: ["parcel"],
    // Where its chunks are stands in the page itself, as an import map.
    policy: POLICY.replace("'self' 'wasm-unsafe-eval'", "'self' 'wasm-unsafe-eval' 'unsafe-inline'"),
    build: (folder) => {
      write(folder, { ...PAGE, "index.html": page("./main.mjs") });
      const urls = ["--public-url", "./", "--no-source-maps"];
      return call(folder, "parcel", "build", "index.html", "--log-level", "warn", ...urls);
    },
  },
  rollup: {
    packages: ["rollup", "@rollup/plugin-node-resolve"],
    build: (folder) => {
      write(folder, { ...PAGE, "dist/index.html": page("main.mjs") });
      write(folder, {
        "rollup.config.mjs": `import resolve from "@rollup/plugin-node-resolve";
          export default { input: "main.mjs", output: { dir: "dist", entryFileNames: "[name].mjs" }, plugins: [resolve({ browser: true })] };`,
      });
      return call(folder, "rollup", "-c", "--silent");
    },
  },
  vite: {
    packages: ["vite"],
    build: (folder) => {
      write(folder, { ...PAGE, "index.html": page("/main.mjs") });
      write(folder, {
        // Timings say how busy the machine is, nothing about the package.
        "vite.config.mjs": `export default { base: "./", build: {
          target: "es2022", chunkSizeWarningLimit: 1000, rolldownOptions: { checks: { pluginTimings: false } } } };`,
      });
      return call(folder, "vite", "build", "--logLevel", "warn");
    },
  },
};

/** What is bundled once, by esbuild, to run elsewhere than in a page's module. */
export const PLACES = {
  worker: {
    "main.mjs": `const worker = new Worker("worker.js", { type: "module" });
      const send = (text) => fetch("/report/worker", { method: "POST", body: text });
      worker.onmessage = ({ data }) => send(data);
      worker.onerror = ({ message }) => send("failed: " + message);`,
    "worker.mjs": `import { main } from "./app.mjs";
      const bytes = await (await fetch("/model.onnx")).arrayBuffer();
      main(bytes).then(postMessage, (error) => postMessage("failed: " + error.stack));`,
  },
  "service-worker": {
    "main.mjs": `const send = (text) => fetch("/report/service-worker", { method: "POST", body: text });
      try {
        await navigator.serviceWorker.register("worker.js", { type: "module" });
        await navigator.serviceWorker.ready;
        while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 50));
        await send(await (await fetch("answer")).text());
      } catch (error) { await send("failed: " + error); }`,
    "worker.mjs": `import { main } from "./app.mjs";
      addEventListener("install", (event) => event.waitUntil(skipWaiting()));
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      addEventListener("fetch", (event) => {
        if (!event.request.url.endsWith("/answer")) return;
        event.respondWith(fetch("/model.onnx").then((model) => model.arrayBuffer()).then(main)
          .then((text) => new Response(text), (error) => new Response("failed: " + error.stack)));
      });`,
  },
};

export function buildPlace(folder, files) {
  write(folder, { ...files, "dist/index.html": page("main.js") });
  const format = "--format=esm";
  return call(folder, "esbuild", "main.mjs", "worker.mjs", "--bundle", format, "--outdir=dist", "--log-level=warning");
}

/** One classic script for file://, where no module loads; the model comes with it. */
export function buildFile(folder, model, report) {
  write(folder, {
    "model.mjs": `export default "${model.toString("base64")}";`,
    "main.mjs": `import { main } from "./app.mjs";
      import MODEL from "./model.mjs";
      const send = (text) => fetch(${JSON.stringify(report)}, { method: "POST", mode: "no-cors", body: text });
      main(Uint8Array.from(atob(MODEL), (c) => c.charCodeAt(0))).then(send, (error) => send("failed: " + error.stack));`,
    "dist/index.html": page("main.js", "text/javascript"),
  });
  return call(
    folder,
    "esbuild",
    "main.mjs",
    "--bundle",
    "--format=iife",
    "--outfile=dist/main.js",
    "--log-level=warning",
  );
}

/** A script that makes the global `app`. */
export function buildScript(folder) {
  const options = ["--bundle", "--format=iife", "--global-name=app", "--outfile=dist/main.js", "--log-level=warning"];
  return call(folder, "esbuild", "app.mjs", ...options);
}

/** An application of onnxruntime-web for Node, by an alias of the bundler. */
export function buildOrt(folder) {
  const options = ["--bundle", "--format=esm", "--platform=node", "--outfile=dist/ort.mjs", "--log-level=warning"];
  return call(folder, "esbuild", "ort.mjs", "--alias:onnxruntime-web=bitbasis/ort", ...options);
}

/**
 * A project whose dependency asks for onnxruntime-web: npm's overrides give it a package of one line, by an absolute path, since npm reads a relative one
 * from the dependency's folder.
 */
export function writeOverrides(folder, tarball, application) {
  const json = (value) => JSON.stringify(value);
  write(folder, {
    "package.json": json({
      ...{ name: "overrides", private: true, type: "module" },
      dependencies: {
        bitbasis: tarball,
        "onnxruntime-common": "*",
        application: "file:./application",
        "onnxruntime-web": `file:${join(folder, "drop-in")}`,
      },
      overrides: { "onnxruntime-web": "$onnxruntime-web" },
    }),
    "application/package.json": json({
      ...{ name: "application", version: "1.0.0", type: "module" },
      dependencies: { "onnxruntime-web": "^1.17.0" },
    }),
    "application/ort.mjs": application,
    "drop-in/package.json": json({
      ...{ name: "onnxruntime-web", version: "1.99.0", type: "module", exports: "./index.js" },
    }),
    "drop-in/index.js": 'export * from "bitbasis/ort";\n',
    ".npmrc": "install-links=true\n",
  });
}

/** transformers.js in a page, its onnxruntime-web replaced by an alias of the bundler. */
export function buildTransformers(folder) {
  write(folder, {
    "main.mjs": `import { env, pipeline } from "@huggingface/transformers";
      const send = (text) => fetch("/report/transformers", { method: "POST", body: text });
      try {
        env.allowLocalModels = true;
        env.allowRemoteModels = false;
        env.localModelPath = "/models/";
        const story = await pipeline("text-generation", "story", { dtype: "fp32" });
        await send(JSON.stringify(await story("the cat saw", { max_new_tokens: 24, do_sample: false })));
      } catch (error) { await send("failed: " + error.stack); }`,
    "dist/index.html": page("main.js"),
  });
  const alias = "--alias:onnxruntime-web/webgpu=bitbasis/ort";
  return call(
    folder,
    "esbuild",
    "main.mjs",
    "--bundle",
    "--format=esm",
    alias,
    "--outfile=dist/main.js",
    "--log-level=error",
  );
}

/** A Manifest V3 extension whose service worker runs the application. */
export function buildExtension(folder, origin) {
  write(folder, {
    "main.mjs": `import { main } from "./app.mjs";
      const send = (text) => fetch("${origin}/report/extension", { method: "POST", body: text });
      fetch("${origin}/model.onnx").then((model) => model.arrayBuffer()).then(main).then(send, (error) => send("failed: " + error.stack));`,
    "dist/manifest.json": JSON.stringify({
      ...{ manifest_version: 3, name: "bitbasis", version: "1.0" },
      background: { service_worker: "main.js", type: "module" },
      host_permissions: ["http://localhost/*"],
      content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
    }),
  });
  return call(
    folder,
    "esbuild",
    "main.mjs",
    "--bundle",
    "--format=esm",
    "--outfile=dist/main.js",
    "--log-level=warning",
  );
}

/** Next's two bundlers; the page is a client component, the route runs on the server. */
export function buildNext(folder, bundler, report) {
  write(folder, {
    "app/layout.js": `export default ({ children }) => <html lang="en"><body>{children}</body></html>;`,
    "app/page.js": `"use client";
      import { useEffect } from "react";
      import { main } from "../app.mjs";
      export default function Page() {
        useEffect(() => {
          const send = (text) => fetch("${report}", { method: "POST", mode: "no-cors", body: text });
          fetch("/model.onnx").then((model) => model.arrayBuffer()).then((bytes) => main(bytes)).then(send, (error) => send("failed: " + error.stack));
        }, []);
        return <p>bitbasis</p>;
      }`,
    "app/answer/route.js": `import { main } from "../../app.mjs";
      export const dynamic = "force-dynamic";
      export const GET = async () => new Response(await main("public/model.onnx"));`,
  });
  return call(folder, "next", "build", `--${bundler}`);
}

/** A server of Nitro, which Nuxt's are too; in `folder`/.output is all that it needs. */
export function buildNitro(folder) {
  write(folder, {
    "nitro.config.mjs": `export default { preset: "node-server", compatibilityDate: "2026-01-01" };`,
    "routes/index.mjs": `import { defineEventHandler } from "h3";
      import { main } from "../app.mjs";
      export default defineEventHandler(() => main(process.env.MODEL));`,
  });
  return call(folder, "nitropack", "build");
}
