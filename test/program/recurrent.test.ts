import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { agreed, close, tensor } from "./agree.ts";
import type { OperatorCase } from "./harness.ts";
import { runOperator } from "./harness.ts";
import { type Recurrence, recurrence } from "./recurrence.ts";

const NAMES = "Relu,Tanh,Sigmoid,Affine,LeakyRelu,ThresholdedRelu,ScaledTanh,HardSigmoid,Elu,Softsign,Softplus".split(
  ",",
);

const drawn = fc.record({
  kind: fc.constantFrom("RNN", "GRU", "LSTM"),
  time: fc.constantFrom(1, 2, 5),
  batch: fc.constantFrom(1, 2, 5),
  hidden: fc.constantFrom(1, 3, 4, 9, 16),
  names: fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...NAMES), fc.constantFrom(...NAMES)),
  alpha: fc.constantFrom(0.25, 0.5, 0.75),
  clip: fc.constantFrom(undefined, 0.5),
  reverse: fc.boolean(),
  lengths: fc.boolean(),
  state: fc.boolean(),
  extra: fc.boolean(),
  flag: fc.boolean(),
  seed: fc.nat(999),
});

interface Drawn {
  readonly kind: "RNN" | "GRU" | "LSTM";
  readonly time: number;
  readonly batch: number;
  readonly hidden: number;
  readonly names: readonly string[];
  readonly alpha: number;
  readonly clip: number | undefined;
  readonly reverse: boolean;
  readonly lengths: boolean;
  readonly state: boolean;
  readonly extra: boolean;
  /** LSTM: coupled gates. GRU: the reset comes before the product. */
  readonly flag: boolean;
  readonly seed: number;
}

/** Small numbers, so that a sequence of affine gates stays in range. */
function small(seed: number, shape: readonly number[]): Tensor {
  const wide = tensor(seed, shape, false).data as Float32Array;
  return new Tensor(
    "float32",
    Float32Array.from(wide, (v) => v / 8),
    shape,
  );
}

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;

function caseOf(d: Drawn): { operator: OperatorCase; reference: Recurrence } {
  const { kind } = d;
  const gates = GATES[kind];
  const n = d.hidden;
  const two = kind === "GRU" && d.flag;
  const x = small(d.seed, [d.time, d.batch, gates * n]);
  const r = small(d.seed + 1, [gates * n, n]);
  const lengths = new Tensor(
    "int32",
    Int32Array.from({ length: d.batch }, (_, b) => (d.seed + b) % (d.time + 1)),
    [d.batch],
  );
  const state = small(d.seed + 3, [d.batch, n]);
  const cell = small(d.seed + 4, [d.batch, n]);
  const extra = small(d.seed + 5, kind === "LSTM" ? [3, n] : [n]);
  const withExtra = d.extra && (kind === "LSTM" || (kind === "GRU" && !two));
  const shape = [d.batch, n];
  const floats = (t: Tensor): number[] => Array.from(t.data as Float32Array);
  const value = { type: "float32" } as const;
  return {
    operator: {
      op: kind,
      domain: "bitbasis",
      attributes: {
        direction: d.reverse ? "reverse" : "forward",
        activations: d.names,
        activation_alpha: [d.alpha, d.alpha, d.alpha],
        activation_beta: [0.125, 0.125, 0.125],
        ...(d.clip === undefined ? {} : { clip: d.clip }),
        ...(kind === "LSTM" && d.flag ? { input_forget: 1 } : {}),
        ...(kind === "GRU" ? { linear_before_reset: two ? 0 : 1 } : {}),
      },
      inputs: [
        ...[x, r, d.lengths ? lengths : ""],
        ...[d.state ? state : "", d.state && kind === "LSTM" ? cell : "", withExtra ? extra : ""],
      ] as (Tensor | "")[],
      outputs: [
        { ...value, shape: [d.time, d.batch, n] },
        { ...value, shape },
        ...(kind === "LSTM" ? [{ ...value, shape }] : []),
      ],
    },
    reference: {
      ...{ kind, time: d.time, batch: d.batch, hidden: n, reverse: d.reverse, coupled: d.flag, resetFirst: two },
      ...{ x: floats(x), r: floats(r), clip: d.clip ?? Infinity },
      ...{ activations: d.names.map((name) => ({ name, alpha: d.alpha, beta: 0.125 })) },
      ...{ lengths: d.lengths ? [...(lengths.data as Int32Array)] : undefined },
      ...{ state: d.state ? floats(state) : undefined, cell: d.state ? floats(cell) : undefined },
      ...{ extra: withExtra ? floats(extra) : undefined },
    },
  };
}

describe("recurrent networks", () => {
  test("RNN, GRU and LSTM with every activation, against their formulas", async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (d) => {
        const { operator, reference } = caseOf(d);
        const results = await agreed(operator);
        const expected = recurrence(reference);
        close(results[0]!.data as Float32Array, expected.outputs, 1e-4);
        close(results[1]!.data as Float32Array, expected.state, 1e-4);
        if (d.kind === "LSTM") close(results[2]!.data as Float32Array, expected.cell, 1e-4);
      }),
      { numRuns: 150 },
    );
  });

  test("a row does not see its neighbours in the batch, and a sequence without elements keeps its state", async () => {
    const d = { kind: "LSTM", time: 4, batch: 3, hidden: 5, names: ["Sigmoid", "Tanh", "Tanh"], seed: 7 } as const;
    const rest = { alpha: 0, clip: undefined, reverse: false, lengths: false, state: true, extra: true, flag: false };
    const { operator } = caseOf({ ...d, ...rest });
    const [together] = await runOperator(operator);
    const row = (t: Tensor | "", axis: number): Tensor | "" => {
      if (t === "") return t;
      const outer = axis === 0 ? 1 : t.dims[0]!;
      const inner = t.size / outer / 3;
      const data = Array.from({ length: outer }, (_, i) =>
        Array.from((t.data as Float32Array).subarray((i * 3 + 1) * inner, (i * 3 + 2) * inner)),
      ).flat();
      return new Tensor("float32", Float32Array.from(data), t.dims.with(axis, 1));
    };
    const inputs = operator.inputs.map((t, i) => (i === 0 ? row(t, 1) : i === 3 || i === 4 ? row(t, 0) : t));
    const outputs = [4, 1, 1].map((_, i) => ({ type: "float32" as const, shape: i === 0 ? [4, 1, 5] : [1, 5] }));
    const [alone] = await runOperator({ ...operator, inputs, outputs });
    expect((row(together!, 1) as Tensor).data).toEqual(alone!.data);

    const empty = new Tensor("float32", new Float32Array(0), [0, 3, 20]);
    const nothing = [{ type: "float32" as const, shape: [0, 3, 5] }, ...operator.outputs.slice(1)];
    const [none, state] = await agreed({ ...operator, inputs: [empty, ...operator.inputs.slice(1)], outputs: nothing });
    expect(none!.size).toBe(0);
    expect(state!.data).toEqual((operator.inputs[3] as Tensor).data);
  });

  test("a length outside of the sequence is refused, and nothing outside is touched", async () => {
    const d = { kind: "GRU", time: 4, batch: 2, hidden: 3, names: ["Sigmoid", "Tanh", "Tanh"], seed: 1 } as const;
    const rest = { alpha: 0, clip: undefined, reverse: true, lengths: true, state: false, extra: false, flag: true };
    const { operator } = caseOf({ ...d, ...rest });
    for (const length of [-1, 5, 2 ** 31 - 1]) {
      const inputs = operator.inputs.with(2, new Tensor("int32", [2, length], [2]));
      await expect(runOperator({ ...operator, inputs })).rejects.toThrow(RangeError);
    }
  });
});
