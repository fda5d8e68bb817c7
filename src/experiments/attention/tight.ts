import { bestCount, exhaustAutomata, exhaustEmbeddings, exhaustMachines } from "../../attention/index.ts";
import { type Experiment, type ExperimentResult, finding } from "../experiment.ts";

/** Symbols and codes beside the seven symbols and three codes of p = 2. */
const CASES = [
  [3, 1],
  [3, 2],
  [4, 3],
  [5, 3],
  [7, 3],
  [9, 3],
  [12, 3],
  [15, 3],
  [8, 2],
] as const;

/** States of the automata that are gone through; 6 would take ten times as long. */
const STATES = [1, 2, 3, 4, 5];

type Row = Record<"symbols" | "codes" | "pairs" | "correct" | "wrong" | "bound", number> & {
  readonly classes: readonly number[];
};

/** The counting bound N − K + 1 against a search over all embeddings and all readouts that does not use it. */
export const tight: Experiment = {
  name: "attention-tight",
  summary:
    "The least wrong answers that too few codes allow, by search over all embeddings and readouts: 5 of 49 at p = 2, as counting says.",
  run: async (options = {}): Promise<ExperimentResult> => {
    const rows: Row[] = CASES.map(([symbols, codes], index) => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ phase: "search", loaded: index, total: CASES.length });
      const { pairs, correct, classes } = bestCount(symbols, codes);
      return { symbols, codes, pairs, correct, wrong: pairs - correct, bound: symbols - codes + 1, classes };
    });
    const embeddings = { ...exhaustEmbeddings() };
    const machines = { ...exhaustMachines() };
    const automata = STATES.map((states) => ({ states, bound: 7 - states + 1, ...exhaustAutomata(states) }));
    const tight = rows.filter((row) => row.wrong === row.bound).length;
    return {
      data: { rows, embeddings, machines, automata },
      findings: [
        finding(
          "N − K + 1 wrong answers are forced, and no more: search over all embeddings and readouts",
          rows.map((row) => row.bound).join(", "),
          rows.map((row) => row.wrong).join(", "),
          tight === rows.length,
        ),
        finding(
          "Every one-bit embedding of seven symbols makes two of them one",
          "all 2,187",
          `${embeddings.colliding} of ${embeddings.models}`,
          embeddings.colliding === embeddings.models,
        ),
        finding(
          `N − K + 1 is tight for automata of K states that know no positions, K = ${STATES.join(", ")}`,
          automata.map((row) => row.bound).join(", "),
          `${automata.map((row) => row.wrong).join(", ")} at best, of ${automata.map((row) => row.machines).join(", ")} automata`,
          automata.every((row) => row.wrong === row.bound),
        ),
        finding(
          "Saturating one-bit accumulators that know no positions err",
          "at least 2 of 49 wrong",
          `${machines.wrong} at best, of ${machines.machines} machines`,
          machines.wrong >= 2,
        ),
      ],
      chart: [
        {
          title: "Wrong answers: found by search (points) and forced by counting (line)",
          data: { values: rows },
          layer: [
            {
              mark: "line",
              encoding: {
                x: { field: "bound", type: "quantitative", title: "N − K + 1" },
                y: { field: "bound", type: "quantitative", title: "wrong answers" },
              },
            },
            {
              mark: "point",
              encoding: { x: { field: "bound", type: "quantitative" }, y: { field: "wrong", type: "quantitative" } },
            },
          ],
        },
      ],
    };
  },
};
