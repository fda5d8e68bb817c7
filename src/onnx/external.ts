import { BitbasisError } from "../core/errors.ts";
import type { TensorProto } from "./schema.ts";

/** Files that hold tensor data outside of the model: by the location that the model gives, or as onnxruntime-web takes them. */
export type ExternalData =
  | Readonly<Record<string, Uint8Array>>
  | readonly { readonly path: string; readonly data: Uint8Array }[];

/** What a tensor's external data are. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  /** undefined: to the end of the file. */
  readonly length: number | undefined;
}

/** "./x" and "x" are one. */
export function sameLocation(location: string): string {
  return location.replace(/^(\.\/+)+/, "");
}

/** Files by location. */
export class ExternalFiles {
  private readonly files = new Map<string, Uint8Array>();

  constructor(data: ExternalData = {}) {
    const entries = Array.isArray(data)
      ? (data as readonly { path: string; data: Uint8Array }[]).map(({ path, data: bytes }) => [path, bytes] as const)
      : Object.entries(data as Readonly<Record<string, Uint8Array>>);
    for (const [location, bytes] of entries) {
      if (!(bytes instanceof Uint8Array)) {
        throw new TypeError(`externalData of "${location}" expected a Uint8Array, got ${typeof bytes}`);
      }
      this.files.set(sameLocation(location), bytes);
    }
  }

  /** The bytes of a tensor; throws BitbasisError MODEL when the file is not given or too short. */
  read(proto: TensorProto, what: string): Uint8Array {
    const { location, offset, length } = externalRange(proto, what);
    const file = this.files.get(sameLocation(location));
    if (file === undefined) {
      const name = JSON.stringify(location);
      throw new BitbasisError("MODEL", `${what} keeps its data in ${name}: pass these bytes as externalData[${name}]`);
    }
    const end = offset + (length ?? Math.max(0, file.length - offset));
    if (offset > file.length || end > file.length) {
      throw new BitbasisError(
        "MODEL",
        `${what} expected bytes ${offset}..${end} of "${location}", which has ${file.length}`,
      );
    }
    return file.subarray(offset, end);
  }
}

/** Where the data of a tensor are; throws BitbasisError MODEL for an entry that is no count of bytes. */
export function externalRange(proto: TensorProto, what: string): ExternalRange {
  const entry = (key: string): string | undefined => proto.external_data.find((e) => e.key === key)?.value;
  const location = entry("location");
  if (location === undefined || location === "") {
    throw new BitbasisError("MODEL", `${what} keeps its data in a file, but does not say in which`);
  }
  const count = (key: string): number | undefined => {
    const text = entry(key);
    if (text === undefined || text === "") return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new BitbasisError(
      "MODEL",
      `${what} expected a number of bytes as "${key}" of its external data, got ${JSON.stringify(text)}`,
    );
  };
  return { location, offset: count("offset") ?? 0, length: count("length") };
}
