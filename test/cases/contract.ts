// A case is a JSON file and a model beside it (test/fixtures/cases/README.md says what the fields mean). It runs in every preset that it names, in the scalar and
// in the SIMD build, and the two must give the same bits.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InferenceSession, type SessionOptions } from "../../src/entries/index.ts";
import { inspect, quantize } from "../../src/entries/quantize.ts";
import type { Preset } from "../../src/series/index.ts";
import { type ElementType, type NumericType, sizeOf, Tensor, viewData } from "../../src/tensor/index.ts";
import { bareError } from "../support/bare-errors.ts";

export const CASES = new URL("../fixtures/cases/", import.meta.url);

interface Written {
  readonly type: ElementType;
  readonly dims: readonly number[];
  /** Text for NaN, ±Infinity, −0 and integers beyond 2^53. */
  readonly data?: readonly (number | string | boolean)[];
  /** Little-endian bytes. */
  readonly base64?: string;
}

type Expectation = Readonly<Record<string, Written>> | { readonly error: string };

interface Run {
  readonly feeds: Readonly<Record<string, Written>>;
  readonly expect: Expectation;
}

export interface Case extends Partial<Run> {
  readonly name: string;
  readonly kind: string;
  readonly why: string;
  readonly source: string;
  readonly model: string;
  readonly data?: string;
  readonly open?: "path";
  readonly externalData?: "ort";
  readonly presets?: readonly Preset[];
  readonly tolerance?: Partial<Record<Preset, number>>;
  readonly runs?: readonly Run[];
  readonly orError?: string;
  readonly orResult?: boolean;
  readonly seconds?: number;
  readonly megabytes?: number;
  readonly quantize?: { readonly preset: Preset; readonly layers: number; readonly maxBytes?: number };
  readonly inspect?: { readonly unsupported: string };
}

const DEFAULT_TOLERANCE = 1e-5;

export function readCase(name: string): Case {
  return JSON.parse(readFileSync(new URL(`${name}.json`, CASES), "utf8")) as Case;
}

/** What is wrong, in a sentence; undefined when all is as the case says. */
export async function failureOf(c: Case): Promise<string | undefined> {
  for (const preset of c.presets ?? (["float32"] as const)) {
    const bits: string[] = [];
    for (const build of ["scalar", "simd"] as const) {
      const answers: string[] = [];
      const failure = await runCase(c, { preset, build }, answers);
      if (failure !== undefined) return `${preset}, ${build}: ${failure}`;
      bits.push(answers.join("\n"));
    }
    if (bits[0] !== bits[1]) return `${preset}: the builds differ`;
  }
  return (await quantizeFailure(c)) ?? (await inspectFailure(c));
}

async function runCase(c: Case, options: SessionOptions, answers: string[]): Promise<string | undefined> {
  const runs = c.runs ?? [{ feeds: c.feeds!, expect: c.expect! }];
  let session: InferenceSession;
  try {
    session = await open(c, options);
  } catch (error) {
    for (const run of runs) {
      const failure = errorFailure(error, allowedErrors(c, run));
      if (failure !== undefined) return `create: ${failure}`;
    }
    return undefined;
  }
  try {
    for (const [i, run] of runs.entries()) {
      const failure = await runFailure(c, session, run, options.preset!, answers);
      if (failure !== undefined) return `call ${i + 1}: ${failure}`;
    }
    return undefined;
  } finally {
    await session.release();
  }
}

async function open(c: Case, options: SessionOptions): Promise<InferenceSession> {
  const model = new URL(c.model, CASES);
  if (c.open === "path") return InferenceSession.create(fileURLToPath(model), options);
  if (c.data === undefined) return InferenceSession.create(new Uint8Array(readFileSync(model)), options);
  const data = new Uint8Array(readFileSync(new URL(c.data, CASES)));
  const externalData = (c.externalData === "ort" ? [{ path: c.data, data }] : { [c.data]: data }) as Record<
    string,
    Uint8Array
  >;
  return InferenceSession.create(new Uint8Array(readFileSync(model)), { ...options, externalData });
}

async function runFailure(
  c: Case,
  session: InferenceSession,
  run: Run,
  preset: Preset,
  answers: string[],
): Promise<string | undefined> {
  let outputs: Record<string, Tensor>;
  try {
    const feeds = Object.fromEntries(Object.entries(run.feeds).map(([name, t]) => [name, readTensor(t)]));
    outputs = await session.run(feeds);
  } catch (error) {
    return errorFailure(error, allowedErrors(c, run));
  }
  answers.push(...Object.values(outputs).map(bitsOf));
  if ("error" in run.expect) {
    const got = Object.entries(outputs).map(([name, { dims }]) => `${name} [${dims}]`);
    return c.orResult ? undefined : `answered ${got.join(", ")}, due is ${run.expect.error}`;
  }
  const tolerance = c.tolerance?.[preset] ?? DEFAULT_TOLERANCE;
  for (const [name, written] of Object.entries(run.expect as Record<string, Written>)) {
    const failure = differs(outputs[name], readTensor(written), tolerance);
    if (failure !== undefined) return `"${name}" ${failure}`;
  }
  return undefined;
}

/** "BitbasisError MODEL | RangeError"; undefined where an answer is due. */
function allowedErrors(c: Case, { expect }: Run): string | undefined {
  return "error" in expect ? (expect.error as string) : c.orError;
}

function errorFailure(error: unknown, allowed: string | undefined): string | undefined {
  const bare = bareError(error);
  if (bare !== undefined) return `bare ${bare}`;
  const { name, code, message } = error as Error & { code?: string };
  const kind = name === "BitbasisError" ? `${name} ${code}` : name;
  return allowed?.split(" | ").includes(kind) ? undefined : `${kind}: ${message}`;
}

function differs(got: Tensor | undefined, expected: Tensor, tolerance: number): string | undefined {
  if (got === undefined) return "is missing";
  if (got.type !== expected.type) return `has type ${got.type}, not ${expected.type}`;
  if (got.dims.join() !== expected.dims.join()) return `has shape [${got.dims}], not [${expected.dims}]`;
  const [a, b] = [got.data, expected.data] as ArrayLike<unknown>[];
  const float = expected.type === "float32" || expected.type === "float64";
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.size; i++) {
    const [x, y] = [a![i], b![i]];
    if (Object.is(x, y)) {
      if (float && Number.isFinite(y)) largest = Math.max(largest, Math.abs(y as number));
      continue;
    }
    if (!float || !Number.isFinite(x) || !Number.isFinite(y)) {
      if (float && x === y) continue;
      return `[${i}] = ${x}, not ${y}`;
    }
    difference = Math.max(difference, Math.abs((x as number) - (y as number)));
    largest = Math.max(largest, Math.abs(y as number));
  }
  if (difference <= tolerance * largest) return undefined;
  return `is off by ${(difference / largest).toExponential(2)} of the largest, allowed is ${tolerance}`;
}

async function quantizeFailure(c: Case): Promise<string | undefined> {
  if (c.quantize === undefined) return undefined;
  const { preset, layers, maxBytes = Number.POSITIVE_INFINITY } = c.quantize;
  const { bytes, report } = await quantize(new Uint8Array(readFileSync(new URL(c.model, CASES))), { preset });
  if (report.layers.length < layers) return `the report has ${report.layers.length} rows, ${layers} are due`;
  return bytes.length > maxBytes ? `the container has ${bytes.length} bytes, at most ${maxBytes} are due` : undefined;
}

async function inspectFailure(c: Case): Promise<string | undefined> {
  if (c.inspect === undefined) return undefined;
  const { unsupported } = await inspect(new Uint8Array(readFileSync(new URL(c.model, CASES))));
  const named = unsupported?.map(({ domain, op }) => `${domain}.${op}`);
  return named?.includes(c.inspect.unsupported) ? undefined : `inspect().unsupported is ${JSON.stringify(unsupported)}`;
}

function readTensor({ type, dims, data, base64 }: Written): Tensor {
  if (base64 !== undefined) {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    return new Tensor(type, viewData(type as NumericType, bytes, sizeOf(dims)) as ArrayBufferView, dims);
  }
  if (type === "string") return new Tensor(type, data as readonly string[], dims);
  const wide = type === "int64" || type === "uint64";
  const values = data!.map((v) => (wide ? BigInt(v) : Number(v)));
  return new Tensor(type, values, dims);
}

function bitsOf({ type, dims, data }: Tensor): string {
  if (!ArrayBuffer.isView(data)) return `${type} [${dims}] ${JSON.stringify(data)}`;
  return `${type} [${dims}] ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")}`;
}
