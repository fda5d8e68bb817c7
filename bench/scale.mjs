// How many machines, and how an autoscaler follows: service times of a network are measured here (CPU time, since other work may run beside), then pods with two workers each
// are simulated with Poisson arrivals: first at fixed numbers of pods, then with the HPA of deploy/kubernetes.yaml after a step of the load. Seeded: the same
// service times give the same figures.
//
//     node bench/scale.mjs [MODEL.onnx] [--times MILLISECONDS,…]
import { readFileSync } from "node:fs";

const MODEL = new URL("../test/fixtures/models/fmnist_mobilenet.onnx", import.meta.url);
const WORKERS = 2;
/** Of deploy/kubernetes.yaml. */
const HPA = {
  queue: 2,
  cpu: 0.7,
  min: 2,
  max: 5000,
  everyMs: 15_000,
  startMs: 20_000,
  downMs: 300_000,
  tolerance: 0.1,
};

/** A pod: workers that take from one queue. Times in milliseconds. */
class Pod {
  constructor(random, startedAt = 0) {
    this.random = random;
    this.free = new Array(WORKERS).fill(startedAt);
    this.starts = [];
    this.busy = 0;
  }

  /** The waiting and service time of a request that comes at `t`; undefined when 256 wait already. */
  arrive(t) {
    const at = this.free.indexOf(Math.min(...this.free));
    const start = Math.max(t, this.free[at]);
    while (this.starts.length > 0 && this.starts[0] <= t) this.starts.shift();
    if (this.starts.length >= 256) return undefined;
    if (start > t) this.starts.push(start);
    const service = times[Math.floor(this.random() * times.length)];
    this.free[at] = start + service;
    this.busy += service;
    return start - t + service;
  }

  queued(t) {
    while (this.starts.length > 0 && this.starts[0] <= t) this.starts.shift();
    return this.starts.length;
  }
}

const args = process.argv.slice(2);
const given = args.indexOf("--times");
const times = given === -1 ? await measure(args[0] ?? MODEL) : args[given + 1].split(",").map(Number);
const mean = times.reduce((a, b) => a + b, 0) / times.length;

console.log(
  `service time: mean ${mean.toFixed(2)} ms, ${times.length} runs; ${(1000 / mean).toFixed(0)} per second and core`,
);
console.log(
  `core seconds for a million: ${(1000 * mean).toFixed(0)}, which is ${((1000 * mean) / 3600).toFixed(2)} core hours`,
);

console.log("\nrequests/s  pods  load  p50 ms  p99 ms  refused");
for (const rate of [10, 1000, 100_000]) {
  const least = (rate * mean) / 1000 / WORKERS;
  for (const pods of [...new Set([0.95, 0.7, 0.5].map((load) => Math.max(1, Math.ceil(least / load))))]) {
    const { p50, p99, refused } = steady(rate / pods, 60_000);
    const load = (rate * mean) / 1000 / WORKERS / pods;
    console.log(
      [
        String(rate).padStart(10),
        String(pods).padStart(5),
        load.toFixed(2).padStart(5),
        p50.toFixed(1).padStart(7),
        p99.toFixed(1).padStart(7),
        `${(100 * refused).toFixed(2)} %`.padStart(8),
      ].join(" "),
    );
  }
}

const capacity = (1000 / mean) * WORKERS;
console.log(
  `\nautoscaling: the load steps from 2 to 20 times what one pod can do (${capacity.toFixed(0)}/s) after one minute, and back after ten`,
);
console.log("minute  pods  p99 ms  refused");
for (const row of autoscaled((t) => capacity * (t < 60_000 || t > 660_000 ? 2 * 0.6 : 20 * 0.6), 20 * 60_000)) {
  console.log(
    [
      String(row.minute).padStart(6),
      String(row.pods).padStart(5),
      row.p99.toFixed(1).padStart(7),
      `${(100 * row.refused).toFixed(2)} %`.padStart(8),
    ].join(" "),
  );
}

/** CPU milliseconds of runs on one input. */
async function measure(model) {
  const { InferenceSession } = await import("../dist/entries/index.js");
  const { Tensor } = await import("../dist/tensor/index.js");
  const session = await InferenceSession.create(new Uint8Array(readFileSync(model)));
  const feeds = Object.fromEntries(
    session.inputMetadata.map(({ name, type, shape }) => {
      const dims = shape.map((d) => (typeof d === "number" ? d : 1));
      const size = dims.reduce((a, b) => a * b, 1);
      return [
        name,
        new Tensor(
          type,
          Array.from({ length: size }, (_, i) => ((i * 37) % 255) / 255),
          dims,
        ),
      ];
    }),
  );
  const taken = [];
  for (let i = 0; i < 220; i++) {
    const before = process.cpuUsage();
    await session.run(feeds);
    const { user, system } = process.cpuUsage(before);
    if (i >= 20) taken.push((user + system) / 1000);
  }
  await session.release();
  return taken;
}

/** One pod under its share of a Poisson stream, which is one again. */
function steady(perSecond, milliseconds) {
  const random = xorshift();
  const pod = new Pod(random);
  const waits = [];
  let refused = 0;
  let count = 0;
  // Rare arrivals are simulated for as long as it takes to see two thousand.
  const until = Math.max(milliseconds, (2000 / perSecond) * 1000);
  for (let t = 0; t < until; t += (-Math.log(1 - random()) / perSecond) * 1000) {
    count++;
    const time = pod.arrive(t);
    if (time === undefined) refused++;
    else waits.push(time);
  }
  return { ...quantiles(waits), refused: refused / count };
}

/** Pods behind a balancer that takes one at random, and the autoscaler; a row for each minute. */
function autoscaled(rateAt, milliseconds) {
  const random = xorshift();
  let pods = Array.from({ length: HPA.min }, () => new Pod(random));
  let starting = [];
  let wishes = [];
  const rows = [];
  let [waits, refused, count, nextScale, nextRow] = [[], 0, 0, HPA.everyMs, 60_000];
  for (let t = 0; t < milliseconds; t += (-Math.log(1 - random()) / rateAt(t)) * 1000) {
    for (const { at } of starting.filter((one) => one.at <= t)) pods.push(new Pod(random, at));
    starting = starting.filter((one) => one.at > t);
    if (t >= nextScale) {
      const queue = pods.reduce((sum, pod) => sum + pod.queued(t), 0) / pods.length;
      const cpu = pods.reduce((sum, pod) => sum + pod.busy, 0) / (pods.length * WORKERS * HPA.everyMs);
      for (const pod of pods) pod.busy = 0;
      const ratio = Math.max(queue / HPA.queue, Math.min(cpu, 1) / HPA.cpu);
      // Kubernetes at most doubles the pods, or adds four, at a time.
      const most = Math.max(2 * pods.length, pods.length + 4);
      const wanted =
        Math.abs(ratio - 1) <= HPA.tolerance ? pods.length : Math.min(Math.ceil(pods.length * ratio), most, HPA.max);
      wishes = [...wishes.filter((one) => one.t > t - HPA.downMs), { t, pods: Math.max(wanted, HPA.min) }];
      const target = wanted >= pods.length ? wanted : Math.max(...wishes.map((one) => one.pods));
      const more = target - pods.length - starting.length;
      for (let i = 0; i < more; i++) starting.push({ at: t + HPA.startMs });
      if (target < pods.length) pods = pods.slice(0, Math.max(target, HPA.min));
      nextScale += HPA.everyMs;
    }
    if (t >= nextRow) {
      rows.push({ minute: nextRow / 60_000, pods: pods.length, p99: quantiles(waits).p99, refused: refused / count });
      [waits, refused, count] = [[], 0, 0];
      nextRow += 60_000;
    }
    count++;
    const time = pods[Math.floor(random() * pods.length)].arrive(t);
    if (time === undefined) refused++;
    else waits.push(time);
  }
  return rows;
}

function quantiles(waits) {
  const sorted = Float64Array.from(waits).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Xorshift of 32 bits (Marsaglia 2003), from 0 to 1. */
function xorshift() {
  let state = 2463534242;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
