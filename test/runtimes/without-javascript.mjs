// Program images of the networks of networks.mjs where there is no JavaScript: as plain C, in wasmtime, and in wabt's interpreter. Each gives digests by build.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ImageHeader, ImageValue } from "../../dist/core/abi/image.js";
import { exportProgram, quantize } from "../../dist/entries/quantize.js";
import { BUILDS, bytesOf, FEED, FILES, MADE, NETWORKS, PRESETS } from "./networks.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const onnx = (name) =>
  FILES.includes(name) ? readFileSync(join(ROOT, `test/fixtures/models/${name}.onnx`)) : MADE[name]();

/** Calls a tool; what it prints. */
function tool(program, args, options) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { maxBuffer: 2 ** 28, ...options });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${stderr}`);
  return stdout;
}

/** Images by "network preset", as `use` digests them. */
export async function ofImages(networks, presets, use) {
  const found = {};
  for (const name of networks) {
    for (const preset of presets) {
      // As a session quantizes.
      const { bytes } = await quantize(onnx(name), { preset, check: false });
      const { image } = await exportProgram(bytes, { image: FEED.dims });
      found[`${name} ${preset}`] = sha256(use(image));
    }
  }
  return found;
}

/** The scalar build as wasm2c and a C compiler make it; see docs/without-javascript.md. */
export async function runC(folder, { networks = NETWORKS, presets = PRESETS } = {}) {
  mkdirSync(folder, { recursive: true });
  tool(process.execPath, [join(ROOT, "native/build.mjs"), folder]);
  const input = bytesOf(FEED);
  const scalar = await ofImages(networks, presets, (image) => {
    writeFileSync(join(folder, "image"), image);
    return tool(join(folder, "run"), [join(folder, "image"), "1"], { input });
  });
  return { scalar };
}

/** Both builds in wasmtime, by its package for Python. */
export async function runWasmtime(folder, { networks = NETWORKS, presets = PRESETS } = {}) {
  mkdirSync(folder, { recursive: true });
  const input = bytesOf(FEED);
  const found = {};
  for (const build of BUILDS) {
    const core = join(ROOT, `build/bitbasis-${build}.wasm`);
    found[build] = await ofImages(networks, presets, (image) => {
      writeFileSync(join(folder, "image"), image);
      return tool("python3", [join(ROOT, "native/run.py"), core, join(folder, "image"), "1"], { input });
    });
  }
  return found;
}

/** Both builds in wabt's interpreter. It has no host to put an image into the memory: the image becomes a part of the module, with a function that runs it. */
export async function runWabt(folder, { networks = NETWORKS, presets = PRESETS } = {}) {
  mkdirSync(folder, { recursive: true });
  const found = {};
  for (const build of BUILDS) {
    const text = tool("wasm2wat", [join(ROOT, `build/bitbasis-${build}.wasm`)]).toString();
    found[build] = await ofImages(networks, presets, (image) => {
      const [source, module] = [join(folder, "image.wat"), join(folder, "image.wasm")];
      writeFileSync(source, withImage(text, image));
      tool("wat2wasm", [source, "-o", module]);
      return words(tool("wasm-interp", [module, "--run-all-exports"]).toString());
    });
  }
  return found;
}

/** The core's text with an image, its input, and one export, which returns the words of the first output. */
function withImage(text, image) {
  const header = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const word = (at, index) => header.getUint32(at + 4 * index, true);
  const [imageBytes, arenaBytes] = [word(0, ImageHeader.imageBytes), word(0, ImageHeader.arenaBytes)];
  const [input, output] = [word(0, ImageHeader.inputs), word(0, ImageHeader.outputs)];
  const count = word(output, ImageValue.bytes) / 4;
  const address = (name) => /\(func (\d+)\)\)/.exec(text.slice(text.indexOf(`(export "${name}"`)))[1];
  const at = (offset) => `(i32.add (local.get 0) (i32.const ${offset}))`;
  const data = (name, bytes) =>
    `(data $${name} "${Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("")}")`;
  const put = (name, to, bytes) => `(memory.init $${name} ${to} (i32.const 0) (i32.const ${bytes}))`;
  const works = (call) => `(if ${call} (then unreachable))`;
  const feed = bytesOf(FEED);
  const added = `
    ${data("given_image", image)}
    ${data("given_feed", feed)}
    (func (export "answer") (result${" i32".repeat(count)}) (local i32)
      (local.set 0 (call ${address("reserve")} (i32.const ${imageBytes + arenaBytes})))
      ${put("given_image", "(local.get 0)", imageBytes)}
      ${works(`(call ${address("bind")} (local.get 0) (i32.const ${imageBytes}) (i32.const ${imageBytes + arenaBytes}))`)}
      ${put("given_feed", at(word(input, ImageValue.data)), feed.length)}
      ${works(`(call ${address("runImage")} (local.get 0))`)}
      ${Array.from({ length: count }, (_, i) => `(i32.load ${at(word(output, ImageValue.data) + 4 * i)})`).join("\n")})`;
  const own = text.replaceAll(/\(export "\w+" \(func \d+\)\)/g, "");
  return `${own.slice(0, own.lastIndexOf(")"))}${added})`;
}

/** "answer() => i32:1, i32:2" as bytes. */
function words(said) {
  const numbers = [...said.matchAll(/i32:(\d+)/g)].map(([, digits]) => Number(digits));
  if (numbers.length === 0) throw new Error(`wasm-interp: ${said}`);
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}
