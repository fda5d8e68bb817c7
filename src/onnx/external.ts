import { wrongKind } from "../core/arguments.ts";
import { BitbasisError } from "../core/errors.ts";
import { classOf } from "../core/shown.ts";
import type { AttributeProto, GraphProto, ModelProto, TensorProto } from "./schema.ts";

const EXTERNAL = 1;

/** Files that hold tensor data outside of the model: by the location that the model gives ("./x" and "x" are one), or as onnxruntime-web takes them. */
export type ExternalData =
  | Readonly<Record<string, Uint8Array>>
  | readonly { readonly path: string; readonly data: Uint8Array }[]
  | ExternalFiles;

/** Where the data of a tensor are. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  /** undefined: to the end of the file. */
  readonly length: number | undefined;
}

/** A file, or the part of it that is needed: `bytes` begin at byte `from` of a file that has `size`. */
interface ExternalFile {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly size: number;
}

/** Files by location. */
export class ExternalFiles {
  private readonly files = new Map<string, ExternalFile>();

  /** @throws TypeError for what is no bytes */
  constructor(data: ExternalData = {}) {
    if (data instanceof ExternalFiles) {
      for (const [location, file] of data.files) this.files.set(location, file);
      return;
    }
    if (typeof data !== "object" || data === null) {
      throw wrongKind("externalData", "files by location, or a list of { path, data }", data);
    }
    const entries = Array.isArray(data)
      ? (data as readonly { path: string; data: Uint8Array }[]).map((one) => [one?.path, one?.data] as const)
      : Object.entries(data as Readonly<Record<string, Uint8Array>>);
    for (const [location, bytes] of entries) {
      if (typeof location !== "string") throw wrongKind("externalData", "{ path, data } in its list", location);
      if (classOf(bytes) !== "Uint8Array") throw wrongKind(`externalData: ${location}`, "a Uint8Array", bytes);
      this.add(location, bytes);
    }
  }

  /** Bytes of all files. */
  get bytes(): number {
    let sum = 0;
    for (const { size } of this.files.values()) sum += size;
    return sum;
  }

  /** Has copies of the bytes in the place of those that somebody else may write to. */
  async own(copy: (bytes: Uint8Array) => Promise<Uint8Array>): Promise<void> {
    for (const [location, file] of this.files) this.files.set(location, { ...file, bytes: await copy(file.bytes) });
  }

  has(location: string): boolean {
    return this.files.has(sameLocation(location));
  }

  /** A file, or its bytes from `from` on when it has `size`. */
  add(location: string, bytes: Uint8Array, from = 0, size = bytes.length): void {
    this.files.set(sameLocation(location), { bytes, from, size });
  }

  /** The bytes of a tensor; throws BitbasisError MODEL when the file is not given or too short. */
  read(proto: TensorProto, what: string): Uint8Array {
    const { location, offset, length } = externalRange(proto, what);
    const file = this.files.get(sameLocation(location));
    if (file === undefined) {
      const name = JSON.stringify(location);
      throw new BitbasisError("MODEL", `${what} keeps its data in ${name}: pass these bytes as externalData[${name}]`);
    }
    const end = offset + (length ?? Math.max(0, file.size - offset));
    if (offset > file.size || end > file.size) {
      const wanted = `${what} expected bytes ${offset}..${end} of "${location}"`;
      throw new BitbasisError("MODEL", `${wanted}, which has ${file.size}`);
    }
    return file.bytes.subarray(offset - file.from, end - file.from);
  }
}

/** How a location is spelt here: "./x" is "x". */
export function sameLocation(location: string): string {
  return location.replace(/^(\.\/+)+/, "");
}

/** Where the data of a tensor are; throws BitbasisError MODEL for an entry that is no count of bytes. */
function externalRange(proto: TensorProto, what: string): ExternalRange {
  const entry = (key: string): string | undefined => proto.external_data.find((e) => e.key === key)?.value;
  const location = entry("location");
  if (location === undefined || location === "") {
    throw new BitbasisError("MODEL", `${what} keeps its data in a file, but does not say in which`);
  }
  const count = (key: string): number | undefined => {
    const text = entry(key);
    if (text === undefined || text === "") return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    const got = JSON.stringify(text);
    throw new BitbasisError("MODEL", `${what} expected a number of bytes as "${key}" of its external data, got ${got}`);
  };
  return { location, offset: count("offset") ?? 0, length: count("length") };
}

/** The parts of files that a model's tensors lie in. */
export function externalRanges(model: ModelProto): ExternalRange[] {
  const ranges: ExternalRange[] = [];
  const visit = (tensor: TensorProto | undefined): void => {
    if (tensor?.data_location === EXTERNAL) ranges.push(externalRange(tensor, `tensor "${tensor.name}"`));
  };
  const attributes = (all: readonly AttributeProto[]): void => {
    for (const { t, tensors, g, graphs, sparse_tensor } of all) {
      for (const tensor of [t, ...tensors, sparse_tensor?.values, sparse_tensor?.indices]) visit(tensor);
      for (const body of [g, ...graphs]) if (body !== undefined) graph(body);
    }
  };
  const graph = ({ initializer, sparse_initializer, node }: GraphProto): void => {
    for (const tensor of initializer) visit(tensor);
    for (const { values, indices } of sparse_initializer) for (const tensor of [values, indices]) visit(tensor);
    for (const { attribute } of node) attributes(attribute);
  };
  if (model.graph !== undefined) graph(model.graph);
  for (const f of model.functions) {
    attributes(f.attribute_proto);
    for (const { attribute } of f.node) attributes(attribute);
  }
  return ranges;
}

export function isExternal(proto: TensorProto): boolean {
  return proto.data_location === EXTERNAL;
}
