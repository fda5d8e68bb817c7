// Rows of a state stay where they are, and so do the panels of products that read them: after growth, other ranges, values that are not finite, failed runs
// and truncation the bits are those of a past that is fed by hand, on the checked core.
import { describe, expect, it } from "vitest";
import { InferenceSession, type SessionState, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import type { Part } from "../../src/program/routine.ts";
import type { Engine } from "../../src/session/engine.ts";
import { build, f32, i64 } from "../graph/build.ts";
import { checkSessions } from "../support/checked/core.ts";
import { Random } from "../support/random.ts";

const [HEADS, SIZE] = [2, 10];

/** Attention without its softmax over a past that x continues; the last node fails where `index` is no column. */
function attention(factor: number): Graph {
  return build(
    {
      q: [1, HEADS, "m", SIZE],
      x: [1, HEADS, "n", SIZE],
      index: { type: "int64", shape: [1] },
      past: [1, HEADS, "p", SIZE],
    },
    { factor: f32([], [factor]) },
    [
      ["Concat", ["past", "x"], ["present"], { axis: 2 }],
      ["Transpose", ["present"], ["turned"], { perm: [0, 1, 3, 2] }],
      ["Mul", ["turned", "factor"], ["keys"]],
      ["MatMul", ["q", "keys"], ["scores"]],
      ["MatMul", ["scores", "present"], ["mixed"]],
      ["Gather", ["mixed", "index"], ["y"], { axis: 3 }],
    ],
    ["y", "present", "mixed", "scores"],
  );
}

function bits(tensor: Tensor | undefined): number[] {
  const { buffer, byteOffset, byteLength } = tensor!.data as Float32Array;
  return [...new Uint32Array(buffer, byteOffset, byteLength / 4)];
}

/** The first `length` rows of [1, HEADS, rows, SIZE]. */
function firstRows({ data, dims }: Tensor, length: number): Tensor {
  const each = dims[2]! * SIZE;
  const heads = Array.from({ length: HEADS }, (_, h) =>
    [...(data as Float32Array)].slice(h * each, h * each + length * SIZE),
  );
  return f32([1, HEADS, length, SIZE], heads.flat());
}

/** A session with a state, and one that is fed its past by hand. */
class Pair {
  past = f32([1, HEADS, 0, SIZE], []);

  private constructor(
    readonly kept: InferenceSession,
    private readonly fed: InferenceSession,
    readonly state: SessionState,
    private readonly random: Random,
  ) {}

  static async of(factor: number, preset: "float32" | "fast", build: "scalar" | "simd"): Promise<Pair> {
    const bytes = writeOnnx(attention(factor));
    const [kept, fed] = [
      await InferenceSession.create(bytes, { preset, build }),
      await InferenceSession.create(bytes, { preset, build }),
    ];
    return new Pair(kept, fed, kept.createState({ present: "past" }, { capacity: 3 }), new Random(11));
  }

  /** `rows` new rows up to `most` in size, one of their values replaced. */
  async step(rows: number, most: number, odd?: number): Promise<void> {
    const values = (count: number, size: number): number[] =>
      Array.from({ length: count * HEADS * SIZE }, () => this.random.uniform(-size, size));
    const x = values(rows, most);
    if (odd !== undefined) x[this.random.integer(0, x.length - 1)] = odd;
    const queries = this.random.integer(1, 5);
    const feeds = {
      q: f32([1, HEADS, queries, SIZE], values(queries, 1)),
      x: f32([1, HEADS, rows, SIZE], x),
      index: i64(3),
    };
    const expected = await this.fed.run({ ...feeds, past: this.past });
    const made = await this.kept.run(feeds, { state: this.state });
    for (const name of ["scores", "mixed", "y"])
      expect(bits(made[name]), `${name} with ${this.state.length} rows`).toEqual(bits(expected[name]));
    this.past = expected["present"]!;
    expect(bits(this.state.read("present"))).toEqual(bits(this.past));
  }

  truncate(length: number): void {
    this.state.truncate(length);
    this.past = firstRows(this.past, length);
  }

  /** A run that has appended its rows and packed them when it fails. */
  async fail(rows: number): Promise<void> {
    const x = f32([1, HEADS, rows, SIZE], new Array<number>(rows * HEADS * SIZE).fill(77));
    const feeds = { q: f32([1, HEADS, 1, SIZE]), x, index: i64(SIZE) };
    await expect(this.kept.run(feeds, { state: this.state })).rejects.toThrow(RangeError);
    expect(bits(this.state.read("present"))).toEqual(bits(this.past));
  }

  /** Names of the kernels of all programs. */
  get kernels(): string[] {
    const { schedule } = Reflect.get(Reflect.get(this.kept, "live"), "engine") as { schedule: Engine };
    const parts = [...(Reflect.get(schedule, "parts") as Set<Part>)];
    return parts.flatMap(({ program }) => program.steps.map(({ kernel }) => kernel));
  }
}

const CASES = (["float32", "fast"] as const).flatMap((preset) =>
  (["scalar", "simd"] as const).flatMap((isa) => [1, 0.3].map((factor) => ({ preset, isa, factor }))),
);

describe.each(CASES)("kept panels, $preset, $isa, factor $factor", ({ preset, isa, factor }) => {
  it("give the bits of a past that is fed by hand", async () => {
    const restore = checkSessions();
    try {
      const pair = await Pair.of(factor, preset, isa);
      for (let i = 0; i < 9; i++) await pair.step(1 + (i % 3 === 0 ? 1 : 0), 1);
      // The range of the whole matrix widens, in one head at least, and stays again.
      await pair.step(1, 4);
      await pair.step(2, 1);
      await pair.fail(1);
      await pair.step(1, 1);
      await pair.fail(2);
      pair.truncate(5);
      for (const rows of [1, 1, 7, 1]) await pair.step(rows, 1);
      for (const odd of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        await pair.step(1, 1, odd);
        await pair.step(1, 1);
      }
      pair.truncate(2);
      await pair.step(1, 0);
      pair.truncate(0);
      for (const rows of [1, 1, 1, 20, 1]) await pair.step(rows, 0);
      await pair.step(1, 1);
      expect(pair.kernels).toContain(preset === "float32" ? "pack_kept_f32_x8" : "pack_kept_f32_i16_x8");
      await pair.kept.release();
    } finally {
      restore();
    }
  });
});

it("copies kept rows for operators that know nothing of them", async () => {
  const graph = build(
    { past: [1, "p", 3], x: [1, "n", 3] },
    {},
    [
      ["Concat", ["past", "x"], ["present"], { axis: 1 }],
      ["ReduceSum", ["present"], ["y"], { keepdims: 0 }],
      ["Mul", ["past", "past"], ["z"]],
    ],
    ["y", "present", "z"],
  );
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  const state = session.createState({ present: "past" });
  const seen: number[] = [];
  for (let i = 1; i <= 6; i++) {
    const { y, z } = await session.run({ x: f32([1, 1, 3], [i, i, i]) }, { state });
    seen.push((y!.data as Float32Array)[0]!);
    expect([...(z!.data as Float32Array)]).toEqual(
      [1, 2, 3, 4, 5].slice(0, i - 1).flatMap((v) => [v * v, v * v, v * v]),
    );
  }
  expect(seen).toEqual([3, 9, 18, 30, 45, 63]);
  expect(state.read("past")).toEqual(
    new Tensor(
      "float32",
      [1, 2, 3, 4, 5, 6].flatMap((v) => [v, v, v]),
      [1, 6, 3],
    ),
  );
  await session.release();
});
