import type { PoolModel } from "../pool/index.ts";

/** What a thread is told of a sweep: text in the place of a model's bytes, so that sweeps go wherever models go. */
export interface SweepSpec {
  readonly sweep: string;
  /** Of this package: what another version computes may differ. */
  readonly version: string;
}

/** No ONNX file and no container begins like this. */
const PREFIX = '{"sweep":';

/** A sweep as what a Pool runs. */
export function sweepModel(sweep: string, version: string): PoolModel {
  return { key: "sweep", bytes: new TextEncoder().encode(JSON.stringify({ sweep, version } satisfies SweepSpec)) };
}

/** The sweep that the bytes of a PoolModel stand for; undefined for a model. */
export function sweepSpec(bytes: Uint8Array): SweepSpec | undefined {
  const text = new TextDecoder();
  if (text.decode(bytes.subarray(0, PREFIX.length)) !== PREFIX) return undefined;
  return JSON.parse(text.decode(bytes)) as SweepSpec;
}

/** What the threads of a Pool must run for this model; undefined for sessions. */
export function threadScript({ bytes }: PoolModel): URL | undefined {
  return sweepSpec(bytes) === undefined ? undefined : new URL("./sweep-thread.js", import.meta.url);
}
