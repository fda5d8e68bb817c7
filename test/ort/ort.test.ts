import { readFileSync } from "node:fs";
import * as common from "onnxruntime-common";
import { describe, expect, it, vi } from "vitest";
import { Core } from "../../src/core/index.ts";
import * as ort from "../../src/entries/ort.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { encode, nodeProto, valueProto } from "../onnx/proto.ts";
import { type Ort, PROBES, probe } from "./probes.ts";

const RECORDED = JSON.parse(readFileSync(new URL("../fixtures/ort-probes.json", import.meta.url), "utf8"));
const MODEL = encode({
  node: [nodeProto("Relu", ["x"], ["y"])],
  input: [valueProto("x", [2])],
  output: [valueProto("y", [2])],
});
const feeds = () => ({ x: new ort.Tensor("float32", Float32Array.of(-1, 3), [2]) });

/** onnxruntime-web leaves a tensor that it is given to fill as it is: onnxruntime's documentation says that it is filled, and so do we. */
const BETTER: Readonly<Record<string, unknown>> = {
  "run into a tensor": {
    gives: { z: { type: "float32", dims: [1, 3], data: ["0", "0", "2"], size: 3, location: "cpu" } },
  },
};

describe("bitbasis/ort", () => {
  it.each(Object.keys(PROBES))("as onnxruntime-web: %s", async (name) => {
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect(await probe(name, ort as unknown as Ort)).toEqual(BETTER[name] ?? RECORDED[name]);
    vi.restoreAllMocks();
  });

  it("says what there is when asked for nothing but a provider that it does not have", async () => {
    const opening = ort.InferenceSession.create(MODEL, { executionProviders: ["webgpu"] });
    await expect(opening).rejects.toThrow('bitbasis runs on "bitbasis", "wasm" and "cpu"; it has no "webgpu"');
  });

  it("refuses outputs elsewhere than in memory", async () => {
    for (const preferredOutputLocation of ["gpu-buffer", { y: "gpu-buffer" }] as const) {
      const opening = ort.InferenceSession.create(MODEL, { preferredOutputLocation });
      await expect(opening).rejects.toThrow('"preferredOutputLocation" expected "cpu", got');
    }
  });

  it("takes bitbasis's own options in extra.bitbasis", async () => {
    const opening = ort.InferenceSession.create(MODEL, { extra: { bitbasis: { preset: "none" } } });
    await expect(opening).rejects.toThrow('"preset" expected one of');
    const session = await ort.InferenceSession.create(MODEL, { extra: { bitbasis: { preset: "float32" } } });
    expect([...((await session.run(feeds()))["y"] as ort.TypedTensor<"float32">).data]).toEqual([0, 3]);
  });

  it("honours env.wasm.simd = false", async () => {
    const core = vi.spyOn(Core, "create");
    ort.env.wasm.simd = false;
    await ort.InferenceSession.create(MODEL);
    ort.env.wasm.simd = true;
    await ort.InferenceSession.create(MODEL);
    const builds = core.mock.calls.filter(([, , most]) => most !== undefined).map(([build]) => build);
    expect([...new Set(builds)]).toEqual(["scalar", "simd"]);
    vi.restoreAllMocks();
  });

  it("stops a run that is asked to terminate", async () => {
    const session = await ort.InferenceSession.create(MODEL);
    await expect(session.run(feeds(), { terminate: true })).rejects.toThrow("asked to terminate");
  });

  it("profiles between startProfiling and endProfiling", async () => {
    const table = vi.spyOn(console, "table").mockImplementation(() => undefined);
    const session = await ort.InferenceSession.create(MODEL);
    session.startProfiling();
    await session.run(feeds());
    await session.run(feeds());
    session.endProfiling();
    expect(table.mock.calls[0]![0]).toEqual(
      expect.arrayContaining([expect.objectContaining({ op: expect.any(String), milliseconds: expect.any(Number) })]),
    );
    vi.restoreAllMocks();
  });

  it("profiles from the start with enableProfiling", async () => {
    const table = vi.spyOn(console, "table").mockImplementation(() => undefined);
    const session = await ort.InferenceSession.create(MODEL, { enableProfiling: true });
    await session.run(feeds());
    session.endProfiling();
    expect(table.mock.calls[0]![0]).not.toEqual([]);
    vi.restoreAllMocks();
  });

  it.each([
    [
      { graphOptimizationLevel: "max" },
      '"graphOptimizationLevel" expected one of disabled, basic, extended, layout, all',
    ],
    [{ executionMode: "both" }, '"executionMode" expected one of sequential, parallel, got "both"'],
    [{ logSeverityLevel: 9 }, '"logSeverityLevel" expected one of 0, 1, 2, 3, 4, got 9'],
  ])("refuses %j, as onnxruntime does", async (options, message) => {
    await expect(ort.InferenceSession.create(MODEL, options as object)).rejects.toThrow(message);
  });

  it("refuses a log level of a run that there is none of", async () => {
    const session = await ort.InferenceSession.create(MODEL);
    await expect(session.run(feeds(), { logSeverityLevel: 7 as 0 })).rejects.toThrow(
      '"logSeverityLevel" expected one of',
    );
  });

  it("takes 0 threads for the default, and as many as a large machine has", async () => {
    const create = vi.spyOn(InferenceSession, "create");
    await ort.InferenceSession.create(MODEL, { intraOpNumThreads: 0 });
    create.mockResolvedValueOnce(await InferenceSession.create(MODEL));
    ort.env.wasm.numThreads = 96;
    await ort.InferenceSession.create(MODEL, { intraOpNumThreads: 128 });
    ort.env.wasm.numThreads = 1;
    expect(create.mock.lastCall![1]).toMatchObject({ numThreads: 64, intraOpNumThreads: 64 });
    vi.restoreAllMocks();
  });

  it("tells sizes of freeDimensionOverrides of inputs and outputs", async () => {
    const model = encode({
      node: [nodeProto("Relu", ["x"], ["y"])],
      input: [valueProto("x", ["N", 3])],
      output: [valueProto("y", ["N", 3])],
    });
    const session = await ort.InferenceSession.create(model, { freeDimensionOverrides: { N: 2 } });
    expect([session.inputMetadata, session.outputMetadata]).toMatchObject([[{ shape: [2, 3] }], [{ shape: [2, 3] }]]);
  });

  it("says that a sequence is no tensor", async () => {
    const model = encode({
      node: [nodeProto("SequenceConstruct", ["x", "x"], ["y"])],
      input: [valueProto("x", [2])],
      output: [{ name: "y", type: { sequence_type: { elem_type: { tensor_type: { elem_type: 1 } } } } as never }],
    });
    const session = await ort.InferenceSession.create(model);
    await expect(session.run(feeds())).rejects.toThrow('output "y" is no tensor');
  });

  it("is a backend of an application's own onnxruntime once registered", async () => {
    const registered: string[] = [];
    const registerBackend: typeof common.registerBackend = (name, backend, priority) => {
      registered.push(`${name} ${priority} ${typeof backend.createInferenceSessionHandler}`);
    };
    ort.register(3, { registerBackend, env: common.env });
    ort.register(-1, { registerBackend, env: common.env });
    expect(registered).toEqual(["bitbasis 3 function", "bitbasis -1 function"]);
    const session = await common.InferenceSession.create(MODEL, { executionProviders: ["bitbasis"] });
    expect([...((await session.run(feeds()))["y"] as ort.TypedTensor<"float32">).data]).toEqual([0, 3]);
  });
});
