import { createHash } from "node:crypto";
import { pack, unpack } from "../../src/model/packing.ts";

const DIGEST_AT = '{"__metadata__":{"sha256":"'.length;
const DIGEST = 64;

type Tensors = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** A safetensors file of a header and its data, with the digest of the header as src/model/header.ts says. */
export function signed(text: string, data: Uint8Array): Uint8Array {
  const header = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + 8 * Math.ceil(header.length / 8) + data.length).fill(0x20);
  const length = bytes.length - data.length;
  bytes.set(header, 8);
  bytes.set(data, length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length - 8), true);
  bytes.fill(0x30, 8 + DIGEST_AT, 8 + DIGEST_AT + DIGEST);
  bytes.set(new TextEncoder().encode(sha256(bytes.subarray(8, length))), 8 + DIGEST_AT);
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What the metadata of a container say of its sections, with the digests of these data. */
export function withDigests(sections: string, data: Uint8Array): string {
  let at = 0;
  const digested = (JSON.parse(sections) as [string, number, string][]).map(([name, bytes]) => {
    const own = data.subarray(at, at + bytes);
    at += bytes;
    return [name, bytes, sha256(own)];
  });
  return JSON.stringify(digested);
}

/** The text of the header of a file, and what follows it. */
export function parted(bytes: Uint8Array): { text: string; data: Uint8Array } {
  const length = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return { text: new TextDecoder().decode(bytes.subarray(8, length)).trimEnd(), data: bytes.subarray(length) };
}

/** The packed header of a container, and the data of the model. */
export function packedPart(bytes: Uint8Array): { packed: Uint8Array; data: Uint8Array } {
  const { text, data } = parted(bytes);
  const { header } = JSON.parse(text) as Tensors;
  const length = header!.data_offsets[1];
  return { packed: data.subarray(0, length), data: data.subarray(length) };
}

/** A container as version 1 has it, whose header lists all tensors and says the graph. */
export function plainContainer(bytes: Uint8Array): Uint8Array {
  const { packed, data } = packedPart(bytes);
  return signed(new TextDecoder().decode(unpack(packed, 1e8)).trimEnd(), data);
}

/** The container `like` with the header of a container of version 1, which may say what it likes, in the place of its own, or with these packed bytes. */
export function repacked(like: Uint8Array, plain: Uint8Array, given?: Uint8Array): Uint8Array {
  const zeroed = plain.slice(8, plain.length - parted(plain).data.length);
  zeroed.fill(0x30, DIGEST_AT, DIGEST_AT + DIGEST);
  const packed = given ?? pack(zeroed);
  const {
    __metadata__: told,
    header,
    ...sections
  } = JSON.parse(parted(like).text) as Tensors & {
    __metadata__: object;
  };
  const moved = packed.length - header!.data_offsets[1];
  const entries = Object.entries(sections).map(([name, { data_offsets: offsets, ...rest }]) => {
    return [name, { ...rest, data_offsets: offsets.map((at) => at + moved) }];
  });
  const text = JSON.stringify({
    __metadata__: { ...told, packed: sha256(packed) },
    header: { dtype: "U8", shape: [packed.length], data_offsets: [0, packed.length] },
    ...Object.fromEntries(entries),
  });
  const data = parted(plain).data;
  const both = new Uint8Array(packed.length + data.length);
  both.set(packed);
  both.set(data, packed.length);
  return signed(text, both);
}
