import { BitbasisError, encodeUtf8 } from "../core/index.ts";
import { damaged } from "./damaged.ts";

/**
 * Text packed by what it repeats (LZ77). A header is JSON that says every name several times: YuNet's is 96 kB of a container of 263 kB and packs to 8 kB. It is written out here because a container
 * is read in one go, while what platforms have (DecompressionStream) is asynchronous, and not the same bytes everywhere.
 *
 * A varint says the bytes of the text, then come sequences: a byte whose lower four bits count literals and whose upper four say what is copied after them (0: nothing, m: m + 3 bytes),
 * either followed by a varint to add where it is 15; the literals; the distance back as a varint. A text starts behind `COMMON`, which it may copy from. Zeros fill the last eight bytes.
 */
const ALIGNMENT = 8;
const SHORTEST = 4;
/** So that no text is more than `LARGEST_RATIO` times what it was packed to, and memory follows what has arrived. */
const LONGEST = 256;
const LARGEST_RATIO = 256;
/** Places that are tried for a copy, the nearest first: with eight times as many YuNet's header is 1 % smaller. */
const TRIED = 32;
const HASH_BITS = 15;
/** How far back is looked. */
const WINDOW = 2 ** 18;

/** What headers of containers say, the most frequent last, in a multiple of 8 bytes, so that what is unpacked behind it is aligned. Part of the format: another text is another version. */
const SAID = [
  String.raw`\"domain\":\"bitbasis\",\"attributes\":{\"axes\":[0,1],\"axis\":-1,\"alpha\":1,\"epsilon\":0.00001,\"perm\":[0,2,1,3],\"dilations\":[1,1],\"group\":1,`,
  String.raw`\"pads\":[0,0,0,0],\"min\":0,\"max\":6,\"activation\":\"Relu\",\"strides\":[2,2],\"pads\":[1,1,1,1],\"kernel_shape\":[3,3]}},{\"name\":\"/Conv\",\"op\":\"Conv\",`,
  String.raw`\"inputs\":[\"input\",\"weight\",\"bias\"],\"outputs\":[\"output\",\"/Relu_output_0\"]}]}","plan":"{\"plan\":{\"version\":2,\"default\":{\"bits\":4,\"weightTerms\":3,\"activationTerms\":4,`,
  String.raw`\"weightBits\":7,\"activationBits\":12,\"rounding\":\"squant\",\"zeroPoint\":true,\"reason\":\"first layer; the weights lie on a grid of 8 bits\"},\"tables\":12,\"layers\":{\"},\"preset\":\"faithful\",`,
  String.raw`\"series\":[[\"weight\",{\"shape\":[64,3,3,64],\"axis\":0,\"bits\":4,\"terms\":3,\"last\":3,\"l1\":,\"sum\":}]]}"},"bias":{"dtype":"F32","shape":[64],"data_offsets":[0,256]},`,
  '"weight#zero":{"dtype":"I8","shape":[64],"data_offsets":[]},"weight#1":{"dtype":"U8","shape":[16],"data_offsets":[]},"weight#scale":{"dtype":"F32","shape":[16],"data_offsets":[]}',
  String.raw`{"__metadata__":{"sha256":"${"0".repeat(64)}","format":"bitbasis","version":"1","sections":"[[\"values\",[\"term 1\",]]","graph":"{\"name\":\"main_graph\",\"opsets\":{\"\":17,\"bitbasis\":1},`,
  String.raw`\"inputs\":[{\"name\":\"input\",\"type\":\"float32\",\"shape\":[\"N\",3,224,224]}],\"outputs\":[{\"name\":\"output\",\"type\":\"float32\",\"shape\":[\"N\",10]}],\"nodes\":[`,
].join("");
const COMMON = encodeUtf8(SAID.padStart(8 * Math.ceil(SAID.length / 8)));

/** Bytes that `unpack` makes `text` of; the same for the same text. */
export function pack(text: Uint8Array): Uint8Array {
  const all = behindCommon(text.length);
  all.set(text, COMMON.length);
  const out = new Writer(text.length);
  out.varint(text.length);
  const chains = new Chains(all);
  for (let i = 0; i < COMMON.length; i++) chains.add(i);
  let literal = COMMON.length;
  const write = (to: number, length: number, distance: number): void => {
    const [literals, copied] = [to - literal, length === 0 ? 0 : length - SHORTEST + 1];
    out.byte(Math.min(literals, 15) | (Math.min(copied, 15) << 4));
    if (literals >= 15) out.varint(literals - 15);
    if (copied >= 15) out.varint(copied - 15);
    out.bytes(all.subarray(literal, to));
    if (length > 0) out.varint(distance);
    literal = to + length;
  };
  for (let i = COMMON.length; i < all.length; ) {
    const found = chains.longest(i);
    chains.add(i);
    // What starts a byte later may be worth more. Where nothing has repeated for long, as in weights, fewer places are looked at.
    if (found === undefined || (chains.longest(i + 1)?.gain ?? 0) > found.gain) {
      i += 1 + ((i - literal) >> 6);
      continue;
    }
    write(i, found.length, found.distance);
    for (let j = 1; j < found.length; j++) chains.add(i + j);
    i += found.length;
  }
  if (literal < all.length) write(all.length, 0, 0);
  return out.padded(ALIGNMENT);
}

/** Whether values repeat so much, as those of masks do, that packing them is worth its time: one in eight words is the one before. */
export function repeats(values: Uint8Array): boolean {
  const aligned = values.byteOffset % 4 === 0 ? values : values.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
  let same = 0;
  for (let i = 1; i < words.length; i++) if (words[i] === words[i - 1]) same++;
  return 8 * same > words.length;
}

/**
 * The text that `pack` was given.
 *
 * @param most - bytes that it may have
 * @throws BitbasisError MODEL for other bytes
 */
export function unpack(packed: Uint8Array, most: number): Uint8Array {
  let at = 0;
  const next = (): number => {
    if (at === packed.length) throw damaged("its packed header is cut short");
    return packed[at++]!;
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = next();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw damaged("a number of its packed header is too long");
  };
  const size = varint();
  if (size > most || size > LARGEST_RATIO * packed.length)
    throw damaged(`its packed header of ${packed.length} bytes says that it holds ${size}`);
  const all = behindCommon(size);
  for (let to = COMMON.length; to < all.length; ) {
    const token = next();
    let literals = token & 15;
    let copied = token >> 4;
    if (literals === 15) literals += varint();
    if (copied === 15) copied += varint();
    const length = copied === 0 ? 0 : copied + SHORTEST - 1;
    if (literals + length === 0 || literals > packed.length - at || to + literals + length > all.length)
      throw damaged("a part of its packed header is longer than the rest");
    all.set(packed.subarray(at, at + literals), to);
    [at, to] = [at + literals, to + literals];
    if (length === 0) continue;
    const distance = varint();
    if (distance === 0 || distance > to) throw damaged("its packed header copies what is not there");
    for (const end = to + length; to < end; to++) all[to] = all[to - distance]!;
  }
  if (packed.length - at >= ALIGNMENT || packed.subarray(at).some((byte) => byte !== 0))
    throw damaged("its packed header goes on after its end");
  return all.subarray(COMMON.length);
}

function behindCommon(bytes: number): Uint8Array {
  const all = new Uint8Array(COMMON.length + bytes);
  all.set(COMMON);
  return all;
}

/** Bytes that are packed: as many as the text has, and one in sixteen, at most. */
class Writer {
  private readonly out: Uint8Array;
  private length = 0;

  constructor(text: number) {
    this.out = new Uint8Array(text + (text >> 4) + 64);
  }

  byte(value: number): void {
    this.out[this.length++] = value;
  }

  bytes(values: Uint8Array): void {
    this.out.set(values, this.length);
    this.length += values.length;
  }

  varint(value: number): void {
    if (value >= 2 ** 28) throw new BitbasisError("LIMIT", `a text of ${value} bytes is too long to be packed`);
    let left = value;
    for (; left > 127; left >>= 7) this.byte((left & 127) | 128);
    this.byte(left);
  }

  padded(to: number): Uint8Array {
    return this.out.slice(0, to * Math.ceil(this.length / to));
  }
}

/** Where four bytes have been before. */
class Chains {
  private readonly heads = new Int32Array(1 << HASH_BITS).fill(-1);
  private readonly all: Uint8Array;
  /** By place, of the last `WINDOW` bytes. */
  private readonly before = new Int32Array(WINDOW);

  constructor(all: Uint8Array) {
    this.all = all;
  }

  add(at: number): void {
    const slot = this.slot(at);
    this.before[at % WINDOW] = this.heads[slot]!;
    this.heads[slot] = at;
  }

  /** The copy that saves most bytes at a place; undefined where none does. */
  longest(at: number): { readonly length: number; readonly distance: number; readonly gain: number } | undefined {
    const { all, before } = this;
    const most = Math.min(LONGEST, all.length - at);
    let [length, distance, gain] = [0, 0, 0];
    let from = this.heads[this.slot(at)]!;
    const least = Math.max(0, at - WINDOW + 1);
    for (let tried = 0; from >= least && tried < TRIED && length < most; tried++, from = before[from % WINDOW]!) {
      if (all[from + length] !== all[at + length]) continue;
      let same = 0;
      while (same < most && all[from + same] === all[at + same]) same++;
      const saved = same - 1 - (at - from < 2 ** 7 ? 1 : at - from < 2 ** 14 ? 2 : 3);
      if (same >= SHORTEST && saved > gain) [length, distance, gain] = [same, at - from, saved];
    }
    return gain > 0 ? { length, distance, gain } : undefined;
  }

  private slot(at: number): number {
    const all = this.all;
    const word = all[at]! | (all[at + 1]! << 8) | (all[at + 2]! << 16) | (all[at + 3]! << 24);
    return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
  }
}
