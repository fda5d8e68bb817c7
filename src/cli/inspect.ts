import type { Command } from "cac";
import { inspect, type ModelSummary } from "../quantize/index.ts";
import { activationWidth, weightWidth } from "../series/index.ts";
import { describe } from "../session/feeds.ts";
import { readModelFile } from "./files.ts";
import { formatBytes, printJson, printText, table } from "./print.ts";

export function registerInspect(command: Command): void {
  command
    .option("--json", "Print one JSON document")
    .example("bitbasis inspect model.onnx")
    .action(async (model: string, options: { json?: boolean }) => {
      const { bytes, externalData } = await readModelFile(model);
      const summary = await inspect(bytes, { externalData });
      if (options.json) printJson(summary);
      else printText(summaryText(summary));
    });
}

function summaryText(summary: ModelSummary): string {
  const {
    format,
    bytes,
    name,
    parameters,
    inputs,
    outputs,
    opsets,
    operators,
    unsupported = [],
    preset,
    terms,
    layers,
  } = summary;
  const value = (info: ModelSummary["inputs"][number]): string => `"${info.name}" ${describe(info)}`;
  const parts = [
    `${format === "onnx" ? "ONNX" : "bitbasis container"}, ${formatBytes(bytes)}, ${parameters} parameters${name === "" ? "" : `, "${name}"`}`,
    `inputs     ${inputs.map(value).join(", ")}`,
    `outputs    ${outputs.map(value).join(", ")}`,
    `opsets     ${Object.entries(opsets)
      .map(([domain, version]) => `${domain || "ai.onnx"} ${version}`)
      .join(", ")}`,
    `operators  ${Object.entries(operators)
      .map(([op, count]) => `${op} ${count}`)
      .join(", ")}`,
  ];
  if (preset !== undefined || terms !== undefined)
    parts.push(`plan       ${preset ?? "of its own"}, ${terms ?? 0} weight terms`);
  if (unsupported.length > 0) {
    parts.push(`cannot run ${unsupported.map((n) => `${n.op} (opset ${n.opset}) at "${n.name}"`).join(", ")}`);
  }
  if (layers !== undefined && layers.length > 0) {
    const rows = layers.map((l) => [
      l.name,
      l.op,
      l.shape?.join("x") ?? "",
      `${weightWidth(l.plan)} / ${activationWidth(l.plan)}`,
      formatBytes(l.bytes),
    ]);
    parts.push("", table(["layer", "op", "weights", "bits w / a", "size"], rows));
  }
  return parts.join("\n");
}
