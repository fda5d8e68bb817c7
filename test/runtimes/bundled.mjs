// Runtimes that take a bundle: workerd, and browsers, where the networks run in a Worker. Each gives what a job of networks.mjs finds.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedBrowsers, serve, visit } from "../hosts/browsers.mjs";
import { Missing } from "./missing.mjs";
import { FILES } from "./networks.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HERE = JSON.stringify(join(ROOT, "test/runtimes/networks.mjs"));

const workerd = (job) => `
import { ${job} as job, webSha256 } from ${HERE};
${FILES.map((name) => `import ${name} from "${name}.onnx";`).join("\n")}
const models = { ${FILES.join(", ")} };
export default {
  async test() {
    // As a worker gets it: a response, whose body is a stream.
    console.log("FOUND" + JSON.stringify(await job((name) => new Response(models[name]), webSha256)));
  },
};
`;

const browser = (job) => `
import { ${job} as job, webSha256 } from ${HERE};
job((name) => fetch("/" + name + ".onnx"), webSha256)
  .then((found) => postMessage(JSON.stringify(found)), (error) => postMessage("failed: " + error.stack));
`;

/** Bundles the module `input` with everything that it imports but .wasm and .onnx. */
export async function bundle(file, input, conditionNames) {
  const { rolldown } = await import("rolldown");
  const wasm = {
    name: "wasm",
    resolveId: (id) => (id.endsWith(".wasm") ? { id: id.replace(/^.*\//, ""), external: true } : null),
  };
  const build = await rolldown({
    ...{ input, platform: "neutral", external: /\.onnx$/, plugins: [wasm] },
    resolve: { conditionNames: [...conditionNames, "import"], mainFields: ["module", "main"] },
  });
  await build.write({ file, format: "es", codeSplitting: false });
}

async function bundleText(file, text, conditionNames) {
  writeFileSync(`${file}.entry.mjs`, text);
  await bundle(file, `${file}.entry.mjs`, conditionNames);
}

/** Copies files of `from` beside workerd's configuration; its lines for them. */
function embedded(folder, kind, names, from) {
  return names.map((name) => {
    copyFileSync(join(ROOT, from, name), join(folder, name));
    return `(name = "${name}", ${kind} = embed "${name}")`;
  });
}

/** The core, as modules of workerd. */
export function wasmModules(folder) {
  const { targets } = JSON.parse(readFileSync(join(ROOT, "asconfig.json"), "utf8"));
  const names = Object.keys(targets).map((name) => `${name}.wasm`);
  return embedded(folder, "wasm", names, "build");
}

/** workerd reads modules and models from the configuration of a test, which needs no port. */
export async function runWorkerd(binary, folder, job) {
  await bundleText(join(folder, "bundle.mjs"), workerd(job), ["workerd"]);
  const modules = [
    '(name = "bundle.mjs", esModule = embed "bundle.mjs")',
    ...wasmModules(folder),
    ...embedded(
      folder,
      "data",
      FILES.map((name) => `${name}.onnx`),
      "test/fixtures/models",
    ),
  ];
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
     const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
     const worker :Workerd.Worker = (compatibilityDate = "2026-01-01", modules = [${modules.join(", ")}]);`,
  );
  const { stdout, stderr, error } = spawnSync(binary, ["test", "config.capnp"], { cwd: folder, encoding: "utf8" });
  if (error?.code === "ENOENT") throw new Missing("npm has no binary for this machine");
  return parsed(/FOUND(\{.*\})/.exec(`${stdout}${stderr}`)?.[1], stderr);
}

/** A page of the browser of this name, if this machine has one, with a module worker. */
export async function runBrowser(name, folder, job) {
  const program = installedBrowsers()[name];
  if (program === undefined) throw new Missing("this machine does not have it");
  mkdirSync(folder, { recursive: true });
  await bundleText(join(folder, "worker.mjs"), browser(job), ["browser"]);
  for (const network of FILES)
    copyFileSync(join(ROOT, `test/fixtures/models/${network}.onnx`), join(folder, `${network}.onnx`));
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><title>bitbasis</title><script type="module" src="page.mjs"></script>',
  );
  writeFileSync(
    join(folder, "page.mjs"),
    `new Worker("worker.mjs", { type: "module" }).onmessage = ({ data }) => fetch("/report/found", { method: "POST", body: data });`,
  );
  const server = await serve(folder);
  const said = await visit([name, program], `${server.origin}/`, server.report("found")).catch(String);
  server.close();
  return parsed(said.startsWith("{") ? said : undefined, said);
}

function parsed(found, said) {
  if (found === undefined) throw new Error(said.trim().split("\n").slice(-3).join(" "));
  return JSON.parse(found);
}
