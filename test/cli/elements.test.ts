import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { asJson, elementsOf, floatsOf } from "../../src/cli/elements.ts";
import { readMatrix, streamMatrix } from "../../src/cli/matrix.ts";
import { readLabels, topText } from "../../src/cli/top.ts";
import { Tensor } from "../../src/tensor/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bitbasis-elements-"));
afterAll(() => rmSync(folder, { recursive: true }));
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** A .npy file of a header and elements. */
function npy(name: string, descr: string, shape: string, elements: Uint8Array): string {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  return file(
    name,
    Buffer.concat([Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1"), Buffer.from(`${header}\n`), elements]),
  );
}

describe("halves", () => {
  const bits = Uint16Array.of(0x3c00, 0x3800, 0xc000, 0x4200);
  const tensor = new Tensor("float16", bits, [2, 2]);

  it("are shown as numbers, not as their bits", () => {
    expect([...floatsOf(tensor)]).toEqual([1, 0.5, -2, 3]);
    expect(asJson(tensor)).toEqual({ type: "float16", dims: [2, 2], data: [1, 0.5, -2, 3] });
    expect(topText("y", tensor, 1)).toMatch(/0 +0 +1\n +1 +1 +3$/);
  });

  it("are read as numbers", async () => {
    const { data } = await readMatrix(npy("half.npy", "<f2", "(2, 2)", new Uint8Array(bits.buffer)));
    expect([...data]).toEqual([1, 0.5, -2, 3]);
  });

  it("leave other types as they are", () => {
    expect([...Array.from(elementsOf(new Tensor("int64", [5n, -1n], [2])))]).toEqual([5n, -1n]);
    expect([...floatsOf(new Tensor("uint16", [15360], [1]))]).toEqual([15360]);
  });
});

describe("matrices", () => {
  it.each([
    ["vector.npy", "(4,)", 16, /expected a C-ordered matrix \[keys, width\], got \[4\]/],
    ["none.npy", "(0, 4)", 0, /expected a C-ordered matrix .*got \[0,4\]/],
    ["short.npy", "(2, 2)", 10, /damaged .npy file/],
  ])("%s is refused by name", async (name, shape, bytes, message) => {
    await expect(readMatrix(npy(name, "<f4", shape, new Uint8Array(bytes)))).rejects.toThrow(message);
  });

  it("are streamed from whole headers only", async () => {
    await expect(streamMatrix(folder)).rejects.toThrow(/cannot read .*EISDIR/);
    await expect(streamMatrix(file("cut.npy", Buffer.from("\x93NUMPY\x01\x00\x76\x00{'de", "latin1")))).rejects.toThrow(
      /cut\.npy is a damaged .npy file: it ends within its header/,
    );
  });
});

describe("labels", () => {
  it.each([
    ["lines.txt", "cat\ndog\n", ["cat", "dog"]],
    ["list.json", '["cat", 7]', ["cat", "7"]],
    ["object.json", '{"1": "dog", "0": "cat"}', ["cat", "dog"]],
  ])("%s", async (name, text, labels) => {
    expect(await readLabels(file(name, text))).toEqual(labels);
  });

  it.each([
    ["config.json", '{"id2label": {"0": "cat"}}', /got the key "id2label"/],
    ["names.json", '{"cat": 0}', /got the key "cat"/],
    ["negative.json", '{"-1": "cat"}', /got the key "-1"/],
    ["nested.json", '["cat", {"a": 1}]', /got {"a":1} at 1/],
    ["none.json", "{}", /got none/],
    ["empty.txt", " \n", /got nothing/],
    ["bytes.bin", Uint8Array.of(0xff, 0xfe, 0x00), /got bytes that are no text/],
    ["broken.json", '{"0": ', /is not JSON/],
  ])("%s is refused: it has no labels by index", async (name, content, message) => {
    await expect(readLabels(file(name, content))).rejects.toThrow(message);
  });
});
