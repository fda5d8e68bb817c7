import { everyNode, graphToJson } from "../graph/index.ts";
import {
  checkLayerPlan,
  checkPlan,
  type LayerPlan,
  type Plan,
  type Preset,
  type WeightSeries,
} from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { damaged } from "./damaged.ts";
import { openGraph } from "./graph.ts";
import {
  digestOfHeader,
  type Header,
  headerBytes,
  parseJson,
  readFront,
  type SectionInfo,
  storedBytes,
} from "./header.ts";
import type { Model } from "./model.ts";
import { ByteReader, cutShort, layOut, readSection, readSections, type Section, writeSections } from "./sections.ts";
import {
  escapeName,
  type LoadingSeries,
  openSeries,
  openTerm,
  recordOf,
  type SeriesRecord,
  sideTensors,
  termTensor,
  unescapeName,
} from "./series.ts";

/** `plan` of the metadata. */
interface PlanRecord {
  readonly plan: Plan;
  readonly preset?: Preset;
  /** Pairs rather than objects, which would move names that look like numbers to the front. */
  readonly layers: readonly (readonly [string, LayerPlan])[];
  readonly series: readonly (readonly [string, SeriesRecord])[];
}

/**
 * Writes a container: a safetensors file with all float32 tensors and scales first, then every first term, every second term, …
 * The same model gives the same bytes.
 *
 * @throws RangeError when terms of the model have not been loaded
 * @example
 * const bytes = writeModel(await quantizeGraph(graph, { preset: "fast" }));
 */
export function writeModel(model: Model): Uint8Array {
  const { metadata, sections } = partsOf(model);
  return writeSections(metadata, sections);
}

/** The digest of the container that a model yields, without writing it. */
export function digestOfModel(model: Model): string {
  const { metadata, sections } = partsOf(model);
  return digestOfHeader(metadata, layOut(sections).infos);
}

function partsOf(model: Model): { metadata: ReadonlyMap<string, string>; sections: readonly Section[] } {
  const { graph, weights, layers, plan, preset } = model;
  const { json, initializers } = graphToJson(graph);
  const values: [string, Tensor][] = [...initializers].map(([name, tensor]) => [escapeName(name), tensor]);
  for (const series of weights.values()) values.push(...sideTensors(series));
  const isFloat = ([, tensor]: [string, Tensor]) => tensor.type === "float32";
  const first = [...values.filter(isFloat), ...values.filter((value) => !isFloat(value))];
  const sections: Section[] = [{ name: "values", tensors: new Map(first) }];
  for (let i = 0, more = true; more; i++) {
    const terms = [...weights.values()].filter((series) => series.terms > i).map((series) => termTensor(series, i));
    more = terms.length > 0;
    if (more) sections.push({ name: `term ${i + 1}`, tensors: new Map(terms) });
  }
  const record: PlanRecord = {
    plan,
    ...(preset === undefined ? {} : { preset }),
    layers: [...layers],
    series: [...weights].map(([name, series]) => [name, recordOf(series)] as const),
  };
  const metadata = new Map([
    ["graph", JSON.stringify(json)],
    ["plan", JSON.stringify(record)],
  ]);
  return { metadata, sections };
}

/**
 * Reads a whole container; its tensors are views of `bytes` where they are aligned.
 *
 * @throws BitbasisError MODEL, whose sentence says what is wrong: no container, a later version, cut short, damaged
 */
export function readModel(bytes: Uint8Array): Model {
  return openContainer(bytes).model;
}

/** The same with the digest of the container. */
export function openContainer(bytes: Uint8Array): { readonly model: Model; readonly sha256: string } {
  const { header, sections } = readSections(bytes);
  const opening = new Opening(header, sections[0]!);
  for (const section of sections.slice(1)) opening.add(opening.open(section));
  return { model: opening.model, sha256: header.sha256 };
}

/** A model whose terms are still arriving. */
export interface ModelStream {
  /** The `planes` of its weights grow with `take`. */
  readonly model: Model;
  /** The digest of the container: of the header that lists all tensors, and so of all its sections. */
  readonly sha256: string;
  /** Terms that are in the weights, and of the whole series. */
  readonly terms: { readonly loaded: number; readonly total: number };
  /**
   * Waits for the next term of all weights that have one more, and checks its digest. The model stays as it is.
   *
   * @returns whether `take` has a term to add; false when the model is complete and nothing follows it
   * @throws BitbasisError MODEL when the rest of the stream is cut short or damaged: what is lost is lost, every later call says it again
   */
  arrived(): Promise<boolean>;
  /** Adds the term that has arrived to the weights; the series that have grown. */
  take(): readonly WeightSeries[];
}

/**
 * Reads a container while it arrives: resolves when the values and the first terms are in.
 *
 * @example
 * const stream = await readModelStream(response.body);
 * while (await stream.arrived()) refine(stream.take());
 */
export async function readModelStream(chunks: AsyncIterable<Uint8Array>): Promise<ModelStream> {
  const reader = new ByteReader(chunks);
  const length = headerBytes(await reader.peek(64));
  const bytes = await reader.take(length);
  if (bytes.length < length) throw cutShort("header", length, bytes.length);
  const front = readFront(bytes);
  const packed = await reader.take(front.packed);
  if (packed.length < front.packed) throw cutShort("packed header", front.packed, packed.length);
  const header = front.header(packed);
  const [values, ...terms] = header.sections;
  const read = async (info: SectionInfo): Promise<Section> => {
    const due = storedBytes(info);
    const data = await reader.take(due);
    if (data.length < due) throw cutShort(`section "${info.name}"`, due, data.length);
    return readSection(info, data);
  };
  const opening = new Opening(header, await read(values!));
  const next = async (): Promise<Term | undefined> => {
    const info = terms[opening.terms];
    if (info !== undefined) return opening.open(await read(info));
    if ((await reader.take(1)).length > 0) throw damaged("bytes follow its end");
    return undefined;
  };
  let waiting: Promise<Term | undefined> | undefined;
  let ready: Term | undefined;
  const arrived = async (): Promise<boolean> => {
    waiting ??= next();
    ready = await waiting;
    return ready !== undefined;
  };
  const take = (): readonly WeightSeries[] => {
    const term = ready ?? [];
    if (ready !== undefined) opening.add(ready);
    [ready, waiting] = [undefined, undefined];
    return term.map(([series]) => series);
  };
  if (terms.length > 0 && (await arrived())) take();
  return {
    model: opening.model,
    sha256: header.sha256,
    get terms() {
      return { loaded: opening.terms, total: terms.length };
    },
    arrived,
    take,
  };
}

/** The digits of one term, by series. */
type Term = readonly (readonly [series: LoadingSeries, plane: Uint8Array])[];

/** Builds a model from sections in order. */
class Opening {
  readonly model: Model;
  private readonly weights = new Map<string, LoadingSeries>();
  /** Terms that have been added. */
  terms = 0;

  constructor(header: Header, values: Section) {
    const record = checkRecord(parseJson(header.metadata.get("plan") ?? "", "plan"));
    const tensors = new Map(values.tensors);
    for (const [name, series] of record.series) {
      this.weights.set(name, openSeries(name, series, tensors));
      const held = header.sections.length - 1;
      if (held < series.terms) throw damaged(`it has ${held} of ${series.terms} terms of "${name}"`);
    }
    const initializers = new Map<string, Tensor>();
    for (const [key, tensor] of tensors) {
      const name = unescapeName(key);
      if (escapeName(name) !== key) throw damaged(`it holds the tensor "${key}", which belongs to no series`);
      initializers.set(name, tensor);
    }
    const graph = openGraph(parseJson(header.metadata.get("graph") ?? "", "graph"), initializers, this.weights);
    const nodes = new Set(everyNode(graph).map((node) => node.name));
    for (const [name] of record.layers) {
      if (!nodes.has(name)) throw damaged(`its plan names the node "${name}", which its graph does not have`);
    }
    this.model = {
      graph,
      weights: this.weights,
      layers: new Map(record.layers),
      plan: record.plan,
      ...(record.preset === undefined ? {} : { preset: record.preset }),
    };
  }

  /** The next term, checked as a whole: a model has all of a term or nothing of it. */
  open(section: Section): Term {
    const tensors = new Map(section.tensors);
    const term = [...this.weights.values()]
      .filter((series) => series.terms > this.terms)
      .map((series) => [series, openTerm(series, this.terms, tensors)] as const);
    const [extra] = tensors.keys();
    if (extra !== undefined) throw damaged(`it holds the tensor "${extra}", which belongs to no series`);
    return term;
  }

  add(term: Term): void {
    for (const [series, plane] of term) series.planes.push(plane);
    this.terms++;
  }
}

function checkRecord(json: unknown): PlanRecord {
  const record = (json ?? {}) as Partial<PlanRecord>;
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "object" && pair[1] !== null;
  for (const key of ["layers", "series"] as const) {
    const pairs: unknown = record[key];
    if (!Array.isArray(pairs) || !pairs.every(isPair)) throw damaged(`its plan expected a list of "${key}"`);
  }
  try {
    checkPlan(record.plan);
    for (const [name, layer] of record.layers ?? []) checkLayerPlan(layer, name);
  } catch (error) {
    throw damaged((error as Error).message);
  }
  return record as PlanRecord;
}
