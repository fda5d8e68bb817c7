// Archives of arrays from strangers: one that says of itself what is not so ends in a sentence, soon, and before it is unpacked.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Zippable, zipSync } from "fflate";
import { dump } from "npyjs";
import { afterAll, describe, expect, it } from "vitest";
import { readNpy, readTensor } from "../../src/cli/inputs.ts";

const folder = mkdtempSync(join(tmpdir(), "npz-"));
afterAll(() => rmSync(folder, { recursive: true }));

const INPUT = { name: "x", isTensor: true, type: "float32", shape: [2] } as const;
const array = new Uint8Array(dump(new Float32Array([1, 2]), [2]));

/** Where a word with this signature is last. */
function find(bytes: Uint8Array, signature: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = bytes.length - 4; at >= 0; at--) if (view.getUint32(at, true) === signature) return at;
  throw new Error("there is none");
}

async function read(bytes: Uint8Array): Promise<unknown> {
  const path = join(folder, "x.npz");
  writeFileSync(path, bytes);
  try {
    return [...((await readTensor(INPUT, path)).data as Float32Array)];
  } catch (error) {
    expect((error as Error).constructor.name).toBe("UsageError");
    return (error as Error).message.replace(path, "x.npz");
  }
}

/** A .npy file of eight bytes of elements. */
function npy(descr: string, shape: string): Uint8Array {
  const header = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  const head = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0, ...new TextEncoder().encode(`${header}\n`)];
  return Uint8Array.from([...head, ...new Uint8Array(8)]);
}

const zip = (entries: Zippable): Uint8Array => zipSync(entries, { level: 9 });

describe("archives", () => {
  it("give the entry of the input's name, or the only one", async () => {
    expect(await read(zip({ "y.npy": new Uint8Array(3), "x.npy": array }))).toEqual([1, 2]);
    expect(await read(zip({ "other.npy": array }))).toEqual([1, 2]);
    // No entry is a path of this machine: nothing is written.
    expect(await read(zip({ "../../x.npy": array }))).toEqual([1, 2]);
  });

  it("are refused where no entry has the name, which a few are told of", async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`entry ${i}.npy`, array]));
    const message = String(await read(zip(many)));
    expect(message).toContain('x.npz has no entry "x.npy"; it has entry 0.npy, entry 1.npy');
    expect(message.length).toBeLessThan(300);
    expect(await read(zip({}))).toBe('x.npz has no entry "x.npy"; it has none');
  });

  it("are refused with two entries of one name, whose second one may say any size", async () => {
    const bytes = zip({ "x.npy": array, "y.npy": array });
    const name = find(bytes, 0x02014b50) + 46;
    bytes.set(new TextEncoder().encode("x.npy"), name);
    expect(await read(bytes)).toBe('x.npz has more than one entry "x.npy"');
  });

  it("are refused when their directory counts more entries than it has room for", async () => {
    // The end of a directory of 64 bits in front of the plain one, and where it is: four billion entries.
    const plain = zip({ "y.npy": array });
    const end = find(plain, 0x06054b50);
    const bytes = new Uint8Array(plain.length + 76);
    bytes.set(plain.subarray(0, end));
    const view = new DataView(bytes.buffer);
    view.setUint32(end, 0x06064b50, true);
    view.setUint32(end + 32, 2 ** 32 - 1, true);
    view.setUint32(end + 48, find(plain, 0x02014b50), true);
    view.setUint32(end + 56, 0x07064b50, true);
    view.setUint32(end + 64, end, true);
    bytes.set(plain.subarray(end), end + 76);
    view.setUint16(end + 76 + 8, 65535, true);
    view.setUint32(end + 76 + 16, 2 ** 32 - 1, true);
    expect(await read(bytes)).toBe("x.npz is a damaged .npz file: its directory goes beyond its end");
  });

  it("are refused wherever they are cut", async () => {
    const bytes = zip({ "x.npy": array });
    for (let length = 4; length < bytes.length; length += 7)
      expect(await read(bytes.subarray(0, length))).toMatch(/^x\.npz is a damaged \.np[yz] file: ./);
  });

  it.each([
    ["a size beyond the data", "(1000000000000000,)"],
    ["a negative size", "(-2,)"],
    ["a size that is none", "(two,)"],
  ])("are called damaged with %s", async (_, shape) => {
    expect(await read(zip({ "x.npy": npy("'<f4'", shape) }))).toMatch(/^x\.npz is a damaged \.npy file: ./);
  });

  it.each(["'>f4'", "'|O'", "'<U2'", "'<c8'", "[('a', '<f4'), ('b', '<i4')]"])(
    "say that they hold %s, which is not read, and are not called damaged",
    async (descr) => {
      const message = `x.npz expected an array of little-endian numbers, got dtype ${descr}`;
      expect(await read(zip({ "x.npy": npy(descr, "(2,)") }))).toBe(message);
    },
  );

  it("are read in Fortran order too, as numpy writes what was transposed", async () => {
    const header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }".padEnd(117);
    const head = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0, ...new TextEncoder().encode(`${header}\n`)];
    const path = join(folder, "turned.npy");
    writeFileSync(path, Uint8Array.from([...head, ...new Uint8Array(Float32Array.of(1, 4, 2, 5, 3, 6).buffer)]));
    const { dims, data } = await readNpy(path);
    expect([dims, Array.from(data as Float32Array)]).toEqual([
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
  });
});
