import { addTerm, type WeightSeries } from "../series/index.ts";

/** How a layer's sums are cut: by output channels, by elements of the depth that is summed over, by terms of its weights. */
export type Cut = "channels" | "depth" | "terms";

export const CUTS: readonly Cut[] = ["channels", "depth", "terms"];

/** What a worker has of a layer: `terms`, counted from 0, of rows first … first + rows − 1, elements from … to − 1 of each. */
export interface Part {
  readonly terms: readonly number[];
  readonly first: number;
  readonly rows: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts a layer into parts, each product in one of them. By channels a layer that has fewer rows than there are workers is cut by depth; by terms, workers
 * beyond the terms share one by depth.
 *
 * @param terms - that are there
 * @returns `count` parts, some of them empty where there is less to have
 */
export function partition(
  { rows, columns }: Pick<WeightSeries, "rows" | "columns">,
  terms: number,
  count: number,
  by: Cut,
): Part[] {
  const all = Array.from({ length: terms }, (_, term) => term);
  const share = (size: number, i: number, of: number): [number, number] => [
    Math.floor((size * i) / of),
    Math.floor((size * (i + 1)) / of),
  ];
  return Array.from({ length: count }, (_, i) => {
    if (by === "channels" && rows >= count) {
      const [first, end] = share(rows, i, count);
      return { terms: all, first, rows: end - first, from: 0, to: columns };
    }
    if (by !== "terms" || terms === 0) {
      const [from, to] = share(columns, i, count);
      return { terms: all, first: 0, rows, from, to };
    }
    if (count <= terms) {
      return { terms: all.filter((term) => term % count === i), first: 0, rows, from: 0, to: columns };
    }
    const term = i % terms;
    const sharers = Math.floor((count - 1 - term) / terms) + 1;
    const [from, to] = share(columns, Math.floor(i / terms), sharers);
    return { terms: [term], first: 0, rows, from, to };
  });
}

export function isEmpty({ terms, rows, from, to }: Part): boolean {
  return terms.length === 0 || rows === 0 || from === to;
}

/**
 * Weights of a part, with the zero points and outliers where it has the first term: i16 [rows][to − from].
 *
 * @param fused - what was made for the parts of the layer before: those with the same terms share the sum
 */
export function weightsOf(series: WeightSeries, part: Part, fused: Map<string, Int16Array>): Int16Array {
  const key = part.terms.join();
  let whole = fused.get(key);
  if (whole === undefined) {
    whole = new Int16Array(series.rows * series.columns);
    for (const term of part.terms) addTerm(series, term, whole);
    fused.set(key, whole);
  }
  const width = part.to - part.from;
  const own = new Int16Array(part.rows * width);
  for (let r = 0; r < part.rows; r++) {
    const row = (part.first + r) * series.columns;
    own.set(whole.subarray(row + part.from, row + part.to), r * width);
  }
  return own;
}
