// Affine forms over the neurons of a ReLU network, from which its layers are made: what an ONNX graph of linear operators and ReLUs means.
import {
  add,
  type Dyadic,
  type DyadicNetwork,
  dyadic,
  type Layer,
  multiply,
  negate,
  ONE,
  subtract,
  ZERO,
} from "../regimes/index.ts";

/** bias + Σ weight·neuron; neurons are inputs and outputs of ReLUs, by number. */
export interface Affine {
  readonly bias: Dyadic;
  readonly terms: ReadonlyMap<number, Dyadic>;
}

export function constantForm(bias: Dyadic): Affine {
  return { bias, terms: new Map() };
}

/** Σ factor·form + bias. */
export function combine(parts: Iterable<readonly [Affine, Dyadic]>, bias: Dyadic = ZERO): Affine {
  const terms = new Map<number, Dyadic>();
  for (const [form, factor] of parts) {
    if (factor.numerator === 0n) continue;
    bias = add(bias, multiply(form.bias, factor));
    for (const [neuron, weight] of form.terms) {
      const sum = add(terms.get(neuron) ?? ZERO, multiply(weight, factor));
      if (sum.numerator === 0n) terms.delete(neuron);
      else terms.set(neuron, sum);
    }
  }
  return { bias, terms };
}

/** Collects the neurons of a network and lays them out in layers. */
export class AffineNetwork {
  /** Per neuron: its layer (inputs 0) and what goes into its ReLU (inputs: undefined). */
  private readonly neurons: { level: number; form: Affine | undefined }[] = [];
  private weights = 0;

  /** @param limit non-zero weights at most */
  constructor(
    private readonly inputs: number,
    private readonly limit: number,
  ) {
    for (let i = 0; i < inputs; i++) this.neurons.push({ level: 0, form: undefined });
  }

  input(i: number): Affine {
    return { bias: ZERO, terms: new Map([[i, ONE]]) };
  }

  /** ReLU of forms that belong together: they get one layer. */
  relu(forms: readonly Affine[]): Affine[] {
    const level = 1 + forms.reduce((most, form) => Math.max(most, this.level(form)), 0);
    return forms.map((form) => {
      this.count(form);
      this.neurons.push({ level, form });
      return { bias: ZERO, terms: new Map([[this.neurons.length - 1, ONE]]) };
    });
  }

  /** The network that computes the forms; neurons of earlier layers travel along, as 1·x under a ReLU that does not touch them. */
  build(outputs: readonly Affine[]): DyadicNetwork {
    for (const form of outputs) this.count(form);
    const depth = 1 + outputs.reduce((most, form) => Math.max(most, this.level(form)), 0);
    const needed = new Array<number>(this.neurons.length).fill(0);
    const use = (form: Affine, at: number): void => {
      for (const neuron of form.terms.keys()) needed[neuron] = Math.max(needed[neuron]!, at);
    };
    for (const form of outputs) use(form, depth);
    // Later neurons only use earlier ones, so one pass from the end settles which are needed at all.
    for (let n = this.neurons.length - 1; n >= this.inputs; n--) {
      const { level, form } = this.neurons[n]!;
      if (needed[n]! > 0) use(form!, level);
    }
    const levels: number[][] = Array.from({ length: depth }, () => []);
    this.neurons.forEach(({ level }, n) => {
      if (needed[n]! > 0 || level === 0) levels[level]!.push(n);
    });

    /** How each neuron is read from the layer before; an input that travels is the difference of its two halves. */
    let read = new Map<number, readonly (readonly [index: number, weight: Dyadic])[]>();
    for (const n of levels[0]!) read.set(n, [[n, ONE]]);
    const layers: Layer[] = [];
    for (let level = 1; level < depth; level++) {
      const layer: { bias: Dyadic; indices: number[]; weights: Dyadic[] }[] = [];
      const next: typeof read = new Map();
      for (const [n, sources] of read) {
        if (needed[n]! <= level) continue;
        const signed = this.neurons[n]!.level === 0;
        const halves = signed && level === 1 ? [ONE, negate(ONE)] : undefined;
        if (halves !== undefined) {
          next.set(
            n,
            halves.map((sign, k) => [layer.length + k, sign] as const),
          );
          for (const sign of halves) layer.push({ bias: ZERO, indices: [sources[0]![0]], weights: [sign] });
        } else {
          next.set(
            n,
            sources.map(([, weight], k) => [layer.length + k, weight] as const),
          );
          for (const [index] of sources) layer.push({ bias: ZERO, indices: [index], weights: [ONE] });
        }
      }
      for (const n of levels[level]!) {
        next.set(n, [[layer.length, ONE]]);
        layer.push(row(this.neurons[n]!.form!, read));
      }
      layers.push(layer);
      read = next;
    }
    layers.push(outputs.map((form) => row(form, read)));
    return { inputs: this.inputs, layers };
  }

  private level({ terms }: Affine): number {
    let most = 0;
    for (const neuron of terms.keys()) most = Math.max(most, this.neurons[neuron]!.level);
    return most;
  }

  private count({ terms }: Affine): void {
    this.weights += terms.size;
    if (this.weights > this.limit)
      throw new RangeError(`"limit" expected to cover the network's weights, but there are more than ${this.limit}`);
  }
}

function row(form: Affine, read: ReadonlyMap<number, readonly (readonly [number, Dyadic])[]>) {
  const sum = new Map<number, Dyadic>();
  for (const [neuron, weight] of form.terms) {
    for (const [index, factor] of read.get(neuron)!)
      sum.set(index, add(sum.get(index) ?? ZERO, multiply(weight, factor)));
  }
  const entries = [...sum].filter(([, weight]) => weight.numerator !== 0n);
  return { bias: form.bias, indices: entries.map(([index]) => index), weights: entries.map(([, weight]) => weight) };
}

/** max over the forms of each group, by pairs: max(x, y) = x + ReLU(y − x). */
export function maximum(network: AffineNetwork, groups: readonly (readonly Affine[])[]): Affine[] {
  let rest = groups.map((group) => [...group]);
  while (rest.some((group) => group.length > 1)) {
    const pairs = rest.flatMap((group) =>
      Array.from({ length: group.length >> 1 }, (_, k) => [group[2 * k]!, group[2 * k + 1]!] as const),
    );
    const gains = network.relu(
      pairs.map(([x, y]) =>
        combine([
          [y, ONE],
          [x, MINUS_ONE],
        ]),
      ),
    );
    let at = 0;
    rest = rest.map((group) => {
      const next: Affine[] = [];
      for (let k = 0; k + 1 < group.length; k += 2)
        next.push(
          combine([
            [group[k]!, ONE],
            [gains[at++]!, ONE],
          ]),
        );
      if (group.length % 2 === 1) next.push(group.at(-1)!);
      return next;
    });
  }
  return rest.map((group) => group[0]!);
}

export const MINUS_ONE: Dyadic = dyadic(-1n);

/** x cut to [low, high]: low + ReLU(x − low) − ReLU(x − high). */
export function clip(
  network: AffineNetwork,
  forms: readonly Affine[],
  low: Dyadic,
  high: Dyadic | undefined,
): Affine[] {
  const shifted = (form: Affine, by: Dyadic): Affine => ({ bias: subtract(form.bias, by), terms: form.terms });
  const uppers = high === undefined ? [] : forms.map((form) => shifted(form, high));
  const made = network.relu([...forms.map((form) => shifted(form, low)), ...uppers]);
  return forms.map((_, i) => {
    const parts: (readonly [Affine, Dyadic])[] = [[made[i]!, ONE]];
    if (high !== undefined) parts.push([made[forms.length + i]!, MINUS_ONE]);
    return combine(parts, low);
  });
}
