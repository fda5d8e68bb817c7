import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "cac";
import { isContainer } from "../model/index.ts";
import { PRESETS, type Preset } from "../series/index.ts";
import type { KernelTimes } from "../session/kernel-times.ts";
import type { StepTiming } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import type { Tensor } from "../tensor/index.ts";
import { readModelFile } from "./files.ts";
import { type InputOptions, readFeeds } from "./inputs.ts";
import { formatBytes, printJson, printText, table } from "./print.ts";
import { withProgress } from "./progress.ts";
import { BUILDS, choice, integer, repeated, UsageError } from "./usage.ts";

interface Options extends InputOptions {
  readonly runs?: unknown;
  readonly preset?: unknown;
  readonly terms?: unknown;
  readonly threads?: unknown;
  readonly build?: unknown;
  readonly rival?: boolean;
  readonly profile?: boolean;
  readonly kernels?: boolean;
  readonly json?: boolean;
}

/** What one way to run the network took, milliseconds. */
interface Row {
  readonly name: string;
  readonly create: number;
  readonly first: number;
  readonly median: number;
  readonly least: number;
  readonly p95: number;
  /** WASM memory after the runs; unknown of the rival. */
  readonly memory?: number;
}

interface Contestant {
  readonly name: string;
  readonly create: number;
  run(): Promise<unknown>;
  memory?(): number;
  profile?(): Promise<StepTiming[]>;
  kernels?(): Promise<KernelTimes[]>;
  release(): Promise<void>;
}

const RIVAL = "onnxruntime-web";
/** Runs before any is counted: the engine compiles hot code again. */
const WARM = 3;

export function registerBench(command: Command): void {
  command
    .option("--runs <N>", "Runs of each", { default: 20 })
    .option("--preset <P>", `Of an .onnx file: ${PRESETS.join(", ")} (repeatable; default all)`)
    .option("--terms <n>", "Of a container: weight terms to use at most")
    .option("--input <NAME=FILE>", "Feed an input from .npy, .npz or raw elements (repeatable; default random)")
    .option("--shape <NAME=1,3,224,224>", "Shape of an input that has open sizes (repeatable)")
    .option("--seed <S>", "Seed of the random inputs", { default: 0 })
    .option("--threads <n>", "Threads", { default: 1 })
    .option("--build <B>", `${BUILDS.join(", ")}: used or refused`, { default: "auto" })
    .option("--rival", `Time ${RIVAL} beside it, where it is installed`)
    .option(
      "--profile",
      "Where the time of the last one goes, by operator and kernel: the least of each step in N runs",
    )
    .option("--kernels", "Times of every kernel for the shapes of the last one's linear layers, the chosen one marked")
    .option("--json", "Print one JSON document")
    .example("bitbasis bench model.onnx --shape image=1,3,224,224 --preset faithful --profile")
    .action(async (file: string, options: Options) => {
      const runs = integer("--runs", options.runs, 1, 1_000_000);
      const settings = {
        numThreads: integer("--threads", options.threads ?? 1, 1, 64),
        build: choice("--build", options.build, BUILDS),
      };
      const { bytes, externalData, limits } = await readModelFile(file);
      const container = isContainer(bytes.subarray(0, 16));
      const presets = repeated(options.preset).map((preset) => choice<Preset>("--preset", preset, PRESETS));
      if (container && presets.length > 0)
        throw new UsageError("--preset is for .onnx files: a container carries its plan");
      if (container && options.rival) throw new UsageError(`--rival is for .onnx files: ${RIVAL} reads no container`);
      if (!container && options.terms !== undefined) throw new UsageError("--terms is for containers");
      const terms = options.terms === undefined ? {} : { terms: integer("--terms", options.terms, 1, 16) };
      const ways = container
        ? [{ name: "container", ...terms }]
        : (presets.length > 0 ? presets : PRESETS).map((preset) => ({ name: preset, preset }));
      const contestants: Contestant[] = [];
      let feeds: Record<string, Tensor> | undefined;
      for (const { name, ...way } of ways) {
        const start = performance.now();
        const session = await withProgress((onProgress) =>
          InferenceSession.create(bytes, { ...settings, ...way, externalData, limits, onProgress }),
        );
        const create = performance.now() - start;
        feeds ??= (await readFeeds(session.inputMetadata, { random: 1, ...options }))[0]!;
        const given = feeds;
        contestants.push({
          ...{ name, create, run: () => session.run(given), memory: () => session.memoryBytes },
          ...{
            profile: () => session.profile(given),
            kernels: () => session.kernelTimes(given),
            release: () => session.release(),
          },
        });
      }
      if (options.rival) contestants.unshift(await rival(bytes, feeds!));
      const rows = await race(contestants, runs);
      const steps = options.profile ? await leastTimes(contestants.at(-1)!.profile!, runs) : undefined;
      const kernels = options.kernels ? await contestants.at(-1)!.kernels!() : undefined;
      for (const contestant of contestants) await contestant.release();
      const cpu = cpus()[0]?.model ?? "unknown";
      if (options.json) {
        printJson({
          model: file,
          cpu,
          runtime: `Node ${process.versions.node}`,
          runs,
          ...settings,
          rows,
          ...(steps && { steps }),
          ...(kernels && { kernels }),
        });
        return;
      }
      printText(
        `${cpu}, Node ${process.versions.node}, ${settings.numThreads} thread${settings.numThreads > 1 ? "s" : ""}, ${runs} runs of each in turn\n`,
      );
      printText(timesTable(rows));
      if (kernels)
        printText(
          `\n${contestants.at(-1)!.name}, microseconds of each kernel, * the chosen one:\n\n${kernelsTable(kernels)}`,
        );
      if (steps) printText(`\n${contestants.at(-1)!.name}, by operator and kernel:\n\n${stepsTable(steps)}`);
    });
}

/** What each step takes when nothing comes between: on a shared machine one run tells of its neighbours. */
async function leastTimes(profile: () => Promise<StepTiming[]>, runs: number): Promise<StepTiming[]> {
  let least = await profile();
  for (let i = 1; i < runs; i++) {
    const times = await profile();
    least = least.map((step, at) => (times[at]!.milliseconds < step.milliseconds ? times[at]! : step));
  }
  return least;
}

/** All in turn, so that what the machine does besides falls on all of them. */
async function race(contestants: readonly Contestant[], runs: number): Promise<Row[]> {
  const first: number[] = [];
  const times: number[][] = contestants.map(() => []);
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await run();
    return performance.now() - start;
  };
  for (const { run } of contestants) first.push(await timed(run));
  for (let i = -WARM; i < runs; i++) {
    for (const [c, { run }] of contestants.entries()) {
      const time = await timed(run);
      if (i >= 0) times[c]!.push(time);
    }
  }
  return contestants.map(({ name, create, memory }, c) => {
    const sorted = times[c]!.sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
    return {
      name,
      create,
      first: first[c]!,
      median: at(0.5),
      least: sorted[0]!,
      p95: at(0.95),
      ...(memory && { memory: memory() }),
    };
  });
}

function timesTable(rows: readonly Row[]): string {
  const base = rows[0]!;
  const header = ["", "create ms", "first run ms", "run ms (median)", "least", "95 %", `× ${base.name}`, "memory"];
  return table(
    header,
    rows.map(({ name, create, first, median, least, p95, memory }) => [
      name,
      ...[create, first].map((value) => value.toFixed(0)),
      ...[median, least, p95].map((value) => value.toFixed(2)),
      (base.median / median).toFixed(2),
      memory === undefined ? "" : formatBytes(memory),
    ]),
  );
}

/** Steps of one operator and kernel together, the longest first. */
function stepsTable(steps: readonly StepTiming[]): string {
  const groups = new Map<string, { op: string; kernel: string; count: number; milliseconds: number; macs: number }>();
  for (const { op, kernel, milliseconds, macs } of steps) {
    const key = `${op} ${kernel}`;
    const group = groups.get(key) ?? { op, kernel, count: 0, milliseconds: 0, macs: 0 };
    groups.set(key, {
      ...group,
      count: group.count + 1,
      milliseconds: group.milliseconds + milliseconds,
      macs: group.macs + macs,
    });
  }
  const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return table(
    ["operator", "kernel", "steps", "ms", "share", "GMAC/s"],
    [...groups.values()]
      .sort((a, b) => b.milliseconds - a.milliseconds)
      .map(({ op, kernel, count, milliseconds, macs }) => [
        ...[op, kernel, count, milliseconds.toFixed(3)],
        `${((100 * milliseconds) / total).toFixed(1)} %`,
        macs > 0 ? (macs / milliseconds / 1e6).toFixed(1) : "",
      ]),
  );
}

/** A line for each shape, those that take longest first; a column for each kernel that some shape may have. */
function kernelsTable(times: readonly KernelTimes[]): string {
  const kernels = [...new Set(times.flatMap(({ milliseconds }) => Object.keys(milliseconds)))];
  const total = ({ count, chosen, milliseconds }: KernelTimes): number => count * milliseconds[chosen]!;
  return table(
    ["rows × depth × columns", "groups", "taps", "layers", ...kernels],
    [...times]
      .sort((a, b) => total(b) - total(a))
      .map(({ rows, depth, columns, groups, taps, count, chosen, milliseconds }) => [
        `${rows} × ${depth} × ${columns}`,
        ...[groups, taps, count],
        ...kernels.map((kernel) => {
          const time = milliseconds[kernel];
          return time === undefined ? "" : `${(1000 * time).toFixed(1)}${kernel === chosen ? " *" : ""}`;
        }),
      ]),
  );
}

/** onnxruntime-web on one thread, as it is installed where the command is called. */
async function rival(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Contestant> {
  let path: string;
  try {
    path = createRequire(join(process.cwd(), "_")).resolve(RIVAL);
  } catch {
    throw new UsageError(`--rival expected ${RIVAL} in this folder; run "npm install ${RIVAL}"`);
  }
  const ort = (await import(pathToFileURL(path).href)) as typeof import("onnxruntime-common");
  ort.env.wasm.numThreads = 1;
  const start = performance.now();
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const create = performance.now() - start;
  const given = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type as "float32", data as Float32Array, dims),
    ]),
  );
  return { name: RIVAL, create, run: () => session.run(given), release: () => session.release() };
}
