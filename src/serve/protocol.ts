// The Open Inference Protocol, version 2, over HTTP, with its extension for binary tensors: JSON, then the bytes of the tensors in the order in which JSON names them.
import { bytesOf } from "../core/index.ts";
import type { ModelFacts, Parcel, Parcels, ValueFacts } from "../pool/index.ts";
import {
  type ElementType,
  elementBytes,
  type NumericType,
  sizeOf,
  type TensorData,
  viewData,
} from "../tensor/index.ts";
import { datatypeOf, readElements, spell, typeOf, writeElements } from "./datatypes.ts";
import { HttpError } from "./http-error.ts";

/** A request that has been read. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly feeds: Parcels;
  /** Outputs in the order that was asked for, and whether each is to come as binary data. */
  readonly outputs: ReadonlyMap<string, boolean>;
}

export interface InferResponse {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * @param headerLength - the header Inference-Header-Content-Length: bytes of JSON at the beginning of the body; without it all is JSON
 * @throws HttpError 400
 */
export function readInfer(body: Uint8Array, headerLength: string | undefined, model: ModelFacts): InferRequest {
  const length = headerLength === undefined ? body.length : Number(headerLength);
  if (!Number.isInteger(length) || length < 0 || length > body.length || !/^\d*$/.test(headerLength ?? "")) {
    throw new HttpError(
      400,
      `Inference-Header-Content-Length expected an integer in 0..${body.length}, got ${spell(headerLength)}`,
    );
  }
  const request = readJson(body.subarray(0, length));
  if (request["id"] !== undefined && typeof request["id"] !== "string")
    throw new HttpError(400, `"id" expected a string, got ${spell(request["id"])}`);
  const binary = new Binary(body.subarray(length));
  const feeds: Record<string, Parcel> = Object.create(null);
  for (const input of list(request, "inputs")) {
    const value = known(model.inputs, "input", input);
    if (value.name in feeds) throw new HttpError(400, `input "${value.name}" is given twice`);
    feeds[value.name] = readTensor(value, input, binary);
  }
  const missing = model.inputs.filter(({ name }) => !(name in feeds));
  if (missing.length > 0)
    throw new HttpError(400, `expected the inputs ${listNames(model.inputs)}; missing ${listNames(missing)}`);
  binary.end();
  return { id: request["id"] as string | undefined, feeds: { ...feeds }, outputs: readOutputs(request, model) };
}

function readOutputs(request: Json, model: ModelFacts): Map<string, boolean> {
  const all = flag(request, "binary_data_output") ?? false;
  if (request["outputs"] === undefined) return new Map(model.outputs.map(({ name }) => [name, all]));
  const wanted = new Map<string, boolean>();
  for (const output of list(request, "outputs"))
    wanted.set(known(model.outputs, "output", output).name, flag(output, "binary_data") ?? all);
  return wanted;
}

function readTensor({ name, type, shape: declared }: ValueFacts, input: Json, binary: Binary): Parcel {
  const what = `input "${name}"`;
  if (typeOf(input["datatype"]) !== type)
    throw new HttpError(400, `${what} expected datatype ${datatypeOf(type)}, got ${spell(input["datatype"])}`);
  const { shape } = input as { readonly shape?: unknown };
  if (!Array.isArray(shape) || !shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new HttpError(400, `${what} expected a "shape" of integers ≥ 0, got ${spell(shape)}`);
  }
  const dims = shape as number[];
  if (
    declared !== undefined &&
    (declared.length !== dims.length || declared.some((d, i) => typeof d === "number" && d !== dims[i]))
  ) {
    throw new HttpError(400, `${what} expected shape [${declared.join(", ")}], got [${dims.join(", ")}]`);
  }
  const size = sizeOf(dims);
  const bytes = parametersOf(input)["binary_data_size"];
  if (bytes !== undefined) {
    if (input["data"] !== undefined)
      throw new HttpError(400, `${what} expected "data" or "binary_data_size", got both`);
    const taken = binary.take(what, bytes);
    return {
      type,
      dims,
      data: type === "string" ? readTexts(what, taken, size) : readNumbers(what, type, dims, size, taken),
    };
  }
  return { type, dims, data: readElements(what, type, dims, input["data"]) };
}

function readNumbers(
  what: string,
  type: NumericType,
  dims: readonly number[],
  size: number,
  bytes: Uint8Array,
): TensorData {
  if (bytes.length !== size * elementBytes(type)) {
    throw new HttpError(
      400,
      `${what} of shape [${dims}] expected ${size * elementBytes(type)} bytes, got ${bytes.length}`,
    );
  }
  if (type === "bool" && bytes.some((b) => b > 1))
    throw new HttpError(400, `${what} expected bytes of 0 and 1 for BOOL`);
  return viewData(type, Uint8Array.prototype.slice.call(bytes), size);
}

/** Texts as u32 length and UTF-8. */
function readTexts(what: string, bytes: Uint8Array, size: number): string[] {
  const texts: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length)
      throw new HttpError(400, `${what}: text ${texts.length} ends after the binary data`);
    texts.push(text(what, bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (texts.length !== size) throw new HttpError(400, `${what} expected ${size} texts, got ${texts.length}`);
  return texts;
}

/** The answer, as JSON or with binary data behind it. */
export function writeInfer(
  { id, outputs: wanted }: Pick<InferRequest, "id" | "outputs">,
  model: { readonly name: string; readonly version: string; readonly digest: string },
  outputs: Parcels,
): InferResponse {
  const parts: Uint8Array[] = [];
  const tensors = [...wanted].map(([name, binary]) => {
    const { type, dims, data } = outputs[name]!;
    const head = `"name":${JSON.stringify(name)},"shape":[${dims}],"datatype":"${datatypeOf(type)}"`;
    if (binary) {
      const bytes = type === "string" ? writeTexts(data as string[]) : bytesOf(data as Exclude<TensorData, string[]>);
      parts.push(bytes);
      return `{${head},"parameters":{"binary_data_size":${bytes.length}}}`;
    }
    if (type === "float16" || type === "bfloat16") {
      throw new HttpError(
        400,
        `output "${name}": ${datatypeOf(type)} has no form in JSON; ask for binary data (binary_data)`,
      );
    }
    return `{${head},"data":${writeElements(type, data)}}`;
  });
  const identity = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
  const json = Buffer.from(
    `{"model_name":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)},${identity}"parameters":{"digest":"${model.digest}"},"outputs":[${tensors.join(",")}]}`,
  );
  if (parts.length === 0) return { headers: { "content-type": "application/json" }, body: json };
  const headers = {
    "content-type": "application/octet-stream",
    "inference-header-content-length": String(json.length),
  };
  return { headers, body: Buffer.concat([json, ...parts]) };
}

function writeTexts(texts: readonly string[]): Uint8Array {
  return Buffer.concat(
    texts.flatMap((one) => {
      const bytes = Buffer.from(one);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** What a model takes and gives; -1 for what is free, also for a shape of which nothing is known. */
export function modelMetadata(
  name: string,
  versions: readonly string[],
  { inputs, outputs, digest }: ModelFacts,
): object {
  const values = (of: readonly ValueFacts[]): object[] =>
    of.map((value) => ({
      name: value.name,
      datatype: datatypeOf(value.type),
      shape: (value.shape ?? [""]).map((d) => (typeof d === "number" ? d : -1)),
    }));
  return {
    name,
    versions,
    platform: "bitbasis",
    inputs: values(inputs),
    outputs: values(outputs),
    parameters: { digest },
  };
}

/** The bytes behind the JSON. */
class Binary {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  take(what: string, size: unknown): Uint8Array {
    const left = this.bytes.length - this.at;
    if (!Number.isInteger(size) || (size as number) < 0 || (size as number) > left) {
      throw new HttpError(
        400,
        `${what}: "binary_data_size" expected an integer in 0..${left}, which is what is left of the body, got ${spell(size)}`,
      );
    }
    const from = this.at;
    this.at += size as number;
    return this.bytes.subarray(from, this.at);
  }

  end(): void {
    if (this.at < this.bytes.length) {
      throw new HttpError(
        400,
        `the inputs have ${this.at} bytes of binary data, the body has ${this.bytes.length} after its JSON`,
      );
    }
  }
}

function readJson(bytes: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(text("the body", bytes));
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    throw new HttpError(400, `the body is not JSON: ${(cause as Error).message}`);
  }
  if (!isObject(value)) throw new HttpError(400, `the body expected an object, got ${spell(value)}`);
  return value;
}

function text(what: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new HttpError(400, `${what} is not UTF-8`);
  }
}

function list(of: Json, key: string): readonly Json[] {
  const value = of[key];
  if (!Array.isArray(value) || !value.every(isObject))
    throw new HttpError(400, `"${key}" expected an array of objects, got ${spell(value)}`);
  return value as Json[];
}

function known(values: readonly ValueFacts[], kind: string, of: Json): ValueFacts {
  const found = values.find(({ name }) => name === of["name"]);
  if (found === undefined)
    throw new HttpError(400, `the model has no ${kind} ${spell(of["name"])}; it has ${listNames(values)}`);
  return found;
}

function flag(of: Json, key: string): boolean | undefined {
  const value = parametersOf(of)[key];
  if (value !== undefined && typeof value !== "boolean")
    throw new HttpError(400, `"${key}" expected true or false, got ${spell(value)}`);
  return value;
}

function parametersOf(of: Json): Json {
  const value = of["parameters"] ?? {};
  if (!isObject(value)) throw new HttpError(400, `"parameters" expected an object, got ${spell(value)}`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listNames(values: readonly { readonly name: string; readonly type: ElementType }[]): string {
  return values.map(({ name }) => `"${name}"`).join(", ");
}
