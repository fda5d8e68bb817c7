import { describe, expect, it } from "vitest";
import { decodeHere, encodeHere } from "../../src/core/bare.ts";
import { uniformNumbers } from "../../src/tensor/random.ts";

const TEXTS = [
  "",
  "plain",
  "gefüllt",
  "ναί",
  "日本語",
  "𝄞 clef",
  "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}",
];

describe("UTF-8 without a host", () => {
  it.each(TEXTS)("encodes and decodes %j", (text) => {
    expect(encodeHere(text)).toEqual(new TextEncoder().encode(text));
    expect(decodeHere(new TextEncoder().encode(text))).toBe(text);
  });

  it("replaces halves of surrogate pairs", () => {
    const text = "a\ud800b\udc00";
    expect(encodeHere(text)).toEqual(new TextEncoder().encode(text));
  });

  it("replaces what is no UTF-8 as TextDecoder does: every three bytes that start a character, and random ones", () => {
    const decoder = new TextDecoder();
    const differ: string[] = [];
    const check = (bytes: Uint8Array): void => {
      if (decodeHere(bytes) !== decoder.decode(bytes)) differ.push(bytes.join());
    };
    const seconds = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for (let first = 0x80; first < 256; first++)
      for (const second of seconds)
        for (const third of [0x41, 0x80, 0xbf, 0xe0]) check(Uint8Array.of(first, second, third, 0x80, 0x42));
    const random = uniformNumbers(5);
    for (let i = 0; i < 2000; i++) check(Uint8Array.from({ length: 8 }, () => 0x70 + Math.floor(144 * random())));
    expect(differ).toEqual([]);
  });
});
