// How long an abort waits at most: node test/slow/gaps.mjs [--build simd] [--preset float32] [--only Softmax] [--json]
//
// Runs one large instance of every operator's steps (16 to 128 MB of elements, products of as much depth, weights of 64 MB) and prints, for `create`, the first run and
// the second one, the longest CPU time between two chances to abort (Turns.next). At the end: opcodes that no case has reached. SECURITY.md has the worst line.
import { parseArgs } from "node:util";
import "../support/typescript.mjs";

const { InferenceSession, Tensor } = await import("../../src/entries/index.ts");
const { Core, Turns } = await import("../../src/core/index.ts");
const { Opcode } = await import("../../src/core/abi/opcode.ts");
const { writeOnnx } = await import("../../src/onnx/index.ts");
const { build, f32, i64 } = await import("../graph/build.ts");
const { casesOf } = await import("./gaps/cases.mjs");

const { values: options } = parseArgs({
  options: {
    build: { type: "string", default: "simd" },
    preset: { type: "string" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const reached = new Set();
const { write } = Core.prototype;
Core.prototype.write = function (steps, buffers) {
  for (const { opcode } of steps) reached.add(Opcode[opcode]);
  return write.call(this, steps, buffers);
};

/** Milliseconds that this process has computed. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

let [last, longest] = [0, 0];
function look() {
  const now = processorTime();
  longest = Math.max(longest, now - last);
  last = now;
}
const { next } = Turns.prototype;
Turns.prototype.next = async function () {
  look();
  await next.call(this);
  // What the turn itself ran, garbage of other cases above all, is nobody's piece.
  last = processorTime();
};

async function gapOf(work) {
  [last, longest] = [processorTime(), 0];
  const result = await work();
  look();
  return [Math.round(longest), result];
}

const tools = { Tensor, build, f32, i64 };
const lines = [];
for (const [name, graph, feeds, presets = ["float32"]] of casesOf(tools)) {
  if (options.only !== undefined && !name.includes(options.only)) continue;
  for (const preset of options.preset === undefined ? presets : [options.preset]) {
    const { signal } = new AbortController();
    try {
      const bytes = writeOnnx(graph());
      const [created, session] = await gapOf(() =>
        InferenceSession.create(bytes, {
          preset,
          build: options.build,
          signal,
          limits: { bytes: 2 ** 31, macs: 1e13 },
        }),
      );
      const given = feeds();
      const before = processorTime();
      const running = () => session.run(given, { signal });
      // Feeds are copied before the first turn.
      const [first] = await gapOf(running);
      const [second] = await gapOf(running);
      lines.push({ name, preset, create: created, first, second, total: Math.round(processorTime() - before) });
      await session.release();
    } catch (error) {
      lines.push({ name, preset, error: error.message });
    }
    if (!options.json) console.log(Object.values(lines.at(-1)).join("  "));
    globalThis.gc?.();
  }
}
const opcodes = Object.keys(Opcode).filter((name) => !/^\d+$/.test(name) && name !== "None");
const missing = opcodes.filter((name) => !reached.has(name));
if (options.json) console.log(JSON.stringify({ lines, missing }));
else console.log(`create, first run, second run in ms; no case reached ${missing.join(", ") || "nothing"}`);
