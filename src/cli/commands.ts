import type { Entry } from "./entry.ts";

/** Every command, in the order in which people meet them. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  quantize: {
    usage: "quantize <model>",
    summary: "Turn an FP32 ONNX network into a series of low-bit terms, without calibration data",
    load: async () => (await import("./quantize.ts")).registerQuantize,
  },
  run: {
    usage: "run <model>",
    summary: "Run an .onnx file or a container",
    load: async () => (await import("./run.ts")).registerRun,
  },
  verify: {
    usage: "verify <receipt>",
    summary: "Run again what a receipt states, and compare",
    load: async () => (await import("./verify.ts")).registerVerify,
  },
  compare: {
    usage: "compare <model> [...containers]",
    summary: "Compare presets, plans and containers with the network's own float32",
    load: async () => (await import("./compare.ts")).registerCompare,
  },
  advise: {
    usage: "advise <model>",
    summary: "How many bits each layer needs for a target, why, and a plan that was measured",
    load: async () => (await import("./advise.ts")).registerAdvise,
  },
  bench: {
    usage: "bench <model>",
    summary: "Time a network on this machine: load, first run, runs, and where the time goes",
    load: async () => (await import("./bench.ts")).registerBench,
  },
  inspect: {
    usage: "inspect <model>",
    summary: "Tell what an .onnx file or a container is made of",
    load: async () => (await import("./inspect.ts")).registerInspect,
  },
  export: {
    usage: "export <model>",
    summary:
      "Turn a container into standard ONNX, which other runtimes run, or into a program for hosts without JavaScript",
    load: async () => (await import("./export.ts")).registerExport,
  },
  serve: {
    usage: "serve <...models>",
    summary:
      "Serve models over HTTP: Open Inference Protocol v2, /metrics. PATH, NAME=PATH or NAME@VERSION=PATH, a file or a folder",
    load: async () => (await import("./serve.ts")).registerServe,
  },
  batch: {
    usage: "batch <model> [...inputs]",
    summary: "Run a model over many inputs: .npy and .npz files, folders, globs, manifests of JSON lines",
    load: async () => (await import("./batch.ts")).registerBatch,
  },
  sweep: {
    usage: "sweep [name]",
    summary: "Check a whole range of cases on many threads or machines: tables, maps, experiments; no name lists them",
    load: async () => (await import("./sweep.ts")).registerSweep,
  },
  worker: {
    usage: "worker",
    summary: "Run the jobs of bitbasis batch --redis and sweep --redis, until SIGTERM",
    load: async () => (await import("./worker.ts")).registerWorker,
  },
  series: {
    usage: "series <action> [tensor]",
    summary: "A tensor as a low-bit series: expand TENSOR.npy, or converge [TENSOR.npy] term by term",
    load: async () => (await import("./series.ts")).registerSeries,
  },
  regimes: {
    usage: "regimes <action> [file]",
    summary: "How precision, depth and width trade: classify, approximate, lower",
    load: async () => (await import("./regimes.ts")).registerRegimes,
  },
  attention: {
    usage: "attention <action> [file]",
    summary: "At how many bits attention stops telling equal from unequal: gamma, certify, sensitivity, audit",
    load: async () => (await import("./attention.ts")).registerAttention,
  },
  "fixed-point": {
    usage: "fixed-point <action> [file]",
    summary:
      "What a fixed-point format can represent: analyze, sets, synthesize, verify, map; fit: the smallest for a network",
    load: async () => (await import("./fixed-point.ts")).registerFixedPoint,
  },
  experiment: {
    usage: "experiment [name]",
    summary: "Reproduce a published experiment; no name lists them",
    load: async () => (await import("./experiment.ts")).registerExperiment,
  },
  completion: {
    usage: "completion <shell>",
    summary: "Print what makes a shell complete commands and options: bash, zsh or fish",
    load: async () => (await import("./completion.ts")).registerCompletion,
  },
};
