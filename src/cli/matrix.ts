import { open } from "node:fs/promises";
import type { KeyBlocks } from "../attention/index.ts";
import { floatsOf } from "./elements.ts";
import { fileError } from "./files.ts";
import { readNpy } from "./inputs.ts";
import { UsageError } from "./usage.ts";

/** Rows read from disk at a time. */
const ROWS = 8192;

/** A matrix [n, d] from a .npy file of floats or integers, as float32. */
export async function readMatrix(path: string): Promise<{ data: Float32Array; n: number; d: number }> {
  const tensor = await readNpy(path);
  const [n, d] = dimensions(path, tensor.dims);
  return { data: floatsOf(tensor), n, d };
}

/** The same without reading it all: the rows come from disk every time that they are asked for. float32 only. */
export async function streamMatrix(path: string): Promise<{ data: KeyBlocks; n: number; d: number }> {
  const { start, text } = await readHeader(path).catch((cause: Error) => {
    throw cause instanceof UsageError ? cause : fileError("read", path, cause);
  });
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

/** What a .npy file says of itself, and where its elements begin. */
async function readHeader(path: string): Promise<{ start: number; text: string }> {
  const file = await open(path);
  try {
    const head = new Uint8Array(12);
    await file.read(head, 0, 12, 0);
    if (head[0] !== 0x93 || head[1] !== 0x4e) throw new UsageError(`${path} expected a .npy file`);
    const view = new DataView(head.buffer);
    const length = head[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
    const start = (head[6] === 1 ? 10 : 12) + length;
    const header = new Uint8Array(length);
    const { bytesRead } = await file.read(header, 0, length, start - length);
    if (bytesRead !== length) throw new UsageError(`${path} is a damaged .npy file: it ends within its header`);
    return { start, text: new TextDecoder().decode(header) };
  } finally {
    await file.close();
  }
}

function dimensions(path: string, shape: readonly number[], fortranOrder = false): [number, number] {
  if (shape.length !== 2 || shape.includes(0) || fortranOrder) {
    throw new UsageError(
      `${path} expected a C-ordered matrix [keys, width], got [${shape}]${fortranOrder ? " in Fortran order" : ""}`,
    );
  }
  return [shape[0]!, shape[1]!];
}
