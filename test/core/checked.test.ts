import { describe, expect, test } from "vitest";
import { CastStep } from "../../src/core/abi/elementwise.ts";
import { CopyStep, FillStep, GatherStep } from "../../src/core/abi/movement.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import {
  type Argument,
  type BadIndex,
  type Core,
  type PlacedBuffer,
  packFloats,
  type Step,
  step,
} from "../../src/core/index.ts";
import { CheckedCore, PoisonedCore, Violation } from "../support/checked/core.ts";

/** A copy of `count` elements of 4 bytes, `stride` bytes apart in the input. */
function copy(input: Argument, output: Argument, count: number, stride = 4): Step {
  const base = step(Opcode.Copy, CopyStep, { input, output, elementBytes: 4, rank: 1 });
  return { ...base, words: [...base.words, count, stride, 4] };
}

/** Buffers of 16 bytes in one block; the first holds a feed. */
function arena(core: Core, lives: readonly (readonly [number, number])[]): PlacedBuffer[] {
  const at = core.allocate(64 * lives.length);
  core.u8(at, 16).fill(7);
  return lives.map(([first, last], i) => ({ at: at + 64 * i, bytes: 16, first, last }));
}

const ref = (buffer: number, offset = 0): Argument => ({ buffer, offset });

describe.each(["scalar", "simd"] as const)("the checked core, %s, stops a step that", (build) => {
  /** Runs wrong steps over two buffers of 16 bytes; the second is alive from step 0 on. */
  async function run(...steps: Step[]): Promise<void> {
    const core = await CheckedCore.checked(build);
    const program = core.write(
      steps,
      arena(core, [
        [-1, steps.length],
        [0, steps.length],
      ]),
    );
    core.run(program, 0, steps.length);
  }

  test("reads one element behind its input", async () => {
    await expect(run(copy(ref(0), ref(1), 4))).resolves.toBeUndefined();
    const wrong = run({ ...copy(ref(0, 4), ref(1), 4), node: "n1" });
    await expect(wrong).rejects.toThrow(
      /^step 0 \(Copy, node "n1"\): reads 16 bytes at \d+, byte 4 of 16 of .*buffer 0 \(word 1\)$/,
    );
    await expect(wrong).rejects.toThrow(Violation);
    await expect(run(copy(ref(0), ref(1), 4, -4))).rejects.toThrow(/reads 4 bytes at \d+, byte -4 of 16/);
  });

  test("writes one element behind its output", async () => {
    const fill = (count: number): Step =>
      step(Opcode.Fill, FillStep, { output: ref(1), elementBytes: 4, count, low: 1, high: 0 });
    await expect(run(fill(4))).resolves.toBeUndefined();
    await expect(run(fill(5))).rejects.toThrow(/writes 4 bytes at \d+, byte 16 of 16 of buffer 1 \(word 1\)$/);
  });

  test("reads what nobody wrote", async () => {
    await expect(run(copy(ref(0), ref(1), 2), copy(ref(1), ref(0), 2))).resolves.toBeUndefined();
    await expect(run(copy(ref(0), ref(1), 2), copy(ref(1), ref(0), 3))).rejects.toThrow(
      /^step 1 \(Copy\): reads what nobody wrote: (12|4) bytes/,
    );
  });

  test("writes to what is only its input, or to a constant, or to its program", async () => {
    const core = await CheckedCore.checked(build);
    const constant = core.place(Float32Array.of(1, 2, 3, 4));
    const buffers = arena(core, [
      [-1, 0],
      [0, 1],
    ]);
    const cast = (input: Argument, output: Argument): Step =>
      step(Opcode.Cast, CastStep, { input, output, count: 4, from: 1, to: 6, saturate: 1, rounding: 0 });
    expect(() => core.run(core.write([cast(constant, ref(1))], buffers), 0, 1)).not.toThrow();
    expect(() => core.run(core.write([cast(ref(0), constant)], buffers), 0, 1)).toThrow(/which is not in the arena$/);
    expect(() => core.run(core.write([cast(12345678, ref(1))], buffers), 0, 1)).toThrow(/which lies in no block$/);
    const program = core.write([copy(constant, ref(1), 4, 4)], buffers);
    const scatter = step(Opcode.Gather, GatherStep, {
      ...{ data: ref(1), indices: constant, output: constant, indexBytes: 4, batch: 1, dataStride: 0, indexStride: 0 },
      ...{ count: 1, tuple: 0, axis: 0, sliceBytes: 4, scatter: 0, operation: -1, type: 0 },
    });
    // a gather writes `output`, which here is no buffer
    expect(() => core.run(core.write([scatter], buffers), 0, 1)).toThrow(/which is not in the arena$/);
    expect(() => core.run(program, 0, 1)).not.toThrow();
  });

  test("uses a buffer's contents from its life before, or the host does", async () => {
    const core = await CheckedCore.checked(build);
    const buffers = arena(core, [
      [-1, 2],
      [0, 0],
      [1, 2],
    ]);
    // buffers 1 and 2 share their memory, one after the other
    buffers[2] = { ...buffers[2]!, at: buffers[1]!.at };
    const program = core.write([copy(ref(0), ref(1), 4), copy(ref(2), ref(0), 4)], buffers);
    expect(() => core.run(program, 0, 2)).toThrow(/^step 1 .*nobody wrote/);
    expect(() => core.read(buffers[1]!.at, 16)).toThrow("byte 0 of 16");
    core.run(program, 0, 1);
    expect(core.read(buffers[1]!.at, 16)).toEqual(new Uint8Array(16).fill(7));
  });

  test("packs weights from too few numbers", async () => {
    const core = await CheckedCore.checked(build);
    const [weights, panels] = [core.place(new Float32Array(15)), core.allocate(32 * 8)];
    const pack = (rows: number, channels: number, to: number): void =>
      packFloats(core, { batch: 1, rows: channels, columns: rows, transposed: false }, weights, to);
    expect(() => pack(4, 4, panels)).toThrow(/PackF32\): reads 4 bytes/);
    expect(() => pack(3, 5, core.allocate(64))).toThrow(/PackF32\): writes \d+ bytes/);
    expect(() => pack(3, 5, panels)).not.toThrow();
  });
});

describe("a program", () => {
  const gather = (data: number, indices: number, output: number, extent: number): Step => {
    const base = step(Opcode.Gather, GatherStep, {
      ...{ data, indices, output, indexBytes: 8, batch: 1, dataStride: 0, indexStride: 0, count: 3, tuple: 1, axis: 2 },
      ...{ sliceBytes: 4, scatter: 0, operation: -1, type: 0 },
    });
    return { ...base, words: [...base.words, extent, 4] };
  };

  test.each(["scalar", "simd"] as const)(
    "stops at a bad index and tells step, index, axis and extent, %s",
    async (build) => {
      const core = await PoisonedCore.poisoned(build, 0x5a);
      const data = core.place(Float32Array.of(1, 2, 3));
      const output = core.allocate(12);
      const after = core.place(new Float32Array(3));
      const bad = 2n ** 40n;
      const indices = core.place(BigInt64Array.of(0n, -3n, bad));
      const program = core.write([copy(data, output, 3), gather(data, indices, output, 3), copy(data, after, 3)]);
      const failure = (): BadIndex => {
        try {
          core.run(program, 0, 3);
        } catch (error) {
          return error as BadIndex;
        }
        throw new Error("the run should fail");
      };
      expect(failure()).toMatchObject({ step: 1, index: bad, axis: 2, extent: 3 });
      expect(failure().message).toBe(`index ${bad} on axis 2 expected one of -3..2`);
      expect([...core.f32(after, 3)]).toEqual([0, 0, 0]);
      core.u8(indices, 24).set(new Uint8Array(BigInt64Array.of(0n, -3n, 2n).buffer));
      core.run(program, 0, 3);
      expect([...core.f32(output, 3)]).toEqual([1, 1, 3]);
      expect([...core.f32(after, 3)]).toEqual([1, 2, 3]);
    },
  );

  test("that is none, or has no such step or opcode, is refused", async () => {
    const core = await PoisonedCore.poisoned("simd", 0);
    const program = core.write([{ opcode: 999 as Opcode, words: [999] }]);
    expect(() => core.run(program, 0, 1)).toThrow("BadOpcode");
    expect(() => core.run(program, 1, 1)).toThrow("BadProgram");
    core.i32(program, 1).fill(0);
    expect(() => core.run(program, 0, 1)).toThrow("BadProgram");
  });
});
