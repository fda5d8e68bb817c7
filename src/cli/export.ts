import type { CAC } from "cac";
import { exportOnnx } from "../export/onnx.ts";
import { readBytes, STDIO, writeBytes } from "./files.ts";
import { formatBytes } from "./print.ts";
import { choice, UsageError } from "./usage.ts";

interface Options {
  readonly to?: unknown;
  readonly as?: unknown;
  readonly output?: unknown;
}

export function registerExport(cli: CAC): void {
  cli
    .command("export <model>", "Turn a container into standard ONNX, which other runtimes run")
    .option("--to <format>", "onnx")
    .option("--as <form>", "terms (integers behind DequantizeLinear, summed) or float32", { default: "terms" })
    .option("-o, --output <file>", "Where it goes; - is stdout")
    .example("bitbasis export model.safetensors --to onnx -o model.onnx")
    .action(async (model: string, options: Options) => {
      choice("--to", options.to, ["onnx"] as const);
      const as = choice("--as", options.as, ["terms", "float32"] as const);
      if (options.output === undefined) throw new UsageError("export expected -o OUT.onnx");
      const bytes = await exportOnnx(await readBytes(model), { as });
      await writeBytes(String(options.output), bytes);
      if (options.output !== STDIO) process.stderr.write(`${String(options.output)}: ${formatBytes(bytes.length)}\n`);
    });
}
