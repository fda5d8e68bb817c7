import { expect, it } from "vitest";
import { moduleBytes } from "../../src/core/index.ts";
import { withSharedMemory } from "../../src/parallel/shared-module.ts";

it.each(["scalar", "simd"] as const)(
  "the %s build takes a shared memory, and no other, once its import says so",
  async (name) => {
    const bytes = (await moduleBytes(name))!;
    const module = await WebAssembly.compile(withSharedMemory(bytes));
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 100, shared: true });
    expect(() => new WebAssembly.Instance(module, { env: { memory: shared } })).not.toThrow();
    const own = new WebAssembly.Memory({ initial: 1, maximum: 100 });
    expect(() => new WebAssembly.Instance(module, { env: { memory: own } })).toThrow(WebAssembly.LinkError);
    const plain = await WebAssembly.compile(new Uint8Array(bytes));
    expect(() => new WebAssembly.Instance(plain, { env: { memory: shared } })).toThrow(WebAssembly.LinkError);
  },
);

/** A module with one section. */
const sections = (...bytes: number[]): Uint8Array => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes);

it("keeps what stands around the import, whose numbers may have several bytes, and refuses what imports no memory", () => {
  const named = [1, 1, 0x65, 1, 0x6d];
  const [custom, types] = [
    [0, 3, 1, 0x78, 7],
    [1, 1, 0],
  ];
  const given = sections(...custom, 2, 11, ...named, 2, 1, 0x80, 0x01, 0xac, 0x02, ...types);
  const made = sections(...custom, 2, 12, ...named, 2, 3, 0x80, 0x01, 0x80, 0x80, 0x04, ...types);
  expect(withSharedMemory(given)).toEqual(made);
  expect(() => withSharedMemory(sections(1, 1, 0))).toThrow("without imports");
  expect(() => withSharedMemory(sections(2, 8, ...named, 0, 0))).toThrow("got kind 0");
});
