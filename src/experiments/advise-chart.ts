import type { Advice, LayerAdvice } from "../advise/index.ts";
import { activationWidth, isFloat, weightWidth } from "../series/index.ts";
import type { VegaLiteSpec } from "./experiment.ts";

/** Layers from top to bottom: the bits of the plan, and what each layer does to the outputs alone. */
export function adviseCharts(title: string, { summary, layers, target }: Advice): VegaLiteSpec[] {
  const y = { field: "layer", type: "nominal", sort: null, title: null, axis: { labelLimit: 240 } };
  const widths = layers.flatMap((layer) => [
    { layer: layer.name, part: "weights", bits: bits(layer, weightWidth(layer.plan)) },
    { layer: layer.name, part: "activations", bits: bits(layer, activationWidth(layer.plan)) },
  ]);
  const errors = layers.flatMap((layer) =>
    layer.errors.flatMap(({ bits: width, error }) =>
      error > 0 ? [{ layer: layer.name, bits: `${width} bits`, error }] : [],
    ),
  );
  const floats = widths.some(({ bits: width }) => width > 16);
  const marks = { type: "point", filled: true, size: 60 };
  const plan: VegaLiteSpec = {
    title: { text: title, subtitle: lines(summary) },
    data: { values: widths.filter(({ part, bits: width }) => part === "activations" || width > 0) },
    mark: marks,
    encoding: {
      y,
      x: {
        field: "bits",
        type: "quantitative",
        title: floats ? "bits (32: float32)" : "bits",
        scale: { domain: [0, floats ? 32 : 16] },
      },
      color: { field: "part", type: "nominal", title: null },
      shape: { field: "part", type: "nominal", title: null },
    },
  };
  if (errors.length === 0) return [plan];
  const alone: VegaLiteSpec = {
    data: { values: errors },
    layer: [
      {
        mark: marks,
        encoding: {
          y,
          x: {
            field: "error",
            type: "quantitative",
            title: `error of the outputs with the weights of this layer alone quantized${"error" in target ? "; red: the target" : ""}`,
            scale: { type: "log" },
            axis: { tickCount: 5, format: ".0e" },
          },
          color: { field: "bits", type: "ordinal", title: null, sort: null, scale: { scheme: "viridis" } },
        },
      },
      ...("error" in target
        ? [{ mark: { type: "rule", color: "red" }, encoding: { x: { datum: target.error } } } as VegaLiteSpec]
        : []),
    ],
  };
  return [plan, alone];
}

function bits({ plan }: LayerAdvice, width: number): number {
  return isFloat(plan) ? 32 : width;
}

/** A subtitle of lines that fit below a chart. */
function lines(text: string): string[] {
  const result = [""];
  for (const word of text.split(" ")) {
    if (`${result.at(-1)} ${word}`.length > 90) result.push(word);
    else result[result.length - 1] = `${result.at(-1)} ${word}`.trim();
  }
  return result;
}
