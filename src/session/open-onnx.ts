import { ElementCode } from "../core/abi/element.ts";
import { completed, type MakeCore, Turns } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { type ModelProto, parseModel, readModelGraph } from "../onnx/index.ts";
import { quantizeGraph } from "../quantize/index.ts";
import { copyBytes } from "./copy.ts";
import { externalFiles } from "./external.ts";
import { checked, type OpenModel, type OpenOptions, whole } from "./opened.ts";
import type { Override } from "./overrides.ts";
import type { Reading } from "./source.ts";

/** Quantizes an ONNX file while loading it. A chunk of its own: who opens containers never fetches it. */
export async function openOnnx(
  bytes: Uint8Array,
  options: OpenOptions,
  reading: Reading,
  make: MakeCore,
): Promise<OpenModel> {
  const makeCore = completed(make);
  const { preset, plan, check, onProgress, terms } = options;
  const proto = parseModel(bytes);
  await align(proto, reading.signal);
  const graph = readModelGraph(proto, { externalData: await externalFiles(proto, reading, options.externalData) });
  const quantization = {
    ...(preset !== undefined && { preset }),
    ...(plan !== undefined && { plan }),
    ...(check !== undefined && { check }),
  };
  const watched = { ...quantization, ...(onProgress !== undefined && { onProgress }), signal: reading.signal };
  const model = await quantizeGraph(graph, watched, makeCore);
  const opened = await checked(whole(model, terms));
  if (graph.overridable === undefined) return opened;
  const override: Override = {
    defaults: graph.initializers,
    model: async (names) =>
      (await checked(whole(await quantizeGraph(withInputs(graph, names), quantization, makeCore), terms))).model,
  };
  return { ...opened, override };
}

/** A length of so many bytes takes three or more in a file, behind a byte that says which field it is of. */
const LONG = 2 ** 14;

/**
 * Has floats lie where they can be read: large ones are moved by up to three bytes, over their length in the file, which nobody reads again; the bytes are a session's own.
 * In pieces: 64 MB in one took 0.1 s. Copies took twice as long, and their memory.
 */
async function align({ graph }: ModelProto, signal: AbortSignal | undefined): Promise<void> {
  const turns = new Turns(signal);
  for (const tensor of graph!.initializer) {
    const { data_type: type, raw_data: given } = tensor;
    if (type !== ElementCode.float32 || given === undefined || given.byteOffset % 4 === 0) continue;
    const { buffer, byteOffset, length } = given;
    const aligned =
      length < LONG ? new Uint8Array(length) : new Uint8Array(buffer, byteOffset - (byteOffset % 4), length);
    await copyBytes(
      () => given,
      () => aligned,
      () => turns.next(),
    );
    tensor.raw_data = aligned;
  }
}

/** The graph with some of the initializers that may be fed as inputs. */
function withInputs(graph: Graph, names: readonly string[]): Graph {
  const all = graph.overridable ?? [];
  return {
    ...graph,
    inputs: [...graph.inputs, ...all.filter(({ name }) => names.includes(name))],
    overridable: all.filter(({ name }) => !names.includes(name)),
    initializers: new Map([...graph.initializers].filter(([name]) => !names.includes(name))),
  };
}
