// Runtimes that take a bundle: workerd, and browsers, where the networks run in a Worker. Each gives { status, stdout, stderr } as a program
// that prints digests.mjs's JSON.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedBrowsers, serve, visit } from "../hosts/browsers.mjs";
import { NETWORKS } from "./networks.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HERE = JSON.stringify(join(ROOT, "test/runtimes/networks.mjs"));

const WORKERD = `
import { digests, webSha256 } from ${HERE};
${NETWORKS.map((name) => `import ${name} from "${name}.onnx";`).join("\n")}
const models = { ${NETWORKS.join(", ")} };
export default {
  async test() {
    // As a worker gets it: a response, whose body is a stream.
    console.log("DIGESTS" + JSON.stringify(await digests((name) => new Response(models[name]), webSha256)));
  },
};
`;

const BROWSER = `
import { digests, webSha256 } from ${HERE};
digests((name) => fetch("/" + name + ".onnx"), webSha256)
  .then((found) => postMessage(JSON.stringify(found)), (error) => postMessage("failed: " + error.stack));
`;

async function bundle(file, text, conditionNames) {
  const { rolldown } = await import("rolldown");
  writeFileSync(`${file}.entry.mjs`, text);
  const wasm = {
    name: "wasm",
    resolveId: (id) => (id.endsWith(".wasm") ? { id: id.replace(/^.*\//, ""), external: true } : null),
  };
  const build = await rolldown({
    ...{ input: `${file}.entry.mjs`, platform: "neutral", external: /\.onnx$/, plugins: [wasm] },
    resolve: { conditionNames: [...conditionNames, "import"], mainFields: ["module", "main"] },
  });
  await build.write({ file, format: "es", codeSplitting: false });
}

/** workerd reads modules and models from the configuration of a test, which needs no port. */
export async function runWorkerd(binary, folder) {
  await bundle(join(folder, "bundle.mjs"), WORKERD, ["workerd"]);
  const embedded = (kind, names, from) =>
    names.map((name) => {
      copyFileSync(join(ROOT, from, name), join(folder, name));
      return `(name = "${name}", ${kind} = embed "${name}")`;
    });
  const modules = [
    '(name = "bundle.mjs", esModule = embed "bundle.mjs")',
    ...embedded("wasm", ["simd.wasm", "scalar.wasm", "lattice.wasm", "shards.wasm"], "build"),
    ...embedded(
      "data",
      NETWORKS.map((name) => `${name}.onnx`),
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
  return { ...printed(/DIGESTS(\{.*\})/.exec(`${stdout}${stderr}`)?.[1], stderr), error };
}

/** A page of the browser of this name, if this machine has one, with a module worker. */
export async function runBrowser(name, folder) {
  const program = installedBrowsers()[name];
  if (program === undefined) return { error: { code: "ENOENT" } };
  mkdirSync(folder, { recursive: true });
  await bundle(join(folder, "worker.mjs"), BROWSER, ["browser"]);
  for (const network of NETWORKS)
    copyFileSync(join(ROOT, `test/fixtures/models/${network}.onnx`), join(folder, `${network}.onnx`));
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><title>bitbasis</title><script type="module" src="page.mjs"></script>',
  );
  writeFileSync(
    join(folder, "page.mjs"),
    `new Worker("worker.mjs", { type: "module" }).onmessage = ({ data }) => fetch("/report/digests", { method: "POST", body: data });`,
  );
  const server = await serve(folder);
  const said = await visit([name, program], `${server.origin}/`, server.report("digests")).catch(String);
  server.close();
  return printed(said.startsWith("{") ? said : undefined, said);
}

function printed(found, stderr) {
  return { status: found === undefined ? 1 : 0, stdout: found && JSON.stringify(JSON.parse(found), null, 2), stderr };
}
