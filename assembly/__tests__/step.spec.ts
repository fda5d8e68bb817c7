import { share } from "../step";

describe("share", () => {
  it("cuts work into consecutive pieces that differ by at most one", () => {
    for (let count = 0; count < 40; count++) {
      for (let threads = 1; threads < 9; threads++) {
        expect<i32>(share(count, 0, threads)).toBe(0);
        expect<i32>(share(count, threads, threads)).toBe(count);
        for (let t = 0; t < threads; t++) {
          const size = share(count, t + 1, threads) - share(count, t, threads);
          expect<bool>(size == count / threads || size == count / threads + 1).toBe(true);
        }
      }
    }
  });

  it("does not overflow", () => {
    expect<i32>(share(2147483647, 7, 8)).toBe(1879048191);
  });
});
