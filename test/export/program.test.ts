// Program images in the modules that own their memory, which see nothing of src/ but the header of the image.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { ElementCode } from "../../src/core/abi/element.ts";
import { ImageHeader } from "../../src/core/abi/image.ts";
import { ProgramHeader } from "../../src/core/abi/program.ts";
import { InferenceSession, type Tensor } from "../../src/entries/index.ts";
import { exportProgram, quantize } from "../../src/entries/quantize.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32, i64 } from "../graph/build.ts";
import { noiseTensor as tensor } from "../model/models.ts";
import { Standalone, statusName, withDigest } from "./standalone.ts";

const BUILDS = ["scalar", "simd"] as const;
const bytesOf = ({ data }: Tensor): Uint8Array => {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
};

afterEach(() => {
  delete process.env.BITBASIS_BUILD;
});

type Feeds = Readonly<Record<string, Tensor>>;

/** Runs an image twice in a module, the second time on what the first has left behind, and holds it against a session. */
async function check(container: Uint8Array, feeds: Feeds): Promise<void> {
  const session = await InferenceSession.create(container);
  const expected = await session.run(feeds);
  await session.release();
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  const { image, manifest } = await exportProgram(container, shapes);
  expect(manifest.imageBytes).toBe(image.length);
  for (const build of BUILDS) {
    const host = await Standalone.load(build);
    // So that the block does not lie where the first one would.
    host.exports.reserve(100_000);
    const { block, status } = host.load(image);
    expect(statusName(status)).toBe("Ok");
    for (let run = 0; run < 2; run++) {
      for (const { name, data } of host.values(block, "inputs")) data.set(bytesOf(feeds[name]!));
      expect(statusName(host.run(block))).toBe("Ok");
      const outputs = host.values(block, "outputs");
      expect(outputs.map(({ name }) => name)).toEqual(Object.keys(expected));
      for (const { name, type, dims, data } of outputs) {
        const tensor = expected[name]!;
        expect({ type, dims }).toEqual({ type: ElementCode[tensor.type], dims: [...tensor.dims] });
        expect(data).toEqual(bytesOf(tensor));
      }
    }
  }
}

const container = async (graph: Graph, preset: "faithful" | "float32" = "faithful"): Promise<Uint8Array> =>
  (await quantize(writeOnnx(graph), { preset })).bytes;
const fixture = (name: string): Uint8Array => readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url));

/** A table whose rows are looked up. */
const lookup = (): Graph =>
  build({ i: { type: "int64", shape: [3] } }, { table: tensor([5, 4], 1) }, [["Gather", ["table", "i"], ["y"]]], ["y"]);

describe("a program image gives the bits of a session, in both modules", () => {
  it.each([
    ["fmnist_mobilenet", "fast"],
    ["fmnist_resnet", "faithful"],
    ["fmnist_resnet", "float32"],
    ["fmnist_vit", "compact"],
  ] as const)("%s, %s", async (name, preset) => {
    const { bytes } = await quantize(fixture(name), { preset });
    await check(bytes, { image: tensor([2, 1, 28, 28], 3) });
  });

  it("steps inside steps: a recurrent layer in both directions", async () => {
    const graph = build(
      { x: [5, 2, 6] },
      { w: tensor([2, 32, 6], 1), r: tensor([2, 32, 8], 2), b: tensor([2, 64], 3) },
      [["LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], { hidden_size: 8, direction: "bidirectional" }]],
      ["y", "h", "c"],
    );
    for (const preset of ["faithful", "float32"] as const)
      await check(await container(graph, preset), { x: tensor([5, 2, 6], 4) });
  });

  it("tables of addresses, shared constants, several inputs and outputs, one of them constant, one an input", async () => {
    const graph = build(
      { x: [1, 3, 5, 7], z: [2, 2] },
      { w: tensor([4, 3, 3, 3], 1), scales: f32([4], [1, 1, 2, 2]), k: f32([3], [1, 2, 3]), one: i64(1) },
      [
        ["Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1] }],
        ["Resize", ["c", "", "scales"], ["r"], { mode: "linear" }],
        ["TopK", ["r", "one"], ["top", "where"], { axis: 3 }],
        ["Identity", ["k"], ["constant"]],
        ["Identity", ["z"], ["same"]],
        ["Add", ["z", "z"], ["sum"]],
      ].map((node) => node as [string, string[], string[]]),
      ["r", "top", "where", "constant", "same", "sum"],
    );
    await check(await container(graph), { x: tensor([1, 3, 5, 7], 2), z: tensor([2, 2], 3) });
  });

  it("makes the same bytes again, on every build of the core", async () => {
    const { bytes } = await quantize(fixture("fmnist_mobilenet"));
    const images: Uint8Array[] = [];
    for (const build of [...BUILDS, "simd"]) {
      process.env.BITBASIS_BUILD = build;
      images.push((await exportProgram(bytes, { image: [1, 1, 28, 28] })).image);
    }
    expect(images[1]).toEqual(images[0]);
    expect(images[2]).toEqual(images[0]);
  });

  it("holds the constants that its steps read once, and nothing else", async () => {
    const graph = build(
      { x: [1, 64] },
      { w: tensor([64, 64], 1), unused: tensor([1000], 2) },
      [
        ["MatMul", ["x", "w"], ["a"]],
        ["Relu", ["a"], ["b"]],
        ["MatMul", ["b", "w"], ["y"]],
      ],
      ["y"],
    );
    const { image } = await exportProgram(await container(graph, "float32"));
    // 64·64 weights in float32 are 16 KiB.
    expect(image.length).toBeGreaterThan(16384);
    expect(image.length).toBeLessThan(16384 + 3000);
  });

  it("finds its way in the module's memory alone", async () => {
    for (const build of BUILDS) {
      const code = readFileSync(new URL(`../../build/bitbasis-${build}.wasm`, import.meta.url));
      const module = new WebAssembly.Module(code);
      expect(WebAssembly.Module.imports(module)).toEqual([]);
      const names = WebAssembly.Module.exports(module).map(({ name }) => name);
      expect(names.sort()).toEqual(["bind", "memory", "reserve", "runImage"]);
    }
  });
});

describe("what cannot be an image says so", () => {
  it.each([
    [
      "a shape that depends on data",
      build({ x: [4] }, {}, [["NonZero", ["x"], ["y"]]], ["y"]),
      {},
      /NonZero.*it runs in JavaScript, which a program image cannot/,
    ],
    [
      "a shape that an input tells",
      build({ x: [4], s: { type: "int64", shape: [2] } }, {}, [["Reshape", ["x", "s"], ["y"]]], ["y"]),
      {},
      /Reshape.*a shape depends on data, which a program image cannot/,
    ],
    [
      "strings",
      build({ x: { type: "string", shape: [2] } }, {}, [["Identity", ["x"], ["y"]]], ["y"]),
      {},
      /input "x" is a string, which a program image cannot have/,
    ],
    [
      "an open size",
      build({ x: ["n", 2] }, {}, [["Relu", ["x"], ["y"]]], ["y"]),
      {},
      /input "x" \[n, 2\].*got nothing/,
    ],
    [
      "another rank",
      build({ x: ["n", 2] }, {}, [["Relu", ["x"], ["y"]]], ["y"]),
      { x: [2] },
      /expected for input "x" \[n, 2\], got \[2\]/,
    ],
    [
      "one name with two sizes",
      build({ a: ["n"], b: ["n"] }, {}, [["Add", ["a", "b"], ["y"]]], ["y"]),
      { a: [2], b: [3] },
      /expected for input "b" \[n\] with n = 2, got \[3\]/,
    ],
    [
      "another name",
      build({ x: [2] }, {}, [["Relu", ["x"], ["y"]]], ["y"]),
      { z: [2] },
      /inputs of the model \(x\), got z/,
    ],
    [
      "half a size",
      build({ x: ["n"] }, {}, [["Relu", ["x"], ["y"]]], ["y"]),
      { x: [1.5] },
      /integers from 0, got \[1\.5\]/,
    ],
  ] as const)("%s", async (_, graph, shapes, message) => {
    await expect(exportProgram(await container(graph), shapes)).rejects.toThrow(message);
  });

  it("bytes that are no container", async () => {
    await expect(exportProgram(new Uint8Array(40))).rejects.toMatchObject({ code: "MODEL" });
    await expect(exportProgram("model" as unknown as Uint8Array)).rejects.toThrow(TypeError);
    await expect(exportProgram(await container(lookup()), [] as never)).rejects.toThrow('"shapes" expected an object');
  });
});

describe.each(BUILDS)("a bad image gives a status: %s", (build) => {
  const good = async (): Promise<Uint8Array<ArrayBuffer>> => (await exportProgram(await container(lookup()))).image;
  const status = async (image: Uint8Array): Promise<string> =>
    statusName((await Standalone.load(build)).load(image).status);
  const changed = async (word: ImageHeader, value: number): Promise<Uint8Array<ArrayBuffer>> => {
    const image = await good();
    new DataView(image.buffer).setUint32(4 * word, value, true);
    return withDigest(image);
  };

  it("no image, another version, cut short at any place, damaged in any byte", async () => {
    expect(await status(new Uint8Array(4096))).toBe("NoImage");
    expect(await status(await changed(ImageHeader.version, 2))).toBe("OtherVersion");
    expect(await status(await changed(ImageHeader.programVersion, 1))).toBe("OtherVersion");
    const image = await good();
    expect(await status(image)).toBe("Ok");
    for (let bytes = 0; bytes < image.length; bytes += 61) expect(await status(image.slice(0, bytes))).toBe("CutShort");
    for (let at = 0; at < image.length; at += 37) {
      const damaged = image.slice();
      damaged[at]! ^= 0x10;
      expect(await status(damaged)).not.toBe("Ok");
    }
  });

  it("a relocation that points outside", async () => {
    const image = await good();
    const view = new DataView(image.buffer);
    view.setUint32(view.getUint32(4 * ImageHeader.relocations, true), image.length - 3, true);
    expect(await status(withDigest(image))).toBe("Damaged");
  });

  it("a block that is too small, not aligned, not in the memory; bound twice, or not at all", async () => {
    const host = await Standalone.load(build);
    const image = await good();
    const { block, status } = host.load(image);
    expect(statusName(status)).toBe("Ok");
    const { memory, bind, reserve } = host.exports;
    const view = new Uint8Array(memory.buffer);
    const need = image.length + new DataView(image.buffer).getUint32(4 * ImageHeader.arenaBytes, true);
    const again = (at: number, bytes = need, given = image.length): string => {
      view.set(image, at);
      return statusName(bind(at, given, bytes));
    };
    expect(statusName(bind(block, image.length, need))).toBe("AlreadyBound");
    expect(again(block + 4)).toBe("Misaligned");
    expect(again(block, need - 1)).toBe("SmallBlock");
    expect(again(block, image.length - 64)).toBe("SmallBlock");
    expect(again(block, memory.buffer.byteLength - block + 1)).toBe("SmallBlock");
    expect(statusName(bind(2 ** 31 + 64 - 2 ** 32, image.length, need))).toBe("SmallBlock");
    view.set(image, block);
    expect(statusName(host.run(block))).toBe("NotBound");
    expect(statusName(host.run(block + 64))).toBe("NoImage");
    expect(again(block)).toBe("Ok");
    expect(statusName(host.run(block))).toBe("Ok");
    expect(reserve(2 ** 32 - 1)).toBe(0);
  });

  it("an index outside of its axis stops the run, and the next one is right", async () => {
    const host = await Standalone.load(build);
    const { block } = host.load(await good());
    const [input] = host.values(block, "inputs");
    const indices = new BigInt64Array(input!.data.buffer, input!.data.byteOffset, 3);
    indices.set([0n, 5n, 1n]);
    expect(statusName(host.run(block))).toBe("BadIndex");
    const view = new DataView(host.exports.memory.buffer);
    const program = block + view.getUint32(block + 4 * ImageHeader.program, true);
    expect(view.getInt32(program + 4 * ProgramHeader.failedExtent, true)).toBe(5);
    indices.set([0n, 4n, 1n]);
    expect(statusName(host.run(block))).toBe("Ok");
  });
});
