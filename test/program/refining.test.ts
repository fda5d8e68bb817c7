// Terms that come one by one, in every kind of panels: after each the bits are those of a session that was created with so many, whether the panels were there before the terms or not.
import { describe, expect, it } from "vitest";
import { InferenceSession, type LayerPlan, type Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build } from "../graph/build.ts";
import { noiseTensor as noise } from "../model/models.ts";

type Spec = readonly [shape: readonly number[], weights: readonly number[], op: string, attributes: object];

const LAYERS: Readonly<Record<string, Spec>> = {
  "a product": [[3, 20], [20, 11], "MatMul", {}],
  "3 × 3 over pictures": [[1, 16, 9, 8], [24, 16, 3, 3], "Conv", { pads: [1, 1, 1, 1] }],
  "two groups": [[1, 10, 5, 5], [6, 5, 2, 2], "Conv", { group: 2 }],
  depthwise: [[1, 9, 6, 6], [9, 1, 3, 3], "Conv", { group: 9, pads: [1, 1, 1, 1] }],
  "some taps for each phase": [[1, 6, 4, 4], [6, 8, 3, 3], "ConvTranspose", { strides: [2, 2] }],
};

const PLANS: Readonly<Record<string, LayerPlan>> = {
  "four terms of 2 bits": { bits: 2, weightTerms: 4, activationTerms: 3 },
  "two terms of 2 bits, activations of 6": { bits: 2, weightTerms: 2, activationTerms: 3 },
  "three terms of 4 bits": { bits: 4, weightTerms: 3, activationTerms: 4 },
  "the bias of an outlier": { bits: 4, weightTerms: 3, activationTerms: 3, outliers: 0.02 },
  "pairs that are left out": { bits: 4, weightTerms: 3, activationTerms: 3, pairs: { upTo: 4 } },
};

function graphOf([shape, weights, op, attributes]: Spec): Graph {
  const nodes = [[op, ["x", "w"], ["y"], attributes]] as never;
  return build({ x: shape }, { w: noise([...weights], 3) }, nodes, ["y"]);
}

const bits = ({ data }: Tensor): Uint32Array => new Uint32Array((data as Float32Array).slice().buffer);

describe.each(Object.entries(LAYERS))("%s", (_, spec) => {
  it.each(Object.entries(PLANS))("in %s", async (__, layer) => {
    const { bytes } = await quantize(writeOnnx(graphOf(spec)), { plan: { version: 1, default: layer } });
    const container = bytes as Uint8Array<ArrayBuffer>;
    const feeds = { x: noise([...spec[0]], 9) };
    const run = async (session: InferenceSession) => bits((await session.run(feeds))["y"]!);
    const progressive = () => InferenceSession.create(new Blob([container]).stream(), { progressive: true });
    // One makes its panels of the first term, one those of all but the last, before they are refined.
    const [early, late] = [await progressive(), await progressive()];
    const stages: Uint32Array[] = [];
    for (let terms = 1; terms <= layer.weightTerms; terms++) {
      const whole = await InferenceSession.create(container, { terms });
      const expected = await run(whole);
      await whole.release();
      expect(await run(early), `${terms} terms`).toEqual(expected);
      if (terms >= layer.weightTerms - 1) expect(await run(late), `panels of ${terms} terms`).toEqual(expected);
      stages.push(expected);
      for (const session of [early, late]) await session.refine();
    }
    // Each term says something: two stages that are alike would hide one that was not added.
    for (const [i, stage] of stages.slice(1).entries()) expect(stage).not.toEqual(stages[i]);
    for (const session of [early, late]) await session.release();
  });
});
