import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BitbasisError } from "../../src/core/index.ts";
import {
  digestOfModel,
  isContainer,
  limitTerms,
  type ModelStream,
  openContainer,
  readModel,
  readModelStream,
  totalTerms,
  writeModel,
} from "../../src/model/index.ts";
import { fuse, type WeightSeries } from "../../src/series/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { packedPart, parted, plainContainer, repacked, signed } from "../support/containers.ts";
import { smallModel } from "./models.ts";

const model = await smallModel();
const bytes = writeModel(model);
/** As version 1 had it: the header lists all tensors. */
const plain = plainContainer(bytes);
const header = parted(plain).text;

/** The container of version 1 with another header text and a digest that fits it. */
function withHeader(edit: (text: string) => string, data = parted(plain).data): Uint8Array {
  return signed(edit(header), data);
}

/** The container with another text, or others bytes, in the place of its packed header, and digests that fit. */
function withPacked(edit: (text: string) => string, packed?: Uint8Array): Uint8Array {
  return repacked(bytes, withHeader(edit), packed);
}

async function* inChunks(source: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.length; at += size) yield source.subarray(at, at + size);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(BitbasisError);
    return (error as BitbasisError).code;
  }
  return "none";
}

describe("a container", () => {
  test("gives back the model, and the same bytes again", () => {
    const back = readModel(bytes);
    expect(back).toEqual(model);
    expect([...back.weights.keys()]).toEqual(["7", "b#1"]);
    expect([...back.graph.initializers.keys()].sort()).toEqual([...model.graph.initializers.keys()].sort());
    expect(writeModel(back)).toEqual(bytes);
    expect(writeModel(model)).toEqual(bytes);
    expect(isContainer(bytes.subarray(0, 16))).toBe(true);
  });

  test("of version 1 is read, and is the same model", async () => {
    const frozen = new Uint8Array(readFileSync(new URL("version-1.safetensors", import.meta.url)));
    expect(plain).toEqual(frozen);
    expect(openContainer(frozen)).toEqual(openContainer(bytes));
    expect(openContainer(frozen).sha256).toBe(digestOfModel(model));
    const stream = await readModelStream(inChunks(frozen, 64));
    while ((await next(stream)).length > 0);
    expect(stream.model).toEqual(model);
    expect(stream.sha256).toBe(digestOfModel(model));
    expect(bytes.length).toBeLessThan(0.6 * frozen.length);
  });

  test("is a safetensors file: a packed header and the sections as tensors of bytes, aligned, without gaps", () => {
    const { text, data } = parted(bytes);
    const { __metadata__: metadata, ...tensors } = JSON.parse(text) as Record<string, Record<string, unknown>>;
    expect(Object.values(metadata!).every((v) => typeof v === "string")).toBe(true);
    expect(Object.keys(tensors)).toEqual(["header", "values", "term 1", "term 2", "term 3"]);
    let end = 0;
    for (const { dtype, shape, data_offsets: offsets } of Object.values(tensors)) {
      const [length] = shape as [number];
      expect([dtype, offsets]).toEqual(["U8", [end, end + length]]);
      end += length;
    }
    expect(end).toBe(data.length);
    expect((bytes.length - data.length) % 8).toBe(0);
    expect(packedPart(bytes).packed.length % 8).toBe(0);
  });

  test("lists tensors as safetensors does: F32 first, then term by term, digits in whole 16 bytes", () => {
    const parsed = JSON.parse(header) as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;
    const { __metadata__: metadata, ...tensors } = parsed;
    expect(Object.values(metadata as unknown as Record<string, string>).every((v) => typeof v === "string")).toBe(true);
    const entries = Object.entries(tensors).sort(([, a], [, b]) => {
      return a.data_offsets[0]! - b.data_offsets[0]! || a.data_offsets[1]! - b.data_offsets[1]!;
    });
    let end = 0;
    for (const [, { data_offsets: offsets }] of entries) {
      expect(offsets[0]).toBe(end);
      end = offsets[1]!;
    }
    expect(end).toBe(parted(plain).data.length);
    const names = entries.map(([name]) => name);
    const digits = names.filter((name) => /[^#]#\d$/.test(name));
    expect(digits).toEqual(["7#1", "b##1#1", "7#2", "b##1#2", "7#3"]);
    expect(names.slice(-5)).toEqual(digits);
    for (const name of digits) expect(tensors[name]!.shape[0]! % 16).toBe(0);
    const types = entries.map(([, { dtype }]) => dtype);
    expect(types.lastIndexOf("F32")).toBeLessThan(types.findIndex((t) => t !== "F32"));
  });

  test("read at any alignment", () => {
    for (const shift of [1, 2, 3, 4, 7]) {
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      expect(readModel(moved.subarray(shift))).toEqual(model);
    }
  });

  test("streams: every stage equals a model with that many terms", async () => {
    for (const size of [1, 7, 64, 1000, bytes.length]) {
      const stream = await readModelStream(inChunks(bytes, size));
      expect(stream.terms).toEqual({ loaded: 1, total: 3 });
      expect(stream.model).toEqual(limitTerms(model, 1));
      const grown: string[][] = [];
      for (let n = 2; ; n++) {
        const series = await next(stream);
        if (series.length === 0) break;
        grown.push(series.map((s) => s.name));
        expect(stream.model).toEqual(limitTerms(model, n));
      }
      expect(grown).toEqual([["7", "b#1"], ["7"]]);
      expect(stream.terms).toEqual({ loaded: 3, total: 3 });
      for (const [name, series] of model.weights) expect(fuse(stream.model.weights.get(name)!)).toEqual(fuse(series));
    }
  });

  test("holds a term back until it is taken", async () => {
    const stream = await readModelStream(inChunks(bytes, 64));
    expect(await Promise.all([stream.arrived(), stream.arrived()])).toEqual([true, true]);
    expect(stream.terms.loaded).toBe(1);
    expect(stream.model).toEqual(limitTerms(model, 1));
    expect(stream.take().length).toBe(2);
    expect(stream.take()).toEqual([]);
    expect(stream.model).toEqual(limitTerms(model, 2));
  });

  test("says that bytes follow its end, with all terms in, and says it again", async () => {
    const longer = new Uint8Array([...bytes, 0]);
    const stream = await readModelStream(inChunks(longer, 64));
    while (stream.terms.loaded < 3) await next(stream);
    expect(stream.model).toEqual(model);
    for (let i = 0; i < 2; i++) await expect(next(stream)).rejects.toThrow("bytes follow its end");
  });

  test("needs no more than what it returns", async () => {
    let taken = 0;
    async function* counted() {
      for await (const chunk of inChunks(bytes, 16)) {
        taken += chunk.length;
        yield chunk;
      }
    }
    await readModelStream(counted());
    const last = readModel(bytes).weights.get("7")!.planes.length;
    expect(last).toBe(3);
    expect(taken).toBeLessThan(bytes.length - 16);
  });

  test("without any series", async () => {
    const floats = ["7", "b#1"].map((name): [string, Tensor] => [
      name,
      new Tensor("float32", new Float32Array(21), [7, 3]),
    ]);
    const graph = { ...model.graph, initializers: new Map([...model.graph.initializers, ...floats]) };
    const plain = { ...model, graph, weights: new Map(), layers: new Map() };
    const stored = writeModel(plain);
    expect(readModel(stored)).toEqual(plain);
    expect(totalTerms(plain)).toBe(0);
    const stream = await readModelStream(inChunks(stored, 50));
    expect(stream.terms).toEqual({ loaded: 0, total: 0 });
    expect(await next(stream)).toEqual([]);
  });

  test("with a mask of a megabyte takes a few kilobytes, whole and streamed", async () => {
    const mask = new Float32Array(512 * 512);
    for (let i = 0; i < mask.length; i++) if (i % 512 > i / 512) mask[i] = Number.NEGATIVE_INFINITY;
    const initializers = new Map([...model.graph.initializers, ["mask", new Tensor("float32", mask, [512, 512])]]);
    const masked = { ...model, graph: { ...model.graph, initializers: initializers as Map<string, Tensor> } };
    const stored = writeModel(masked);
    expect(stored.length).toBeLessThan(bytes.length + 25_000);
    expect(readModel(stored)).toEqual(masked);
    expect(openContainer(stored).sha256).toBe(digestOfModel(masked));
    const stream = await readModelStream(inChunks(stored, 1000));
    while ((await next(stream)).length > 0);
    expect(stream.model).toEqual(masked);
    const front = stored.length - packedPart(stored).data.length;
    expect(() => readModel(stored.subarray(0, front + 99))).toThrow(/its section "values" expected \d+ bytes, got 99/);
    const damaged = stored.slice();
    for (let at = front; at < stored.length; at += 997) {
      damaged[at]! ^= 4;
      expect(codeOf(() => readModel(damaged))).toBe("MODEL");
      damaged[at]! ^= 4;
    }
  });

  test("holds texts", () => {
    const texts = new Tensor("string", ["ä", "", '"\ud800\n', "𝄞"], [2, 2]);
    const initializers = new Map([...model.graph.initializers, ["s", texts] as const]);
    const { graph } = readModel(writeModel({ ...model, graph: { ...model.graph, initializers } }));
    expect(graph.initializers.get("s")).toEqual(texts);
  });

  test("will not be written with terms missing", () => {
    expect(() => writeModel(limitTerms(model, 1))).toThrow(/expected all 3 terms of "7", got 1/);
  });
});

async function next(stream: ModelStream): Promise<readonly WeightSeries[]> {
  return (await stream.arrived()) ? stream.take() : [];
}

describe("bad bytes", () => {
  test("every cut is noticed, whole and streamed", async () => {
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      expect(codeOf(() => readModel(cut))).toBe("MODEL");
      if (length % 5 > 0 && length > 100) continue;
      const drain = async () => {
        const stream = await readModelStream(inChunks(cut, 97));
        while ((await next(stream)).length > 0);
      };
      await expect(drain()).rejects.toMatchObject({ code: "MODEL" });
    }
    expect(() => readModel(bytes.subarray(0, bytes.length - 1))).toThrow(/cut short: its section "term 3"/);
    expect(() => readModel(bytes.subarray(0, 400))).toThrow(/cut short: its header expected \d+ bytes, got 400/);
    const front = bytes.length - parted(bytes).data.length;
    expect(() => readModel(bytes.subarray(0, front + 9))).toThrow(/its packed header expected \d+ bytes, got 9/);
  });

  test("every flipped bit is noticed", () => {
    const damaged = bytes.slice();
    for (let at = 0; at < bytes.length; at++) {
      const bit = 1 << ((at * 5) % 8);
      damaged[at]! ^= bit;
      expect(codeOf(() => readModel(damaged))).toBe("MODEL");
      damaged[at]! ^= bit;
    }
    damaged[bytes.length - 1]! ^= 1;
    expect(() => readModel(damaged)).toThrow('the section "term 3" does not match its digest');
  });

  test("a flipped bit in a late term leaves the early ones usable", async () => {
    const damaged = bytes.slice();
    damaged[bytes.length - 1]! ^= 1;
    const stream = await readModelStream(inChunks(damaged, 100));
    expect((await next(stream)).length).toBe(2);
    for (let i = 0; i < 3; i++) {
      await expect(next(stream)).rejects.toThrow('"term 3" does not match');
      expect(stream.terms).toEqual({ loaded: 2, total: 3 });
      expect(stream.model).toEqual(limitTerms(model, 2));
    }
  });

  test.each([
    ["nothing", "", "got nothing"],
    ["a page", "<!DOCTYPE html><html><head></head></html>", "got a web page"],
    ["a picture", "\x89PNG\r\n\x1a\n0000IHDR00000000", "got a PNG picture"],
    ["an archive", "PK\x03\x04aaaaaaaaaaaaaaaaaaaaa", "got a zip archive"],
    ["an ONNX model", "\x08\x07\x12\x07pytorch\x1a\x051.9.0:aaaaaaaaaaaaaaaaaaaaa", "ONNX model"],
    ["a pointer", "version https://git-lfs.github.com/spec/v1", "Git LFS pointer"],
    ["another", '\x10\0\0\0\0\0\0\0{"__metadata__":{"format":"pt"}}', "another safetensors file"],
    [
      "plain safetensors",
      '\x08\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      "another safetensors",
    ],
    ["noise", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "something else"],
  ])("%s", (_, text, message) => {
    const given = Uint8Array.from(text, (c) => c.charCodeAt(0));
    expect(() => readModel(given)).toThrow(`expected a bitbasis container, got`);
    expect(() => readModel(given)).toThrow(message);
    expect(isContainer(given.subarray(0, 16))).toBe(text.includes("{"));
  });

  test("a header that claims to be huge is refused before anything is allocated", async () => {
    const hostile = bytes.slice(0, 200);
    for (const claim of [2n ** 63n, 2n ** 40n, 100_000_008n, 13n]) {
      new DataView(hostile.buffer).setBigUint64(0, claim, true);
      expect(() => readModel(hostile)).toThrow(/its header expected a multiple of 8 bytes up to 100000000/);
      await expect(readModelStream(inChunks(hostile, 64))).rejects.toThrow(/its header expected/);
    }
    new DataView(hostile.buffer).setBigUint64(0, 99_999_992n, true);
    expect(() => readModel(hostile)).toThrow(/cut short/);
    await expect(readModelStream(inChunks(hostile, 64))).rejects.toThrow(/cut short/);
  });

  test("a later version is named", () => {
    expect(() => readModel(withHeader((h) => h.replace('"version":"1"', '"version":"3"')))).toThrow(
      "the container has version 3; this release reads versions up to 2",
    );
  });

  test("an unchanged header with a recomputed digest is read", () => {
    expect(readModel(withHeader((h) => h))).toEqual(model);
    expect(withPacked((h) => h)).toEqual(bytes);
  });

  test("headers that do not belong together", () => {
    const front = (edit: (text: string) => string) => {
      const { text, data } = parted(bytes);
      return signed(edit(text), data);
    };
    expect(() => readModel(front((h) => h.replace('"header":', '"other":')))).toThrow(
      /packed header first, got "other"/,
    );
    expect(() => readModel(front((h) => h.replace('"values":', '"value":')))).toThrow(/two headers differ/);
    expect(() => readModel(front((h) => h.replace(/,"term 3":\{[^}]*\}/, "")))).toThrow(/two headers differ/);
    expect(() => readModel(front((h) => h.replace(/"packed":"../, '"packed":"zz')))).toThrow(
      /packed header does not match/,
    );
    expect(() => readModel(withPacked((h) => h.replace('"version":"1"', '"version":"2"')))).toThrow(/has version 2/);
  });

  test("packed bytes that no text gives", () => {
    const [size, literal] = [[5], [0x05, 97, 98, 99, 100, 101]];
    const cases: [number[], RegExp][] = [
      [[], /header first|cut short/],
      [[...size, ...literal], /another safetensors file|header expected/],
      [[9, 0x15, 97, 98, 99, 100, 101, 0x80], /cut short/],
      [[0xff, 0xff, 0xff, 0xff, 0x7f], /too long/],
      [[0xff, 0xff, 0x7f, 0], /of 8 bytes says that it holds 2097151/],
      [[...size, 0x06, 97, 98, 99], /longer than the rest/],
      [[...size, 0x0f, 0x7f], /longer than the rest/],
      [[...size, 0x00], /longer than the rest/],
      [[...size, 0x31, 97, 1], /longer than the rest/],
      [[...size, 0x11, 97, 0], /copies what is not there/],
      [[...size, 0x11, 97, 0xff, 0xff, 0x7f], /copies what is not there/],
      [[...size, ...literal, 0, 1], /goes on after its end/],
      [[...size, ...literal, ...new Array<number>(10).fill(0)], /goes on after its end/],
    ];
    for (const [given, message] of cases) {
      const packed = new Uint8Array(8 * Math.ceil(given.length / 8));
      packed.set(given);
      const attacked = withPacked((h) => h, packed);
      expect(codeOf(() => readModel(attacked))).toBe("MODEL");
      expect(() => readModel(attacked)).toThrow(message);
    }
  });

  // Attacks whose digest is right: only the rules of the format can refuse them.
  const first = /"9":\{"dtype":"F32","shape":\[3\],"data_offsets":\[0,12\]\}/;
  test.each<[string, (h: string) => string, RegExp]>([
    [
      "a tensor twice",
      (h) => h.replace(first, '$&,"9":{"dtype":"F32","shape":[0],"data_offsets":[12,12]}'),
      /"9" twice/,
    ],
    ["metadata twice", (h) => h.replace('"format"', '"version":"1","format"'), /"version" twice/],
    ["an overlap", (h) => h.replace("[0,12]", "[0,8]"), /without gap or overlap/],
    ["a gap", (h) => h.replace(first, (s) => s.replace("[0,12]", "[4,16]")), /without gap or overlap/],
    ["an offset beyond everything", (h) => h.replace("[0,12]", "[0,999999999999999]"), /without gap or overlap/],
    ["a shape that is too large", (h) => h.replace("[3],", "[999999999999999,999999999999999],"), /gap or overlap/],
    ["a negative offset", (h) => h.replace("[0,12]", "[-4,8]"), /expected integers/],
    ["an unknown type", (h) => h.replace('"F32"', '"F8"'), /unknown type F8/],
    ["white space", (h) => h.replace('"dtype"', ' "dtype"'), /its header expected/],
    ["an unended text", (h) => h.slice(0, h.lastIndexOf('"')), /its header|does not end/],
    ["more after the end", (h) => `${h}{}`, /goes on after/],
    ["another format", (h) => h.replace('"format":"bitbasis"', '"format":"pt"'), /another safetensors file/],
    ["no sections", (h) => h.replace(/"sections":"(\\.|[^"])*"/, '"sections":"[]"'), /do not cover/],
    ["sections that are no JSON", (h) => h.replace('"sections":"[', '"sections":"'), /sections is no JSON/],
    ["sections of a wrong kind", (h) => h.replace(/"sections":"(\\.|[^"])*"/, '"sections":"[7]"'), /expected \[name/],
    ["no graph", (h) => h.replace('"graph":"{', '"graph":"'), /graph is no JSON/],
    [
      "a node that reads what nobody writes",
      (h) => h.replace('\\"x1\\",', '\\"x9\\",'),
      /reads "x9" before anybody writes it/,
    ],
    [
      "an output that nobody writes",
      (h) => h.replace('{\\"name\\":\\"x2\\"', '{\\"name\\":\\"x7\\"'),
      /nobody writes the output "x7"/,
    ],
    [
      "a value that is named like ours",
      (h) => h.replaceAll('\\"x1\\"', '\\"\\\\u0000folded:x\\"'),
      /no file may name a value "\\u0000folded:x"/,
    ],
    [
      "an input that is held by nothing known",
      (h) => h.replace('\\"type\\":\\"float32\\"', '\\"holder\\":\\"map\\",$&'),
      /expected inputs and outputs/,
    ],
    [
      "a node without inputs",
      (h) => h.replace('\\"inputs\\":[\\"x0\\",\\"7\\"]', '\\"inputs\\":7'),
      /node "gemm 0" expected/,
    ],
    [
      "nodes that are no list",
      (h) => h.replace('\\"nodes\\":[', '\\"nodes\\":7,\\"other\\":['),
      /its graph lacks a part/,
    ],
    [
      "an input of no type",
      (h) => h.replace('\\"type\\":\\"float32\\"', '\\"type\\":\\"float8\\"'),
      /expected inputs and outputs/,
    ],
    [
      "a layer plan that does not fit",
      (h) => h.replace('\\"activationTerms\\":2}],', '\\"activationTerms\\":9}],'),
      /activationTerms" expected/,
    ],
    ["no plan", (h) => h.replace('"plan":"{', '"plan":"'), /plan is no JSON/],
    ["a plan without layers", (h) => h.replace('\\"layers\\"', '\\"other\\"'), /expected a list of "layers"/],
    ["a layer that is no node", (h) => h.replace('[[\\"gemm 0\\"', '[[\\"gemm 9\\"'), /names the node "gemm 9"/],
    [
      "bits out of range",
      (h) => h.replace('\\"axis\\":0,\\"bits\\":4', '\\"axis\\":0,\\"bits\\":9'),
      /"bits" expected/,
    ],
    ["an axis out of range", (h) => h.replace('\\"axis\\":0', '\\"axis\\":2'), /expected a shape and an axis/],
    ["too many terms", (h) => h.replace('\\"terms\\":3', '\\"terms\\":4'), /has 3 of 4 terms/],
    ["too few terms", (h) => h.replace('\\"terms\\":3', '\\"terms\\":2'), /"7#3", which belongs to no series/],
    ["another shape", (h) => h.replace('\\"shape\\":[7,3]', '\\"shape\\":[7,99]'), /term 1 of "7" expected/],
    ["a renamed scale", (h) => h.replace('"7#scale"', '"8#scale"'), /has no scales/],
    ["a renamed outlier", (h) => h.replace('"b##1#outlier.index"', '"b##1#other"'), /belongs to no series/],
  ])("%s", (_, edit, message) => {
    for (const attacked of [withHeader(edit), withPacked(edit)]) {
      expect(codeOf(() => readModel(attacked))).toBe("MODEL");
      expect(() => readModel(attacked)).toThrow(message);
    }
  });

  test("scales and outliers that make no sense", () => {
    const scaleAt = 12 + 4;
    const digestOf = (data: Uint8Array, h: string) => {
      const length = Number(/\[\[\\"values\\",(\d+)/.exec(h)![1]);
      const digest = createHash("sha256").update(data.subarray(0, length)).digest("hex");
      return h.replace(/(\[\[\\"values\\",\d+,\\")[0-9a-f]{64}/, `$1${digest}`);
    };
    const data = parted(plain).data.slice();
    new DataView(data.buffer).setFloat32(scaleAt, Number.NaN, true);
    expect(() => readModel(withHeader((h) => digestOf(data, h), data))).toThrow(/no finite number/);
    const outlier = Number(/"b##1#outlier.index".*?data_offsets":\[(\d+)/.exec(header)![1]);
    const other = parted(plain).data.slice();
    new DataView(other.buffer).setUint32(outlier, 21, true);
    expect(() => readModel(withHeader((h) => digestOf(other, h), other))).toThrow(/ascending positions below 21/);
  });

  test("noise in place of the header", () => {
    fc.assert(
      fc.property(fc.nat(header.length - 1), fc.string({ maxLength: 12 }), fc.nat(12), (at, insert, drop) => {
        const attacked = withHeader((h) => h.slice(0, at) + insert + h.slice(at + drop));
        try {
          readModel(attacked);
        } catch (error) {
          expect((error as BitbasisError).code).toBe("MODEL");
        }
      }),
      { numRuns: 500 },
    );
  });
});
