import { BitbasisError, type Core, checkBytes, isRecord, newCore, wrongKind } from "../core/index.ts";
import { DependsOnData, nodeError } from "../graph/errors.ts";
import { checkRuns, checkSupported, type Graph, type KnownValue, specialize, type ValueInfo } from "../graph/index.ts";
import { knownWeights, type Model, readModel } from "../model/index.ts";
import { type Compiled, compile } from "../program/compile.ts";
import { Constants } from "../program/constants.ts";
import { loadOperators } from "../program/operators/chunks.ts";
import { Panels } from "../program/panels.ts";
import type { Shape } from "../tensor/index.ts";
import { type ProgramImage, writeImage } from "./image.ts";

/**
 * A container as one program with its weights, for hosts without JavaScript: a position-independent image that `bitbasis-scalar.wasm`,
 * `bitbasis-simd.wasm` and the C library run with the bits of a session (docs/without-javascript.md). The same container and shapes give the same
 * bytes, on every build of the core.
 *
 * @param container - what `quantize` gave
 * @param shapes - by input; those of which the model tells the whole shape may be left out
 * @returns the image, and what its header says: sizes in bytes, and where inputs and outputs lie
 * @throws BitbasisError MODEL when the bytes are no container, UNSUPPORTED when a shape depends on data or an operator runs in JavaScript (NonZero,
 *   loops, strings), MEMORY for an image and arena of 4 GiB; TypeError or RangeError for shapes that the model does not have
 * @example
 * const { image, manifest } = await exportProgram(await readFile("model.safetensors"), { image: [1, 1, 28, 28] });
 */
export async function exportProgram(
  container: Uint8Array,
  shapes: Readonly<Record<string, Shape>> = {},
): Promise<ProgramImage> {
  checkBytes("container", container);
  const model = readModel(container);
  const { graph } = model;
  await loadOperators(graph);
  checkSupported(graph);
  const weights = knownWeights(model);
  await checkRuns(graph, weights);
  const feeds = readShapes(graph, shapes);
  const core = await newCore();
  return writeImage(core, compileWhole(core, model, weights, feeds));
}

/** The program of the whole graph. */
function compileWhole(
  core: Core,
  model: Model,
  weights: ReadonlyMap<string, KnownValue>,
  feeds: Readonly<Record<string, KnownValue>>,
): Compiled {
  const needed = new Set<string>();
  for (;;) {
    const stage = specialize(model.graph, feeds, { weights, needed });
    if (stage.stop !== undefined) {
      const { kind, node } = stage.stop;
      const why = kind === "learn" ? "a shape depends on data" : "it runs in JavaScript";
      throw nodeError(node, stage.opsets, `${why}, which a program image cannot`);
    }
    const target = { core, constants: new Constants(core), panels: new Panels(core), threads: 1 };
    try {
      return compile(model, stage, target);
    } catch (error) {
      if (!(error instanceof DependsOnData) || needed.has(error.value) || weights.has(error.value)) throw error;
      needed.add(error.value);
    }
  }
}

function readShapes(graph: Graph, shapes: unknown): Record<string, KnownValue> {
  if (!isRecord(shapes)) throw wrongKind("shapes", "an object of shapes by input", shapes);
  const { inputs } = graph;
  const unknown = Object.keys(shapes).find((name) => !inputs.some((input) => input.name === name));
  if (unknown !== undefined) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw new RangeError(`"shapes" expected inputs of the model (${names}), got ${unknown}`);
  }
  const sizes = new Map<string, number>();
  return Object.fromEntries(
    inputs.map((input): [string, KnownValue] => {
      const given = Object.hasOwn(shapes, input.name) ? shapes[input.name] : undefined;
      return [input.name, { type: input.type, shape: readShape(input, given, sizes) }];
    }),
  );
}

function readShape({ name, type, shape, holder }: ValueInfo, given: unknown, sizes: Map<string, number>): Shape {
  const kind = holder ?? type;
  if (kind === holder || kind === "string")
    throw new BitbasisError("UNSUPPORTED", `input "${name}" is a ${kind}, which a program image cannot have`);
  const expected = `"shapes" expected for input "${name}" ${shape === undefined ? "a shape" : `[${shape.join(", ")}]`}`;
  const wanted = given ?? (shape?.every((size) => typeof size === "number") ? shape : undefined);
  if (wanted === undefined) throw new TypeError(`${expected} with a size for every name, got nothing`);
  if (!Array.isArray(wanted) || !wanted.every((size) => Number.isInteger(size) && size >= 0 && size < 2 ** 31))
    throw new TypeError(`${expected}, integers from 0, got ${JSON.stringify(wanted)}`);
  const got: Shape = wanted;
  const fits = (size: string | number, axis: number): boolean => {
    if (typeof size === "number") return size === got[axis];
    if (size === "") return true;
    if (!sizes.has(size)) sizes.set(size, got[axis]!);
    return sizes.get(size) === got[axis];
  };
  if (shape !== undefined && (shape.length !== got.length || !shape.every(fits))) {
    const known = [...sizes].map(([symbol, size]) => `${symbol} = ${size}`).join(", ");
    throw new RangeError(`${expected}${known === "" ? "" : ` with ${known}`}, got [${got.join(", ")}]`);
  }
  return got;
}
