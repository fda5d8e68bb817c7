import { expect, test } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { compare } from "../../src/session/compare.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { network, towers } from "../quantize/networks.ts";

const onnx = writeOnnx(towers());
const feeds = [{ x: new Tensor("float32", noise(48, 5), [1, 48]) }];
const layer = (weightTerms: number) => ({ version: 1, default: { bits: 4, weightTerms, activationTerms: 4 } }) as const;

test("plans and containers are compared by name, alone or beside presets", async () => {
  const { bytes } = await quantize(onnx, { plan: layer(2) });
  const rows = await compare(onnx, feeds, { plans: { one: layer(1), two: layer(2) }, containers: { file: bytes } });
  expect(rows.map(({ preset }) => preset)).toEqual(["one", "two", "file"]);
  expect(rows[0]!.maxDifference).toBeGreaterThan(4 * rows[1]!.maxDifference);
  expect(rows[2]!.maxDifference).toBe(rows[1]!.maxDifference);
  expect(rows[2]!.bytes).toBe(bytes.length);
  const beside = await compare(onnx, feeds, { presets: ["float32"], plans: { one: layer(1) } });
  expect(beside.map(({ preset, maxDifference }) => [preset, maxDifference === 0])).toEqual([
    ["float32", true],
    ["one", false],
  ]);
});

test("what is no plan, no container or one of another network is refused", async () => {
  await expect(compare(onnx, feeds, { plans: { odd: 7 } as never })).rejects.toThrow('"plan" expected an object');
  await expect(compare(onnx, feeds, { plans: 7 as never })).rejects.toThrow('"plans" expected a record by name');
  await expect(compare(onnx, feeds, { containers: { odd: "x" } as never })).rejects.toThrow(
    '"containers.odd" expected',
  );
  const { bytes } = await quantize(writeOnnx(network()));
  await expect(compare(onnx, feeds, { containers: { other: bytes } })).rejects.toThrow(
    '"other" is of another network: it has an output "out"',
  );
  const { bytes: good } = await quantize(onnx);
  const damaged = good.slice();
  damaged[good.length - 1]! ^= 1;
  await expect(compare(onnx, feeds, { containers: { good, damaged } })).rejects.toThrow(
    '"damaged": the container is damaged',
  );
});
