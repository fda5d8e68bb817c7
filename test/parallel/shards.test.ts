import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { InferenceSession, type Plan, type SessionOptions, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Hand } from "../../src/parallel/hand.ts";
import { CUTS, partition, Shards } from "../../src/parallel/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, i64, type NodeSpec } from "../graph/build.ts";
import { digest, isGone, recordWorkers } from "./workers.ts";

// A checked core does not see what another module writes.
const sharded = describe.skipIf(process.env["BITBASIS_CHECKED"] !== undefined);

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
const image = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026)) as Tensor;
const committed: Record<string, string> = JSON.parse(
  readFileSync(new URL("../fixtures/digests.json", import.meta.url), "utf8"),
);
const random = (seed: number, dims: number[]): Tensor => randomTensor("float32", dims, uniformNumbers(seed)) as Tensor;

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("partition", () => {
  it("puts every product into one part, for every cut and any number of workers", () => {
    const sizes = fc.record({
      ...{ rows: fc.integer({ min: 1, max: 12 }), columns: fc.integer({ min: 1, max: 12 }) },
      ...{
        terms: fc.integer({ min: 1, max: 5 }),
        count: fc.integer({ min: 1, max: 16 }),
        by: fc.constantFrom(...CUTS),
      },
    });
    fc.assert(
      fc.property(sizes, ({ rows, columns, terms, count, by }) => {
        const parts = partition({ rows, columns }, terms, count, by);
        expect(parts).toHaveLength(count);
        const owners = new Int32Array(terms * rows * columns);
        for (const part of parts) {
          for (const term of part.terms)
            for (let r = part.first; r < part.first + part.rows; r++)
              for (let k = part.from; k < part.to; k++) owners[(term * rows + r) * columns + k]!++;
        }
        expect(owners.every((n) => n === 1)).toBe(true);
      }),
    );
  });

  it("is by output channels where there are enough, else by depth", () => {
    const whole = { terms: [0], first: 0, rows: 2, from: 0, to: 9 };
    expect(partition({ rows: 2, columns: 9 }, 1, 1, "channels")).toEqual([whole]);
    expect(partition({ rows: 2, columns: 9 }, 1, 2, "channels").map(({ rows }) => rows)).toEqual([1, 1]);
    expect(partition({ rows: 2, columns: 9 }, 1, 3, "channels").map(({ from, to }) => [from, to])).toEqual([
      [0, 3],
      [3, 6],
      [6, 9],
    ]);
  });
});

sharded("the bits of one session", () => {
  it.each(Object.keys(committed))("of %s", async (key) => {
    const [network, preset] = key.split(" ") as [string, "fast" | "float32"];
    for (const [i, by] of CUTS.entries()) {
      const session = await InferenceSession.create(fixture(network), { preset, shards: { count: 2 + i, by } });
      for (const options of [{}, { signal: new AbortController().signal }]) {
        expect(digest((await session.run({ image }, options))["logits"]!), by).toBe(committed[key]);
      }
      // All convolutions of fmnist_mobilenet are faster in float32, and those are not cut.
      const isFloat = preset === "float32" || key === "fmnist_mobilenet faithful";
      expect(session.shardCost!.layers > 0).toBe(!isFloat);
      await session.release();
    }
  });

  it.each([1, 2, 3, 4, 8, 16])(
    "of a residual network on %i workers, for every cut, with messages alone too",
    async (count) => {
      for (const by of CUTS) {
        if (by === "depth") vi.stubGlobal("SharedArrayBuffer", undefined);
        const options: SessionOptions = { preset: "faithful", shards: { count, by } };
        const session = await InferenceSession.create(fixture("fmnist_resnet"), options);
        vi.unstubAllGlobals();
        expect(digest((await session.run({ image }))["logits"]!), by).toBe(committed["fmnist_resnet faithful"]);
        await session.release();
      }
    },
  );

  const x = [3, 12, 10, 10];
  const nodes: NodeSpec[] = [
    ["Conv", ["x", "w3", "bias"], ["conv"], { pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] }],
    ["Conv", ["x", "grouped"], ["groups"], { group: 3, pads: [1, 1, 1, 1] }],
    ["Conv", ["x", "dw"], ["depthwise"], { group: 12 }],
    ["Conv", ["x", "w1", "bias"], ["c1"]],
    ["Clip", ["c1", "", "six"], ["clipped"]],
    ["HardSwish", ["conv"], ["hard"]],
    ["ConvTranspose", ["x", "wt"], ["transposed"], { strides: [2, 2] }],
    ["MatMul", ["x", "m"], ["rows"]],
    ["Reshape", ["x", "flat"], ["lines"]],
    ["Gemm", ["lines", "g", "bias"], ["gemm"], { transB: 1 }],
    ["Conv", ["lines3", "w1d"], ["line"], { pads: [1, 1] }],
    ["Conv", ["volume", "w3d"], ["cube"], { pads: [1, 1, 1, 1, 1, 1] }],
    ["LSTM", ["lines3", "lw", "lr"], ["lstm"], { hidden_size: 5 }],
    ["MatMul", ["lines", "many"], ["shared"]],
  ];
  const graph = build(
    { x, lines3: [4, 6, 20], volume: [1, 2, 5, 6, 7] },
    {
      ...{ w3: random(1, [7, 12, 3, 3]), grouped: random(2, [9, 4, 3, 3]), dw: random(3, [12, 1, 3, 3]) },
      ...{ w1: random(4, [7, 12, 1, 1]), bias: random(5, [7]), wt: random(6, [12, 5, 2, 2]), m: random(7, [10, 11]) },
      ...{ flat: i64(12, 300), g: random(8, [7, 300]), w1d: random(9, [3, 6, 3]), w3d: random(10, [4, 2, 3, 3, 3]) },
      ...{ lw: random(11, [1, 20, 20]), lr: random(12, [1, 20, 5]), many: random(13, [300, 40]) },
      six: new Tensor("float32", [6], []),
    },
    nodes,
    nodes.flatMap(([, , outputs]) => [...outputs]).filter((name) => name !== "lines"),
  );
  const plans: SessionOptions[] = [
    ...(["faithful", "fast", "compact"] as const).map((preset) => ({ preset })),
    { plan: { version: 1, default: { bits: 4, weightTerms: 3, activationTerms: 3, pairs: { upTo: 4 } } } as Plan },
    { plan: { version: 1, default: { bits: 4, weightTerms: 2, activationTerms: 2, digits: "unsigned" } } as Plan },
    { plan: { version: 1, default: { bits: 4, weightTerms: 2, activationTerms: 2, outliers: 0.01 } } as Plan },
  ];

  it.each(plans)("of every kind of linear layer, for numbers and for what is none: %j", async (options) => {
    const feeds = [1, 2].map((seed) => {
      const data = random(seed, x).data as Float32Array;
      if (seed === 2) data.set([Number.NaN, Number.POSITIVE_INFINITY], 1700);
      const [lines3, volume] = [random(seed + 2, [4, 6, 20]), random(seed + 4, [1, 2, 5, 6, 7])];
      return { x: new Tensor("float32", data, x), lines3, volume };
    });
    const onnx = writeOnnx(graph);
    const one = await InferenceSession.create(onnx, options);
    for (const by of CUTS) {
      const session = await InferenceSession.create(onnx, { ...options, shards: { count: 3, by } });
      for (const feed of feeds) {
        const [expected, outputs] = [await one.run(feed), await session.run(feed)];
        for (const [name, tensor] of Object.entries(outputs))
          expect(digest(tensor), `${name} by ${by}`).toBe(digest(expected[name]!));
      }
      await session.release();
    }
    await one.release();
  });

  it("at every stage of a series that arrives term by term", async () => {
    const { bytes } = await quantize(fixture("fmnist_resnet"), { preset: "compact" });
    const open = (options: SessionOptions): Promise<InferenceSession> =>
      InferenceSession.create(new Response(bytes as BodyInit), { ...options, progressive: true });
    const [one, two] = [await open({}), await open({ shards: { count: 2, by: "terms" } })];
    for (let more = true; more; more = (await one.refine()) && (await two.refine())) {
      expect(two.terms).toEqual(one.terms);
      expect(digest((await two.run({ image }))["logits"]!)).toBe(digest((await one.run({ image }))["logits"]!));
    }
    expect(one.terms.loaded).toBe(one.terms.total);
    await Promise.all([one.release(), two.release()]);
  });
});

sharded("what is added", () => {
  const { ask } = Hand.prototype;

  /** Answers of workers that come in an order of their own. */
  function shuffle(seed: number): void {
    const uniform = uniformNumbers(seed);
    vi.spyOn(Hand.prototype, "ask").mockImplementation(async function (this: Hand, message: unknown) {
      const answer = await ask.call(this, message);
      await new Promise((resolve) => setTimeout(resolve, 6 * uniform()));
      return answer;
    });
  }

  async function digests(): Promise<Set<string>> {
    const found = new Set<string>();
    for (let seed = 1; seed < 5; seed++) {
      shuffle(seed);
      const session = await InferenceSession.create(fixture("fmnist_resnet"), { shards: { count: 5, by: "depth" } });
      found.add(digest((await session.run({ image }))["logits"]!));
      await session.release();
    }
    return found;
  }

  it("gives the same bits in whatever order it comes", async () => {
    expect([...(await digests())]).toEqual([committed["fmnist_resnet faithful"]]);
  });

  it("would not, were it rounded to float32 whenever a part is added", async () => {
    vi.spyOn(Shards.prototype, "add").mockImplementation(function (this: Shards, to, all, part, from, pixels, wide) {
      expect([part.first, part.rows]).toEqual([0, all]);
      const count = pixels * all;
      const { buffer } = this.core.memory;
      const [sums, own] = wide
        ? [new BigInt64Array(buffer, to, count), new BigInt64Array(buffer, from, count)]
        : [new Int32Array(buffer, to, count), new Int32Array(buffer, from, count)];
      for (let i = 0; i < count; i++) {
        const sum = Math.fround(Number(sums[i]) + Number(own[i]));
        sums[i] = (wide ? BigInt(sum) : sum) as never;
      }
    });
    expect((await digests()).size).toBeGreaterThan(1);
  });
});

sharded("what a worker holds", () => {
  it("is its share of the weights, and the session has none of them", async () => {
    const w = random(1, [512, 512]);
    const onnx = writeOnnx(build({ x: [1, 512] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
    const x = random(2, [1, 512]);
    const weights: number[][] = [];
    for (const shards of [1, 4, 16]) {
      const session = await InferenceSession.create(onnx, { preset: "fast", shards });
      await session.run({ x });
      weights.push([...session.shardCost!.weights]);
      expect(session.memoryBytes).toBeLessThan(2 ** 17);
      await session.release();
    }
    expect(weights.map((each) => each.length)).toEqual([1, 4, 16]);
    expect(weights.map((each) => Math.max(...each))).toEqual([1, 4, 16].map((n) => (2 * 512 * 512 + 4 * 512) / n));
  });
});

sharded("what goes wrong", () => {
  it("a worker that dies in the middle fails the run, and the next one has new workers", async () => {
    const made = recordWorkers();
    const session = await InferenceSession.create(fixture("fmnist_resnet"), { shards: 3 });
    const first = digest((await session.run({ image }))["logits"]!);
    const running = session.run({ image });
    void made[1]!.terminate();
    await expect(running).rejects.toMatchObject({
      code: "WORKER",
      message: "a worker of the session has died: it ended with code 1",
    });
    expect(digest((await session.run({ image }))["logits"]!)).toBe(first);
    expect(made.map(isGone)).toEqual([true, true, true, false, false, false]);
    await session.release();
    expect(made.map(isGone)).toEqual(made.map(() => true));
  });

  it("sums that the limit has no room for are refused, and the session goes on", async () => {
    const onnx = writeOnnx(build({ x: ["N", 16] }, { w: random(1, [16, 64]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
    const plan = { version: 1, default: { bits: 4, weightTerms: 4, activationTerms: 4 } } as const;
    const session = await InferenceSession.create(onnx, { plan, shards: 2, limits: { bytes: 2 ** 21 } });
    const run = (rows: number): Promise<unknown> => session.run({ x: random(2, [rows, 16]) });
    await expect(run(4000)).rejects.toMatchObject({ code: "MEMORY" });
    await run(4);
    await session.release();
  });

  it("where there are no workers a warning says so", async () => {
    vi.stubGlobal("process", {});
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const session = await InferenceSession.create(fixture("fmnist_resnet"), { shards: 2 });
    expect(warn.mock.calls).toEqual([
      ['bitbasis: "shards" is 2, but this runtime has no workers; running on one thread'],
    ]);
    expect(digest((await session.run({ image }))["logits"]!)).toBe(committed["fmnist_resnet faithful"]);
    await session.release();
  });

  it.each([
    [{ shards: 0 }, '"shards" expected integer in 1..64, got 0'],
    [{ shards: "2" }, '"shards" expected integer in 1..64, got'],
    [{ shards: { count: 65 } }, '"shards.count" expected integer in 1..64, got 65'],
    [{ shards: {} }, '"shards.count" expected integer in 1..64, got'],
    [{ shards: { count: 2, by: "luck" } }, '"shards.by" expected one of "channels", "depth", "terms", got "luck"'],
    [{ shards: { count: 2, by: 5 } }, '"shards.by" expected one of "channels", "depth", "terms", got 5'],
    [{ shards: 2, numThreads: 2 }, '"shards" and "numThreads" above 1 exclude each other, got 2 and 2'],
  ])("%j is refused", async (options, message) => {
    await expect(InferenceSession.create(fixture("fmnist_resnet"), options as SessionOptions)).rejects.toThrow(message);
  });
});
