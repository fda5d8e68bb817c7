// Decoding, token by token, against onnxruntime-web (FP32, wasm, one thread), in one process:
//
//   npm run build && npm run build:tools && (cd bench && npm ci --ignore-scripts) && node bench/decode.mjs [--tokens 256] [--rounds 3] [--preset faithful] [--cpu]
//
// Contestants run in turn (A B A B), medians of the rounds. Without a cache every token is a new length of stories260k (BITBASIS_MODELS), sessions are
// new in every round, so that what a length costs is in it. With a cache: a decoder of the same sizes, written by test/support/decoder.ts, its past kept
// by createState here, fed and fetched there. Logits are compared before anything is timed.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../build/tools/examples/ocr/compare.js";
import { InferenceSession, Tensor } from "../build/tools/src/entries/index.js";
import { writeOnnx } from "../build/tools/src/onnx/index.js";
import { cachePairs, decoder } from "../build/tools/test/support/decoder.js";
import { locate } from "../build/tools/test/support/networks.js";
import { cosine, rivalSession } from "./contestants.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const { values: options } = parseArgs({
  options: {
    tokens: { type: "string", default: "256" },
    rounds: { type: "string", default: "3" },
    preset: { type: "string", default: "faithful" },
    // CPU time of the process instead of the clock's: for a machine that has other work.
    cpu: { type: "boolean", default: false },
  },
});
const [tokens, rounds] = [Number(options.tokens), Number(options.rounds)];
const SIZES = { layers: 5, width: 64, heads: 4, hidden: 172, vocabulary: 512, tokens: 2048 };
/** 4 heads of 64, 8 million weights: what a token costs beside its past is not all overhead. */
const LARGER = { layers: 4, width: 256, heads: 4, hidden: 688, vocabulary: 4096, tokens: 2048 };

const ids = (Class, list) => new Class("int64", BigInt64Array.from(list, BigInt), [1, list.length]);
const token = (i) => (i * 37) % 500;

function now() {
  if (!options.cpu) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function timed(body) {
  const from = now();
  await body();
  return now() - from;
}

const ours = async (bytes) => ({ session: await InferenceSession.create(bytes, { preset: options.preset }), Tensor });

/** Milliseconds of both for all tokens, alternating. */
async function compare(name, one, other) {
  const times = [[], []];
  for (let i = 0; i < rounds; i++) {
    times[0].push(await one());
    times[1].push(await other());
  }
  const [a, b] = times.map(median);
  const rate = (ms) => `${((1000 * tokens) / ms).toFixed(0)} tokens/s`;
  console.log(`${name}: ${rate(a)}, onnxruntime-web ${rate(b)}, ratio ${(b / a).toFixed(2)}`);
}

/** A decoder that keeps its past: `step` resolves to the logits. */
async function cached(bytes, sizes) {
  const { session } = await ours(bytes);
  const state = session.createState(cachePairs(sizes), { capacity: 2048 });
  await state.ready;
  return {
    step: async (list) => (await session.run({ input_ids: ids(Tensor, list) }, ["logits"], { state })).logits.data,
    back: (length) => state.truncate(length),
    release: () => session.release(),
  };
}

async function cachedRival(bytes, sizes) {
  const { session, Tensor: Rival } = await rivalSession(bytes);
  const pairs = Object.entries(cachePairs(sizes));
  const empty = new Rival("float32", new Float32Array(0), [1, sizes.heads, 0, sizes.width / sizes.heads]);
  let past = Object.fromEntries(pairs.map(([, input]) => [input, empty]));
  return {
    step: async (list) => {
      const made = await session.run({ input_ids: ids(Rival, list), ...past });
      past = Object.fromEntries(pairs.map(([output, input]) => [input, made[output]]));
      return made.logits.data;
    },
    release: () => session.release(),
  };
}

async function uncached(bytes) {
  const run = (create) => async () => {
    const { session, Tensor: Class } = await create(bytes);
    const time = await timed(async () => {
      for (let n = 1; n <= tokens; n++)
        await session.run({
          ids: ids(
            Class,
            Array.from({ length: n }, (_, i) => token(i)),
          ),
        });
    });
    await session.release();
    return time;
  };
  await compare(`stories260k, 1 to ${tokens} tokens, no cache`, run(ours), run(rivalSession));

  const { session } = await ours(bytes);
  const length = (n) =>
    session.run({
      ids: ids(
        Tensor,
        Array.from({ length: n }, (_, i) => token(i)),
      ),
    });
  for (let n = 1; n <= 60; n++) await length(n);
  const costs = [];
  for (let n = 25; n < 60; n++) {
    await length(n + 1);
    const first = await timed(() => length(n));
    costs.push(first - (await timed(() => length(n))));
  }
  console.log(`another length of a range: ${median(costs).toFixed(3)} ms more than the same one again`);
  await session.release();
}

async function withCache(form) {
  const bytes = writeOnnx(decoder({ form, ...SIZES }));
  const [own, rival] = [await cached(bytes, SIZES), await cachedRival(bytes, SIZES)];
  for (let i = 0; i < 20; i++) {
    const likeness = cosine(await own.step([token(i)]), await rival.step([token(i)]));
    if (!(likeness > 0.99)) throw new Error(`cosine ${likeness} to onnxruntime-web at token ${i}`);
  }
  await own.release();
  await rival.release();
  const half = tokens >> 1;
  const [late, made] = [
    [[], []],
    [[], []],
  ];
  // What is planned before the first token – there in create, here in create and createState – is told beside the tokens; the second half of these is
  // what one costs once all is warm.
  const run = (make, costs, creates) => async () => {
    let one;
    creates.push(
      await timed(async () => {
        one = await make(bytes, SIZES);
      }),
    );
    const steps = (from, to) =>
      timed(async () => {
        for (let i = from; i < to; i++) await one.step([token(i)]);
      });
    const first = await steps(0, half);
    const second = await steps(half, tokens);
    await one.release();
    costs.push(second / (tokens - half));
    return first + second;
  };
  await compare(
    `decoder, ${form}, ${tokens} tokens, cache`,
    run(cached, late[0], made[0]),
    run(cachedRival, late[1], made[1]),
  );
  const [a, b] = late.map(median);
  console.log(
    `  before the first one ${median(made[0]).toFixed(0)} ms, onnxruntime-web ${median(made[1]).toFixed(0)} ms\n  its tokens from ${half} on: ${a.toFixed(3)} ms each, onnxruntime-web ${b.toFixed(3)} ms, ratio ${(b / a).toFixed(2)}`,
  );
}

async function longPast(name, sizes) {
  const one = await cached(writeOnnx(decoder({ form: "plain", ...sizes })), sizes);
  const all = Array.from({ length: 1000 }, (_, i) => token(i));
  for (let i = 0; i < 1000; i += 100) await one.step(all.slice(i, i + 100));
  for (let i = 0; i < 24; i++) await one.step([token(i)]);
  const at = async (length) => {
    one.back(length);
    const times = [];
    for (let i = 0; i < 24; i++) times.push(await timed(() => one.step([token(i)])));
    return median(times.slice(8));
  };
  const times = [[], []];
  for (let i = 0; i < rounds; i++) {
    times[1].push(await at(1000));
    // Lower lengths are rows of the same tokens.
    times[0].push(await at(100));
    for (let j = 124; j < 1000; j += 100) await one.step(all.slice(j, Math.min(1000, j + 100)));
  }
  const [short, long] = times.map(median);
  console.log(
    `${name}: a token at past 100 ${short.toFixed(2)} ms, at 1,000 ${long.toFixed(2)} ms, ratio ${(long / short).toFixed(2)}`,
  );
  await one.release();
}

const stories = locate({ place: "folder", file: "stories260k" }, ROOT);
if ("path" in stories) await uncached(new Uint8Array(readFileSync(stories.path)));
else console.log(`stories260k skipped: ${stories.missing}`);
for (const form of ["plain", "grouped"]) await withCache(form);
await longPast("decoder, 0.4 million weights", SIZES);
await longPast("decoder, 5 million weights", LARGER);
