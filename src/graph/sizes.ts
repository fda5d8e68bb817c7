import type { ValueInfo } from "./graph.ts";

/** Inputs or outputs that have these sizes where they name the dimension. */
export function withSizes(infos: readonly ValueInfo[], sizes: ReadonlyMap<string, number>): ValueInfo[] {
  return infos.map((info) => ({
    ...info,
    shape: info.shape?.map((d) => (typeof d === "string" ? (sizes.get(d) ?? d) : d)),
  }));
}
