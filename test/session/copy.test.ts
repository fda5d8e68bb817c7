import { expect, it } from "vitest";
import { copyBytes } from "../../src/session/copy.ts";

it("copies in pieces of 4 MiB, with a turn between two, and asks for the views anew after each", async () => {
  const length = 2 * 2 ** 22 + 5;
  const from = Uint8Array.from({ length }, (_, i) => (i * 31) >>> 7);
  let to = new Uint8Array(length);
  let turns = 0;
  await copyBytes(
    () => from,
    () => to,
    async () => {
      turns++;
      // As a memory that grows: the old view is detached.
      const moved = new Uint8Array(length);
      moved.set(to);
      structuredClone(to.buffer, { transfer: [to.buffer] });
      to = moved;
    },
  );
  expect(turns).toBe(2);
  expect(Buffer.compare(to, from)).toBe(0);
});

it("ends where the turn throws", async () => {
  const to = new Uint8Array(2 ** 23);
  const copying = copyBytes(
    () => new Uint8Array(2 ** 23).fill(1),
    () => to,
    () => Promise.reject(new Error("enough")),
  );
  await expect(copying).rejects.toThrow("enough");
  expect([to[2 ** 22 - 1], to[2 ** 22]]).toEqual([1, 0]);
});
