/** Axes in 0…rank−1, ascending; undefined when one is out of range or named twice. */
export function normalizedAxes(axes: readonly number[], rank: number): number[] | undefined {
  const result = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  if (result.some((axis) => axis < 0 || axis >= rank) || new Set(result).size !== result.length) return undefined;
  return result.sort((a, b) => a - b);
}
