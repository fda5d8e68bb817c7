import { Core } from "../core/index.ts";
import { moduleOver } from "../core/share.ts";

/** The functions of assembly/attention; pointers are byte addresses, layouts are told there. */
export interface AttentionKernels {
  keyRange(keys: number, rows: number, d: number, maxima: number): number;
  keyCodes(keys: number, rows: number, d: number, maxima: number, m: number, codes: number, stride: number): void;
  keyNormalize(keys: number, rows: number, d: number, out: number, stride: number): void;
  keyFingerprints(data: number, rows: number, words: number, seed: number, out: number): void;
  keyClasses(fingerprints: number, count: number, table: number, mask: number, classes: number): void;
  codeNorms(codes: number, rows: number, stride: number, out: number): void;
  correctQueries(codes: number, rows: number, stride: number, d: number, columns: number): void;
  correctKeys(codes: number, rows: number, stride: number, d: number, columns: number): void;
  keyPanels(codes: number, rows: number, stride: number, panels: number): void;
  pairScores(a: number, b: number, rows: number, stride: number, out: number): void;
  scanScores(
    scores: number,
    rows: number,
    columns: number,
    firstKey: number,
    targets: number,
    exact: number,
    beaten: number,
    mass: number,
    scale: number,
    queries: number,
    keys: number,
    stride: number,
    mask: number,
    maskStride: number,
  ): void;
  floatPanels(keys: number, rows: number, d: number, panels: number): void;
  floatMargins(
    queries: number,
    rows: number,
    panels: number,
    columns: number,
    d: number,
    firstKey: number,
    targets: number,
    own: number,
    best: number,
    second: number,
    bestIndex: number,
    mask: number,
    maskStride: number,
  ): void;
  keyDistance(keys: number, rows: number, stride: number, from: number, to: number, best: number): number;
}

/** A core, and the attention kernels over the same memory: the core's GEMM writes what they read. */
export interface Workbench {
  readonly core: Core;
  readonly kernels: AttentionKernels;
}

export async function createWorkbench(): Promise<Workbench> {
  const core = await Core.create("simd");
  return { core, kernels: await moduleOver<AttentionKernels>(core, "lattice") };
}
