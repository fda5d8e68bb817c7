import type { Command } from "cac";
import { exportOnnx } from "../export/onnx.ts";
import { exportProgram } from "../export/program.ts";
import { readBytes, STDIO, writeBytes } from "./files.ts";
import { parseShape } from "./inputs.ts";
import { formatBytes, printAside } from "./print.ts";
import { assignment, choice, repeated, UsageError } from "./usage.ts";

interface Options {
  readonly to?: unknown;
  readonly as?: unknown;
  readonly shape?: unknown;
  readonly output?: unknown;
}

export function registerExport(command: Command): void {
  command
    .option("--to <format>", "onnx or program")
    .option("--as <form>", "terms (integers behind DequantizeLinear, summed) or float32", { default: "terms" })
    .option("--shape <name=1,3,224,224>", "Of a program: the shape of an input that has open sizes; may be repeated")
    .option("-o, --output <file>", "Where it goes; - is stdout")
    .example("bitbasis export model.safetensors --to onnx -o model.onnx")
    .example("bitbasis export model.safetensors --to program --shape image=1,3,224,224 -o model.bbi")
    .action(async (model: string, options: Options) => {
      const to = choice("--to", options.to, ["onnx", "program"] as const);
      const as = choice("--as", options.as, ["terms", "float32"] as const);
      const shapes = repeated(options.shape).map((text) => parseShape(assignment("--shape", text)));
      if (to === "onnx" && shapes.length > 0) throw new UsageError("--shape expected --to program");
      if (options.output === undefined)
        throw new UsageError(`export expected -o OUT.${to === "onnx" ? "onnx" : "bbi"}`);
      const container = await readBytes(model);
      const bytes =
        to === "onnx"
          ? await exportOnnx(container, { as })
          : (await exportProgram(container, Object.fromEntries(shapes))).image;
      await writeBytes(String(options.output), bytes);
      if (options.output !== STDIO) printAside(`${String(options.output)}: ${formatBytes(bytes.length)}`);
    });
}
