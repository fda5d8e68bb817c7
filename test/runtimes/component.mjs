// The components that export wasi:nn (scripts/build-component.mjs), as jco runs them: each network through load, init-execution-context and compute. What the
// interface refuses is a sentence, which is held here too.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BUILDS, bytesOf, FEED, NETWORKS, PRESETS } from "./networks.mjs";
import { installInto } from "./npm.mjs";
import { ofImages } from "./without-javascript.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Both builds; digests by build. */
export async function runComponent(folder, { networks = NETWORKS, presets = PRESETS } = {}) {
  installInto(folder, "@bytecodealliance/jco");
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts/build-component.mjs"), folder]);
  if (status !== 0) throw new Error(stderr.toString());
  const { transpile } = await import(
    pathToFileURL(join(folder, "node_modules/@bytecodealliance/jco/dist/api.js")).href
  );
  const found = {};
  for (const build of BUILDS) {
    const { files } = await transpile(readFileSync(join(ROOT, `build/component-${build}.wasm`)), { name: "component" });
    const home = join(folder, build);
    for (const [name, bytes] of Object.entries({ ...files, "package.json": '{"type":"module"}' })) {
      mkdirSync(dirname(join(home, name)), { recursive: true });
      writeFileSync(join(home, name), bytes);
    }
    const component = await import(pathToFileURL(join(home, "component.js")).href);
    found[build] = await ofImages(networks, presets, (image) => answerOf(component, image));
    holdRefusals(component);
  }
  return found;
}

/** The bytes of the output, computed twice by one context. */
function answerOf({ graph, tensor }, image) {
  const context = graph.load([image], "autodetect", "cpu").initExecutionContext();
  const answers = [1, 2].map(() => {
    const [[, output]] = context.compute([
      ["image", new tensor.Tensor(Uint32Array.from(FEED.dims), "FP32", bytesOf(FEED))],
    ]);
    return output.data();
  });
  if (!Buffer.from(answers[0]).equals(Buffer.from(answers[1]))) throw new Error("a second run has other bits");
  return answers[0];
}

function holdRefusals({ graph }) {
  const refused = (load, code, sentence) => {
    try {
      load();
    } catch ({ payload }) {
      if (payload?.code() === code && sentence.test(payload.data())) return;
      throw new Error(`expected ${code} and ${sentence}, got ${payload?.code()}: ${payload?.data()}`);
    }
    throw new Error(`${sentence}: not refused`);
  };
  const none = [new Uint8Array(100)];
  refused(() => graph.load(none, "autodetect", "cpu"), "invalid-argument", /no program image: make one with/);
  refused(() => graph.load([], "autodetect", "cpu"), "invalid-argument", /expected one part/);
  refused(() => graph.load(none, "onnx", "cpu"), "invalid-encoding", /expected the encoding autodetect/);
  refused(() => graph.load(none, "autodetect", "gpu"), "unsupported-operation", /expected the execution target cpu/);
  refused(() => graph.loadByName("é"), "not-found", /got the name é$/);
}
