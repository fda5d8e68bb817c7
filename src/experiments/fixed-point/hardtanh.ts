import { Lattice } from "../../core/index.ts";
import { activationTable, analyze, enumerate, gapsOf, reachable, values } from "../../fixed-point/index.ts";
import { type Experiment, finding } from "../experiment.ts";

const [P, S, G] = [3, 1, 5];

/** The published example of an activation that fails: which outputs exist, for every output bias. */
export const hardtanh: Experiment = {
  name: "fixed-point-hardtanh",
  summary: "5·Hardtanh at p = 3, s = 1: the outputs that sums can reach, by bias, and what is missing",
  async run() {
    const { reason, g, h, published } = await analyze("5*hardtanh", P, S);
    const lattice = await Lattice.create();
    const m = 2 ** P - 1;
    const brute = enumerate(lattice, gapsOf(activationTable("5*hardtanh", P, S)), P, S, G);
    const rows = Array.from({ length: G }, (_, i) => {
      const bias = i - 2;
      const reached = reachable(lattice, g, bias, P, S);
      const agrees = brute.reachable(bias).every((byte, k) => byte === reached[k]);
      return { bias, reached: values(reached, 1), missing: values(reached, 0), agrees };
    });
    const cells = rows.flatMap(({ bias, reached }) =>
      Array.from({ length: 2 * m + 1 }, (_, i) => ({
        bias,
        value: i - m,
        reached: reached.includes(i - m) ? "reached" : "out of reach",
      })),
    );
    const least = Math.min(...rows.map((row) => row.missing.length));
    const agreeing = rows.filter((row) => row.agrees).length;
    return {
      findings: [
        finding(
          "5·Hardtanh at p = 3, s = 1 is not universal",
          "some value missing at every output bias",
          `at least ${least} of ${2 * m + 1} values missing at each of ${rows.length} biases`,
          least > 0,
        ),
        finding(
          "The closed form lists the reachable values",
          "as enumeration does",
          `equal at ${agreeing} of ${rows.length} biases`,
          agreeing === rows.length,
        ),
      ],
      data: {
        reason,
        g,
        h,
        rows: rows.map((row) => ({ ...row })),
        lemmaApplies: published.divisibility.holds,
        leastMissing: least,
      },
      chart: [
        {
          title: "5·Hardtanh, p = 3, s = 1: outputs by output bias",
          width: 480,
          height: 160,
          data: { values: cells },
          mark: { type: "rect", stroke: "white", strokeWidth: 2 },
          encoding: {
            x: { field: "value", type: "ordinal", title: "output", axis: { labelAngle: 0 } },
            y: { field: "bias", type: "ordinal", title: "output bias" },
            color: {
              field: "reached",
              type: "nominal",
              title: null,
              scale: { domain: ["reached", "out of reach"], range: ["#1b7837", "#f4c7c3"] },
            },
          },
        },
      ],
    };
  },
};
