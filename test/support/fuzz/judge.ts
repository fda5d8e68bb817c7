// Feeds one input to a session and says what came of it. Three oracles: memory behind every block of the core is as it was (a canary); three sessions whose memory was filled with 00, FF and 5A before use give
// the same bits, so nothing was read that nobody wrote; and valid graphs give what the interpreter of test/support/oracle gives.
import { LinearMemory } from "../../../src/core/memory.ts";
import { InferenceSession, Tensor } from "../../../src/entries/index.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { allocateData, type ElementType } from "../../../src/tensor/index.ts";
import { bareError } from "../bare-errors.ts";
import { Refusal } from "../oracle/value.ts";
import { disagreement } from "./agree.ts";

/** `ok`, `agree`, the code of a typed error; or a fault: `bare`, `outside`, `unwritten`, `differs`. */
export interface Verdict {
  readonly outcome: string;
  /** Of a fault. */
  readonly why?: string;
}

export const FAULTS: ReadonlySet<string> = new Set(["bare", "outside", "unwritten", "differs", "slow", "large"]);

const POISONS = [0x00, 0xff, 0x5a];
/** Bytes kept free behind every block. */
const CANARY = 128;

/** Of a session's memory: with the copies of its outputs, and the session before that is not yet collected, it stays below the bound of the process. */
const MOST_BYTES = 2 ** 28;

interface Block {
  readonly memory: LinearMemory;
  readonly at: number;
  readonly bytes: number;
}

/** Blocks of the session under test; undefined while nothing is watched. */
let watched: { readonly poison: number; readonly blocks: Map<number, Block> } | undefined;

const { allocate, release } = LinearMemory.prototype;
LinearMemory.prototype.allocate = function (this: LinearMemory, bytes: number): number {
  if (watched === undefined) return allocate.call(this, bytes);
  const at = allocate.call(this, bytes + CANARY);
  this.u8(at, bytes + CANARY).fill(watched.poison);
  watched.blocks.set(at, { memory: this, at, bytes });
  return at;
};
LinearMemory.prototype.release = function (this: LinearMemory, at: number): void {
  watched?.blocks.delete(at);
  release.call(this, at);
};

function damagedBlock(poison: number, blocks: ReadonlyMap<number, Block>): string | undefined {
  for (const { memory, at, bytes } of blocks.values()) {
    const canary = memory.u8(at + bytes, CANARY);
    const i = canary.findIndex((byte) => byte !== poison);
    if (i >= 0) return `byte ${bytes + i} of a block of ${bytes} was written`;
  }
  return undefined;
}

/** Feeds that fit what a session tells of its inputs. */
export function feedsFor(session: InferenceSession, given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const entries = session.inputMetadata.map(({ name, type, shape }): [string, Tensor] => {
    const known = Object.hasOwn(given, name) ? given[name]! : undefined;
    const fits =
      known?.type === type &&
      known.dims.length === shape.length &&
      shape.every((d, i) => typeof d === "string" || d === known.dims[i]);
    if (fits) return [name, known!];
    const dims = shape.map((d) => (typeof d === "number" ? Math.min(d, 64) : 2));
    const size = dims.reduce((a, b) => a * b, 1);
    return [name, new Tensor(type as ElementType, allocateData(type as ElementType, size) as ArrayBufferView, dims)];
  });
  const feeds: Record<string, Tensor> = Object.create(null);
  for (const [name, tensor] of entries) feeds[name] = tensor;
  return feeds;
}

async function run(
  bytes: Uint8Array,
  given: Readonly<Record<string, Tensor>>,
  poison: number,
): Promise<{ outputs: Record<string, Tensor>; outside: string | undefined }> {
  const blocks = new Map<number, Block>();
  watched = { poison, blocks };
  try {
    const session = await InferenceSession.create(bytes, { preset: "float32", limits: { bytes: MOST_BYTES } });
    const outputs = await session.run(feedsFor(session, given));
    const outside = damagedBlock(poison, blocks);
    await session.release();
    return { outputs, outside };
  } finally {
    watched = undefined;
  }
}

/** Bit for bit, without a copy: outputs may be as large as the limit allows. Sequences are lists of tensors, an optional that is empty is nothing. */
function sameBits(a: unknown, b: unknown): boolean {
  if (a instanceof Tensor && b instanceof Tensor) return sameTensor(a, b);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [own, other] = [Object.entries(a), Object.entries(b)];
  return own.length === other.length && own.every(([k, v], i) => other[i]![0] === k && sameBits(v, other[i]![1]));
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a.type !== b.type || a.dims.join() !== b.dims.join()) return false;
  if (!ArrayBuffer.isView(a.data)) return JSON.stringify(a.data) === JSON.stringify(b.data);
  return bytesOf(a.data).equals(bytesOf(b.data as ArrayBufferView));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

/**
 * @param bytes - an ONNX file or a container, perhaps damaged
 * @param graph - what the bytes mean, when they are valid: then the answers are judged too
 */
export async function judge(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  graph?: Graph,
): Promise<Verdict> {
  try {
    const first = await run(bytes, feeds, POISONS[0]!);
    if (first.outside !== undefined) return { outcome: "outside", why: first.outside };
    for (const poison of POISONS.slice(1)) {
      const again = await run(bytes, feeds, poison);
      if (again.outside !== undefined) return { outcome: "outside", why: again.outside };
      if (!sameBits(again.outputs, first.outputs))
        return { outcome: "unwritten", why: `memory filled with ${poison} answers otherwise than with 0` };
    }
    if (graph === undefined) return { outcome: "ok" };
    const why = disagreement(graph, feeds, first.outputs);
    return why === undefined ? { outcome: "agree" } : { outcome: "differs", why };
  } catch (error) {
    if (error instanceof Refusal) return { outcome: "ok" };
    const why = bareError(error);
    if (why !== undefined) return { outcome: "bare", why };
    const { name, code } = error as Error & { code?: string };
    return { outcome: code ?? name };
  }
}
