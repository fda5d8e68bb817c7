// npm run soak: many runs, sessions and aborts, under which memory must stay flat. Exit code 1 when it does not.
//   --runs 10000  --sessions 2000  --aborts 1000  --seed 1
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { InferenceSession, Tensor } from "../../dist/entries/index.js";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10000" },
    sessions: { type: "string", default: "2000" },
    aborts: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});
const model = new Uint8Array(readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url)));

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

let state = Number(values.seed);
/** Uniform in [0, below): the same numbers for the same seed. */
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function feeds(batch) {
  return { image: new Tensor("float32", new Float32Array(784 * batch).fill(random(100) / 100), [batch, 1, 28, 28]) };
}

/** Bytes outside of the JavaScript heap, where WASM memories and tensors lie, and in it, once what is dropped has been collected. */
async function held() {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage();
  return { used: Math.max(arrayBuffers, external) + heapUsed, rss };
}

/** Repeats a task; after a fifth of it, when caches are full, memory may not grow by more than 4 MB, and rss by more than 64 MB. */
async function phase(name, count, task) {
  const warm = Math.ceil(count / 5);
  const start = performance.now();
  for (let i = 0; i < warm; i++) await task(i);
  const before = await held();
  for (let i = warm; i < count; i++) await task(i);
  const after = await held();
  const grown = after.used - before.used;
  const resident = after.rss - before.rss;
  const flat = grown < 4e6 && resident < 64e6;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const mb = (bytes) => (bytes / 1e6).toFixed(2);
  console.log(
    `${name.padEnd(9)} ${count} in ${seconds} s: ${mb(grown)} MB more held, ${mb(resident)} MB more resident`,
  );
  if (!flat) process.exitCode = 1;
}

/** The outputs of a batch of 3 zeros, as text: what happened before must not show in them. */
async function answer(session) {
  const { logits } = await session.run({ image: new Tensor("float32", new Float32Array(3 * 784), [3, 1, 28, 28]) });
  return logits.data.join();
}

const session = await InferenceSession.create(model, { preset: "fast" });
const expected = await answer(session);
// Sizes that follow one another get a program for their range, with an arena for its largest.
for (let batch = 1; batch <= 9; batch++) await session.run(feeds(batch));
const { memoryBytes } = session;

await phase("runs", Number(values.runs), () => session.run(feeds(1 + random(8))));

const outcomes = { aborted: 0, finished: 0 };
await phase("aborts", Number(values.aborts), async () => {
  const controller = new AbortController();
  const running = session.run(feeds(1 + random(8)), { signal: controller.signal });
  const timer = setTimeout(() => controller.abort(new Error("enough")), random(12));
  try {
    await running;
    outcomes.finished++;
  } catch (error) {
    if (error.message !== "enough") throw error;
    outcomes.aborted++;
  }
  clearTimeout(timer);
});
console.log(`          ${outcomes.aborted} aborted, ${outcomes.finished} finished before that`);

if ((await answer(session)) !== expected) {
  console.log("the session answers otherwise than at first");
  process.exitCode = 1;
}
if (session.memoryBytes > memoryBytes) {
  console.log(`the session's memory grew from ${memoryBytes} to ${session.memoryBytes} bytes`);
  process.exitCode = 1;
}
await session.release();

await phase("sessions", Number(values.sessions), async (i) => {
  const own = await InferenceSession.create(model, { preset: i % 2 === 0 ? "float32" : "fast" });
  if (i % 4 < 2) await own.run(feeds(1));
  await own.release();
});
