import type { Command } from "cac";
import { plot } from "../experiments/plot.ts";
import { lines } from "../experiments/series/charts.ts";
import { samplesOf } from "../experiments/series/samples.ts";
import { convergence } from "../experiments/series/tensors.ts";
import { DIGIT_SYSTEMS, type ExpandOptions, expand, LARGEST_EXPANSION, largestTerms } from "../series/index.ts";
import { Tensor } from "../tensor/index.ts";
import { floatsOf } from "./elements.ts";
import { STDIO, writeBytes } from "./files.ts";
import { readNpy, toNpy } from "./inputs.ts";
import { printAside, printJson, printText, table } from "./print.ts";
import { choice, integer, real, UsageError } from "./usage.ts";

interface Options {
  readonly bits?: unknown;
  readonly terms?: unknown;
  readonly tolerance?: unknown;
  readonly digits?: unknown;
  readonly axis?: unknown;
  readonly group?: unknown;
  readonly zeroPoint?: boolean;
  readonly outliers?: unknown;
  readonly output?: unknown;
  readonly svg?: unknown;
  readonly json?: boolean;
}

export function registerSeries(command: Command): void {
  command
    .option("--bits <X>", "Bits of one term, 2 … 8", { default: 4 })
    .option("--terms <n>", "Terms; bits times terms at most 48")
    .option("--tolerance <e>", "expand: instead, the fewest terms whose error is proved to stay below")
    .option("--digits <system>", DIGIT_SYSTEMS.join(", "), { default: "signed" })
    .option("--axis <i>", "expand: one scale per index of this axis (default: one scale)")
    .option("--group <n>", "expand: one scale per n elements of a row")
    .option("--zero-point", "expand: an integer zero point per scale, where it gains")
    .option("--outliers <f>", "expand: fraction kept beside the digits, or auto", { default: 0 })
    .option("-o, --output <file>", "expand: the reconstruction as .npy; - is stdout")
    .option("--svg <file>", "converge: draw the errors; - is stdout")
    .option("--json", "Print one JSON document")
    .example("bitbasis series expand weights.npy --terms 3 --axis 0 --outliers auto")
    .example("bitbasis series converge --bits 3")
    .action(async (action: string, file: string | undefined, options: Options) => {
      const name = choice("action", action, ["expand", "converge"] as const);
      if (name === "expand") await expandFile(file, options);
      else await converge(file, options);
    });
}

async function expandFile(file: string | undefined, options: Options): Promise<void> {
  if (file === undefined) throw new UsageError("series expand expected a .npy file");
  const series = await expand(float32(await readNpy(file)), readOptions(options));
  for (const warning of series.warnings) printAside(`bitbasis: ${warning}`);
  if (options.output !== undefined) await writeBytes(String(options.output), toNpy(series.reconstruct()));
  const rows = Array.from({ length: series.terms }, (_, i) => {
    const { data } = series.residual(i + 1);
    const error = data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    return { terms: i + 1, error, bound: series.bound(i + 1), exact: series.exactShare(i + 1) };
  });
  const { bits, digits, rows: scales, relativeError, sparseShare } = series;
  const zeroPoints = series.zeros?.filter((z) => z !== 0).length ?? 0;
  if (options.json) printJson({ bits, digits, scales, zeroPoints, relativeError, sparseShare, terms: rows });
  else if (options.output !== STDIO) {
    const about = `${scales} scales, ${zeroPoints} zero points, ${series.sparse?.indices.length ?? 0} outliers`;
    printText(`${errors(rows)}\n\n${about}, relative error ${relativeError.toExponential(2)}`);
  }
}

function errors(rows: readonly { terms: number; error: number; bound: number; exact: number }[]): string {
  return table(
    ["terms", "largest error", "bound", "exact"],
    rows.map((r) => [r.terms, r.error.toExponential(3), r.bound.toExponential(3), `${(100 * r.exact).toFixed(2)} %`]),
  );
}

async function converge(file: string | undefined, options: Options): Promise<void> {
  const tensor =
    file === undefined
      ? new Tensor("float32", samplesOf("gaussian", 512 * 512, 1), [512, 512])
      : float32(await readNpy(file));
  const bits = integer("--bits", options.bits, 2, 8);
  const digits = choice("--digits", options.digits, DIGIT_SYSTEMS);
  const most = largestTerms(bits, digits, LARGEST_EXPANSION);
  const rows = await convergence(tensor, bits, integer("--terms", options.terms ?? Math.min(8, most), 1, most), digits);
  if (options.svg !== undefined) {
    const values = rows
      .filter((r) => r.error > 0)
      .flatMap(({ terms, error, published }) => [
        { terms, error, what: `INT${bits}` },
        { terms, error: published, what: "as published" },
      ]);
    const chart = lines("Largest error, of the largest element", values, "terms", "error", "what", {
      ...{ log: true, titles: { x: "terms", y: "largest error / absmax" } },
    });
    await writeBytes(String(options.svg), new TextEncoder().encode(await plot([chart])));
  }
  if (options.svg === STDIO) return;
  if (options.json) printJson(rows);
  else {
    printText(
      table(
        ["terms", "max error / absmax", "bound", "ratio", "exact", "as published"],
        rows.map((r) => [
          ...[r.terms, r.error.toExponential(3), r.bound.toExponential(3), r.ratio?.toFixed(2) ?? ""],
          ...[`${(100 * r.exact).toFixed(2)} %`, r.published.toExponential(3)],
        ]),
      ),
    );
  }
}

function readOptions(options: Options): ExpandOptions {
  const { terms, tolerance, axis, group, outliers } = options;
  if ((terms === undefined) === (tolerance === undefined)) {
    throw new UsageError("--terms or --tolerance expected, exactly one of them");
  }
  return {
    bits: integer("--bits", options.bits, 2, 8),
    digits: choice("--digits", options.digits, DIGIT_SYSTEMS),
    ...(terms === undefined
      ? { tolerance: real("--tolerance", tolerance) }
      : { terms: integer("--terms", terms, 1, 24) }),
    ...(axis === undefined ? {} : { axis: integer("--axis", axis, -32, 31) }),
    ...(group === undefined ? {} : { group: integer("--group", group, 1, 2 ** 31 - 1) }),
    ...(options.zeroPoint ? { zeroPoint: true } : {}),
    outliers: outliers === "auto" ? "auto" : real("--outliers", outliers),
  };
}

function float32(tensor: Tensor): Tensor<"float32"> {
  if (tensor.type === "float32") return tensor as Tensor<"float32">;
  return new Tensor("float32", floatsOf(tensor), tensor.dims);
}
