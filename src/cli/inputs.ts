import { unzipSync } from "fflate";
import { dump, parse } from "npyjs";
import { DEFAULT_LIMITS } from "../core/index.ts";
import { copyStrided } from "../graph/operators/elements.ts";
import { describe } from "../session/feeds.ts";
import type { ValueMetadata } from "../session/options.ts";
import {
  type ElementType,
  elementBytes,
  type NumericType,
  randomTensor,
  sizeOf,
  Tensor,
  uniformNumbers,
  viewData,
} from "../tensor/index.ts";
import { readBytes, STDIO } from "./files.ts";
import { assignment, integer, repeated, UsageError } from "./usage.ts";

export interface InputOptions {
  readonly input?: unknown;
  readonly shape?: unknown;
  readonly random?: unknown;
  readonly seed?: unknown;
}

/** Records of inputs instead of random ones, for the shapes that are known. */
export type MakeRecords = (
  shapes: ReadonlyMap<string, readonly number[]>,
  count: number,
  seed: number,
) => readonly ReadonlyMap<string, Tensor>[];

const NPY_TYPES: Readonly<Record<string, ElementType>> = {
  f4: "float32",
  f8: "float64",
  f2: "float16",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  b1: "bool",
};

/**
 * Feeds from `--input NAME=FILE` (.npy, .npz with an entry of the input's name, or raw little-endian elements), the rest from
 * `--random N --seed S`, whose free dimensions `--shape NAME=1,3,224,224` gives.
 */
export async function readFeeds(
  inputs: readonly ValueMetadata[],
  options: InputOptions,
  make?: MakeRecords,
): Promise<Record<string, Tensor>[]> {
  const shapes = new Map(repeated(options.shape).map((text) => parseShape(assignment("--shape", text))));
  for (const name of shapes.keys()) {
    if (!inputs.some((input) => input.name === name))
      throw new UsageError(`--shape: the model has no input "${name}"; expected ${listInputs(inputs)}`);
  }
  const given = new Map<string, Tensor>();
  for (const text of repeated(options.input)) {
    const [name, path] = assignment("--input", text);
    const input = inputs.find((i) => i.name === name);
    if (input === undefined) throw new UsageError(`the model has no input "${name}"; expected ${listInputs(inputs)}`);
    given.set(name, await readTensor(input, path === "-" ? STDIO : path, shapes.get(name)));
  }
  const missing = inputs.filter((input) => !given.has(input.name));
  if (missing.length === 0) return [Object.fromEntries(given)];
  if (options.random === undefined) {
    throw new UsageError(`expected ${listInputs(missing)}; give --input ${missing[0]!.name}=FILE.npy`);
  }
  const count = integer("--random", options.random === true ? 1 : options.random, 1, 1_000_000);
  const seed = integer("--seed", options.seed ?? 0, 0, 2 ** 32 - 1);
  if (make !== undefined) {
    const known = new Map([...[...given].map(([name, { dims }]) => [name, dims] as const), ...shapes]);
    return make(known, count, seed).map((record) => Object.fromEntries([...record, ...given]));
  }
  return Array.from({ length: count }, (_, i) => {
    const made = missing.map((input, j): [string, Tensor] => {
      const shape = resolveShape(input, shapes.get(input.name));
      checkSize("--random", input, shape);
      const numbers = uniformNumbers(seed + 7919 * (i * missing.length + j));
      return [input.name, randomTensor(numericType("--random", input), shape, numbers)];
    });
    return Object.fromEntries([...given, ...made]);
  });
}

/** The array of a .npy file. */
export async function readNpy(path: string): Promise<Tensor> {
  return parseNpy(path, await readBytes(path));
}

/** A tensor as the bytes of a .npy file. */
export function toNpy(tensor: Tensor): Uint8Array {
  if (tensor.type === "string") throw new Error("a tensor of strings cannot be written as .npy");
  const dtype = Object.entries(NPY_TYPES).find(([, type]) => type === tensor.type)?.[0];
  return new Uint8Array(dump(tensor.data as Float32Array, [...tensor.dims], { dtype: dtype as "f4" }));
}

function listInputs(inputs: readonly ValueMetadata[]): string {
  return `input ${inputs.map((i) => `"${i.name}" (${describe({ type: i.type as ElementType, shape: i.shape })})`).join(", ")}`;
}

export function parseShape([name, text]: [string, string]): [string, number[]] {
  return [name, text.split(/[,x]/).map((d) => integer("--shape", d, 0, 2 ** 31 - 1))];
}

function resolveShape(input: ValueMetadata, given: readonly number[] | undefined): readonly number[] {
  const shape = given ?? input.shape;
  const free = shape.filter((d) => typeof d === "string");
  if (given === undefined && free.length === 1 && typeof shape[0] === "string")
    return [1, ...(shape.slice(1) as number[])];
  if (free.length > 0)
    throw new UsageError(`${listInputs([input])} has free dimensions; give --shape ${input.name}=1,…`);
  return shape as readonly number[];
}

/** An input from a .npy file, the entry of a .npz file that is called as it, or raw elements. */
export async function readTensor(input: ValueMetadata, path: string, shape?: readonly number[]): Promise<Tensor> {
  const bytes = await readBytes(path);
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return parseNpy(path, unzipEntry(path, bytes, input.name));
  if (bytes[0] === 0x93 && bytes[1] === 0x4e) return parseNpy(path, bytes);
  const dims = resolveShape(input, shape);
  const type = numericType(path, input);
  const expected = sizeOf(dims) * elementBytes(type);
  if (bytes.length !== expected) {
    throw new UsageError(
      `${path} expected ${expected} bytes (${type} [${dims}]), .npy or .npz, got ${bytes.length} bytes`,
    );
  }
  return new Tensor(type, viewData(type, bytes, sizeOf(dims)), dims);
}

/** What an entry takes in the directory of an archive at least. */
const ENTRY_BYTES = 46;
/** Entries that a message names. */
const LISTED = 8;

/** The entry of the input's name, or the only one. It says its size before it is unpacked, and cannot grow beyond. */
function unzipEntry(path: string, bytes: Uint8Array, name: string): Uint8Array {
  const entries: { name: string; originalSize: number }[] = [];
  try {
    unzipSync(bytes, {
      filter: (entry) => {
        // A directory that counts four billion entries would be read for minutes, beyond its end.
        if (entries.push(entry) > bytes.length / ENTRY_BYTES) throw new Error("its directory goes beyond its end");
        return false;
      },
    });
    const wanted =
      entries.find((entry) => entry.name === `${name}.npy`) ?? (entries.length === 1 ? entries[0] : undefined);
    if (wanted === undefined) {
      const some = entries.slice(0, LISTED).map((entry) => entry.name);
      if (entries.length > LISTED) some.push("…");
      throw new UsageError(`${path} has no entry "${name}.npy"; it has ${some.join(", ") || "none"}`);
    }
    // All of one name are unpacked, and each says a size of its own.
    if (entries.filter((entry) => entry.name === wanted.name).length > 1)
      throw new UsageError(`${path} has more than one entry "${wanted.name}"`);
    if (wanted.originalSize > DEFAULT_LIMITS.bytes) {
      throw new UsageError(
        `${path} expected entries of ${DEFAULT_LIMITS.bytes} bytes at most, got ${wanted.originalSize}`,
      );
    }
    return unzipSync(bytes, { filter: (entry) => entry.name === wanted.name })[wanted.name]!;
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`${path} is a damaged .npz file: ${(cause as Error).message}`, { cause });
  }
}

/** Elements as numpy writes those of a matrix that was transposed, whose first axis runs fastest, in order. */
function fromFortran({ type, data, dims }: Tensor): Tensor {
  const strides = dims.map((_, axis) => sizeOf(dims.slice(0, axis)));
  return new Tensor(type, copyStrided(data, type, dims, strides) as never, dims);
}

/** The dtype as a header writes it: `'<f4'`, or a list of fields. */
const DTYPE = /['"]descr['"]:\s*(['"][^'"]*['"]|\[.*\])/s;
/** Bytes in which it stands. */
const HEADER_BYTES = 1024;

function parseNpy(path: string, bytes: Uint8Array): Tensor {
  const [, written] = DTYPE.exec(String.fromCharCode(...bytes.subarray(0, HEADER_BYTES))) ?? [];
  if (written !== undefined && NPY_TYPES[written.replace(/^.[<|=]?|.$/g, "")] === undefined)
    throw new UsageError(`${path} expected an array of little-endian numbers, got dtype ${written}`);
  try {
    const { data, shape, dtype, fortranOrder } = parse(new Uint8Array(bytes).buffer, { convertFloat16: false });
    const tensor = new Tensor(NPY_TYPES[dtype]!, data as never, shape);
    return fortranOrder ? fromFortran(tensor) : tensor;
  } catch (cause) {
    throw new UsageError(`${path} is a damaged .npy file: ${(cause as Error).message}`, { cause });
  }
}

function numericType(what: string, { name, type }: ValueMetadata): NumericType {
  if (type === "string") throw new UsageError(`${what}: the input "${name}" takes texts, which cannot be given here`);
  return type as NumericType;
}

function checkSize(what: string, input: ValueMetadata, shape: readonly number[]): void {
  const bytes = sizeOf(shape) * elementBytes(numericType(what, input));
  if (bytes > DEFAULT_LIMITS.bytes) {
    throw new UsageError(
      `${what}: the input "${input.name}" [${shape}] takes ${bytes} bytes, at most ${DEFAULT_LIMITS.bytes} are allowed`,
    );
  }
}
