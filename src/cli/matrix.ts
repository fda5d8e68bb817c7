import { open } from "node:fs/promises";
import { parse } from "npyjs";
import type { KeyBlocks } from "../attention/index.ts";
import { readBytes } from "./files.ts";
import { UsageError } from "./usage.ts";

/** Rows read from disk at a time. */
const ROWS = 8192;

/** A matrix [n, d] from a .npy file of floats or integers, as float32. */
export async function readMatrix(path: string): Promise<{ data: Float32Array; n: number; d: number }> {
  const bytes = await readBytes(path);
  if (bytes[0] !== 0x93 || bytes[1] !== 0x4e) throw new UsageError(`${path} expected a .npy file`);
  const { data, shape, fortranOrder } = parse(bytes.slice().buffer, { convertFloat16: true });
  const [n, d] = dimensions(path, shape, fortranOrder);
  return {
    data: data instanceof Float32Array ? data : Float32Array.from(data as unknown as ArrayLike<number>, Number),
    n,
    d,
  };
}

/** The same without reading it all: the rows come from disk every time that they are asked for. float32 only. */
export async function streamMatrix(path: string): Promise<{ data: KeyBlocks; n: number; d: number }> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${path}: ${cause.code ?? cause.message}`, { cause });
  });
  let start: number;
  let text: string;
  try {
    const head = new Uint8Array(12);
    await file.read(head, 0, 12, 0);
    if (head[0] !== 0x93 || head[1] !== 0x4e) throw new UsageError(`${path} expected a .npy file`);
    const view = new DataView(head.buffer);
    const length = head[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
    start = (head[6] === 1 ? 10 : 12) + length;
    const header = new Uint8Array(length);
    await file.read(header, 0, length, start - length);
    text = new TextDecoder().decode(header);
  } finally {
    await file.close();
  }
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1];
  if (!/'descr'\s*:\s*'<f4'/.test(text) || shape === undefined)
    throw new UsageError(`${path} expected float32 to stream, got ${text.trim()}`);
  const dims = shape
    .split(",")
    .filter((s) => s.trim() !== "")
    .map(Number);
  const [n, d] = dimensions(path, dims, /'fortran_order'\s*:\s*True/.test(text));
  const blocks = async function* (): AsyncGenerator<Float32Array> {
    const source = await open(path);
    try {
      for (let row = 0; row < n; row += ROWS) {
        const block = new Float32Array(Math.min(ROWS, n - row) * d);
        const { bytesRead } = await source.read(new Uint8Array(block.buffer), 0, block.byteLength, start + 4 * row * d);
        if (bytesRead !== block.byteLength)
          throw new Error(`${path} ends within row ${row + Math.floor(bytesRead / 4 / d)} of ${n}`);
        yield block;
      }
    } finally {
      await source.close();
    }
  };
  return { data: { blocks }, n, d };
}

function dimensions(path: string, shape: readonly number[], fortranOrder: boolean): [number, number] {
  if (shape.length !== 2 || fortranOrder) {
    throw new UsageError(
      `${path} expected a C-ordered matrix [keys, width], got [${shape}]${fortranOrder ? " in Fortran order" : ""}`,
    );
  }
  return [shape[0]!, shape[1]!];
}
