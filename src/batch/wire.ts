// Tensors, models and errors as they go through Redis.
import { BitbasisError } from "../core/index.ts";
import type { Parcels } from "../pool/index.ts";
import { NUMERICS } from "../receipt/numerics.ts";
import { type ElementType, sizeOf, viewData } from "../tensor/index.ts";

/** Jobs of one version of the arithmetic: a worker of another one never sees them. */
export const QUEUE = `bitbasis-${NUMERICS}`;

/** A tensor as JSON: its bytes in base64, or its texts. */
export interface WireTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: string | readonly string[];
}

export type WireTensors = Readonly<Record<string, WireTensor>>;

export interface JobData {
  /** SHA-256 of the bytes that `modelKey` has. */
  readonly model: string;
  readonly terms?: number;
  readonly feeds: WireTensors;
  /** A worker that must not run it, see `workerName`. */
  readonly except?: string;
}

/** What a worker gives back; a refusal of the inputs is an answer and no failure, since every worker would give it. */
export type JobResult =
  | { readonly outputs: WireTensors; readonly worker: string }
  | { readonly refused: { readonly name: string; readonly message: string; readonly code?: string } };

/** Where the bytes of a model are. */
export function modelKey(sha: string): string {
  return `${QUEUE}:model:${sha}`;
}

export function pack(parcels: Parcels): WireTensors {
  return Object.fromEntries(
    Object.entries(parcels).map(([name, { type, dims, data }]) => {
      const packed = Array.isArray(data)
        ? data
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
      return [name, { type, dims, data: packed }];
    }),
  );
}

export function unpack(tensors: WireTensors): Parcels {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => {
      if (type === "string" || typeof data !== "string") return [name, { type, dims, data: data as string[] }];
      const bytes = Uint8Array.from(Buffer.from(data, "base64"));
      return [name, { type, dims, data: viewData(type, bytes, sizeOf(dims)) }];
    }),
  );
}

/** Whether an error says that the inputs are refused, which is no fault of a worker. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof BitbasisError;
}

export function refusalOf({ refused: { name, message, code } }: Extract<JobResult, { refused: object }>): Error {
  if (name === "TypeError") return new TypeError(message);
  if (name === "BitbasisError") return new BitbasisError(code as BitbasisError["code"], message);
  return new RangeError(message);
}
