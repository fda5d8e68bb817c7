// A host of program images as one without our JavaScript would be: it knows the header, and four exports.
import { readFileSync } from "node:fs";
import { ImageHeader, ImageStatus, ImageValue } from "../../src/core/abi/image.ts";
import { Status } from "../../src/core/abi/program.ts";

interface Exports {
  memory: WebAssembly.Memory;
  reserve(bytes: number): number;
  bind(image: number, imageBytes: number, blockBytes: number): number;
  runImage(image: number): number;
}

export interface RawValue {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  /** Bytes of the memory itself. */
  readonly data: Uint8Array;
}

export class Standalone {
  private constructor(readonly exports: Exports) {}

  static async load(build: "scalar" | "simd"): Promise<Standalone> {
    const bytes = readFileSync(new URL(`../../build/bitbasis-${build}.wasm`, import.meta.url));
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Standalone(instance.exports as unknown as Exports);
  }

  /** Puts an image into a block of its own; `extra` bytes more than it needs. */
  load(image: Uint8Array, extra = 0): { block: number; status: number } {
    const words = new DataView(image.buffer, image.byteOffset, image.byteLength);
    const size = (word: ImageHeader): number =>
      image.length < 4 * ImageHeader.length ? 0 : words.getUint32(4 * word, true);
    const bytes = Math.max(image.length, size(ImageHeader.imageBytes) + size(ImageHeader.arenaBytes) + extra);
    const block = this.exports.reserve(bytes);
    new Uint8Array(this.exports.memory.buffer).set(image, block);
    return { block, status: this.exports.bind(block, image.length, bytes) };
  }

  values(block: number, side: "inputs" | "outputs"): RawValue[] {
    const memory = new DataView(this.exports.memory.buffer);
    const word = (at: number, index: number): number => memory.getUint32(at + 4 * index, true);
    const [records, count] =
      side === "inputs"
        ? ([ImageHeader.inputs, ImageHeader.inputCount] as const)
        : ([ImageHeader.outputs, ImageHeader.outputCount] as const);
    return Array.from({ length: word(block, count) }, (_, i) => {
      const at = block + word(block, records) + 4 * ImageValue.length * i;
      const dims = block + word(at, ImageValue.dims);
      const name = new Uint8Array(memory.buffer, block + word(at, ImageValue.name));
      return {
        name: new TextDecoder().decode(name.slice(0, name.indexOf(0))),
        type: word(at, ImageValue.type),
        dims: Array.from({ length: word(at, ImageValue.rank) }, (_, axis) => word(dims, axis)),
        data: new Uint8Array(memory.buffer, block + word(at, ImageValue.data), word(at, ImageValue.bytes)),
      };
    });
  }

  run(block: number): number {
    return this.exports.runImage(block);
  }
}

export const statusName = (status: number): string => Status[status] ?? ImageStatus[status] ?? String(status);

/** The image with its digest made right, as one who means harm, or a test, would. */
export function withDigest(image: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = image.slice();
  const words = new Uint32Array(copy.buffer);
  let state = 0x811c9dc5;
  words.forEach((word, i) => {
    if (i !== ImageHeader.digest && i !== ImageHeader.bound) state = Math.imul(state ^ word, 0x01000193);
  });
  words[ImageHeader.digest] = state;
  return copy;
}
