import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";

const MODELS = ["fmnist_resnet", "fmnist_mobilenet", "fmnist_vit"] as const;
const PRESETS = ["float32", "faithful", "fast", "compact"] as const;

function onnx(name: string): Uint8Array {
  return readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url));
}

function image(samples: number, seed = 1): Tensor {
  return randomTensor("float32", [samples, 1, 28, 28], uniformNumbers(seed));
}

function digest(tensor: Tensor): string {
  const { data } = tensor as Tensor<"float32">;
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

async function logits(session: InferenceSession, feed: Tensor): Promise<Tensor> {
  const outputs = await session.run({ [session.inputNames[0]!]: feed });
  return outputs[session.outputNames[0]!]!;
}

describe.each(MODELS)("%s", (name) => {
  it.each(PRESETS)("gives the same bits in the scalar and the simd build: %s", async (preset) => {
    const digests = [];
    for (const build of ["scalar", "simd"] as const) {
      const session = await InferenceSession.create(onnx(name), { preset, build });
      digests.push(digest(await logits(session, image(3))));
      await session.release();
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it("gives a sample the same bits alone and in a batch, whatever its neighbours are", async () => {
    const session = await InferenceSession.create(onnx(name), { preset: "fast" });
    const [a, b] = [image(1, 1), image(1, 2)];
    const batch = new Float32Array(2 * 784);
    batch.set(a.data as Float32Array);
    batch.set(
      (b.data as Float32Array).map((v) => 1000 * v),
      784,
    );
    const both = await logits(session, new Tensor("float32", batch, [2, 1, 28, 28]));
    const alone = await logits(session, a);
    expect((both.data as Float32Array).slice(0, 10)).toEqual(alone.data);
    await session.release();
  });

  it("is the same model from a container, whole, streamed and term by term", async () => {
    const { bytes } = await quantize(onnx(name), { preset: "faithful", check: false });
    const [direct, container] = await Promise.all([
      InferenceSession.create(onnx(name)),
      InferenceSession.create(bytes),
    ]);
    const expected = digest(await logits(direct, image(2)));
    expect(digest(await logits(container, image(2)))).toBe(expected);

    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    const progressive = await InferenceSession.create(stream, { progressive: true });
    const { total } = container.terms;
    expect(progressive.terms).toEqual({ loaded: 1, total });
    for (let terms = 1; ; terms++) {
      const limited = await InferenceSession.create(bytes, { terms });
      expect(limited.terms).toEqual({ loaded: terms, total });
      expect(digest(await logits(progressive, image(2)))).toBe(digest(await logits(limited, image(2))));
      await limited.release();
      if (!(await progressive.refine())) break;
    }
    expect(progressive.terms.loaded).toBe(total);
    expect(digest(await logits(progressive, image(2)))).toBe(expected);
    expect(await progressive.refine()).toBe(false);
    await Promise.all([direct, container, progressive].map((s) => s.release()));
  });
});

describe("a session", () => {
  let session: InferenceSession;
  beforeAll(async () => {
    session = await InferenceSession.create(onnx("fmnist_resnet"));
  });

  it("tells its inputs and outputs", () => {
    expect(session.inputNames).toEqual(["image"]);
    expect(session.inputMetadata).toEqual([
      { name: "image", isTensor: true, type: "float32", shape: [expect.any(String), 1, 28, 28] },
    ]);
    expect(session.outputNames).toEqual(["logits"]);
  });

  it("names the input, what it expected and what came", async () => {
    const bad: [Record<string, unknown>, string][] = [
      [{}, 'input "image" expected float32 ['],
      [{ picture: image(1) }, 'the model has no input "picture"; its inputs are "image"'],
      [{ image: new Tensor("int32", new Int32Array(784), [1, 1, 28, 28]) }, "got int32 [1, 1, 28, 28]"],
      [{ image: new Tensor("float32", new Float32Array(784), [1, 28, 28]) }, "got float32 [1, 28, 28]"],
      [{ image: new Tensor("float32", new Float32Array(27 * 28), [1, 1, 27, 28]) }, "got float32 [1, 1, 27, 28]"],
      [{ image: null }, "got null"],
      [{ image: 7 }, "got number"],
      [{ image: new Float32Array(784) }, "since its shape is not static"],
    ];
    for (const [feeds, message] of bad) {
      await expect(session.run(feeds as Record<string, Tensor>)).rejects.toThrow(message);
    }
    await expect(session.run({ image: image(1) }, ["probabilities"])).rejects.toThrow('no output "probabilities"');
    expect((await logits(session, image(1))).dims).toEqual([1, 10]);
  });

  it("accepts another library's tensors, and fetches in all of onnxruntime's forms", async () => {
    const ours = image(1);
    const theirs = { type: "float32", data: ours.data, dims: [1, 1, 28, 28], cpuData: ours.data, size: 784 };
    const expected = digest(await logits(session, ours));
    for (const fetches of [undefined, ["logits"], { logits: null }, {}] as const) {
      const outputs = await session.run({ image: theirs }, fetches as string[]);
      expect(digest(outputs["logits"]!)).toBe(expected);
    }
  });

  it("answers an empty batch", async () => {
    const empty = await logits(session, new Tensor("float32", new Float32Array(0), [0, 1, 28, 28]));
    expect(empty.dims).toEqual([0, 10]);
  });

  it("keeps concurrent calls apart and in order", async () => {
    const feeds = [1, 2, 3, 4].map((seed) => image(seed, seed));
    const alone = [];
    for (const feed of feeds) alone.push(digest(await logits(session, feed)));
    const together = await Promise.all(feeds.map((feed) => logits(session, feed)));
    expect(together.map(digest)).toEqual(alone);
  });

  it("stops between slices when it is told to, and works afterwards", async () => {
    const expected = digest(await logits(session, image(8)));
    await expect(session.run({ image: image(1) }, { signal: AbortSignal.abort() })).rejects.toThrow("abort");
    const controller = new AbortController();
    const running = session.run({ image: image(64) }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 0);
    await expect(running).rejects.toThrow("enough");
    expect(digest(await logits(session, image(8)))).toBe(expected);
  });

  it("lets non-finite pixels reach their own sample only", async () => {
    const clean = await logits(session, image(3));
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const data = (image(3).data as Float32Array).slice();
      data[784 + 400] = poison;
      const outputs = (await logits(session, new Tensor("float32", data, [3, 1, 28, 28]))).data as Float32Array;
      const bits = new Uint32Array(outputs.buffer, outputs.byteOffset + 40, 10);
      expect([...bits]).toEqual(new Array(10).fill(0x7fc00000));
      expect(outputs.slice(0, 10)).toEqual((clean.data as Float32Array).slice(0, 10));
      expect(outputs.slice(20)).toEqual((clean.data as Float32Array).slice(20));
    }
  });

  it("profiles every step", async () => {
    const steps = await session.profile({ image: image(1) });
    expect(steps.length).toBeGreaterThan(10);
    expect(steps.reduce((sum, s) => sum + s.macs, 0)).toBeGreaterThan(1e6);
    for (const s of steps) expect(s.milliseconds).toBeGreaterThanOrEqual(0);
  });

  it("is gone after release", async () => {
    const own = await InferenceSession.create(onnx("fmnist_mobilenet"));
    const running = logits(own, image(1));
    await own.release();
    expect((await running).dims).toEqual([1, 10]);
    await expect(own.run({ image: image(1) })).rejects.toMatchObject({ code: "RELEASED" });
    await own.release();
    expect(own.memoryBytes).toBe(0);
    expect(own.terms).toEqual({ loaded: 4, total: 4 });
    expect(own.inputMetadata[0]!.name).toBe("image");
  });
});
