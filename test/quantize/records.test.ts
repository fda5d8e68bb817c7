import { expect, test } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { prepare, quantize } from "../../src/quantize/quantize.ts";
import { recordsFor } from "../../src/quantize/records.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { differenceOf } from "../support/kinds/difference.ts";
import { speech } from "../support/kinds/inputs.ts";
import { Net } from "../support/kinds/net.ts";
import { Random } from "../support/random.ts";

async function namesOf(net: Net, outputs: readonly string[]): Promise<string> {
  const records = recordsFor(await prepare(net.done(outputs)), {});
  return typeof records === "string" ? records : records.names;
}

test.each([
  [0, 224],
  [1, 224],
  [4, 112],
  [40, 56],
])("free sides of pictures with %i wide layers at full size are guessed as %i", async (layers, side) => {
  const net = new Net("upscaler", 11);
  let x = net.relu(net.conv(net.input("low", [1, 3, "height", "width"]), [3, 96], 3));
  for (let i = 0; i < layers; i++) x = net.relu(net.conv(x, [96, 96], 3));
  const names = await namesOf(net, [net.conv(x, [96, 3], 3)]);
  expect(names).toContain(`low [1x3x${side}x${side}]`);
});

test("sides are not halved where the network takes no others", async () => {
  const net = new Net("flat", 12);
  let x = net.relu(net.conv(net.input("image", [1, 3, "height", "width"]), [3, 96], 3));
  for (let i = 0; i < 2; i++) x = net.relu(net.conv(x, [96, 96], 3));
  x = net.conv(x, [96, 1], 3, { strides: [32, 32] });
  const names = await namesOf(net, [net.dense(net.op("Reshape", [x, net.ints(1, 49)]), 49, 10)]);
  expect(names).toContain("image [1x3x224x224]");
});

test("a recurrence that was unrolled has its own length, whatever the file says", async () => {
  const net = new Net("unrolled", 13);
  const x = net.input("x", [1, "length"]);
  const steps: string[] = [];
  for (let t = 0; t < 11; t++) {
    const own = net.op("Gather", [x, net.ints(t)], { axis: 1 });
    steps.push(t === 0 ? own : net.op("Tanh", [net.op("Add", [own, steps[t - 1]!])]));
  }
  const y = net.op("Add", [x, net.op("Concat", steps, { axis: 1 })]);
  expect(await namesOf(net, [net.dense(y, 11, 4)])).toContain("x [1x11]");
});

test("quiet sound, which biases drown, is within what compact promises of loud sound", async () => {
  const net = new Net("dilated convolutions of raw sound", 33);
  let x = net.conv(net.input("audio", [1, 1, 4000]), [1, 16], [16], { strides: [4], pads: [0, 0] }, 2);
  for (const dilation of [1, 2, 4, 8]) {
    const same = { dilations: [dilation], pads: [2 * dilation, 2 * dilation] };
    const deep = net.relu(net.conv(x, [16, 24], [5], same, dilation === 1 ? 40 : 1));
    const own = net.relu(net.conv(deep, [24, 16], [1]));
    x = dilation === 1 ? own : net.op("Add", [x, own]);
  }
  const onnx = writeOnnx(net.done([net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [x])]), 16, 8, 3)]));
  const { bytes } = await quantize(onnx, { preset: "compact" });
  await using exact = await InferenceSession.create(onnx, { preset: "float32" });
  await using session = await InferenceSession.create(bytes);
  for (const most of [0.5, 0.02]) {
    const feeds = { audio: speech(most)(new Random(7), [1, 1, 4000]) };
    // It was 0.22 at 0.02 when only loud sounds were measured.
    expect(differenceOf(await session.run(feeds), await exact.run(feeds)).rms).toBeLessThan(0.085);
  }
});

test("tones of sound end in a pause, and are quiet throughout in a third record; other signals are neither", async () => {
  const levels = async (length: number) => {
    const net = new Net("sound", 14);
    const y = net.dense(net.input("x", [1, length]), length, 2);
    const records = recordsFor(await prepare(net.done([y])), {});
    if (typeof records === "string") throw new Error(records);
    const most = (data: Float32Array) => data.reduce((all, v) => Math.max(all, Math.abs(v)), 0);
    return records.feeds.map((feeds) => {
      const data = feeds.get("x")!.data as Float32Array;
      return [most(data), most(data.subarray((3 * length) / 4))];
    });
  };
  const [tones, noise, quiet, ...more] = await levels(800);
  expect(more).toEqual([]);
  expect(tones![0]).toBeGreaterThan(0.45);
  expect(tones![1]).toBeLessThan(0.5 / 32 + 1e-6);
  expect(noise![0]).toBeGreaterThan(0.45);
  expect(quiet![0]).toBeLessThan(0.5 / 32 + 1e-6);
  const [own, ...others] = await levels(64);
  expect(others).toHaveLength(1);
  expect(own![1]).toBeGreaterThan(0.05);
});

test("behind a norm a layer is rounded in the way that errs less, behind a Relu with flips", async () => {
  const net = new Net("normed", 15);
  const x = net.norm(net.input("x", [4, 96]), 96);
  let h = x;
  for (let i = 0; i < 6; i++) {
    const inner = net.op("Tanh", [net.dense(net.norm(h, 96), 96, 96)]);
    h = net.op("Add", [h, inner]);
  }
  const hidden = net.relu(net.gemm(h, 96, 96));
  const graph = net.done([net.gemm(hidden, 96, 10)]);
  const { report } = await quantize(writeOnnx(graph), { preset: "compact" });
  const roundings = report.layers.map(({ plan }) => plan.rounding ?? "nearest");
  expect(roundings).toContain("nearest");
  expect(roundings).toContain("squant");
  expect(roundings.at(-1)).toBe("squant");
  // By structure, and at sixteen bits, it makes no difference that is worth a look.
  const structural = await quantize(writeOnnx(graph), { preset: "compact", check: false });
  for (const { plan } of structural.report.layers) expect(plan.rounding).toBe("squant");
});

test("edges name different nodes of a graph of several, and the plan is measured", async () => {
  const net = new Net("edges as pairs of nodes", 34);
  const nodes = net.input("nodes", ["n", 16]);
  const edges = net.input("edges", [2, "k"], "int64");
  const [from, to] = [0, 1].map((i) => net.op("Gather", [edges, net.ints(i)], { axis: 0 })) as [string, string];
  const flat = (ids: string) => net.op("Reshape", [ids, net.ints(-1)]);
  const x = net.relu(net.dense(nodes, 16, 24));
  const sent = net.op("Gather", [x, flat(from)], { axis: 0 });
  const places = net.op("Unsqueeze", [flat(to), net.ints(1)]);
  const got = net.op("ScatterND", [x, places, sent], { reduction: "add" });
  const graph = await prepare(net.done([net.dense(got, 24, 4)]));
  const records = recordsFor(graph, {});
  if (typeof records === "string") throw new Error(records);
  expect(records.names).toContain("nodes [16x16]");
  expect(records.names).toContain("edges [2x32]: ids");
  const named = Array.from(records.feeds[0]!.get("edges")!.data, Number);
  expect(Math.max(...named)).toBeLessThan(16);
  expect(new Set(named).size).toBeGreaterThan(8);
  const { report } = await quantize(writeOnnx(graph), { preset: "faithful" });
  expect(report.check?.measured).toBeLessThan(7e-4);
});

test("a length that an exporter wrote into a shape is found", async () => {
  const net = new Net("attention of a fixed length", 35);
  const x = net.input("x", [1, "length", 8]);
  const heads = net.op("Reshape", [net.dense(x, 8, 8), net.ints(23, 2, 4)]);
  expect(await namesOf(net, [net.dense(heads, 4, 4)])).toContain("x [1x23x8]");
});

test("where values overflow at the usual length, a shorter one is measured", async () => {
  const net = new Net("powers of a running sum", 36);
  const x = net.input("x", [1, "length", 8]);
  const steps = net.op("Add", [net.op("Sigmoid", [net.dense(x, 8, 8)]), net.one(4)]);
  const sums = net.op("CumSum", [steps, net.ints(1)]);
  const { report } = await quantize(writeOnnx(net.done([net.op("Exp", [sums])])), { preset: "faithful" });
  expect(report.unchecked).toBeUndefined();
  expect(report.check?.inputs).toContain("x [1x16x8]");
  expect(report.check?.inputs).toMatch(/; at larger sizes no output tells .* is not finite$/);
});
