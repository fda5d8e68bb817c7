import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Attribute } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";

/** Made by bench/contrib.mjs: what onnxruntime 1.30 answers. */
interface Fixture {
  readonly name: string;
  readonly op: string;
  readonly attributes: Record<string, Attribute>;
  readonly inputs: readonly (Plain | null)[];
  readonly outputs: readonly (Plain | null)[];
}

interface Plain {
  readonly name?: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: readonly number[];
  readonly constant?: true;
}

const FIXTURES: readonly Fixture[] = JSON.parse(
  readFileSync(new URL("../fixtures/contrib.json", import.meta.url), "utf8"),
);

function tensorOf({ type, dims, data }: Plain): Tensor {
  return new Tensor(type, (type === "int64" ? data.map(BigInt) : [...data]) as never, dims);
}

function onnxOf({ name, op, attributes, inputs, outputs }: Fixture): Uint8Array {
  const named = inputs.flatMap((input, i) => (input === null ? [] : [{ name: `x${i}`, ...input }]));
  return writeOnnx({
    name,
    opsets: { "": 17, "com.microsoft": 1 },
    inputs: named.filter((input) => !input.constant).map(({ name, type, dims }) => ({ name, type, shape: dims })),
    outputs: outputs.flatMap((o) => (o === null ? [] : [{ name: o.name!, type: o.type, shape: undefined }])),
    initializers: new Map(named.filter((input) => input.constant).map((input) => [input.name, tensorOf(input)])),
    nodes: [
      {
        name: op,
        op,
        domain: "com.microsoft",
        inputs: inputs.map((input, i) => (input === null ? "" : `x${i}`)),
        outputs: outputs.map((output) => output?.name ?? ""),
        attributes,
      },
    ],
  });
}

describe("operators of onnxruntime's domain", () => {
  it.each(FIXTURES.map((fixture) => [fixture.name, fixture] as const))("%s", async (_, fixture) => {
    const feeds = Object.fromEntries(
      fixture.inputs.flatMap((input, i) => (input === null || input.constant ? [] : [[`x${i}`, tensorOf(input)]])),
    );
    const results = [];
    for (const build of ["scalar", "simd"] as const) {
      const session = await InferenceSession.create(onnxOf(fixture), { preset: "float32", build });
      results.push(await session.run(feeds));
      await session.release();
    }
    for (const expected of fixture.outputs) {
      if (expected === null) continue;
      const [scalar, simd] = results.map((result) => result[expected.name!]!);
      expect(simd!.dims).toEqual(expected.dims);
      expect(simd!.type).toBe(expected.type);
      expect(simd!.data).toEqual(scalar!.data);
      const most = Math.max(1e-6, ...expected.data.map(Math.abs));
      expected.data.forEach((value, i) => {
        expect(Math.abs(Number(simd!.data[i]) - value) / most, `${expected.name}[${i}]`).toBeLessThan(1e-5);
      });
    }
  });
});
