import { readFileSync } from "node:fs";

/** The example data of test/vectors: integers k mean k/s. */
export interface Vectors {
  neuron: { p: number; s: number; B: number; w: number[]; x: number[]; out: number }[];
  activation_tables: { act: string; p: number; s: number; table: number[] }[];
  sets: {
    act: string;
    table?: number[];
    p: number;
    s: number;
    B: number;
    g: number;
    h: number;
    V: number[];
    S: number[];
    N: number[];
    S_missing: number[];
    N_missing: number[];
    exists_b_S: boolean;
    exists_b_N: boolean;
  }[];
  criterion: [number, number, number, boolean][];
  activation_universality: Record<
    string,
    Record<"S_fail" | "N_fail" | "not_universal" | "not_binary", [number, number][] | undefined>
  >;
  p1_exhaustive: [number, number[], boolean][];
  separation: { p: number; s: number; table: number[]; separates: boolean }[];
  networks: {
    act: string;
    act_table: number[];
    d: number;
    p: number;
    s: number;
    layers: { W: number[][]; B: number[] }[];
    outputs: number[];
    stats: { params: number; nnz: number; widths: number[] };
  }[];
}

export function vectors<Name extends keyof Vectors>(name: Name): Vectors[Name] {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")).data;
}
