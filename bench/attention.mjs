// Equality sensitivity, one thread: node bench/attention.mjs [keys] [width]. Needs `npm run build`.
// The collisions are compared with a plain computation on the first 500 keys before anything is timed.
import { cpus } from "node:os";
import { equalitySensitivity } from "../dist/entries/attention.js";

const n = Number(process.argv[2] ?? 100_000);
const d = Number(process.argv[3] ?? 64);

let seed = 1;
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return (seed >>> 0) / 2 ** 32;
}

const keys = Float32Array.from({ length: n * d }, () => random() - 0.5);

const few = Math.min(n, 500);
const sample = keys.slice(0, few * d);
const largest = sample.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
for (const row of (await equalitySensitivity(sample, [few, d], { retrieval: false })).rows) {
  const m = 2 ** (row.bits - 1) - 1;
  const codes = Array.from({ length: few }, (_, i) =>
    Array.from(
      sample.subarray(i * d, (i + 1) * d),
      (x) => Math.sign(x) * Math.floor((Math.abs(x) * m) / largest + 0.5),
    ),
  );
  const distinct = new Set(codes.map(String)).size;
  if (distinct !== row.distinct)
    throw new Error(`${row.bits} bits: ${row.distinct} distinct codes, expected ${distinct}`);
}

/** Median of three runs after a warm-up. */
async function seconds(rows, options) {
  const times = [];
  for (let run = 0; run < 4; run++) {
    const start = performance.now();
    await equalitySensitivity(keys.subarray(0, rows * d), [rows, d], options);
    times.push((performance.now() - start) / 1000);
  }
  return times.slice(1).sort((a, b) => a - b)[1];
}

console.log(`${cpus()[0].model}, Node ${process.version}`);
console.log(
  `collision curve b = 2..12, ${n} keys of width ${d}: ${(await seconds(n, { retrieval: false })).toFixed(2)} s`,
);
const some = Math.min(n, 10_000);
const one = await seconds(some, { bits: [8] });
const three = await seconds(some, { bits: [7, 8, 9] });
console.log(
  `retrieval, ${some} queries and keys: ${((three - one) / 2).toFixed(2)} s per bit width, ${one.toFixed(2)} s for one`,
);
