import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { GraphProto } from "../../src/onnx/schema.ts";
import { quantize } from "../../src/quantize/index.ts";
import { encode, nodeProto, valueProto } from "../onnx/proto.ts";

/** y = (x · w) · scale; w [2, 2] and scale are initializers that are inputs too. */
function model(ir_version = 8): Uint8Array {
  const initializer = [
    { name: "w", dims: [2, 2], data_type: 1, float_data: [1, 2, 3, 4] },
    { name: "scale", dims: [], data_type: 1, float_data: [2] },
    { name: "fixed", dims: [], data_type: 1, float_data: [0] },
  ] as unknown as GraphProto["initializer"];
  return encode(
    {
      input: [valueProto("x", ["n", 2]), valueProto("w", [2, 2]), valueProto("scale", [])],
      output: [valueProto("y", ["n", 2])],
      node: [
        nodeProto("MatMul", ["x", "w"], ["product"]),
        nodeProto("Mul", ["product", "scale"], ["scaled"]),
        nodeProto("Add", ["scaled", "fixed"], ["y"]),
      ],
      initializer,
    },
    { ir_version },
  );
}

const x = new Tensor("float32", [1, 1], [1, 2]);
const scale = new Tensor("float32", [10], []);
const w = new Tensor("float32", [1, 0, 0, 1], [2, 2]);

describe("initializers that are inputs", () => {
  it.each(["float32", "faithful"] as const)("are defaults that a feed overrides, in %s", async (preset) => {
    const session = await InferenceSession.create(model(), { preset });
    expect(session.inputNames).toEqual(["x"]);
    const y = async (feeds: Record<string, Tensor>) =>
      Array.from((await session.run({ x, ...feeds }))["y"]!.data as Float32Array);
    const close = (values: number[]) => values.map((v) => expect.closeTo(v, preset === "float32" ? 5 : 1));
    expect(await y({})).toEqual(close([8, 12]));
    expect(await y({ scale })).toEqual(close([40, 60]));
    expect(await y({ w })).toEqual(close([2, 2]));
    expect(await y({ w, scale })).toEqual(close([10, 10]));
    expect(await y({ scale })).toEqual(close([40, 60]));
    expect(await y({})).toEqual(close([8, 12]));
    expect((await session.profile({ x, scale })).length).toBeGreaterThan(0);
    await session.release();
  });

  it("are checked as inputs are", async () => {
    const session = await InferenceSession.create(model(), { preset: "float32" });
    const wrong = new Tensor("float64", [1], []);
    await expect(session.run({ x, scale: wrong })).rejects.toThrow('input "scale" expected float32');
    await expect(session.run({ x, w: scale })).rejects.toThrow('input "w" expected float32 [2, 2]');
    await expect(session.run({ x, fixed: scale })).rejects.toThrow('no input "fixed"');
    await expect(session.run({ scale })).rejects.toThrow('input "x"');
    await session.release();
  });

  it("are constants before IR version 4, which lists all of them", async () => {
    const session = await InferenceSession.create(model(3), { preset: "float32" });
    await expect(session.run({ x, scale })).rejects.toThrow('no input "scale"');
    await session.release();
  });

  it("are constants of a container, which says so", async () => {
    const { bytes } = await quantize(model());
    const session = await InferenceSession.create(bytes);
    await expect(session.run({ x, scale })).rejects.toThrow(
      '"scale" is an initializer, which a container keeps as a constant',
    );
    expect((await session.run({ x }))["y"]!.dims).toEqual([1, 2]);
    await session.release();
  });
});
