import type { SessionOptions } from "../session/options.ts";
import type { ElementType, TensorData } from "../tensor/index.ts";

/** A model as every worker opens it. */
export interface PoolModel {
  /** Names the model in `Pool.run`. */
  readonly key: string;
  /** A container, or the ONNX file of a model that has none; on shared memory, so that workers do not copy it. */
  readonly bytes: Uint8Array;
  /** Weight terms to use at most; default all. */
  readonly terms?: number;
}

/** What a run may cost, see SessionOptions. */
export interface PoolLimits {
  readonly bytes?: number;
  readonly macs?: number;
}

/** A tensor between threads. */
export interface Parcel {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

export type Parcels = Readonly<Record<string, Parcel>>;

/**
 * Tensors and whatever else has type, dims and data as plain objects: an object of a class loses its getters on the way to a thread.
 *
 * @throws TypeError for what is no tensor
 */
export function parcelsOf(feeds: Parcels): Parcels {
  if (feeds === null || typeof feeds !== "object")
    throw new TypeError(`feeds expected an object of tensors, got ${feeds}`);
  return Object.fromEntries(
    Object.entries(feeds).map(([name, feed]) => {
      if (feed === null || typeof feed !== "object" || !("data" in feed)) {
        throw new TypeError(
          `the feed "${name}" expected { type, dims, data }, got ${feed === null ? "null" : typeof feed}`,
        );
      }
      const { type, dims, data } = feed;
      return [name, { type, dims, data }];
    }),
  );
}

/**
 * The buffers that a message hands over: of the arrays that are all of their buffer, which Node's small Buffers are not. One that was handed over before is empty;
 * Node would send it and fail where it arrives, whereas what is not handed over fails here.
 */
export function buffersOf(parcels: Parcels): ArrayBuffer[] {
  const buffers = Object.values(parcels).flatMap(({ data }) =>
    ArrayBuffer.isView(data) && data.byteLength > 0 && data.byteLength === data.buffer.byteLength
      ? [data.buffer as ArrayBuffer]
      : [],
  );
  return [...new Set(buffers)];
}

/** What the worker is started with. */
export interface Setup {
  readonly models: readonly PoolModel[];
  readonly limits: PoolLimits;
  /** See SessionOptions. */
  readonly build?: SessionOptions["build"];
}

/** To the worker. */
export type Order =
  | {
      readonly run: number;
      readonly model: string;
      readonly feeds: Parcels;
      readonly fetches: readonly string[] | undefined;
    }
  | { readonly abort: number };

/** An error between threads, which keep no classes. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

/** From the worker: first `ready` once or `failed`, then an answer to each run. */
export type Answer =
  | { readonly ready: Readonly<Record<string, ModelFacts>> }
  | { readonly failed: Failure }
  | { readonly done: number; readonly outputs: Parcels; readonly milliseconds: number }
  | { readonly done: number; readonly failure: Failure };

/** What is known of an open model. */
export interface ModelFacts {
  readonly inputs: readonly ValueFacts[];
  readonly outputs: readonly ValueFacts[];
  /** SHA-256 of the container, which an ONNX source yields too; where there is none, of the ONNX file. */
  readonly digest: string;
  /** Weight terms in use. */
  readonly terms: number;
}

export interface ValueFacts {
  readonly name: string;
  readonly type: ElementType;
  /** Numbers, and names of dimensions that are free; undefined for any shape. */
  readonly shape: readonly (number | string)[] | undefined;
}
