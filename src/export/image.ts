import { ElementCode } from "../core/abi/element.ts";
import { Image, ImageDigest, ImageHeader, ImageValue } from "../core/abi/image.ts";
import { Program, ProgramHeader } from "../core/abi/program.ts";
import { BitbasisError, bytesOf, type Core, encodeUtf8, programBytes, wordsOf } from "../core/index.ts";
import type { Compiled, ProgramValue } from "../program/compile.ts";
import { elementBytes, type NumericType, type Shape, sizeOf } from "../tensor/index.ts";

/** An input or output of an image. */
export interface ImageEntry {
  /** As in the model. */
  readonly name: string;
  /** Element type. */
  readonly type: NumericType;
  /** Fixed when the program was compiled. */
  readonly shape: Shape;
  /** Where its elements lie, dense and row-major: bytes from the start of the block. */
  readonly offset: number;
  /** Size of its elements together. */
  readonly bytes: number;
}

/** What the header of an image says. */
export interface ImageManifest {
  /** Size of the image alone. */
  readonly imageBytes: number;
  /** The image, and the arena behind it. */
  readonly blockBytes: number;
  /** Kernel calls of one run. */
  readonly steps: number;
  /** Those that the program reads. */
  readonly inputs: readonly ImageEntry[];
  /** Those that the program writes. */
  readonly outputs: readonly ImageEntry[];
}

/** A compiled program that runs without JavaScript, and what its header says. */
export interface ProgramImage {
  /** The bytes, to be placed at the start of a block of `manifest.blockBytes`. */
  readonly image: Uint8Array<ArrayBuffer>;
  /** The header in readable form. */
  readonly manifest: ImageManifest;
}

/** Addresses are u32, and hosts count memory in pages of 64 KiB. */
const LARGEST_BLOCK = 2 ** 32 - 2 ** 16;

/** A compiled program and the constants that it reads as an image (src/core/abi/image.ts). */
export function writeImage(core: Core, program: Compiled): ProgramImage {
  const layout = new Layout(core);
  const header = new Uint32Array(ImageHeader.length);
  layout.place(header);
  const at = layout.program(program);
  const inputs = layout.values(program.inputs);
  const outputs = layout.values(program.outputs);
  const relocations = layout.place(Uint32Array.from(layout.relocations));
  const imageBytes = layout.close();
  const { arenaBytes, count: steps } = program;
  const blockBytes = imageBytes + arenaBytes;
  if (blockBytes > LARGEST_BLOCK) {
    const most = `an image with its arena expected at most ${LARGEST_BLOCK} bytes`;
    throw new BitbasisError("MEMORY", `${most}, got ${blockBytes}`);
  }
  const words: Record<Exclude<keyof typeof ImageHeader, "length">, number> = {
    magic: Image.Magic,
    version: Image.Version,
    programVersion: Program.Version,
    imageBytes,
    arenaBytes,
    program: at,
    steps,
    relocations,
    relocationCount: layout.relocations.length,
    inputs: inputs.at,
    inputCount: program.inputs.size,
    outputs: outputs.at,
    outputCount: program.outputs.size,
    digest: 0,
    bound: 0,
  };
  for (const [name, word] of Object.entries(words)) header[ImageHeader[name as keyof typeof words]] = word;
  const image = layout.join();
  const all = new Uint32Array(image.buffer);
  all[ImageHeader.digest] = digest(all);
  return { image, manifest: { imageBytes, blockBytes, steps, inputs: inputs.read(), outputs: outputs.read() } };
}

/** Pieces of an image, one behind the other, and the words in them that point at others. */
class Layout {
  /** Offsets of the words of the program that become addresses. */
  readonly relocations: number[] = [];
  private readonly pieces: { at: number; data: Uint8Array | Uint32Array }[] = [];
  /** Words that are offsets into the arena, whose place is known once the image is closed. */
  private readonly inArena: { words: Uint32Array; index: number }[] = [];
  /** Offsets of blocks of the core's memory, by address. */
  private readonly blocks = new Map<number, number>();
  private end = 0;

  constructor(private readonly core: Core) {}

  /** Adds a piece, aligned, and returns its offset. It may be changed until the image is joined. */
  place(data: Uint8Array | Uint32Array): number {
    const at = this.end;
    this.pieces.push({ at, data });
    this.end = Math.ceil((at + data.byteLength) / Image.Alignment) * Image.Alignment;
    return at;
  }

  /** The program, and before it the constants that its steps read. */
  program({ steps, write }: Compiled): number {
    const address = write(0);
    const bytes = programBytes(steps.map(({ step }) => step));
    const words = new Uint32Array(this.core.read(address, bytes).buffer);
    this.core.release(address);
    const pointers: number[] = [];
    let next = ProgramHeader.length + steps.length;
    steps.forEach(({ step }, i) => {
      pointers.push(ProgramHeader.length + i);
      words[ProgramHeader.length + i]! -= address;
      const { reads, writes } = wordsOf(step.opcode, step.words);
      const addresses = new Set([...reads, ...writes]);
      for (const [j, word] of step.words.entries()) {
        const index = next + j;
        if (typeof word !== "number") this.inArena.push({ words, index });
        else if (addresses.has(j) && word !== 0) words[index] = this.constant(word);
        else continue;
        this.relocations.push(4 * index);
      }
      next += step.words.length;
    });
    const at = this.place(words);
    for (const index of pointers) words[index]! += at;
    const inside = this.relocations.splice(0);
    for (const offset of [...pointers.map((index) => 4 * index), ...inside]) this.relocations.push(at + offset);
    return at;
  }

  /** Records of `ImageValue`, and what they say once the image is closed. */
  values(values: ReadonlyMap<string, ProgramValue>): { at: number; read: () => ImageEntry[] } {
    const records = new Uint32Array(ImageValue.length * values.size);
    const entries = [...values].map(([name, { type, shape, place }], i) => {
      const first = ImageValue.length * i;
      const bytes = sizeOf(shape) * elementBytes(type);
      const dims = this.place(Uint32Array.from(shape));
      const named = this.place(encodeUtf8(`${name}\0`));
      let data: number;
      if ("arena" in place) {
        data = place.arena;
        this.inArena.push({ words: records, index: first + ImageValue.data });
      } else if ("address" in place) data = this.constant(place.address);
      else data = this.place(bytesOf(place.constant.data as ArrayBufferView));
      records.set([named, ElementCode[type], shape.length, dims, data, bytes], first);
      return { name, type: type as NumericType, shape, bytes };
    });
    const read = (): ImageEntry[] =>
      entries.map((entry, i) => ({ ...entry, offset: records[ImageValue.length * i + ImageValue.data]! }));
    return { at: this.place(records), read };
  }

  /** Ends the image, behind which the arena begins, and returns its size. */
  close(): number {
    for (const { words, index } of this.inArena) words[index]! += this.end;
    return this.end;
  }

  join(): Uint8Array<ArrayBuffer> {
    const image = new Uint8Array(this.end);
    for (const { at, data } of this.pieces) image.set(bytesOf(data), at);
    return image;
  }

  /** The offset of what lies at an address of the core's memory; its block is placed once. */
  private constant(address: number): number {
    const block = this.core.readBlock(address);
    if (block === undefined) throw new BitbasisError("INTERNAL", `a step reads address ${address}, where nothing lies`);
    let at = this.blocks.get(block.at);
    if (at === undefined) {
      at = this.place(block.bytes);
      this.blocks.set(block.at, at);
    }
    return at + address - block.at;
  }
}

/** As in assembly/image.ts. */
function digest(words: Uint32Array): number {
  let state: number = ImageDigest.Start;
  for (const [i, word] of words.entries()) {
    if (i === ImageHeader.digest || i === ImageHeader.bound) continue;
    state = Math.imul(state ^ word, ImageDigest.Prime);
  }
  return state >>> 0;
}
