// What programs do with onnxruntime's JavaScript API, each as a function of the module that they import. A probe gives what the program sees, as
// JSON; one that throws gives the class of the error.
import type * as Common from "onnxruntime-common";
import { encode, nodeProto, valueProto } from "../onnx/proto.ts";

export type Ort = typeof Common;
type Probe = (ort: Ort) => Promise<unknown>;

const [FLOAT, INT64, BOOL, STRING, UINT8, FLOAT16] = [1, 7, 9, 8, 2, 10];

/** y = x + x, z = relu(x), x being float32 [N, 3]. */
const MODEL = encode({
  node: [nodeProto("Add", ["x", "x"], ["y"]), nodeProto("Relu", ["x"], ["z"])],
  input: [valueProto("x", ["N", 3])],
  output: [valueProto("y", ["N", 3]), valueProto("z", ["N", 3])],
});

function identity(type: number, dims: readonly (number | string)[] = ["N"]): Uint8Array {
  return encode({
    node: [nodeProto("Identity", ["x"], ["y"])],
    input: [valueProto("x", dims, type)],
    output: [valueProto("y", dims, type)],
  });
}

/** y = x + w, where w = [1, 2, 3] is an input with a default. */
const DEFAULT = encode({
  node: [nodeProto("Add", ["x", "w"], ["y"])],
  input: [valueProto("x", [3]), valueProto("w", [3])],
  output: [valueProto("y", [3])],
  initializer: [{ name: "w", dims: [3], data_type: 1, float_data: [1, 2, 3] }] as never,
});

/** y = x + w, where w lies in the file "w.bin". */
const EXTERNAL = encode({
  node: [nodeProto("Add", ["x", "w"], ["y"])],
  input: [valueProto("x", [3])],
  output: [valueProto("y", [3])],
  initializer: [
    {
      ...{ name: "w", dims: [3], data_type: 1, data_location: 1 },
      external_data: [
        { key: "location", value: "w.bin" },
        { key: "offset", value: "0" },
        { key: "length", value: "12" },
      ],
    },
  ] as never,
});
const WEIGHTS = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
const WRONG = encode({
  node: [nodeProto("NoSuchThing", ["x"], ["y"])],
  input: [valueProto("x", [3])],
  output: [valueProto("y", [3])],
});

const input = (ort: Ort): Common.Tensor => new ort.Tensor("float32", Float32Array.of(-1, 0, 2), [1, 3]);
const open = (ort: Ort, model = MODEL, options?: Common.InferenceSession.SessionOptions) =>
  ort.InferenceSession.create(model.slice(), options);
const seen = (tensor: Common.OnnxValue | undefined): unknown => {
  const { type, dims, data, size, location } = tensor as Common.Tensor;
  return { type, dims: [...dims], data: Array.from(data as ArrayLike<unknown>, (v) => String(v)), size, location };
};
const all = (results: Common.InferenceSession.ReturnType): unknown =>
  Object.fromEntries(Object.entries(results).map(([name, value]) => [name, seen(value)]));

/** A run of the first model; its session is released. */
async function runs(ort: Ort, options?: Common.InferenceSession.SessionOptions): Promise<unknown> {
  const session = await open(ort, MODEL, options);
  const results = await session.run({ x: input(ort) });
  await session.release();
  return all(results);
}

async function copies(ort: Ort, type: number, tensor: (ort: Ort) => Common.Tensor): Promise<unknown> {
  return all(await (await open(ort, identity(type))).run({ x: tensor(ort) }));
}

export const PROBES: Readonly<Record<string, Probe>> = {
  "the module has its names": async (ort) =>
    ["InferenceSession", "Tensor", "env", "registerBackend", "default"].filter((name) => name in ort),
  "the default export has them too": async (ort) => {
    const { default: runtime } = ort as unknown as { default: Ort };
    return [runtime.Tensor === ort.Tensor, runtime.InferenceSession === ort.InferenceSession, runtime.env === ort.env];
  },
  "env.wasm.numThreads": async (ort) => {
    ort.env.wasm.numThreads = 1;
    return ort.env.wasm.numThreads;
  },
  "env.wasm.simd": async (ort) => {
    ort.env.wasm.simd = true;
    return ort.env.wasm.simd;
  },
  "env.wasm.proxy": async (ort) => {
    ort.env.wasm.proxy = false;
    return ort.env.wasm.proxy;
  },
  "env.logLevel": async (ort) => {
    ort.env.logLevel = "error";
    return ort.env.logLevel;
  },
  "env.logLevel refuses": async (ort) => {
    ort.env.logLevel = "loud" as "error";
  },
  "env.debug": async (ort) => {
    ort.env.debug = false;
    return ort.env.debug;
  },
  "env.versions": async (ort) => typeof ort.env.versions.common,
  "env.webgpu and webgl are there": async (ort) => [typeof ort.env.webgpu, typeof ort.env.webgl],

  "create from bytes": (ort) => runs(ort),
  "create from a buffer": async (ort) => (await ort.InferenceSession.create(MODEL.slice().buffer)).inputNames,
  "create from a part of a buffer": async (ort) => {
    const buffer = new Uint8Array(MODEL.length + 20);
    buffer.set(MODEL, 7);
    return (await ort.InferenceSession.create(buffer.buffer, 7, MODEL.length)).outputNames;
  },
  "create from a part with options": async (ort) => {
    const buffer = new Uint8Array(MODEL.length + 5);
    buffer.set(MODEL, 5);
    const session = await ort.InferenceSession.create(buffer.buffer, 5, MODEL.length, {
      graphOptimizationLevel: "all",
    });
    return session.inputNames;
  },
  "create outside of a buffer": (ort) => ort.InferenceSession.create(MODEL.slice().buffer, MODEL.length + 9),
  "create with a length too long": (ort) => ort.InferenceSession.create(MODEL.slice().buffer, 0, MODEL.length + 9),
  "create from a number": (ort) => ort.InferenceSession.create(7 as unknown as string),
  "create with options that are none": (ort) => ort.InferenceSession.create(MODEL, 7 as unknown as object),
  "create from damaged bytes": (ort) => ort.InferenceSession.create(MODEL.slice(0, 40)),
  "create with an unknown operator": (ort) => ort.InferenceSession.create(WRONG),
  "two sessions at once": async (ort) => {
    const sessions = await Promise.all([open(ort), open(ort)]);
    return Promise.all(sessions.map(async (session) => all(await session.run({ x: input(ort) }))));
  },

  names: async (ort) => {
    const { inputNames, outputNames } = await open(ort);
    return { inputNames, outputNames };
  },
  inputMetadata: async (ort) => (await open(ort)).inputMetadata,
  outputMetadata: async (ort) => (await open(ort)).outputMetadata,
  instanceof: async (ort) => (await open(ort)) instanceof (ort.InferenceSession as unknown as new () => object),

  "executionProviders wasm": (ort) => runs(ort, { executionProviders: ["wasm"] }),
  "executionProviders as objects": (ort) => runs(ort, { executionProviders: [{ name: "wasm" }] }),
  "executionProviders of none": (ort) => runs(ort, { executionProviders: [] }),
  "executionProviders nobody has": (ort) => runs(ort, { executionProviders: ["abacus"] }),
  "executionProviders webgl alone": (ort) => runs(ort, { executionProviders: ["webgl"] }),
  "executionProviders with one to fall back on": (ort) => runs(ort, { executionProviders: ["abacus", "wasm"] }),
  graphOptimizationLevel: (ort) => runs(ort, { graphOptimizationLevel: "disabled" }),
  freeDimensionOverrides: async (ort) => {
    const session = await open(ort, MODEL, { freeDimensionOverrides: { N: 1 } });
    return all(await session.run({ x: input(ort) }));
  },
  "thread and memory options": (ort) =>
    runs(ort, { intraOpNumThreads: 1, interOpNumThreads: 1, enableCpuMemArena: true, enableMemPattern: true }),
  executionMode: (ort) => runs(ort, { executionMode: "sequential" }),
  "log options": (ort) => runs(ort, { logId: "probe", logSeverityLevel: 3, logVerbosityLevel: 0 }),
  preferredOutputLocation: (ort) => runs(ort, { preferredOutputLocation: "cpu" }),
  extra: (ort) => runs(ort, { extra: { session: { set_denormal_as_zero: "1" } } }),

  "run for one output": async (ort) => all(await (await open(ort)).run({ x: input(ort) }, ["z"])),
  "run with options": async (ort) => all(await (await open(ort)).run({ x: input(ort) }, { tag: "probe" })),
  "run with fetches and options": async (ort) =>
    all(await (await open(ort)).run({ x: input(ort) }, ["y"], { logSeverityLevel: 3 })),
  "run with null for a new tensor": async (ort) => all(await (await open(ort)).run({ x: input(ort) }, { z: null })),
  "run into a tensor": async (ort) => {
    const z = new ort.Tensor("float32", new Float32Array(3), [1, 3]);
    return all(await (await open(ort)).run({ x: input(ort) }, { z }));
  },
  "run without an input": async (ort) => (await open(ort)).run({}),
  "run for an output that is none": async (ort) => (await open(ort)).run({ x: input(ort) }, ["q"]),
  "run for no output": async (ort) => (await open(ort)).run({ x: input(ort) }, []),
  "run with a tensor for feeds": async (ort) => (await open(ort)).run(input(ort) as never),
  "run with null": async (ort) => (await open(ort)).run({ x: input(ort) }, null as never),
  "run with a wrong type": async (ort) =>
    (await open(ort)).run({ x: new ort.Tensor("int32", new Int32Array(3), [1, 3]) }),
  "run with a wrong shape": async (ort) =>
    (await open(ort)).run({ x: new ort.Tensor("float32", new Float32Array(4), [1, 4]) }),
  "run with a wrong rank": async (ort) =>
    (await open(ort)).run({ x: new ort.Tensor("float32", new Float32Array(3), [3]) }),
  "run with another size": async (ort) =>
    all(await (await open(ort)).run({ x: new ort.Tensor("float32", new Float32Array(6).fill(3), [2, 3]) })),
  "run twice": async (ort) => {
    const session = await open(ort);
    return [all(await session.run({ x: input(ort) })), all(await session.run({ x: input(ort) }))];
  },
  "run after release": async (ort) => {
    const session = await open(ort);
    await session.release();
    return session.run({ x: input(ort) });
  },
  "outputs are tensors": async (ort) => (await (await open(ort)).run({ x: input(ort) }))["y"] instanceof ort.Tensor,
  "an initializer that is an input, left out": async (ort) =>
    all(await (await open(ort, DEFAULT)).run({ x: new ort.Tensor(new Float32Array(3)) })),
  "external data by path": async (ort) => {
    const session = await open(ort, EXTERNAL, { externalData: [{ path: "w.bin", data: WEIGHTS }] });
    return all(await session.run({ x: new ort.Tensor(new Float32Array(3)) }));
  },
  "external data that is missing": async (ort) => open(ort, EXTERNAL, {}),

  int64: (ort) => copies(ort, INT64, ({ Tensor }) => new Tensor("int64", [1, -2], [2])),
  bool: (ort) => copies(ort, BOOL, ({ Tensor }) => new Tensor("bool", [true, false], [2])),
  string: (ort) => copies(ort, STRING, ({ Tensor }) => new Tensor(["a", "ä"], [2])),
  "uint8 of a clamped array": (ort) => copies(ort, UINT8, ({ Tensor }) => new Tensor(Uint8ClampedArray.of(3, 300))),
  float16: (ort) => copies(ort, FLOAT16, ({ Tensor }) => new Tensor("float16", Uint16Array.of(0x3c00, 0xc000), [2])),
  nothing: (ort) => copies(ort, FLOAT, ({ Tensor }) => new Tensor("float32", [], [0])),

  "Tensor of a wrong size": async ({ Tensor }) => new Tensor("float32", new Float32Array(3), [2, 2]),
  "Tensor of a wrong array": async ({ Tensor }) => new Tensor("float32", new Int32Array(3) as never, [3]),
  "Tensor of an unknown type": async ({ Tensor }) => new Tensor("float12" as "float32", new Float32Array(3), [3]),
  "Tensor.reshape": async ({ Tensor }) => seen(new Tensor(new Float32Array(6), [6]).reshape([2, 3])),
  "Tensor.getData": async ({ Tensor }) => Array.from((await new Tensor(Float32Array.of(4)).getData()) as Float32Array),
  "Tensor.dispose": async ({ Tensor }) => {
    const tensor = new Tensor(new Float32Array(1));
    tensor.dispose();
    return [tensor.location, tensor.dims];
  },
  "Tensor after dispose": async ({ Tensor }) => {
    const tensor = new Tensor(new Float32Array(1));
    tensor.dispose();
    return tensor.data;
  },
  "Tensor of a picture": async ({ Tensor }) => {
    const bytes = { data: new Uint8ClampedArray(16).fill(51), width: 2, height: 2 };
    return seen(await Tensor.fromImage(bytes as ImageData, { tensorLayout: "NCHW" } as never));
  },
};

/** What a probe gives, or the class of what it throws. */
export async function probe(name: string, ort: Ort): Promise<unknown> {
  try {
    return { gives: JSON.parse(JSON.stringify((await PROBES[name]!(ort)) ?? null)) };
  } catch (error) {
    return { throws: error instanceof Error ? "Error" : typeof error };
  }
}
