import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/model/sha256.ts";

describe("sha256", () => {
  test("agrees with Node's at every length around a block", () => {
    for (let length = 0; length < 200; length++) {
      const data = Uint8Array.from({ length }, (_, i) => i * 7 + length);
      expect(sha256(data)).toBe(createHash("sha256").update(data).digest("hex"));
    }
  });
});
