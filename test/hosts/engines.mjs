// Hosts that Node carries: runs dist/main.js, a script that makes the global `app`, in one of them. node engines.mjs NAME MODEL, in the folder where the packages are.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [name, model] = process.argv.slice(2);
const script = readFileSync("dist/main.js", "utf8");
const call = `app.main(new Uint8Array([${[...readFileSync(model)]}]))`;
const load = (id) => import(pathToFileURL(createRequire(`${process.cwd()}/`).resolve(id)).href);

const ENGINES = {
  "edge-runtime": async () => {
    const { EdgeRuntime } = await load("edge-runtime");
    const answer = `addEventListener("fetch", (event) => event.respondWith(${call}.then((text) => new Response(text), (error) => new Response(error.stack))));`;
    const runtime = new EdgeRuntime({ initialCode: `${script};${answer}` });
    return (await runtime.dispatchFetch("https://example.com/")).text();
  },
  jsdom: async () => {
    const { JSDOM } = await load("jsdom");
    const { window } = new JSDOM("", { runScripts: "outside-only" });
    window.eval(script);
    return window.eval(call);
  },
  "happy-dom": async () => {
    const { Window } = await load("happy-dom");
    const settings = { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true };
    const window = new Window({ settings });
    window.eval(script);
    return window.eval(call);
  },
};

process.stdout.write(await ENGINES[name]());
process.exit();
