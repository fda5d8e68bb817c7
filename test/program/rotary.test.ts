import { expect, it } from "vitest";
import type { Tensor } from "../../src/tensor/index.ts";
import { agreed, tensor } from "./agree.ts";

const { fround } = Math;

/** The pairs of a row one after the other, each operation rounded by itself. */
function expected(x: Tensor, cosines: Tensor, sines: Tensor, interleaved: boolean): number[] {
  const [batch, heads, places, size] = x.dims as [number, number, number, number];
  const half = cosines.dims[3]!;
  const [data, c, s] = [x, cosines, sines].map((one) => one.data as Float32Array) as Float32Array[];
  const result = [...data!];
  for (let row = 0; row < batch * heads * places; row++) {
    const sample = cosines.dims[0] === 1 ? 0 : Math.floor(row / (heads * places));
    const angle = (sample * places + (row % places)) * half;
    for (let i = 0; i < half; i++) {
      const [p, q] = interleaved ? [2 * i, 2 * i + 1] : [i, i + half];
      const [a, b] = [data![row * size + p]!, data![row * size + q]!];
      const [cos, sin] = [c![angle + i]!, s![angle + i]!];
      result[row * size + p] = fround(fround(cos * a) - fround(sin * b));
      result[row * size + q] = fround(fround(sin * a) + fround(cos * b));
    }
  }
  return result;
}

it.each([
  { shape: [1, 1, 1, 2], angles: 1, half: 1 },
  { shape: [2, 3, 4, 10], angles: 1, half: 5 },
  { shape: [2, 3, 4, 16], angles: 2, half: 8 },
  { shape: [1, 2, 7, 21], angles: 1, half: 3 },
  { shape: [3, 1, 1, 9], angles: 3, half: 4 },
])("turns $shape by the angles of $angles batches, $half pairs of a row", async ({ shape, angles, half }) => {
  const x = tensor(1, shape, false);
  const [cosines, sines] = [2, 3].map((seed) => tensor(seed, [angles, 1, shape[2]!, half], false));
  for (const interleaved of [0, 1]) {
    const [y] = await agreed({
      ...{ op: "Rotary", domain: "bitbasis", attributes: { interleaved } },
      inputs: [x, cosines!, sines!],
      outputs: [{ type: "float32", shape }],
    });
    expect([...(y!.data as Float32Array)]).toEqual(expected(x, cosines!, sines!, interleaved === 1));
  }
});

it("has the same bits for edges, and nothing to do without places", async () => {
  const x = tensor(4, [2, 2, 5, 13]);
  const angles = [5, 6].map((seed) => tensor(seed, [2, 1, 5, 6]));
  for (const interleaved of [0, 1])
    await agreed({
      ...{ op: "Rotary", domain: "bitbasis", attributes: { interleaved } },
      inputs: [x, ...angles],
      outputs: [{ type: "float32", shape: x.dims }],
    });
  const none = tensor(7, [1, 2, 0, 4]);
  const [y] = await agreed({
    ...{ op: "Rotary", domain: "bitbasis", inputs: [none, tensor(8, [1, 1, 0, 2]), tensor(9, [1, 1, 0, 2])] },
    outputs: [{ type: "float32", shape: [1, 2, 0, 4] }],
  });
  expect(y!.size).toBe(0);
});
