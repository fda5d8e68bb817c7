// Stages of one graph at several sizes, found out and lowered beside each other, are those that each gives alone.
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/index.ts";
import { optimize } from "../../src/graph/index.ts";
import { specialize } from "../../src/graph/specialize.ts";
import { specializeTogether } from "../../src/graph/specialize-together.ts";
import type { Stage } from "../../src/graph/stage.ts";
import { Beside } from "../../src/program/beside.ts";
import { type Compiled, type CompileTarget, compile } from "../../src/program/compile.ts";
import { Constants } from "../../src/program/constants.ts";
import type { KeptInput } from "../../src/program/kept.ts";
import type { Lowering } from "../../src/program/lowering.ts";
import { loadOperators } from "../../src/program/operators/chunks.ts";
import { Panels } from "../../src/program/panels.ts";
import { cachePairs, decoder } from "../support/decoder.ts";

const SIZES = { layers: 2, width: 32, heads: 2, hidden: 40, vocabulary: 24, tokens: 64 };
const PASTS = [40, 1, 2];

/** Counts nodes that are lowered, and those that are done again. */
class Counting extends Beside {
  lowered = 0;
  visits = 0;

  override visit(l: Lowering, stage: Stage, i: number, lower: () => void): void {
    this.visits++;
    super.visit(l, stage, i, () => {
      this.lowered++;
      lower();
    });
  }
}

/** What of a stage decides its program. */
function contents({ nodes, values, constants, inputs, outputs }: Stage): unknown {
  const known = [...values].map(([name, { type, shape }]) => [name, type, [...shape]]);
  const elements = [...constants].map(([name, { type, dims, data }]) => [
    name,
    type,
    [...dims],
    Array.from(data as ArrayLike<unknown>),
  ]);
  return { nodes, known: known.sort(), elements: elements.sort(), inputs, outputs };
}

/** The steps of a program; addresses of constants that each program has for itself as their places among them. */
function program({ steps, buffers, owned, outputs }: Compiled): unknown {
  const place = (word: unknown): unknown => {
    const own = owned.findIndex(
      ({ at, data }) => typeof word === "number" && word >= at && word < at + data.byteLength,
    );
    return own < 0 ? word : `own ${own}, ${(word as number) - owned[own]!.at}`;
  };
  const words = steps.map(({ step, node, kernel, macs, bytes }) => ({
    ...{ node, kernel, macs, bytes },
    ...{ opcode: step.opcode, words: step.words.map(place) },
  }));
  return { words, buffers, owned: owned.map(({ data }) => data), outputs: [...outputs.keys()] };
}

await loadOperators(decoder({ form: "grouped", ...SIZES }));

describe.each(["plain", "grouped"] as const)("a decoder in %s form", (form) => {
  const graph = optimize(decoder({ form, ...SIZES }));
  const pairs = Object.entries(cachePairs(SIZES));
  const kept = new Map<string, KeptInput>(pairs.map(([output, input]) => [input, { output, axis: 2, capacity: 64 }]));
  const feeds = PASTS.map((past) => ({
    input_ids: { type: "int64" as const, shape: [1, 1] },
    ...Object.fromEntries(
      pairs.map(([, input]) => [
        input,
        { type: "float32" as const, shape: [1, SIZES.heads, past, SIZES.width / SIZES.heads] },
      ]),
    ),
  }));
  const options = { kept: [...kept.keys()] };
  const together = specializeTogether(graph, feeds, options, () => "fold")!;

  it("has the stages of single sizes", () => {
    expect(together.map(contents)).toEqual(feeds.map((one) => contents(specialize(graph, one, options))));
  });

  it("has what does not depend on the past in common", () => {
    const [first, ...others] = together as [Stage, ...Stage[]];
    for (const { values, constants } of others) {
      const own = [...values].filter(([name, { shape }]) => first.values.get(name)?.shape !== shape);
      expect(own.length).toBeLessThan(values.size / 2);
      for (const [name, { shape }] of own)
        if (!constants.has(name)) expect(shape, name).not.toEqual(first.values.get(name)?.shape);
    }
  });

  it("has the programs of single sizes, most of whose nodes are lowered once", async () => {
    const core = await Core.create("simd");
    const target: CompileTarget = { core, constants: new Constants(core), panels: new Panels(core), threads: 1 };
    const planned = { graph, weights: new Map(), layers: new Map() };
    const beside = new Counting();
    const programs = together.map((stage) => compile(planned, stage, target, kept, beside));
    const alone = together.map((stage) => compile(planned, stage, target, kept));
    expect(programs.map(program)).toEqual(alone.map(program));
    // Of three visits to a node one lowers it; of the other two more than half need not.
    expect(beside.visits - beside.lowered).toBeGreaterThan(beside.visits / 3);
    expect(programs.slice(1).map(({ arenaBytes }) => arenaBytes)).toEqual([0, 0]);
    expect(programs[0]!.arenaBytes).toBe(alone[0]!.arenaBytes);
  });
});
