// Sessions on the checked core, and on cores whose unwritten memory holds something else each time.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { InferenceSession, type Preset, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { bytesOf } from "../../src/session/feeds.ts";
import { build, f32 } from "../graph/build.ts";
import { checkSessions, poisonSessions } from "../support/checked/core.ts";

let restore = (): void => {};
afterEach(() => restore());

const bits = (outputs: Record<string, Tensor>): Uint8Array[] =>
  Object.entries(outputs).map(([, tensor]) => bytesOf(tensor).slice());

describe.each(["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"])("%s", (name) => {
  const onnx = new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
  const image = f32(
    [2, 1, 28, 28],
    Array.from({ length: 1568 }, (_, i) => Math.fround(Math.sqrt(i) % 3) - 1.5),
  );

  async function outputs(preset: Preset, build: "scalar" | "simd", batch: number): Promise<Uint8Array[]> {
    await using session = await InferenceSession.create(onnx, { preset, build });
    const whole = bits(await session.run({ image }));
    // a smaller program in the arena of a larger one
    const one = new Tensor("float32", (image.data as Float32Array).slice(0, 784 * batch), [batch, 1, 28, 28]);
    return [...whole, ...bits(await session.run({ image: one }))];
  }

  test.each<Preset>(["float32", "faithful", "compact"])(
    "%s leaves no buffer and reads nothing unwritten",
    async (preset) => {
      const expected = await outputs(preset, "simd", 1);
      for (const build of ["scalar", "simd"] as const) {
        restore = checkSessions();
        expect(await outputs(preset, build, 1)).toEqual(expected);
        restore();
      }
    },
  );

  test("gives the same bits whatever the arena held", async () => {
    const expected = await outputs("faithful", "simd", 1);
    for (const poison of [0x00, 0xff, 0x5a]) {
      restore = poisonSessions(poison);
      expect(await outputs("faithful", "simd", 1)).toEqual(expected);
      restore();
    }
  });
});

describe("a run that fails", () => {
  const gathers = build(
    { x: ["n", 3], i: { type: "int64", shape: ["k"] } },
    { w: f32([3, 4]) },
    [
      ["Mul", ["x", "x"], ["squared"]],
      ["Gather", ["squared", "i"], ["rows"], { axis: 0 }],
      ["MatMul", ["rows", "w"], ["y"]],
    ],
    ["y"],
  );
  const feeds = (n: number, index: readonly (number | bigint)[]): Record<string, Tensor> => ({
    x: f32([n, 3]),
    i: new Tensor("int64", BigInt64Array.from(index, BigInt)),
  });

  test.each([
    [[0, 7], "index 7 on axis 0 expected one of -5..4"],
    [[-6, 0], "index -6 on axis 0 expected one of -5..4"],
    [[0, 2n ** 40n], "index 1099511627776 on axis 0 expected one of -5..4"],
  ])("says node, operator, opset, index, axis and range: %s", async (index, message) => {
    await using session = await InferenceSession.create(writeOnnx(gathers), { preset: "float32" });
    const run = session.run(feeds(5, index));
    await expect(run).rejects.toThrow(RangeError);
    await expect(run).rejects.toThrow(`node "Gather_1" (Gather, opset 17): ${message}`);
  });

  test("leaves nothing behind that a later run can see", async () => {
    const seen: Uint8Array[][] = [];
    for (const poison of [0x00, 0xff, 0x5a]) {
      for (const install of [poisonSessions, checkSessions]) {
        restore = install(poison);
        await using session = await InferenceSession.create(writeOnnx(gathers), { preset: "float32" });
        await session.run(feeds(2000, [1999, 3]));
        await expect(session.run(feeds(1000, [1, 1000]))).rejects.toThrow("index 1000 on axis 0");
        seen.push(bits(await session.run(feeds(4, [0, -1, 2]))));
        restore();
      }
    }
    for (const other of seen) expect(other).toEqual(seen[0]);
  });
});

test("an output that is the weight of a layer is a copy: nothing is made canonical in the weight itself", async () => {
  const graph = build(
    { x: ["n", 16] },
    { w: f32([16, 8]) },
    [
      ["Identity", ["w"], ["out"]],
      ["MatMul", ["x", "w"], ["y"]],
    ],
    ["out", "y"],
  );
  restore = checkSessions();
  await using session = await InferenceSession.create(writeOnnx(graph), { preset: "faithful" });
  const { out } = await session.run({ x: f32([2, 16]) });
  expect(out!.dims).toEqual([16, 8]);
});

test("a network is measured, whose layers run in other ways on what one run left", async () => {
  const w = f32([64, 64]);
  const onnx = writeOnnx(build({ x: [2, 64] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
  const x = f32([2, 64]);
  const measured = async (): Promise<Uint8Array[]> => {
    await using session = await InferenceSession.create(onnx, { preset: "fast", check: true, build: "scalar" });
    return bits(await session.run({ x }));
  };
  const expected = await measured();
  restore = checkSessions();
  expect(await measured()).toEqual(expected);
});
