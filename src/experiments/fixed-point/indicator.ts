import { evaluate, networkToJson, synthesize } from "../../fixed-point/index.ts";
import { type Experiment, finding, type Json } from "../experiment.ts";
import { lineChart } from "./charts.ts";

const P = 7;
const INTERVAL = [-20, 45] as const;

/** The building block of the published proof: a network that is 1 on an interval and 0 elsewhere. */
export const indicator: Experiment = {
  name: "fixed-point-indicator",
  summary: "The indicator of an interval by a ReLU network, p = 7, s = 1: output on all 255 inputs, size",
  async run() {
    const inside = (x: number): number => (x >= INTERVAL[0] && x <= INTERVAL[1] ? 1 : 0);
    const result = await synthesize(inside, { d: 1, activation: "relu", p: P, s: 1 });
    if (result.network === undefined) throw new Error(result.reason);
    const { network, parameters, widths } = result;
    const values = Array.from({ length: 2 ** (P + 1) - 1 }, (_, i) => {
      const x = i - 2 ** P + 1;
      return { x, output: evaluate(network, [x])[0]! };
    });
    const wrong = values.filter(({ x, output }) => output !== inside(x)).length;
    const title = `1 on ${INTERVAL.join(" … ")}: ${parameters} parameters`;
    return {
      findings: [
        finding(
          "The indicator of an interval is exact on every input",
          "0 of 255 wrong",
          `${wrong} wrong`,
          wrong === 0,
        ),
        finding(
          "with the nine parameters of the construction",
          "widths 2, 1, 1: 9",
          `widths ${widths.join(", ")}: ${parameters}`,
          parameters === 9,
        ),
      ],
      data: {
        p: P,
        s: 1,
        interval: [...INTERVAL],
        parameters,
        widths: [...widths],
        wrong,
        network: networkToJson(network) as unknown as Json,
      },
      chart: [
        lineChart(
          title,
          values,
          { field: "x", title: "input", ticks: [values[0]!.x, ...INTERVAL, values.at(-1)!.x] },
          { field: "output", title: "output" },
          undefined,
          { type: "line", interpolate: "step" },
        ),
      ],
    };
  },
};
