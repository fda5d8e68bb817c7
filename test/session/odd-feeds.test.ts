// Feeds, fetches and signals that are not what they look like.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor, type TensorLike } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

const session = await InferenceSession.create(
  writeOnnx(
    build(
      { x: [2], t: { type: "string", shape: [2] } },
      {},
      [
        ["Add", ["x", "x"], ["y"]],
        ["Identity", ["t"], ["u"]],
      ],
      ["y", "u"],
    ),
  ),
  { preset: "float32" },
);
const feeds = { x: f32([2], [1, 2]), t: new Tensor("string", ["a", "b"]) };
const x = (data: unknown): TensorLike => ({ type: "float32", dims: [2], data });

const named = (name: string, of: object): object => Object.defineProperty(of, "name", { value: name });

describe("arrays whose class says what it is not", () => {
  const bytes = Reflect.construct(named("Float32Array", class extends Int8Array {}) as Int8ArrayConstructor, [2]);
  const bare = Object.defineProperty(new Float32Array([1, 2]), "constructor", { value: undefined });
  class Own extends Float32Array {
    override slice(): never {
      return new Int8Array(1) as never;
    }
  }

  it("are of the class that they are", async () => {
    await expect(session.run({ ...feeds, x: x(bytes) })).rejects.toThrow(
      'input "x" expected float32 [2]: "data" expected the array of a float32 tensor, got Int8Array',
    );
    expect((await session.run({ ...feeds, x: x(bare) }))["y"]!.data).toEqual(new Float32Array([2, 4]));
    expect((await session.run({ ...feeds, x: x(new Own([1, 2])) }))["y"]!.data).toEqual(new Float32Array([2, 4]));
    expect(new Tensor(Buffer.from([1, 2])).type).toBe("uint8");
  });

  it("are not filled with the bytes of another type", async () => {
    const into = { type: "float32", dims: [2], data: new Uint8Array(8) };
    await expect(session.run(feeds, { y: into })).rejects.toThrow("the tensor to fill float32 [2] in Uint8Array");
  });
});

describe("lists", () => {
  const holes = (one: unknown): unknown[] => {
    const list = new Array<unknown>(2);
    list[0] = one;
    return list;
  };

  it("with holes are refused", async () => {
    expect(() => new Tensor("string", holes("a") as string[])).toThrow("expected strings only");
    expect(() => new Tensor("int32", holes(1) as number[])).toThrow("expected numbers, got undefined at 1");
    await expect(session.run(feeds, holes("y") as string[])).rejects.toThrow("names of outputs, got nothing");
  });

  it("of fractions are no integers of 64 bits", () => {
    expect(() => new Tensor("int64", [1, 1.5])).toThrow(
      new RangeError('"data" of a int64 tensor expected integers, got 1.5 at 1'),
    );
    expect(new Tensor("uint64", [1, true, 3n]).data).toEqual(new BigUint64Array([1n, 1n, 3n]));
  });

  it("that are frozen are not filled", async () => {
    const into = new Tensor("string", Object.freeze(["", ""]) as string[]);
    await expect(session.run(feeds, { u: into })).rejects.toThrow("whose data are frozen");
  });
});

it("what a getter throws is told, whatever it is", async () => {
  const feed = Object.defineProperty({ type: "float32", dims: [2] }, "data", {
    get: () => {
      throw null;
    },
  });
  await expect(session.run({ ...feeds, x: feed as unknown as TensorLike })).rejects.toThrow(
    'input "x" expected float32 [2]: null',
  );
});

describe("signals that are none", () => {
  it.each([
    ["a name", { aborted: false, [Symbol.toStringTag]: "AbortSignal" }],
    ["a prototype", Object.create(AbortSignal.prototype)],
  ])("%s", async (_, signal) => {
    await expect(session.run(feeds, { signal })).rejects.toThrow('"signal" expected an AbortSignal, got object');
    await expect(session.refine({ signal })).rejects.toThrow('"signal" expected an AbortSignal, got object');
  });

  it("one that fails later leaves no rejection that nobody handles, which would end the process", async () => {
    const signal = Object.assign(new AbortController().signal, {
      addEventListener: () => {
        throw new Error("no listeners");
      },
      throwIfAborted: () => {
        throw new Error("later");
      },
    });
    await expect(session.run(feeds, { signal })).rejects.toThrow("no listeners");
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await session.run(feeds))["y"]!.data).toEqual(new Float32Array([2, 4]));
  });
});
