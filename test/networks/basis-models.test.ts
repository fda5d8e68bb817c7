import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { abelianAdd, BasisModel, basisModels } from "../../src/entries/series.ts";
import { readModel } from "../../src/model/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { fuse, nearestEven } from "../../src/series/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../model/models.ts";
import { network } from "../quantize/networks.ts";

describe("basis models of a container", () => {
  it("are one per term for every linear layer, convolutions included; together they are the network", async () => {
    const { bytes } = await quantize(writeOnnx(network()), { preset: "fast" });
    const models = basisModels(bytes);
    const model = readModel(bytes);
    expect(models.length).toBe(3);
    expect([...models[0]!.layers.keys()]).toEqual(["stem", "depthwise", "pointwise", "dense1", "dense2"]);
    const owners = models.map((m) => [...m.layers.values()].filter((l) => l.bias !== undefined).length);
    expect(owners).toEqual([1, 0, 0]);
    for (const order of [models, [...models].reverse()]) {
      const whole = order.reduce(abelianAdd);
      for (const [name, layer] of whole.layers) {
        const node = model.graph.nodes.find((n) => n.name === name)!;
        expect(Array.from(layer.weights)).toEqual(Array.from(fuse(model.weights.get(node.inputs[1]!)!)));
      }
    }
  });

  it("give a convolution's output, bit for bit, when their accumulators are added", async () => {
    const x = new Tensor("float32", noise(2 * 4 * 4, 3), [1, 2, 4, 4]);
    const w = new Tensor("float32", noise(3 * 2 * 9, 4), [3, 2, 3, 3]);
    const b = new Tensor("float32", noise(3, 5), [3]);
    const onnx = writeOnnx(build({ x: [1, 2, 4, 4] }, { w, b }, [["Conv", ["x", "w", "b"], ["y"]]], ["y"]));
    const plan = { version: 1, default: { bits: 4, weightTerms: 3, activationTerms: 2 } } as const;
    const { bytes } = await quantize(onnx, { plan });
    const session = await InferenceSession.create(bytes);
    const { y } = await session.run({ x });
    const f = Math.fround;
    const [lo, hi] = [Math.min(0, ...x.data), Math.max(0, ...x.data)];
    const scale = f(f(hi - lo) / 255);
    const inverse = f(1 / scale);
    const zero = nearestEven(f(-lo * inverse)) - 128;
    const q = Array.from(x.data, (v) => Math.min(127, Math.max(-128, nearestEven(f(v * inverse)) + zero)) - zero);
    const columns = new Int32Array(18 * 4);
    for (let at = 0; at < 4; at++) {
      for (let e = 0; e < 18; e++) {
        const [c, tap] = [e % 2, Math.floor(e / 2)];
        columns[e * 4 + at] = q[c * 16 + (Math.floor(at / 2) + Math.floor(tap / 3)) * 4 + (at % 2) + (tap % 3)]!;
      }
    }
    const models = basisModels(bytes);
    const [name] = models[0]!.layers.keys();
    const sum = models.map((m) => m.accumulate(name!, columns)).reduceRight((a, c) => a.add(c));
    expect(models[0]!.output(name!, sum, scale)).toEqual(y!.data);
    expect(models[0]).toBeInstanceOf(BasisModel);
  });

  it("refuses what is no container", () => {
    expect(() => basisModels(new Uint8Array(9))).toThrow();
  });
});
