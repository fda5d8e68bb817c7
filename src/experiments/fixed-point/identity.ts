import { analyze, synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { lineChart } from "./charts.ts";
import { randomTable } from "./random.ts";

/** Networks without an activation: rounding and saturation are the only nonlinearity, and enough while s ≤ 2M. */
export const identity: Experiment = {
  name: "fixed-point-identity",
  summary: "The identity as activation: verdict and size of a random table for every scale, p = 2 and 3, d = 1",
  async run({ seed = 1, signal } = {}) {
    const rows = [];
    for (const p of [2, 3]) {
      const m = 2 ** p - 1;
      for (let s = 1; s <= 2 * m + 2; s++) {
        const { universal } = await analyze("identity", p, s);
        const table = randomTable(p, 1, seed + s);
        const result = await synthesize(table, { d: 1, activation: "identity", p, s, signal });
        rows.push({
          p,
          s,
          universal,
          reason: result.network === undefined ? result.reason : null,
          construction: result.network === undefined ? null : result.construction,
          parameters: result.network === undefined ? null : result.parameters,
        });
      }
    }
    const values = rows.flatMap(({ p, s, parameters }) =>
      parameters === null ? [] : [{ p: `p = ${p}`, s, parameters }],
    );
    const right = rows.filter((row) => row.universal === row.s <= 2 * (2 ** row.p - 1)).length;
    const built = rows.filter((row) => (row.parameters !== null) === row.universal).length;
    return {
      findings: [
        finding(
          "Without an activation networks are universal exactly while s ≤ 2M",
          `all ${rows.length} formats`,
          `${right} of ${rows.length}`,
          right === rows.length,
        ),
        finding(
          "A random table has a network exactly in these formats",
          `all ${rows.length} formats`,
          `${built} of ${rows.length}, every input checked`,
          built === rows.length,
        ),
      ],
      data: { seed, threshold: "s ≤ 2M", rows },
      chart: [
        lineChart(
          "Identity: parameters for a random f: Q → Q; no network beyond s = 2M",
          values,
          { field: "s", title: "scale s" },
          { field: "parameters", title: "parameters", log: true },
          { field: "p", title: "" },
        ),
      ],
    };
  },
};
