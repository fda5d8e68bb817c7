import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { agreed, close, tensor } from "./agree.ts";

const extents = fc.constantFrom(3, 5, 8);
const window = fc.record({
  height: extents,
  width: extents,
  channels: fc.constantFrom(1, 3, 4, 9),
  kernel: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2, 3)),
  strides: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2)),
  dilations: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 1)),
  pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
  ceil: fc.boolean(),
  include: fc.nat(1),
  seed: fc.nat(999),
});

describe("pooling, channels last", () => {
  test("MaxPool and AveragePool against their definitions", async () => {
    await fc.assert(
      fc.asyncProperty(window, async (w) => {
        const input = [w.height, w.width];
        const kernel = w.kernel.map((k, i) => Math.min(k, w.pads[i]! > 0 ? 3 : k));
        const out = input.map((e, i) => {
          const span = e + w.pads[i]! + w.pads[i + 2]! - (kernel[i]! - 1) * w.dilations[i]! - 1;
          let n = Math.floor(span / w.strides[i]!) + 1;
          // a window that would start in the right padding is left out
          if (w.ceil && span % w.strides[i]! !== 0 && n * w.strides[i]! < e + w.pads[i]!) n++;
          return n;
        });
        // pads are less than the kernel
        if (out.some((e) => e < 1) || kernel.some((k, i) => Math.max(w.pads[i]!, w.pads[i + 2]!) >= k)) return;
        const x = tensor(w.seed, [2, w.height, w.width, w.channels], false);
        const shape = [2, ...out, w.channels];
        const attributes = {
          kernel_shape: kernel,
          strides: [...w.strides],
          dilations: [...w.dilations],
          pads: [...w.pads],
          ceil_mode: w.ceil ? 1 : 0,
          count_include_pad: w.include,
        };
        const expected = { max: [] as number[], average: [] as number[] };
        for (let i = 0; i < 2 * out[0]! * out[1]! * w.channels; i++) {
          const c = i % w.channels;
          const ox = Math.floor(i / w.channels) % out[1]!;
          const oy = Math.floor(i / w.channels / out[1]!) % out[0]!;
          const b = Math.floor(i / w.channels / out[1]! / out[0]!);
          const inside: number[] = [];
          let counted = 0;
          for (let ky = 0; ky < kernel[0]!; ky++) {
            for (let kx = 0; kx < kernel[1]!; kx++) {
              const y = oy * w.strides[0] - w.pads[0] + ky * w.dilations[0];
              const z = ox * w.strides[1] - w.pads[1] + kx * w.dilations[1];
              if (y < w.height + w.pads[2] && z < w.width + w.pads[3]) counted++;
              if (y < 0 || z < 0 || y >= w.height || z >= w.width) continue;
              inside.push(Number(x.data[((b * w.height + y) * w.width + z) * w.channels + c]));
            }
          }
          expected.max.push(Math.max(...inside));
          expected.average.push(inside.reduce((s, v) => s + v, 0) / (w.include ? counted : inside.length));
        }
        const outputs = [{ type: "float32", shape }] as const;
        const [max] = await agreed({ op: "MaxPool", domain: "bitbasis", attributes, inputs: [x], outputs });
        expect([...(max!.data as Float32Array)]).toEqual(expected.max);
        const [average] = await agreed({ op: "AveragePool", domain: "bitbasis", attributes, inputs: [x], outputs });
        close(average!.data as Float32Array, expected.average, 1e-5);
      }),
      { numRuns: 60 },
    );
  });

  test("global pools, both layouts", async () => {
    const x = tensor(3, [2, 3, 5, 7], false);
    const first = [{ type: "float32", shape: [2, 3, 1, 1] }] as const;
    const [y] = await agreed({ op: "GlobalAveragePool", inputs: [x], outputs: first });
    const expected = Array.from(
      { length: 6 },
      (_, i) => (x.data as Float32Array).subarray(35 * i, 35 * i + 35).reduce((s, v) => s + v, 0) / 35,
    );
    close(y!.data as Float32Array, expected, 1e-5);
    const perm = [0, 2, 3, 1];
    const [last] = await agreed({
      op: "Transpose",
      attributes: { perm },
      inputs: [x],
      outputs: [{ type: "float32", shape: [2, 5, 7, 3] }],
    });
    const outputs = [{ type: "float32", shape: [2, 1, 1, 3] }] as const;
    const [z] = await agreed({ op: "GlobalAveragePool", domain: "bitbasis", inputs: [last!], outputs });
    close(z!.data as Float32Array, expected, 1e-5);
  });

  test("Resize: nearest doubles pixels, linear passes through halves, channels last and first alike", async () => {
    const x = new Tensor("float32", [1, 2, 3, 4], [1, 2, 2, 1]);
    const scales = new Tensor("float32", [1, 2, 2, 1]);
    const run = async (attributes: Record<string, string>): Promise<number[]> => {
      const inputs = [x, "", scales] as const;
      const c = {
        op: "Resize",
        domain: "bitbasis",
        attributes,
        inputs,
        constants: [2],
        outputs: [{ type: "float32", shape: [1, 4, 4, 1] }],
      } as const;
      const [y] = await agreed(c);
      return [...(y!.data as Float32Array)];
    };
    expect(await run({ mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" })).toEqual(
      [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4],
    );
    expect((await run({ mode: "linear" })).slice(0, 8)).toEqual([1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5]);
  });
});
