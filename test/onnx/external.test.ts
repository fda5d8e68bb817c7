import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { filesBeside, parseModel, readOnnx } from "../../src/onnx/index.ts";
import type { GraphProto } from "../../src/onnx/schema.ts";
import { quantize } from "../../src/quantize/index.ts";
import { encode, nodeProto, valueProto } from "./proto.ts";

type Entries = Readonly<Record<string, string>>;

/** w [2] in a file. */
function kept(name: string, location: string, entries: Entries): object {
  const external_data = Object.entries({ location, ...entries }).map(([key, value]) => ({ key, value }));
  return { name, dims: [2], data_type: 1, data_location: 1, external_data };
}

/** y = x + w, w [2] in a file. */
function model(location: string, entries: Entries = {}): Uint8Array {
  const initializer = [kept("w", location, entries)];
  return encode({
    input: [valueProto("x", [2])],
    output: [valueProto("y", [2])],
    node: [nodeProto("Add", ["x", "w"], ["y"])],
    initializer: initializer as unknown as GraphProto["initializer"],
  });
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
let folder = "";

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), "bitbasis-external-"));
  folder = join(root, "model");
  await mkdir(join(folder, "inner"), { recursive: true });
  await writeFile(join(folder, "w.data"), floats(9, 1, 2, 8));
  await writeFile(join(folder, "inner", "w"), floats(1, 2));
  await writeFile(join(root, "secret"), floats(1, 2));
  await symlink(join(root, "secret"), join(folder, "link"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
});
afterAll(() => rm(join(folder, ".."), { recursive: true, force: true }));

async function sum(
  source: Uint8Array | string,
  options: Parameters<typeof InferenceSession.create>[1] = {},
): Promise<number[]> {
  const session = await InferenceSession.create(source, { preset: "float32", ...options });
  const { y } = await session.run({ x: new Tensor("float32", [10, 20]) });
  await session.release();
  return Array.from(y!.data as Float32Array);
}

describe("external data", () => {
  const part = { offset: "4", length: "8" };

  it("are given by location or as onnxruntime-web takes them, ./x and x being one", async () => {
    const bytes = floats(9, 1, 2, 8);
    expect(await sum(model("w.data", part), { externalData: { "w.data": bytes } })).toEqual([11, 22]);
    expect(await sum(model("./w.data", part), { externalData: { "w.data": bytes } })).toEqual([11, 22]);
    expect(await sum(model("w.data", part), { externalData: { "././w.data": bytes } })).toEqual([11, 22]);
    expect(await sum(model("w.data", part), { externalData: [{ path: "./w.data", data: bytes }] })).toEqual([11, 22]);
    const path = join(folder, "w.data");
    expect(await sum(model("w.data", part), { externalData: [{ path: "w.data", data: path }] })).toEqual([11, 22]);
    const { report } = await quantize(model("w.data", part), { externalData: [{ path: "w.data", data: bytes }] });
    expect(report.bytesBefore).toBe(model("w.data", part).length + 16);
  });

  it.each(["float32", "fast"] as const)(
    "are a session's own, %s, whatever the caller writes to them",
    async (preset) => {
      const proto = encode({
        input: [valueProto("x", [1, 2])],
        output: [valueProto("y", [1, 1])],
        node: [nodeProto("MatMul", ["x", "w"], ["y"])],
        initializer: [{ ...kept("w", "w.data", part), dims: [2, 1] }] as unknown as GraphProto["initializer"],
      });
      for (const form of [
        (data: Uint8Array) => ({ "w.data": data }),
        (data: Uint8Array) => [{ path: "w.data", data }],
      ]) {
        const bytes = floats(9, 1, 2, 8);
        const session = await InferenceSession.create(proto, { preset, externalData: form(bytes) });
        bytes.fill(7);
        const { y } = await session.run({ x: new Tensor("float32", [10, 20], [1, 2]) });
        expect(y!.data[0]).toBeCloseTo(50, 0);
        await session.release();
      }
    },
  );

  it("are found beside a model that is read from a path, only the part that is needed", async () => {
    for (const [name, bytes] of [
      ["a.onnx", model("w.data", part)],
      ["b.onnx", model("inner/w")],
      ["c.onnx", model("./inner/../inner/w")],
    ] as const) {
      await writeFile(join(folder, name), bytes);
    }
    expect(await sum(join(folder, "a.onnx"))).toEqual([11, 22]);
    expect(await sum(join(folder, "b.onnx"))).toEqual([11, 22]);
    await expect(sum(join(folder, "c.onnx"))).rejects.toThrow("not inside its own folder");
    // What is given goes before what lies there.
    expect(await sum(join(folder, "b.onnx"), { externalData: { "inner/w": floats(3, 4) } })).toEqual([13, 24]);
    const proto = parseModel(model("w.data", part));
    const files = await filesBeside(proto, folder);
    expect(files.bytes).toBe(16);
    await expect(filesBeside(proto, folder, { most: 7 })).rejects.toMatchObject({ code: "MEMORY" });
    expect(
      (readOnnx(model("w.data", part), { externalData: files }).initializers.get("w")!.data as Float32Array).buffer
        .byteLength,
    ).toBe(8);
  });

  it.each([
    ["../secret", "not inside its own folder"],
    ["link", "not inside its own folder"],
    ["/etc/hostname", "not inside its own folder"],
    ["inner\\..\\..\\secret", "not inside its own folder"],
    ["nothing", "there is no such file beside the model"],
    ["inner", "which is no file"],
    ["pipe", "which is no file"],
  ])("do not lead to %s", async (location, why) => {
    await writeFile(join(folder, "bad.onnx"), model(location));
    await expect(sum(join(folder, "bad.onnx"))).rejects.toMatchObject({
      code: "MODEL",
      message: expect.stringContaining(why),
    });
  });

  it("are read once where two tensors spell one file in two ways", async () => {
    const initializer = [
      kept("a", "w.data", { offset: "0", length: "8" }),
      kept("b", "./w.data", { offset: "8", length: "8" }),
    ];
    const bytes = encode({
      input: [valueProto("x", [2])],
      output: [valueProto("y", [2])],
      node: [nodeProto("Sub", ["a", "b"], ["w"]), nodeProto("Add", ["x", "w"], ["y"])],
      initializer: initializer as unknown as GraphProto["initializer"],
    });
    await writeFile(join(folder, "spelt.onnx"), bytes);
    expect(await sum(join(folder, "spelt.onnx"))).toEqual([10 + 9 - 2, 20 + 1 - 8]);
  });

  it("are refused where the file or its numbers do not fit", () => {
    const read =
      (entries: Readonly<Record<string, string>>, location = "w.data") =>
      () =>
        readOnnx(model(location, entries), { externalData: { "w.data": floats(1, 2) } });
    expect(read({ offset: "4", length: "8" })).toThrow('expected bytes 4..12 of "w.data", which has 8');
    expect(read({ offset: "100" })).toThrow("expected bytes 100..100");
    expect(read({ offset: "-1" })).toThrow('expected a number of bytes as "offset" of its external data, got "-1"');
    expect(read({ length: "1e1" })).toThrow('"length"');
    expect(read({ length: "4" })).toThrow("expected 2 elements, got 4 bytes");
    expect(read({}, "")).toThrow("does not say in which");
    for (const name of ["toString", "__proto__", "constructor"])
      expect(read({}, name)).toThrow(`externalData["${name}"]`);
    expect(() => readOnnx(model("w"), { externalData: { w: "text" as unknown as Uint8Array } })).toThrow(TypeError);
    expect(() => readOnnx(model("w"), { externalData: 7 as never })).toThrow(
      '"externalData" expected files by location',
    );
  });
});
