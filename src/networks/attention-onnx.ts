import { gamma } from "../attention/index.ts";
import { checkList, checkOptions, shown } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../onnx/index.ts";
import { Tensor } from "../tensor/index.ts";
import { GraphBuilder } from "./graph-builder.ts";

/** What the network of `gammaOnnx` rounds more coarsely. */
export interface GammaOnnxOptions {
  /** Bits of the token embeddings, 1…p, default p; everything else keeps p bits. Fewer bits keep the range and lose the fraction. */
  readonly embeddingBits?: number;
}

/**
 * Γ_{p,d} of the token model as an ONNX network: an embedding, one softmax attention layer and a ReLU readout, with every intermediate rounded
 * to Q_{p,2} by operators (Sign, Abs, Floor, Clip). All numbers are small multiples of 1/2, so that float32 is exact in any runtime.
 *
 * Input `tokens` int64 [batch, 3], rows (i, N + j, 2N) for A_i, B_j, CLS; outputs `readout` and `equal` float32 [batch, 1]: equal is 1 where the
 * layer says i = j, else 0.
 *
 * @param p 2…10
 * @param d 1…64, with at most 2^16 symbols
 * @throws RangeError for p, d or bits outside their ranges
 * @example
 * const session = await InferenceSession.create(gammaOnnx(2, 1), { preset: "float32" });
 * const { equal } = await session.run({ tokens: gammaTokens(2, 1, [[3, 3], [3, 4]]) }); // 1, 0
 */
export function gammaOnnx(p: number, d: number, options: GammaOnnxOptions = {}): Uint8Array {
  return writeOnnx(gammaGraph(p, d, options));
}

/** Input of `gammaOnnx` for pairs of symbols (i, j), 0 ≤ i, j < N. */
export function gammaTokens(p: number, d: number, pairs: readonly (readonly [number, number])[]): Tensor<"int64"> {
  checkList("pairs", pairs);
  for (const [i, pair] of pairs.entries()) checkList(`pairs[${i}]`, pair);
  const n = gamma(p, d).alphabet;
  for (const [i, pair] of pairs.entries())
    for (const symbol of [pair[0], pair[1]])
      if (!Number.isSafeInteger(symbol) || symbol < 0 || symbol >= n)
        throw new RangeError(`"pairs[${i}]" expected two symbols below ${n}, got ${shown(pair)}`);
  const ids = BigInt64Array.from(pairs.flatMap(([i, j]) => [BigInt(i), n + BigInt(j), 2n * n]));
  return new Tensor("int64", ids, [pairs.length, 3]);
}

/** The graph of `gammaOnnx`. */
export function gammaGraph(p: number, d: number, options: GammaOnnxOptions = {}): Graph {
  checkOptions(options);
  const g = gamma(p, d);
  const bits = options.embeddingBits ?? p;
  if (p > 10 || g.alphabet > 65536n)
    throw new RangeError(
      `"p" and "d" expected p ≤ 10 and at most 65536 symbols, got p = ${p} and d = ${d}: (2^${p + 1} − 1)^${d} symbols`,
    );
  if (!Number.isInteger(bits) || bits < 1 || bits > p) {
    throw new RangeError(`"embeddingBits" expected integer in 1..${p}, got ${shown(bits)}`);
  }
  const limit = (2 ** p - 1) / 2;
  const build = new GraphBuilder();
  const identity = (rows: number, columns: number, entry: (r: number, c: number) => number) =>
    build.floats([rows, columns], (i) => entry(Math.floor(i / columns), i % columns));
  const half = build.floats([], () => 0.5);
  const two = build.floats([], () => 2);
  const low = build.floats([], () => -limit);
  const high = build.floats([], () => limit);
  /** To the nearest multiple of 1/2, ties away from zero, saturated. */
  const round = (x: string): string => {
    const magnitude = build.node("Floor", [
      build.node("Add", [build.node("Mul", [build.node("Abs", [x]), two]), half]),
    ]);
    const signed = build.node("Mul", [build.node("Mul", [build.node("Sign", [x]), magnitude]), half]);
    return build.node("Clip", [signed, low, high]);
  };

  const n = Number(g.alphabet);
  const table = build.floats([2 * n + 1, d], (i) => {
    const row = Math.floor(i / d);
    if (row === 2 * n) return 0;
    const unit = coarse(g.symbol(row % n)[i % d]!, p, bits);
    return (row < n ? unit : -unit) / 2;
  });
  const x = build.node("Gather", [table, "tokens"], { axis: 0 });
  const zero = identity(d, d, () => 0);
  const one = identity(d, d, (r, c) => Number(r === c));
  const query = round(build.node("MatMul", [x, zero]));
  const key = round(build.node("MatMul", [x, one]));
  const value = round(build.node("MatMul", [x, one]));
  const keysAcross = build.node("Transpose", [key], { perm: [0, 2, 1] });
  const scores = round(build.node("MatMul", [query, keysAcross]));
  const weights = round(build.node("Softmax", [scores], { axis: -1 }));
  const mixed = round(build.node("MatMul", [weights, value]));
  const attention = round(build.node("MatMul", [mixed, one]));
  const hidden = round(build.node("Add", [x, attention]));
  const last = build.node("Gather", [hidden, build.integers([2n])], { axis: 1 });
  const flat = build.node("Flatten", [last], { axis: 1 });
  const both = identity(d, 2 * d, (r, c) => (c === r ? 1 : c === r + d ? -1 : 0));
  const parts = build.node("Relu", [build.node("MatMul", [flat, both])]);
  const sum = build.node("MatMul", [parts, identity(2 * d, 1, () => -1)]);
  const readout = build.node("Clip", [build.node("Add", [sum, half]), low, high], {}, "readout");
  const reached = build.node("GreaterOrEqual", [readout, half]);
  build.node("Cast", [reached], { to: 1 }, "equal");
  return {
    name: `gamma-${p}-${d}-${bits}`,
    opsets: { "": 17 },
    inputs: [{ name: "tokens", type: "int64", shape: ["batch", 3] }],
    outputs: ["readout", "equal"].map((name) => ({ name, type: "float32", shape: ["batch", 1] })),
    nodes: build.nodes,
    initializers: build.initializers,
  };
}

/** A number of p bits in units of 1/2 on the grid of `bits` bits over the same range, still in units of 1/2. */
function coarse(unit: number, p: number, bits: number): number {
  const step = 2 ** (p - bits);
  const rounded = Math.sign(unit) * Math.floor(Math.abs(unit) / step + 0.5);
  const most = 2 ** bits - 1;
  return Math.max(-most, Math.min(most, rounded)) * step;
}
