import { isRecord, wrongKind } from "../core/index.ts";
import { Accumulator } from "./accumulator.ts";
import { fuse } from "./fuse.ts";
import { Rational } from "./rational.ts";
import { checkWeights, digitsOf, termWeight, type WeightSeries } from "./weights.ts";

/** A linear layer of a basis model: integers on a lattice that all summands share. */
export interface BasisLayer {
  /** Output channels. */
  readonly rows: number;
  /** Weights of one output channel. */
  readonly columns: number;
  /** i32 [rows][columns], in units of `scales`. */
  readonly weights: Int32Array;
  /** f32 [rows]: the lattice that the layer was made on. */
  readonly scales: Float32Array;
  /** What the scales have been multiplied by, per row; absent: 1. An element of a group, which float32 factors are not: see `Rational`. */
  readonly factors?: readonly Rational[];
  /** f32 [rows]; absent where another summand owns it. */
  readonly bias?: Float32Array;
}

function checkMap(layers: unknown): void {
  if (!(layers instanceof Map)) throw wrongKind("layers", "a Map", layers);
}

/**
 * One low-bit model of the series: the linear layers of a network with integer weights. Basis models may be spread over workers; what they
 * send each other are the accumulators of a layer, which are added (`Accumulator`) before bias and nonlinearity run once.
 *
 * What is *not* true, though it is often said: that the outputs of whole basis models, run end to end, add up to the model's output.
 * relu(x) + relu(−x) is not relu(0), and even linear layers in a row have cross terms.
 *
 * Source: FP=xINT (arXiv 2412.06865), model expansion, with the corrections of this project.
 */
export class BasisModel {
  constructor(
    /** By name. */
    readonly layers: ReadonlyMap<string, BasisLayer>,
  ) {
    checkMap(layers);
  }

  /**
   * One basis model per term, most significant first. Biases, zero points and outliers belong to the first.
   *
   * @param layers - series with all terms loaded, and biases, by name
   */
  static terms(layers: ReadonlyMap<string, { series: WeightSeries; bias?: Float32Array }>): BasisModel[] {
    checkMap(layers);
    for (const layer of layers.values()) checkWeights(layer?.series);
    const count = Math.max(0, ...[...layers.values()].map(({ series }) => series.terms));
    return Array.from({ length: count }, (_, i) => {
      const parts = [...layers].map(([name, { series, bias }]): [string, BasisLayer] => {
        const { rows, columns, scales } = series;
        const weights = i === 0 ? Int32Array.from(fuse(series, 1)) : termOf(series, i);
        return [name, { rows, columns, weights, scales, ...(i === 0 && bias !== undefined ? { bias } : {}) }];
      });
      return new BasisModel(new Map(parts));
    });
  }

  /**
   * The layer's product with integer activations, modulo 2³².
   *
   * @param activations - q − z, [columns][samples]
   * @returns [rows, samples]
   */
  accumulate(name: string, activations: Int32Array): Accumulator {
    const { rows, columns, weights } = this.layer(name);
    const samples = activations.length / columns;
    if (!Number.isInteger(samples)) {
      throw new RangeError(`"activations" expected a multiple of ${columns} values, got ${activations.length}`);
    }
    const data = new Int32Array(rows * samples);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        const w = weights[r * columns + c]!;
        for (let n = 0; n < samples; n++) {
          const at = r * samples + n;
          data[at] = (data[at]! + Math.imul(w, activations[c * samples + n]!)) | 0;
        }
      }
    }
    return new Accumulator([rows, samples], data);
  }

  /**
   * What the layer gives for a complete accumulator: dequantized once, then the bias.
   *
   * @param activationScale - of the activations that were accumulated
   * @returns f32 [rows][samples]
   */
  output(name: string, sum: Accumulator, activationScale: number): Float32Array {
    const layer = this.layer(name);
    const { rows, bias } = layer;
    const scales = scalesOf(layer);
    const samples = sum.data.length / rows;
    return Float32Array.from(sum.data, (value, i) => {
      const r = Math.floor(i / samples);
      const scaled = Math.fround(Math.fround(value) * Math.fround(activationScale * scales[r]!));
      return scaled + (bias?.[r] ?? 0);
    });
  }

  private layer(name: string): BasisLayer {
    const layer = this.layers.get(name);
    if (layer === undefined) {
      throw new RangeError(`"name" expected one of ${[...this.layers.keys()].join(", ")}, got ${JSON.stringify(name)}`);
    }
    return layer;
  }
}

function checkModel(name: string, model: unknown): void {
  if (!(model instanceof BasisModel)) throw wrongKind(name, "a BasisModel", model);
}

/**
 * Model(W₁) ⊎ Model(W₂) = Model(W₁ + W₂), layer by layer: associative, commutative, and equal to adding the accumulators of every layer.
 *
 * @throws RangeError when the models are not isomorphic, lie on different lattices, both own a bias, or a sum leaves int32
 * @example
 * const whole = BasisModel.terms(layers).reduce(abelianAdd);
 */
export function abelianAdd(a: BasisModel, b: BasisModel): BasisModel {
  for (const [name, model] of Object.entries({ a, b })) checkModel(name, model);
  const layers = new Map<string, BasisLayer>();
  if (a.layers.size !== b.layers.size) {
    throw new RangeError(`expected models of as many layers, got ${a.layers.size} and ${b.layers.size}`);
  }
  for (const [name, one] of a.layers) {
    const two = b.layers.get(name);
    if (two === undefined) throw new RangeError(`expected models of the same layers; only one has "${name}"`);
    if (one.rows !== two.rows || one.columns !== two.columns) {
      throw new RangeError(
        `layer "${name}" expected [${one.rows},${one.columns}] in both models, got [${two.rows},${two.columns}]`,
      );
    }
    const sameFactors = (r: number): boolean => factorOf(one, r).equals(factorOf(two, r));
    if (!one.scales.every((s, r) => s === two.scales[r] && sameFactors(r))) {
      throw new RangeError(`layer "${name}" expected the same scales in both models: sums need one lattice`);
    }
    if (one.bias !== undefined && two.bias !== undefined) {
      throw new RangeError(`the bias of layer "${name}" expected one owner, got two: it would be counted twice`);
    }
    const weights = one.weights.map((w, e) => w + two.weights[e]!);
    if (!weights.every((w, e) => w === one.weights[e]! + two.weights[e]!)) {
      throw new RangeError(`layer "${name}": a sum of weights leaves int32`);
    }
    const bias = one.bias ?? two.bias;
    layers.set(name, { ...one, weights, ...(bias === undefined ? {} : { bias }) });
  }
  return new BasisModel(layers);
}

/**
 * Multiplies the scales of layers by positive factors per row: an action of the group of positive rationals, which acts on the sums only after
 * they have been dequantized. The order of factors does not matter, a factor and its inverse leave the model as it was, and
 * f ˆ* (m₁ ⊎ m₂) = (f ˆ* m₁) ⊎ (f ˆ* m₂). A float32 scale is read from the product of all factors, rounded once (`scalesOf`); multiplying float32
 * scales instead would depend on the order in 936 of 1,000 products of four factors.
 *
 * @param factors - by layer, one per row, floats taken at their own value; layers without stay as they are
 * @throws RangeError for unknown layers, wrong lengths, or factors that are not positive and finite
 * @example
 * const back = abelianMul(abelianMul(model, new Map([["fc", [third]]])), new Map([["fc", [third.inverse()]]]));
 */
export function abelianMul(model: BasisModel, factors: ReadonlyMap<string, ArrayLike<number | Rational>>): BasisModel {
  checkModel("model", model);
  if (!((factors as unknown) instanceof Map)) throw wrongKind("factors", "a Map from layers to factors", factors);
  const layers = new Map(model.layers);
  for (const [name, given] of factors) {
    const layer = layers.get(name);
    if (layer === undefined) throw new RangeError(`"factors" names the layer "${name}", which the model does not have`);
    const own = Array.from(given);
    const isFactor = (f: number | Rational): boolean =>
      f instanceof Rational || (f > 0 && f < Number.POSITIVE_INFINITY);
    if (own.length !== layer.rows || !own.every(isFactor)) {
      throw new RangeError(`"factors" of layer "${name}" expected ${layer.rows} positive numbers`);
    }
    const product = own.map((f, r) => factorOf(layer, r).times(f instanceof Rational ? f : Rational.of(f)));
    layers.set(name, { ...layer, factors: product });
  }
  return new BasisModel(layers);
}

/**
 * The scales of a layer with its factors, each rounded to float32 once.
 *
 * @throws RangeError when one is 0, subnormal or infinite
 */
export function scalesOf(layer: BasisLayer): Float32Array {
  if (!isRecord(layer) || !(layer.scales instanceof Float32Array))
    throw wrongKind("layer", "a layer of a BasisModel", layer);
  if (layer.factors === undefined) return layer.scales;
  return layer.scales.map((s, r) => (s === 0 ? 0 : Rational.of(s).times(factorOf(layer, r)).toFloat32()));
}

function factorOf({ factors }: BasisLayer, row: number): Rational {
  return factors?.[row] ?? Rational.one;
}

/** D_i · B^(k−i), zeros for a series that has no such term. */
function termOf(series: WeightSeries, i: number): Int32Array {
  if (i >= series.terms) return new Int32Array(series.rows * series.columns);
  const weight = termWeight(series, i);
  return Int32Array.from(digitsOf(series, i), (digit) => digit * weight);
}
