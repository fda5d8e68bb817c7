/** Number of axes; undefined where it cannot be told without input shapes. */
export type Rank = number | undefined;

/** What rank rules see of the graph around a node. */
export interface RankView {
  rank(i: number): Rank;
  /** Number of elements of input `i`, a vector, when it is known. */
  length(i: number): Rank;
  /** Elements of input `i`, when it is a constant. */
  numbers(i: number): readonly number[] | undefined;
}
