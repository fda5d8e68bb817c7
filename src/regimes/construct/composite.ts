// Construction C4, "composite": bit extraction from words that stand in a table, so that width², depth and precision all count:
// 2^n cells with W²·L·b bits up to a constant. C2 uses W·L·b bits at a fixed width, C3 W² bits at a fixed depth.
//
// The cells are cut into R ranges of K blocks of J sub-blocks of m cells. Each range is a table of K×J words: in three layers it
// finds, for the sub-block that x lies in, the word w (m slope bits, guard digits), the path's level V at the sub-block's start and
// the position in it. The ranges follow one another in depth and add up. Then m layers take the bits out of w, as in C2.
//
// In the one cell after a sub-block's border all of this is garbage, and a clamp as in C2 would need a second one for the sub-blocks.
// Instead the network holds two such copies, A and B, with borders half a sub-block apart, and returns A + clamp(B − A, ±D), where D
// is 0 around the borders of B and larger than anything around those of A. Elsewhere both are right to one unit and the result
// lies between them. So nothing is lost: the error is at most 1 unit beyond the path's data, as for C1.
import { type Form, fraction, NetworkBuilder, plus, times, type Value } from "../builder.ts";
import { type Dyadic, dyadic, subtract, ZERO } from "../dyadic.ts";
import { type Path, pathLevels } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { guardedWord } from "./bit-extraction.ts";
import { enterCells, leaveCells } from "./common.ts";

/** Logarithms of the numbers of ranges, blocks, sub-blocks and cells; their sum is n. */
export interface CompositeShape {
  /** R = 2^ranges ≥ 1 tables after one another. */
  readonly ranges: number;
  /** K = 2^blocks ≥ 2 blocks in a range. */
  readonly blocks: number;
  /** J = 2^parts ≥ 2 sub-blocks in a block. */
  readonly parts: number;
  /** m = 2^cells ≥ 8 cells in a sub-block. */
  readonly cells: number;
}

/** Depth, width and precision that `compositeNetwork` needs for a shape, at unit 2^-p; the memory is dense. */
export function compositeCost(
  shape: CompositeShape,
  p: number,
): { depth: number; width: number; b: number; a: number; memory: number } {
  const { ranges, blocks, parts, cells } = shape;
  const n = ranges + blocks + parts + cells;
  const [R, K, J, m] = [2 ** ranges, 2 ** blocks, 2 ** parts, 2 ** cells];
  const { a, b } = compositeFormat(shape);
  const one = 2 * K + 2;
  const two = 4 * J - 1;
  const width = Math.max(one + CARRIED, two + CARRIED, 2 * J + CARRIED, 17);
  const perRange =
    (one + CARRIED) * (2 * J + CARRIED + 1) +
    (two + CARRIED) * (one + CARRIED + 1) +
    (2 * J + CARRIED) * (two + CARRIED + 1);
  const enter = Math.ceil(n / a) + 1;
  const leave = Math.max(1, Math.ceil((p - n - 3) / b));
  const memory = (enter * 20 + 2 * R * perRange + m * 17 * 18 + 60) * (a + b + 1);
  return { depth: enter + 6 * R + m + 3 + leave, width, a, b, memory };
}

/** Neurons that travel past the tables: the other copy's position and results, the folded distance, the constant. */
const CARRIED = 10;

function compositeFormat({ ranges, blocks, parts, cells }: CompositeShape): { a: number; b: number } {
  const n = ranges + blocks + parts + cells;
  // Offsets of up to 2^n stand on a neuron of 2^a; V is a multiple of 2^-(n+3); a word has 2m fractional bits.
  return { a: Math.max(parts + cells + 1, Math.ceil(n / 2), 3), b: Math.max(2 * 2 ** cells, n + 3) };
}

/** The shape with the least memory for 2^n cells, n ≥ 5. */
export function compositeShape(n: number, p = n): CompositeShape {
  let best: CompositeShape | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let cells = 3; cells <= Math.min(n - 2, 6); cells++) {
    for (let parts = 1; parts + cells < n; parts++) {
      for (let blocks = 1; blocks + parts + cells <= n; blocks++) {
        const shape = { ranges: n - cells - parts - blocks, blocks, parts, cells };
        const { memory } = compositeCost(shape, p);
        if (memory < least) [best, least] = [shape, memory];
      }
    }
  }
  if (best === undefined) throw new RangeError(`"n" expected at least 5 for the composite, got ${n}`);
  return best;
}

/** @param shape its logarithms add up to the path's n; the shape of least memory unless told */
export function compositeNetwork(path: Path, shape: CompositeShape = compositeShape(path.n, path.p)): DyadicNetwork {
  const { n, p } = path;
  const { a, b } = compositeFormat(shape);
  if (shape.ranges + shape.blocks + shape.parts + shape.cells !== n)
    throw new RangeError(`"shape" expected logarithms that add up to ${n}, got ${JSON.stringify(shape)}`);
  const m = 2 ** shape.cells;
  const net = new NetworkBuilder();
  const { T } = enterCells(net, n, a, 0);
  net.add({ T, TB: { ...T, _: -m / 2 }, one: { _: 2 ** a } });
  const fold = new Fold(n, shape.cells, a);
  table(net, path, shape, a, 0, fold);
  table(net, path, shape, a, m / 2, fold);

  const A = copyForms("A", n);
  const B = copyForms("B", n);
  net.add({ ...A.start, ...B.start, ...fold.step() });
  for (let j = 0; j < m; j++) {
    const last = j === m - 1;
    const D: Record<string, Form> = last ? fold.reach() : fold.step();
    net.add({ ...A.extract(j, last), ...B.extract(j, last), ...D });
  }
  const gap: Form = { LB: 1, prodB: A.gain, LA: -1, prodA: -A.gain };
  net.add({ L: { LA: 1, prodA: A.gain }, over: plus(gap, { D: 1 }), under: plus(gap, { D: -1 }), D: { D: 1 } });
  const form: Form = { L: 1, over: 1, under: -1, D: -1 };
  leaveCells(net, form, n + 3 - p, subtract(dyadic(1n, p - n - 1), path.offset), { a, b });
  return net.build();
}

/**
 * The distance from T_B to the nearest multiple of m by folding the interval again and again, one fold per layer, beside everything
 * else. It is exact everywhere, garbage cells included, because it never looks at the tables.
 */
class Fold {
  private folds = 0;
  /** The distance so far, over the layer before. */
  private x: Form = { TB: 1 };

  constructor(
    private readonly n: number,
    private readonly cells: number,
    private readonly a: number,
  ) {}

  private get rest(): number {
    return this.n - this.cells + 1 - this.folds;
  }

  /** The fold's neurons in the next layer; while folds remain the layer before must hold `one`. */
  step(): Record<string, Form> {
    const { x } = this;
    if (this.rest === 0) {
      this.x = { fx: 1 };
      return { fx: x };
    }
    const crease = -(2 ** (this.n - this.folds));
    this.folds++;
    this.x = { fx: 1, fr: -1 };
    return { fx: x, fr: plus(times(x, 2), { one: fraction(crease, this.a) }), one: { _: 2 ** this.a } };
  }

  /** D = max(0, 8/m·(distance − 1)): 0 within a cell of B's borders, at least 2 within the garbage cell of A's, where |A − B| ≤ 1.25. */
  reach(): Record<string, Form> {
    if (this.rest > 0) throw new RangeError("the composite's shape is too shallow to fold the distance");
    return { D: times(plus(this.x, { _: -1 }), fraction(8, this.cells)) };
  }
}

/** Appends the R tables of one copy; `shift` is where its first sub-block starts, in cells. Leaves w, V and v for that copy. */
function table(net: NetworkBuilder, path: Path, shape: CompositeShape, a: number, shift: number, fold: Fold): void {
  const [R, K, J, m] = [2 ** shape.ranges, 2 ** shape.blocks, 2 ** shape.parts, 2 ** shape.cells];
  const own = shift === 0 ? "A" : "B";
  const T = shift === 0 ? "T" : "TB";
  const contents = subBlocks(path, m, shift);
  // A's tables come first: B's position waits beside them, and A's results wait beside B's.
  const carry = (): Record<string, Form> => {
    const kept: Record<string, Form> =
      own === "A" ? { TB: { TB: 1 } } : { wA: { wA: 1 }, VA: { VA: 1 }, vA: { vA: 1 } };
    return { ...kept, ...fold.step(), one: { _: 2 ** a } };
  };
  const offset = (cells: number): Form => (cells === 0 ? {} : { one: fraction(-cells, a) });
  const results = [`w${own}`, `V${own}`, `v${own}`] as const;
  const gather = (r: number): Record<string, Form> => {
    if (r === 0) return {};
    const [w, V, v] = results;
    const all = Array.from({ length: J }, (_, j) => j);
    const before: Form = r === 1 ? {} : { [w]: 1 };
    const beforeV: Form = r === 1 ? {} : { [V]: 1 };
    return {
      [w]: { ...before, ...Object.fromEntries(all.map((j) => [`y${j}`, 1])) },
      [V]: { ...beforeV, ...Object.fromEntries(all.map((j) => [`z${j}`, 1])) },
      [v]: { [v]: 1 },
    };
  };
  for (let r = 0; r < R; r++) {
    const first: Record<string, Form> = {};
    for (let k = 0; k <= K; k++) {
      const form: Form = { [T]: 1 };
      first[`t${k}`] = plus(form, offset(k * J * m));
      if (k > 0 || r > 0) first[`s${k}`] = plus(form, offset(k * J * m + 1));
    }
    net.add({ ...first, ...gather(r), ...carry() });

    // Unit steps at the start of block k, one cell wide; the very first block has none to cross.
    const step = (k: number, value: Dyadic): Form =>
      k === 0 && r === 0 ? { _: value } : { [`t${k}`]: value, [`s${k}`]: times({ x: value }, -1)["x"] };
    const kept: Record<string, Form> = r === 0 ? {} : Object.fromEntries(results.map((name) => [name, { [name]: 1 }]));
    const second: Record<string, Form> = {};
    for (let j = 0; j < J; j++) {
      const word: Form[] = [];
      const level: Form[] = [];
      for (let k = 0; k <= K; k++) {
        const now = k < K ? contents((r * K + k) * J + j) : EMPTY;
        const before = k > 0 ? contents((r * K + k - 1) * J + j) : EMPTY;
        word.push(step(k, subtract(now.word, before.word)));
        level.push(step(k, subtract(now.level, before.level)));
      }
      second[`S${j}`] = plus(...word);
      second[`Q${j}`] = plus(...level);
    }
    const position: Form[] = [{ t0: 1, [`t${K}`]: -1 }];
    for (let k = 1; k <= K; k++) position.push({ [`t${k}`]: -J * m, [`s${k}`]: J * m });
    const v = plus(...position);
    second["r0"] = v;
    for (let j = 1; j < J; j++) {
      second[`r${j}`] = plus(v, offset(j * m));
      second[`q${j}`] = plus(v, offset(j * m + 1));
    }
    net.add({ ...second, [T]: { [`t${K}`]: 1 }, ...kept, ...carry() });

    const third: Record<string, Form> = {};
    const part: Record<string, Value> = { r0: 1 };
    for (let j = 0; j < J; j++) {
      const select: Record<string, Value> = { _: j === 0 ? 0 : -1 };
      if (j > 0) Object.assign(select, { [`r${j}`]: 1, [`q${j}`]: -1 });
      if (j < J - 1) Object.assign(select, { [`r${j + 1}`]: -1, [`q${j + 1}`]: 1 });
      third[`y${j}`] = { ...select, [`S${j}`]: 1 };
      third[`z${j}`] = { ...select, [`Q${j}`]: 1 };
      if (j > 0) Object.assign(part, { [`r${j}`]: -m, [`q${j}`]: m });
    }
    if (r > 0) part[`v${own}`] = 1;
    const earlier: Record<string, Form> =
      r === 0 ? {} : { [results[0]]: { [results[0]]: 1 }, [results[1]]: { [results[1]]: 1 } };
    net.add({ ...third, [`v${own}`]: part, ...(r < R - 1 ? { [T]: { [T]: 1 } } : {}), ...earlier, ...carry() });
  }
  const kept: Record<string, Form> = own === "A" ? { TB: { TB: 1 } } : { wA: { wA: 1 }, VA: { VA: 1 }, vA: { vA: 1 } };
  net.add({ ...gather(R), ...kept, ...fold.step(), one: { _: 2 ** a } });
}

interface Contents {
  /** Slope bits with guard digits, below 2/3. */
  readonly word: Dyadic;
  /** Level at the start, above −2·2^n units, as a fraction of 8·2^n units: at most 1/2. */
  readonly level: Dyadic;
}

const EMPTY: Contents = { word: ZERO, level: ZERO };

/** The sub-blocks of a copy whose first one starts `shift` cells in; cells beyond the end count as falling. */
function subBlocks({ n, bits, ...path }: Path, m: number, shift: number): (index: number) => Contents {
  const levels = pathLevels({ n, bits, ...path });
  const made = new Map<number, Contents>();
  return (index) => {
    let contents = made.get(index);
    if (contents === undefined) {
      const from = index * m + shift;
      const own = Array.from({ length: m }, (_, k) => bits[from + k] ?? 0);
      contents = { word: guardedWord(own), level: dyadic(BigInt(levels[from]! + 2 * 2 ** n), n + 3) };
      made.set(index, contents);
    }
    return contents;
  };
}

/** Extraction of one copy: L collects its level (8·2^n units are 1) from V − v/(8·2^n), gaining 2/(8·2^n) per rising cell. */
function copyForms(own: string, n: number) {
  const name = (stem: string): string => `${stem}${own}`;
  const w = name("w");
  const threshold = (form: Form): Record<string, Form> => ({
    [name("p")]: plus(times(form, 3), { _: -0.5 }),
    [name("q")]: plus(times(form, 3), { _: -1.5 }),
  });
  const gain = 2 ** -(n + 2);
  return {
    gain,
    start: {
      [w]: { [w]: 1 },
      ...threshold({ [w]: 1 }),
      [name("a")]: { [name("v")]: 1 },
      [name("b")]: { [name("v")]: 1, _: -1 },
      [name("L")]: { [name("V")]: 1, [name("v")]: -gain / 2 },
    } as Record<string, Form>,
    extract(j: number, last: boolean): Record<string, Form> {
      const layer: Record<string, Form> = {
        [name("prod")]: { [name("a")]: 1, [name("b")]: -1, [name("p")]: 1, [name("q")]: -1, _: -1 },
        [name("L")]: j === 0 ? { [name("L")]: 1 } : { [name("L")]: 1, [name("prod")]: gain },
      };
      if (last) return layer;
      const form: Form = { [w]: 4, [name("p")]: -2, [name("q")]: 2 };
      return {
        ...layer,
        [w]: form,
        ...threshold(form),
        [name("a")]: { [name("b")]: 1 },
        [name("b")]: { [name("b")]: 1, _: -1 },
      };
    },
  };
}
